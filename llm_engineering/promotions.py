"""Promote and roll back as functions, for command lines and notebooks: one call each, a run each."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from loguru import logger
from pydantic import ValidationError

from llm_engineering import stages
from llm_engineering.bootstrap import Workspace, open_registry
from llm_engineering.bootstrap.promoting import settle
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import ModelKind, RegisteredModel
from llm_engineering.domain.promotions import PromotionReport, PromotionVerdict
from llm_engineering.domain.reports import Report
from llm_engineering.domain.value import Value

if TYPE_CHECKING:
    from llm_engineering.infrastructure.exports import Exported

ROLLBACK = "models rollback"


def rollback(name: str) -> PromotionReport:
    """Put back into production what was there before, model and index version together.

    Raises:
        UsageError: there is no such model, nothing to go back to, or its files or its index are gone.
        BackendError: a run is at work on the model or its collection.
    """
    workspace = Workspace()
    settle(workspace)
    registry = open_registry(workspace)
    registry.find(name)
    back = stages.way_back(name)
    holds = [f"model {name}", *([f"collection {back.collection}"] if back.collection else [])]
    with stages.run_of(ROLLBACK, {"model": name}, holds) as run:
        done = stages.rollback(name, run)
        with workspace.warehouse() as warehouse:
            report = Report(pipeline=ROLLBACK, run=run, index_version=done.index, promotion=done)
            workspace.close_run(warehouse, run, "completed", report.model_dump(mode="json"))
    return done


def import_model(source: str, name: str, kind: ModelKind, revision: str = "", licence: str = "") -> RegisteredModel:
    """Take in a model from a folder, or a pinned revision of the Hugging Face hub.

    It has no training record; it still has to prove itself before it serves.

    Raises:
        UsageError: there is no such model, or its files are not let in.
        BackendError: the hub cannot be reached.
    """
    registry = open_registry(Workspace())
    imported = {"imported": {"source": source, "revision": revision}}
    card = RegisteredModel(
        name=name, number=0, kind=kind, base=f"{source}@{revision}" if revision else source, licence=licence,
        settings=imported,
    )  # fmt: skip
    folder = Path(source).expanduser()
    if folder.is_dir():
        return registry.register(card, folder.resolve())
    if source.startswith((".", "/", "~")):
        raise UsageError(f"there is no folder {source!r}; give a folder, or OWNER/NAME on the hub with --revision")
    from llm_engineering.infrastructure.registries.hub import fetch

    with TemporaryDirectory(prefix="model-", dir=Workspace().home) as place:
        return registry.register(card, fetch(source, revision, Path(place)))


def push_model(reference: str, repository: str, *, public: bool = False) -> str:
    """Send a version to a repository of the Hugging Face hub, a private one unless `public`; return where it is.

    Raises:
        UsageError: there is no such version, its files were changed, or the hub wants a token.
        BackendError: the hub cannot be reached.
    """
    from llm_engineering.infrastructure.registries.hub import push

    registry = open_registry(Workspace())
    model = registry.find(reference)
    return push(model, registry.folder(model), repository, public=public)


def export_model(reference: str, to: str, form: str, precision: str = "auto") -> "Exported":
    """Export a version of a language model to a new folder: `gguf` for Ollama and llama.cpp, or `huggingface`.

    Raises:
        UsageError: there is no such version, it cannot be exported in this form, or the folder is not empty.
        BackendError: it cannot be written.
    """
    from llm_engineering.infrastructure.exports import export_folder, export_gguf

    registry = open_registry(Workspace())
    model = registry.find(reference)
    source, folder = registry.folder(model), Path(to).expanduser()
    return (
        export_folder(model, source, folder) if form == "huggingface" else export_gguf(model, source, folder, precision)
    )


def harness_command(reference: str, tasks: str, limit: int | None = None, output: str = "") -> list[str]:
    """Return the command that measures a version of a language model with the lm-evaluation-harness.

    Raises:
        UsageError: there is no such version, its files were changed, its template is another one, or the harness is
            not installed.
    """
    from llm_engineering.infrastructure.exports.harness import harness_command
    from llm_engineering.infrastructure.llms.templates import check_template

    registry = open_registry(Workspace())
    model = registry.find(reference)
    folder = registry.folder(model)
    command = harness_command(model, folder, tasks, limit=limit, output=output)
    if model.template:
        check_template(folder, model.template, model.reference)
    return command


class ModelDifference(Value):
    """What differs between two versions: facts as (left, right), figures as (left, right), and their verdicts."""

    left: str
    right: str
    facts: dict[str, tuple[str, str]]
    metrics: dict[str, tuple[str, str]]
    verdicts: tuple[PromotionVerdict, ...] = ()

    def summary(self) -> str:
        """Return the differences for a person."""
        lines = [f"{self.left} and {self.right}"]
        for title, table in (("different", self.facts), ("figures", self.metrics)):
            lines += [f"{title}: {name}: {left or '-'} → {right or '-'}" for name, (left, right) in table.items()]
        for verdict in self.verdicts:
            lines.append(f"compared on {verdict.at}:")
            compared = verdict.evidence.comparison.comparisons if verdict.evidence.comparison else ()
            lines += [
                f"  {one.metric} on {one.slice}: {one.before:.3f} → {one.after:.3f}, difference {one.difference}, "
                f"p = {one.adjusted:.4f}, {one.questions} questions: {one.verdict}"
                for one in compared
            ]
        return "\n".join(lines)


def compare_models(left: str, right: str) -> ModelDifference:
    """Compare two versions: settings, data, figures, and what verdicts say of one against the other.

    Raises:
        UsageError: there is no such version.
    """
    registry = open_registry(Workspace())
    models = [registry.find(reference) for reference in (left, right)]
    ones, others = (_facts(model) for model in models)
    facts = {
        name: (ones.get(name, ""), others.get(name, ""))
        for name in dict.fromkeys([*ones, *others])
        if ones.get(name, "") != others.get(name, "")
    }
    names = dict.fromkeys([*models[0].metrics, *models[1].metrics])
    metrics = {name: (_figure(models[0], name), _figure(models[1], name)) for name in names}
    references = {model.reference for model in models}
    paths = dict.fromkeys(path for model in models for path in registry.verdicts(model.name))
    kept = [verdict for path in paths if (verdict := read_verdict(path))]
    between = tuple(one for one in kept if {one.model, one.against} == references)
    return ModelDifference(
        left=models[0].reference, right=models[1].reference, facts=facts, metrics=metrics, verdicts=between
    )


def read_verdict(path: Path) -> PromotionVerdict | None:
    """Return a kept verdict; None, with a warning, for one that is damaged.

    Of one that was refused for a figure that is no number, null is kept in its place: it comes without its evidence.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        try:
            return PromotionVerdict.model_validate(found)
        except ValidationError:
            return PromotionVerdict.model_validate({**found, "evidence": {}})
    except (OSError, ValueError, TypeError) as error:
        logger.warning("the verdict {} is left out: {}", path, type(error).__name__)
        return None


def _figure(model: RegisteredModel, name: str) -> str:
    return str(model.metrics[name]) if name in model.metrics else ""


def _facts(model: RegisteredModel) -> dict[str, str]:
    """Return what makes a version what it is, by dotted keys."""
    wanted = ("kind", "weights", "base", "base_digest", "dataset", "dataset_digest", "licence", "template", "stage")
    facts = {name: str(getattr(model, name)) for name in wanted}
    facts |= _flat("settings", model.settings)
    if model.training:
        facts |= _flat("training", model.training.model_dump(mode="json", exclude={"curve"}))
    return facts


def _flat(prefix: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {prefix: str(value)}
    return {key: text for name, part in value.items() for key, text in _flat(f"{prefix}.{name}", part).items()}
