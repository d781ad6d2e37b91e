"""Look after models: `python -m tools.models list | show | compare | promote | rollback | …`."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from tools.command_line import DEFAULT_CONFIG, FAILED, OK, guarded
from tools.model_arguments import parser

if TYPE_CHECKING:
    from llm_engineering.domain.models import RegisteredModel


def main() -> int:
    """Parse the arguments and call the command."""
    arguments = parser().parse_args()
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
        figures = ", ".join(f"{name} {model.metrics[name]}" for name in _telling(model))
        print(
            f"{model.reference:<28} {model.stage:<11} {model.kind:<10} {model.weights[:12] or '-':<13} "
            f"{model.dataset or '-':<28} {figures}"
        )
    if not registry.names():
        print("the registry has no model yet; train one (poetry poe run-training-pipeline), or import one")
    elif not models:
        print("no version in the registry can be used; the warnings say why")
    for difference in differences:
        print(f"{difference}; mend it with `python -m tools.models sync`", file=sys.stderr)
    return OK


def _telling(model: "RegisteredModel") -> list[str]:
    """Return the two metrics that say most: on held-out questions, if these were asked, and never those of the base."""
    own = [name for name in model.metrics if not name.endswith("/before")]
    first = ("test/ndcg@10", "test/mrr@10")
    return sorted(own, key=lambda name: first.index(name) if name in first else len(first))[:2]


def _show(arguments: argparse.Namespace) -> int:
    from llm_engineering.bootstrap import Workspace, open_registry
    from llm_engineering.promotions import read_verdict

    registry = open_registry(Workspace())
    model = registry.find(arguments.model)
    verdicts = [path for path in registry.verdicts(model.name) if path.name.startswith(f"{model.number}-")]
    if arguments.json:
        kept = [found.model_dump(mode="json") for path in verdicts if (found := read_verdict(path))]
        print(json.dumps({"model": model.model_dump(mode="json"), "verdicts": kept}))
        return OK
    import textwrap

    import yaml

    facts = model.model_dump(mode="json", exclude={"training", "metrics"})
    facts["metrics"] = {name: str(figure) for name, figure in model.metrics.items()}
    facts["training"] = model.training.model_dump(mode="json", exclude={"curve"}) if model.training else None
    print(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip())
    for path in verdicts:
        print(f"verdict: {path}")
        if verdict := read_verdict(path):
            print(textwrap.indent(str(verdict), "  "))
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


if __name__ == "__main__":
    sys.exit(guarded(main))
