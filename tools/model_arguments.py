"""What may be typed after `python -m tools.models`."""

import argparse
from collections.abc import Callable
from typing import Any

from tools.command_line import add_config_options

COMMANDS = {
    "list": "list the models and their versions; says where ZenML shows something else",
    "show": "print the card of a version, with its verdicts",
    "compare": "compare two versions: settings, data, figures, and the last verdict between them",
    "promote": "build, evaluate and judge a version, and put it into production if it passes",
    "rollback": "put back into production what was there before, model and index together",
    "import": "take in a model from a folder, or a pinned revision from the Hugging Face hub",
    "export": "write a language model for Ollama and llama.cpp (gguf), or for vLLM (huggingface)",
    "harness": "print the command that measures a language model with the lm-evaluation-harness; --run runs it",
    "push": "send a version to the Hugging Face hub; private unless --public",
    "sync": "let ZenML show what the registry has",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m tools.models", description="Look after registered models.")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        _ARGUMENTS[name](command)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--no-zenml", action="store_true", help="leave ZenML alone, which takes seconds to start")
    return made


def _of_compare(command: argparse.ArgumentParser) -> None:
    command.add_argument("left", metavar="NAME@NUMBER")
    command.add_argument("right", metavar="NAME@NUMBER")


def _of_promote(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME[@NUMBER]")
    add_config_options(command)


def _of_import(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="SOURCE", help="a folder, or OWNER/NAME on the hub (with --revision)")
    command.add_argument("name", metavar="NAME", help="what the registry is to call it")
    command.add_argument("--kind", choices=["embedder", "reranker", "llm"], default="embedder")
    command.add_argument("--revision", default="", metavar="COMMIT", help="of the hub: 40 hex digits")
    command.add_argument("--licence", default="", help="what its card says of the licence")


def _of_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME[@NUMBER]")
    command.add_argument("--format", choices=["gguf", "huggingface"], required=True)
    command.add_argument("--to", required=True, metavar="FOLDER", help="a new folder")
    command.add_argument("--precision", choices=["auto", "f32", "f16", "bf16", "q8_0"], default="auto", help="of GGUF")


def _of_harness(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME[@NUMBER]")
    command.add_argument("--tasks", required=True, metavar="TASK,TASK", help="for example hellaswag,arc_easy")
    command.add_argument("--limit", type=int, metavar="N", help="examples of a task at most")
    command.add_argument("--output", default="", metavar="FOLDER", help="where results go")
    command.add_argument("--run", action="store_true", help="run it, instead of printing it alone")


def _of_push(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@NUMBER")
    command.add_argument("repository", metavar="OWNER/NAME")
    command.add_argument("--public", action="store_true", help="let everybody see it")


def _of_name(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", nargs="?", default="")


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], Any]] = {
    "list": _of_name,
    "show": lambda command: command.add_argument("model", metavar="NAME[@NUMBER]", type=str),
    "compare": _of_compare,
    "promote": _of_promote,
    "rollback": lambda command: command.add_argument("name", metavar="NAME", type=str),
    "import": _of_import,
    "export": _of_export,
    "harness": _of_harness,
    "push": _of_push,
    "sync": _of_name,
}
