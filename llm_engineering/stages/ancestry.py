"""What a candidate learnt from beside the data set that judges: its own, and those of models that it began with."""

from collections.abc import Iterator
from itertools import chain

from llm_engineering.application.datasets.held_out import TRAINABLE
from llm_engineering.bootstrap import Workspace, open_datasets, open_registry
from llm_engineering.domain.datasets import DatasetCard, DatasetRow
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel


def learnt_elsewhere(model: RegisteredModel, judge: DatasetCard, workspace: Workspace) -> list[DatasetRow]:
    """Return the rows of other data sets than the one that judges which a candidate and its bases learnt from.

    Raises:
        UsageError: such a data set is gone or another one by now, so nobody can say what was learnt.
    """
    learnt = {one.dataset: one for one in _line(model, workspace) if one.dataset and not one.is_pretrained}
    return list(
        chain.from_iterable(
            _rows(one, workspace) for name, one in sorted(learnt.items()) if one.dataset_digest != judge.digest
        )
    )


def _line(model: RegisteredModel, workspace: Workspace) -> Iterator[RegisteredModel]:
    """Yield the candidate, the registered models whose weights it began with, what these began with, and so on.

    A language model is alone: what it is fine-tuned with before is of another kind than what judges it.
    """
    yield model
    if model.kind == "llm":
        return
    registry = open_registry(workspace)
    known = [version for name in registry.names() for version in registry.versions(name)]
    wanted, seen = [model.base_digest], {""}
    while wanted:
        if (weights := wanted.pop()) in seen:
            continue
        seen.add(weights)
        for one in known:
            if one.weights == weights:
                yield one
                wanted.append(one.base_digest)


def _rows(model: RegisteredModel, workspace: Workspace) -> list[DatasetRow]:
    store = open_datasets(workspace)
    unsure = f"{model.reference} learnt from data set {model.dataset}, and nobody can say whether it saw held-out rows"
    try:
        card = store.find(model.dataset)
        rows = store.table(card)
    except UsageError as error:
        raise UsageError(f"{unsure}: {error}") from error
    if card.digest != model.dataset_digest:
        raise UsageError(
            f"{unsure}: the model's card says digest {model.dataset_digest[:12]}, the store {card.digest[:12]}"
        )
    return [row for row in rows if row.split in TRAINABLE]
