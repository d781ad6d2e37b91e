"""What the evaluation of language models is made of: the very models, the rows, how models at addresses are asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.splitting import fraction
from llm_engineering.application.instructions.material import Count, Inquiry, Replies
from llm_engineering.application.instructions.writing import Asking
from llm_engineering.application.llm_evaluation import LlmEvaluationSettings
from llm_engineering.application.llm_evaluation.judged import Ask
from llm_engineering.application.promotion.leaks import questions_in_common
from llm_engineering.bootstrap.instructions import open_writer
from llm_engineering.bootstrap.llms import model_identity, open_llms
from llm_engineering.bootstrap.training import open_datasets
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.config.llm_evaluation import LlmEvaluationConfig
from llm_engineering.domain.datasets import DatasetCard, Split
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.domain.instructions import Instruction, Preference
from llm_engineering.domain.llm_evaluation import EvaluatedModel
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders.model_source import cached, packaged
from llm_engineering.infrastructure.llms import HuggingFace, LlmSpec
from llm_engineering.infrastructure.registries import FileRegistry

if TYPE_CHECKING:
    from llm_engineering.infrastructure.evaluations.llms import LlmEvaluationFiles
    from llm_engineering.infrastructure.trainers.language.loading import Base


def open_llm_evaluations(workspace: Workspace) -> "LlmEvaluationFiles":
    """Return the store of evaluations of language models of a home."""
    from llm_engineering.infrastructure.evaluations.llms import LlmEvaluationFiles

    return LlmEvaluationFiles(workspace.home)


def held_out_rows(settings: LlmEvaluationSettings, workspace: Workspace) -> tuple[DatasetCard, list[Instruction], int]:
    """Return the data set, the held-out rows that are asked, and how many there are in all.

    Raises:
        UsageError: there is no such data set, it is of another kind, or it has no held-out rows.
    """
    store = open_datasets(workspace)
    card = store.find(settings.dataset)
    if card.kind != "instruction":
        raise UsageError(
            f"data set {card.reference} is of kind {card.kind!r}; models are compared on one of kind 'instruction' "
            "(`poetry poe run-instruct-dataset-pipeline` makes one): name it in llm_evaluation.dataset"
        )
    rows = list(store.rows_of(Instruction, card, [Split.TEST]))
    if not rows:
        raise UsageError(
            f"data set {card.reference} has no held-out rows (split test); it has {dict(card.rows)}. Make it again "
            "with a larger instructions.shares.test"
        )
    order = {row.id: place for place, row in enumerate(rows)}
    chosen = sorted(rows, key=lambda row: (fraction("asked", row.id), row.id))[: settings.rows]
    return card, sorted(chosen, key=lambda row: order[row.id]), len(rows)


def named_models(
    config: LlmEvaluationConfig, rows: Sequence[Instruction], workspace: Workspace, *, fetch: bool = True
) -> tuple[EvaluatedModel, ...]:
    """Return the very versions of the models that are to be compared.

    Without `fetch`, a model of the hub that is not on this machine is taken by its name.

    Raises:
        UsageError: none is named, one cannot be found, is no language model, or two names mean the same.
    """
    names = config.llm_evaluation.models
    if not names:
        known = ", ".join(name for name in FileRegistry(workspace.home).names()) or "none yet"
        raise UsageError(
            "name the models to compare in llm_evaluation.models: registry:NAME[@NUMBER] (the registry has: "
            f"{known}), a folder, a name on the hub, or the name of one of `llms` "
            f"({', '.join(spec.name for spec in config.llms) or 'none'})"
        )
    specs = {spec.name: spec for spec in config.llms}
    found = [_named(name, specs.get(name), rows, workspace, fetch=fetch) for name in names]
    for place, one in enumerate(found):
        if twice := next((other for other in found[:place] if other.reference == one.reference), None):
            raise UsageError(f"{one.name!r} and {twice.name!r} are the same model, {one.reference}; name it once")
    return tuple(found)


def base_of(model: EvaluatedModel, workspace: Workspace) -> "Base":
    """Find a model of this process again, and compare it with what was named.

    Raises:
        UsageError: its weights are others by now.
    """
    from llm_engineering.infrastructure.trainers.language.judging import found_model

    base = found_model(model.path, model.revision, workspace.home)
    if base.digest != model.weights:
        raise UsageError(
            f"the weights of {model.reference} are {base.digest[:12]}… by now, and {model.weights[:12]}… when the run "
            "began; run again"
        )
    return base


def asker(config: LlmEvaluationConfig, section: Asking, workspace: Workspace) -> Ask:
    """Return how a model behind an address is asked: what it said before for this home is not asked again."""
    write = open_writer(config.llms, workspace)

    def ask(inquiries: Sequence[Inquiry], count: Count) -> Replies:
        return write(section, inquiries, count) if inquiries else Replies(model=section.llm)

    return ask


def judge_spec(config: LlmEvaluationConfig) -> LlmSpec | None:
    """Return the model that judges, or None.

    Raises:
        UsageError: there is no such model.
    """
    judge = config.llm_evaluation.judge
    if judge is None:
        return None
    known = {spec.name: spec for spec in config.llms}
    name = judge.llm or next(iter(known), "")
    if name not in known:
        raise UsageError(
            f"llm_evaluation.judge asks for the model {judge.llm or '(the first one)'!r}; the models under `llms` are "
            f"{', '.join(known) or 'none'}: add it there, or set llm_evaluation.judge to null"
        )
    return known[name]


def price_of(spec: LlmSpec, input_tokens: int, output_tokens: int, workspace: Workspace) -> float | None:
    """Return what so many tokens cost in US dollars, None where the price is not known. Nothing is asked."""
    return open_llms([spec.model_copy(update={"fallback": ()})], None, workspace)[spec.name].card.cost(
        input_tokens, output_tokens
    )


def _named(
    name: str, spec: LlmSpec | None, rows: Sequence[Instruction], workspace: Workspace, *, fetch: bool
) -> EvaluatedModel:
    if spec is not None and not isinstance(spec, HuggingFace):
        return EvaluatedModel(name=name, reference=name, llm=name, template=digest(model_identity(spec))[:16])
    from llm_engineering.infrastructure.trainers.language.judging import found_model, template_digest

    path, revision = (spec.model, spec.revision) if isinstance(spec, HuggingFace) else (name, None)
    if spec is None and path in FileRegistry(workspace.home).names() and not Path(path).is_dir():
        raise UsageError(f"{path!r} is a model of the registry; name it registry:{path} in llm_evaluation.models")
    if not fetch and _is_away(path, revision, workspace.home):
        return EvaluatedModel(name=name, reference=path, path=path, revision=revision)
    base = found_model(path, revision, workspace.home)
    registered = FileRegistry(workspace.home).find(base.name) if base.name.startswith("registry:") else None
    return EvaluatedModel(
        name=name,
        reference=base.name if registered else _reference(path),
        weights=base.digest,
        template=template_digest(base),
        path=base.name if registered else path,
        revision=revision,
        registered=_card(registered),
        seen=_seen(registered, rows, workspace) if registered else -1,
    )


def _is_away(path: str, revision: str | None, home: Path) -> bool:
    """Tell whether a name is one of the hub whose files would have to be fetched."""
    if path.startswith(("registry:", ".", "/", "~")) or Path(path).is_dir():
        return False
    return packaged(path) is None and cached(path, revision, home) is None


def _reference(path: str) -> str:
    folder = Path(path).expanduser()
    return str(folder.resolve()) if folder.is_dir() else path


def _card(model: RegisteredModel | None) -> RegisteredModel | None:
    """Return what the report says of a registered model: no files, no curve."""
    return model.model_copy(update={"files": (), "training": None, "settings": {}}) if model else None


def _seen(model: RegisteredModel, rows: Sequence[Instruction], workspace: Workspace) -> int:
    """Count the held-out rows whose instruction a model learnt from, as its data set says; -1: nobody knows."""
    store = open_datasets(workspace)
    try:
        card = store.find(model.dataset) if model.dataset else None
        if card is None or card.kind not in ("instruction", "preference"):
            return -1
        kind: type[Instruction] | type[Preference] = Instruction if card.kind == "instruction" else Preference
        return questions_in_common(store.rows_of(kind, card, [Split.TRAIN, Split.VALIDATION]), rows)
    except LLMEngineeringError:
        return -1
