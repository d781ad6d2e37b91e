"""Look after data sets: `python -m tools.datasets list | show | push`."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tools.command_line import OK, guarded

if TYPE_CHECKING:
    from llm_engineering.domain.datasets import DatasetCard

COMMANDS = {
    "list": "list the data sets and their versions",
    "show": "print the card of a version, with the figures of its gates and a few rows",
    "push": "send a version to the Hugging Face hub; private unless --public",
}


def main() -> int:
    """Parse the arguments and call the command."""
    arguments = _parser().parse_args()

    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    command: Callable[[argparse.Namespace], int] = globals()[f"_{arguments.command}"]
    return command(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace, open_datasets

    cards = [card for card in open_datasets(Workspace()).all() if arguments.name in ("", card.name)]
    if arguments.json:
        print(json.dumps([card.model_dump(mode="json") for card in cards]))
        return OK
    for card in cards:
        print(f"{card.reference:<32} {card.kind:<12} {_counts(card)}; {card.created_at[:19]}")
    if not cards:
        print("there are no data sets; `poetry poe run-instruct-dataset-pipeline` makes one of an index")
    return OK


def _show(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict
    from itertools import islice

    import yaml

    from llm_engineering.bootstrap import Workspace, open_datasets

    store = open_datasets(Workspace())
    card = store.find(arguments.dataset)
    if arguments.json:
        print(card.model_dump_json())
        return OK
    print(yaml.safe_dump(card.model_dump(mode="json", exclude={"gates"}), sort_keys=False, allow_unicode=True).rstrip())
    for gate in card.gates:
        print(f"gate {gate}")
    for row in islice(store.table(card), arguments.rows):
        print("\n" + yaml.safe_dump(asdict(row), sort_keys=False, allow_unicode=True).rstrip())
    return OK


def _push(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace, open_datasets
    from llm_engineering.infrastructure.datasets.hub import push

    store = open_datasets(Workspace())
    card = store.find(arguments.dataset)
    url = push(card, store.table(card), arguments.repository, public=arguments.public)
    print(json.dumps({"dataset": card.reference, "url": url}) if arguments.json else f"{card.reference} is at {url}")
    return OK


def _counts(card: "DatasetCard") -> str:
    return ", ".join(f"{count} {split}" for split, count in card.rows.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.datasets", description="Look after data sets.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "list":
            command.add_argument("name", metavar="NAME", nargs="?", default="")
        else:
            command.add_argument("dataset", metavar="NAME[@VERSION]")
        if name == "show":
            command.add_argument("--rows", type=int, default=0, metavar="N", help="print the first N rows, too")
        if name == "push":
            command.add_argument("repository", metavar="OWNER/NAME")
            command.add_argument("--public", action="store_true", help="let everybody see it")
    return parser


if __name__ == "__main__":
    sys.exit(guarded(main))
