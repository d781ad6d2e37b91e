"""Look after models: `python -m tools.models list | show | compare | promote | rollback | …`."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.command_line import DEFAULT_CONFIG, FAILED, OK, add_config_options, guarded

if TYPE_CHECKING:
    from llm_engineering.domain.models import RegisteredModel

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


def main() -> int:
    """Parse the arguments and call the command."""
    arguments = _parser().parse_args()
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.bootstrap.promoting import settle
    from llm_engineering.infrastructure.observability.logs import configure_logging

    configure_logging("WARNING")
    settle(Workspace())
    return int(globals()[f"_{arguments.command}"](arguments))


def _list(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace, open_registry

    registry = open_registry(Workspace())
    names = [arguments.name] if arguments.name else registry.names()
    models = [model for name in names for model in registry.versions(name)]
    if arguments.name and not models:
        registry.find(arguments.name)  # says what there is
    differences = [] if arguments.no_zenml else _differences(names)
    if arguments.json:
        print(json.dumps({"models": [model.model_dump(mode="json") for model in models], "differences": differences}))
        return OK
    for model in models:
        figures = ", ".join(f"{name} {figure}" for name, figure in list(model.metrics.items())[:2])
        print(
            f"{model.reference:<28} {model.stage:<11} {model.kind:<10} {model.weights[:12] or '-':<13} "
            f"{model.dataset or '-':<28} {figures}"
        )
    if not models:
        print("the registry has no model yet; train one (poetry poe run-training-pipeline), or import one")
    for difference in differences:
        print(f"{difference}; mend it with `python -m tools.models sync`", file=sys.stderr)
    return OK


def _show(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace, open_registry

    registry = open_registry(Workspace())
    model = registry.find(arguments.model)
    verdicts = [path for path in registry.verdicts(model.name) if path.name.startswith(f"{model.number}-")]
    if arguments.json:
        kept = [json.loads(path.read_text(encoding="utf-8")) for path in verdicts]
        print(json.dumps({"model": model.model_dump(mode="json"), "verdicts": kept}))
        return OK
    import yaml

    facts = model.model_dump(mode="json", exclude={"training", "metrics"})
    facts["metrics"] = {name: str(figure) for name, figure in model.metrics.items()}
    facts["training"] = model.training.model_dump(mode="json", exclude={"curve"}) if model.training else None
    print(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip())
    for path in verdicts:
        print(f"verdict: {path}")
        print("\n".join(f"  {check['name']}: {check['detail']}" for check in json.loads(path.read_text())["checks"]))
    return OK


def _compare(arguments: argparse.Namespace) -> int:
    from llm_engineering.promotions import compare_models

    difference = compare_models(arguments.left, arguments.right)
    print(difference.model_dump_json() if arguments.json else difference.summary())
    return OK


def _promote(arguments: argparse.Namespace) -> int:
    from llm_engineering.config import PromotionConfig, read_config
    from tools.plain_run import run_pipeline

    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
    overrides = [*arguments.overrides, f"promotion.model={arguments.model}"]
    outcome = run_pipeline("promotion", read_config(PromotionConfig, path, overrides).resolved())
    if outcome.error:
        print(f"failed: {outcome.error}", file=sys.stderr)
    _mirror(arguments, arguments.model.partition("@")[0])
    print(outcome.report.model_dump_json() if arguments.json else outcome.report.summary())
    return FAILED if outcome.error else OK


def _rollback(arguments: argparse.Namespace) -> int:
    from llm_engineering.promotions import rollback

    report = rollback(arguments.name)
    print(report.model_dump_json() if arguments.json else f"{report}", flush=True)
    _mirror(arguments, arguments.name)
    return OK


def _import(arguments: argparse.Namespace) -> int:
    from llm_engineering import promotions

    facts = (arguments.source, arguments.name, arguments.kind, arguments.revision, arguments.licence)
    model = promotions.import_model(*facts)
    _mirror(arguments, model.name)
    return _print(model, as_json=arguments.json)


def _export(arguments: argparse.Namespace) -> int:
    from llm_engineering import promotions

    done = promotions.export_model(arguments.model, arguments.to, arguments.format, arguments.precision)
    print(done.model_dump_json() if arguments.json else done)
    return OK


def _harness(arguments: argparse.Namespace) -> int:
    from llm_engineering import promotions
    from llm_engineering.infrastructure.exports.harness import as_typed

    command = promotions.harness_command(arguments.model, arguments.tasks, arguments.limit, arguments.output)
    print(json.dumps({"command": command}) if arguments.json else as_typed(command), flush=True)
    if not arguments.run:
        return OK
    import subprocess

    return OK if subprocess.run(command, check=False).returncode == 0 else FAILED  # noqa: S603 - printed above


def _push(arguments: argparse.Namespace) -> int:
    from llm_engineering import promotions

    url = promotions.push_model(arguments.model, arguments.repository, public=arguments.public)
    print(json.dumps({"url": url}) if arguments.json else f"pushed to {url}")
    return OK


def _sync(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace, open_registry
    from tools.zenml_home import prepare_zenml

    registry = open_registry(Workspace())
    if arguments.name:
        registry.find(arguments.name)
    prepare_zenml()
    from steps.registry import show

    mended = [text for name in ([arguments.name] if arguments.name else registry.names()) for text in show(name)]
    print(
        json.dumps({"mended": mended}) if arguments.json else "\n".join(mended) or "ZenML shows what the registry has"
    )
    return OK


def _print(model: "RegisteredModel", *, as_json: bool) -> int:
    print(model.model_dump_json() if as_json else f"{model.reference} is in the registry, weights {model.weights}")
    return OK


def _differences(names: Any) -> list[str]:
    from tools.zenml_home import prepare_zenml

    if not names:
        return []
    prepare_zenml()
    from steps.registry import disagreements

    return [text for name in names for text in disagreements(name)]


def _mirror(arguments: argparse.Namespace, name: str) -> None:
    """Let ZenML show it too. What counts has happened by now, so a ZenML that is away is no failure."""
    if arguments.no_zenml:
        return
    try:
        from tools.zenml_home import prepare_zenml

        prepare_zenml()
        from steps.registry import show

        show(name)
    except Exception as error:  # noqa: BLE001 - ZenML's server, database and client raise anything
        print(f"ZenML could not be told ({error}); `python -m tools.models sync {name}` does it", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.models", description="Look after registered models.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        _ARGUMENTS[name](command)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--no-zenml", action="store_true", help="leave ZenML alone, which takes seconds to start")
    return parser


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


if __name__ == "__main__":
    sys.exit(guarded(main))
