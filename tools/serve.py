"""Serve the assistant over HTTP: `python -m tools.serve`."""

import argparse
import sys
from contextlib import ExitStack

from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded


def main() -> int:
    """Parse the arguments, open what the service is made of, serve until a signal comes."""
    arguments = _parser().parse_args()

    from llm_engineering.bootstrap import Workspace
    from llm_engineering.config import AssistantConfig, read_config
    from llm_engineering.infrastructure.observability.logs import configure_logging
    from llm_engineering.serving.composing import opened
    from llm_engineering.serving.server import listening, serve

    configure_logging("INFO")
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    overrides = [*arguments.overrides]
    overrides += [f"serving.host={arguments.host}"] if arguments.host else []
    overrides += [f"serving.port={arguments.port}"] if arguments.port is not None else []
    config = read_config(AssistantConfig, path, overrides)
    with ExitStack() as stack:
        listener = stack.enter_context(listening(config.serving))
        app = opened(config, Workspace(), stack)
        serve(app, listener, _announce)
    return OK


def _announce(address: str) -> None:
    print(f"The assistant answers at {address} (Ctrl+C ends it)", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.serve", description="Serve the assistant over HTTP.")
    parser.add_argument("--host", help="address to listen at (default: serving.host); beyond loopback it needs keys")
    parser.add_argument("--port", type=int, help="port to listen at (default: serving.port); 0: any free one")
    add_config_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
