"""Whether what readers see can be compared with a candidate's index: asked before that is built, and after."""

from collections.abc import Sequence

from llm_engineering.application import planning, promotion
from llm_engineering.application.datasets import held_questions
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.bootstrap.duplicates import duplicates_finder, settings_of
from llm_engineering.config import PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, HeldQuestion, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.ports import VectorStore, Warehouse
from llm_engineering.infrastructure.registries import exact


def check_comparable(
    config: PromotionConfig, left: RegisteredModel | None, questions: Sequence[HeldQuestion], run: int
) -> None:
    """Refuse what could not be compared, before minutes are spent on the candidate's index.

    Raises:
        UsageError: as `comparable_index` does; or no question is one about documents of the index.
    """
    workspace = Workspace()
    with workspace.warehouse() as warehouse, workspace.store(config.load, run) as store:
        active = comparable_index(store, warehouse, config, left, builds=True)
        promotion.answers_of(questions, warehouse.indexed_places(config.load.collection, active.version))


def questions_for(card: DatasetCard, workspace: Workspace) -> list[HeldQuestion]:
    """Return the held-out questions of a data set."""
    return held_questions(open_datasets(workspace).rows(card, [Split.TEST]))


def comparable_index(
    store: VectorStore, warehouse: Warehouse, config: PromotionConfig, left: RegisteredModel | None, *, builds: bool
) -> IndexManifest:
    """Return what readers see. Where the candidate `builds` an index, it must be of the model in production and hold
    the documents that the candidate's will hold.

    Raises:
        UsageError: it does not, or there is nothing; a comparison would be one of documents, not of models.
    """
    active = store.active()
    if active is None:
        raise UsageError(
            f"collection {config.load.collection!r} has no active index to compare with; run the feature pipeline "
            "first, or give the configuration of the collection that the candidate is for (--config)"
        )
    if builds:
        if left is not None:
            _check_serves(active, left, config)
        section, sources = config.load.collection, config.select.sources
        finder = duplicates_finder(settings_of(active), Workspace().home, section, sources, warehouse)
        behind = planning.changes(warehouse, section, active.version, sources, finder)
        if behind.new or behind.changed or behind.removed:
            raise UsageError(
                f"the active index {active.version} is behind the warehouse ({len(behind.new)} new, "
                f"{len(behind.changed)} changed, {len(behind.removed)} removed documents); run the feature pipeline "
                "first, or the comparison would be one of documents, not of models"
            )
    return active


def _check_serves(active: IndexManifest, left: RegisteredModel, config: PromotionConfig) -> None:
    """Refuse to compare with an index that is not of the model in production.

    Raises:
        UsageError: somebody switched the index alone, so a worse candidate could pass.
    """
    if active.model.name != exact(left):
        raise UsageError(
            f"collection {config.load.collection!r} shows version {active.version}, made with model "
            f"{active.model.name!r}, but {left.reference} is in production: the candidate would not be compared with "
            f"what it is to follow. Show the index of {left.reference} again (`python -m tools.index versions` lists "
            "what there is, `python -m tools.index activate VERSION` shows one), or go back with "
            f"`python -m tools.models rollback {left.name}`"
        )
