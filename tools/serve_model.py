"""Serve a registered language model in OpenAI's shape: `python -m tools.serve_model NAME`."""

import argparse
import signal
import sys
from types import FrameType

from tools.command_line import FAILED, OK, guarded


class _Stopped(BaseException):
    """A signal asked to stop."""


def main() -> int:
    """Parse the arguments, start the server, say when it answers, wait for a signal."""
    arguments = _parser().parse_args()

    from llm_engineering.bootstrap import Workspace
    from llm_engineering.infrastructure.llms.model_server import running, served_model
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("INFO")
    home = Workspace().home
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        served = served_model(
            arguments.model, home, host=arguments.host, port=arguments.port, engine=arguments.engine, key=arguments.key
        )
        with running(served, home, arguments.wait) as process:
            print(f"{served.model.reference} answers at {served.base_url} ({served.engine}; Ctrl+C ends it)")
            print("the assistant uses it with this line of YAML:")
            print(served.yaml, flush=True)
            code = process.wait()
        print(f"the server ended by itself with exit code {code}", file=sys.stderr)
    except _Stopped:
        return OK
    return FAILED


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)  # what is being ended is ended once
    raise _Stopped


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.serve_model", description="Serve a registered language model in OpenAI's shape."
    )
    parser.add_argument("model", metavar="NAME[@NUMBER]", help="a model of the registry; NAME: what is in production")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen at (default: 8001); 0: any free one")
    parser.add_argument(
        "--engine", choices=["auto", "transformers", "vllm"], default="auto", help="auto: vLLM where there is a GPU"
    )
    parser.add_argument("--key", default="", metavar="VARIABLE", help="environment variable with the key (vLLM)")
    parser.add_argument("--wait", type=float, default=600.0, metavar="SECONDS", help="for the first answer")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
