"""Search the index: `python -m tools.search "QUERY"`."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tools.command_line import DEFAULT_CONFIG, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.domain.queries import Hit


def main() -> int:
    """Parse the arguments, search, print the hits."""
    arguments = _parser().parse_args()

    from llm_engineering import stages
    from llm_engineering.application.retrieval import parse_filters
    from llm_engineering.application.text.visible import visible
    from llm_engineering.config import AssistantConfig, read_config
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    queries = _queries(arguments.query, arguments.queries)
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    config = read_config(AssistantConfig, path, arguments.overrides)
    found = stages.search(config, queries, parse_filters(arguments.filter), arguments.k)
    if arguments.json:
        rows = [{"query": query, "hits": _as_dicts(hits)} for query, hits in zip(queries, found, strict=True)]
        print(json.dumps(rows if arguments.queries else rows[0]["hits"], ensure_ascii=False))
    else:
        print(visible("\n\n".join(_for_people(query, hits) for query, hits in zip(queries, found, strict=True))))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.search", description="Search the index.")
    parser.add_argument("query", nargs="?", help="what to look for")
    parser.add_argument("--queries", type=Path, metavar="FILE", help="a file with one query on each line")
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="FILTER",
        help="only hits that fulfil it: key=value, key!=value, key>=3, 'key in a,b', or JSON; repeatable",
    )
    parser.add_argument("-k", type=_positive, metavar="K", help="how many hits (default: retrieval.k)")
    add_config_options(parser)
    parser.add_argument("--json", action="store_true", help="print the hits as JSON")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hits; use 1 or more")
    return int(text)


def _queries(query: str | None, file: Path | None) -> list[str]:
    """Return the query given, or the lines of the file."""
    from llm_engineering.domain.errors import UsageError

    if (query is None) == (file is None):
        raise UsageError("give either one query or --queries FILE")
    if query is not None:
        queries = [query.strip()]
    else:
        try:
            queries = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]  # type: ignore[union-attr]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the queries in {file}: {error}") from None
    if not queries or not all(queries):
        raise UsageError("the query is empty; type what you are looking for")
    return queries


def _as_dicts(hits: Sequence["Hit"]) -> list[dict[str, object]]:
    return [asdict(hit) | {"metadata": dict(hit.metadata), "scores": dict(hit.scores)} for hit in hits]


def _for_people(query: str, hits: Sequence["Hit"]) -> str:
    lines = [f"{query}"]
    for rank, hit in enumerate(hits, start=1):
        text = " ".join(hit.text.split())
        lines.append(f"{rank:>3}. {hit.score:.3f}  {hit.title or hit.uri}")
        lines.append(f"     {hit.uri} [{hit.start}:{hit.end}]")
        lines.append(f"     {text[:300]}{'…' if len(text) > 300 else ''}")
    return "\n".join(lines if hits else [*lines, "     nothing found"])


if __name__ == "__main__":
    sys.exit(guarded(main))
