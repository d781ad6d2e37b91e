"""Forget a document, a user or a source, for good: `python -m tools.forget URI | --user NAME | --source NAME`.

It removes raw texts with all their versions, vectors, points in every index version, answers that quote them,
artifacts, exports in the home, and every mention in reports and logs, and remembers digests, so that none of it comes
back. It asks nothing: see first with --dry-run what would go. What used the documents and lies elsewhere is listed at
the end.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from llm_engineering.domain.counting import counted
from tools.command_line import OK, guarded

if TYPE_CHECKING:
    from llm_engineering.domain.erasure import ErasureReport, Target

# So many items of a place are named; --json names all.
SHOWN = 10


def main() -> int:
    """Parse the arguments, forget, print what was removed."""
    arguments = _parser().parse_args()

    from llm_engineering.erasure import forget
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    report = forget(_target(arguments), dry_run=arguments.dry_run)
    print(report.model_dump_json() if arguments.json else summary(report))
    return OK


def summary(report: "ErasureReport") -> str:
    """Return the account for a person."""
    verb = "would forget" if report.dry_run else "forgot"
    lines = [f"{verb} {report.target.kind} {report.target.name}: {counted(report.documents, 'document')}"]
    for found in report.found:
        lines.append(f"  {found}")
        if report.dry_run:
            lines += [f"    {item}" for item in found.items[:SHOWN]]
            lines += [f"    … and {len(found.items) - SHOWN} more"] if len(found.items) > SHOWN else []
    if report.dry_run:
        lines.append("  warehouse and feature store: the documents with all versions, in every collection")
    if report.derivatives:
        lines.append("these used the documents and are still there; make them again, or remove them:")
        lines += [f"  {made.kind} {made.name}, run {made.run}, {made.at}: {made.place}" for made in report.derivatives]
    if report.twins:
        lines.append("these documents have the same text; they stay until you forget them, too:")
        lines += [f"  {uri}" for uri in report.twins]
    return "\n".join([*lines, *report.notes])


def _target(arguments: argparse.Namespace) -> "Target":
    from llm_engineering.domain.erasure import Target
    from llm_engineering.domain.errors import UsageError

    given = {"uri": arguments.uri, "user": arguments.user, "source": arguments.source}
    chosen = [Target(kind=kind, name=name) for kind, name in given.items() if name is not None]
    if len(chosen) != 1 or not chosen[0].name.strip():
        raise UsageError("say what to forget: one URI (or document id), or --user NAME, or --source NAME")
    return chosen[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.forget", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("uri", nargs="?", metavar="URI", help="the URI or id of a document; a path of a file will do")
    parser.add_argument("--user", metavar="NAME", help="a user's full name: everything of which he is the author")
    parser.add_argument("--source", metavar="NAME", help="a source, with everything that came from it")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, and remove nothing")
    parser.add_argument("--json", action="store_true", help="print the account as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
