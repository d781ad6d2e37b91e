"""Serve the index to one MCP client on standard input and output: `python -m tools.mcp`."""

import argparse
import asyncio
import sys

from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded


def main() -> int:
    """Parse the arguments and serve until the client leaves."""
    arguments = _parser().parse_args()

    from functools import partial

    from llm_engineering.bootstrap import open_inference
    from llm_engineering.config import AssistantConfig, read_config
    from llm_engineering.domain.access import Access
    from llm_engineering.domain.errors import UsageError
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    try:
        from llm_engineering.serving.mcp import mcp_server
    except ImportError as error:
        raise UsageError(
            f"the MCP server needs the extra 'mcp' ({error.name} is missing); type: poetry install --extras mcp"
        ) from None
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    config = read_config(AssistantConfig, path, arguments.overrides)
    access = Access(tenants=_some(arguments.tenant), sources=_some(arguments.source))
    # Standard output is the protocol's. The SDK leads whatever else is printed to standard error.
    asyncio.run(mcp_server(partial(open_inference, config), access).run_stdio_async())
    return OK


def _some(names: list[str]) -> tuple[str, ...] | None:
    return tuple(names) or None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.mcp",
        description="Serve search, answers and documents to an MCP client on standard input and output.",
    )
    add_config_options(parser)
    for name in ("tenant", "source"):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="NAME", help=f"only documents of this {name}; repeatable"
        )
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
