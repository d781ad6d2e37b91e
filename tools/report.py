"""Say where the page of a feature run is: `python -m tools.report [--run N]`."""

import argparse
import sys

from tools.command_line import OK, guarded


def main() -> int:
    """Print the path of the newest page, of the page of a run, or of all."""
    arguments = _parser().parse_args()

    from llm_engineering.bootstrap import Workspace
    from llm_engineering.domain.errors import UsageError
    from llm_engineering.infrastructure.run_pages import all_pages

    pages = all_pages(Workspace().home.absolute())
    if not pages:
        raise UsageError("no feature run has left a page in this home yet; `poetry poe run-feature-pipeline` does")
    if arguments.all:
        for run, page in pages.items():
            print(f"run {run}: {page}")
        return OK
    run = next(iter(pages)) if arguments.run is None else arguments.run
    if run not in pages:
        known = ", ".join(map(str, list(pages)[:20]))
        raise UsageError(f"run {run} has no page in this home; these runs have one, the newest first: {known}")
    print(pages[run])
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.report", description="Say where the page of a feature run is: the newest one."
    )
    parser.add_argument("--run", type=int, metavar="N", help="of this run")
    parser.add_argument("--all", action="store_true", help="of all runs, the newest first")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
