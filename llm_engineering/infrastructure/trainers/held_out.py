"""The rows that no trainer may see."""

from collections.abc import Iterable

from llm_engineering.domain.datasets import DatasetRow, Split, documents_learned
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.training import Row, TrainingData


def check_rows(data: TrainingData[Row]) -> None:
    """Refuse data with held-out rows, without rows, or with a document in two splits.

    Raises:
        UsageError: it has them.
    """
    _check_split(data.train, Split.TRAIN, data.reference)
    _check_split(data.validation, Split.VALIDATION, data.reference)
    if not data.train:
        raise UsageError(f"data set {data.reference} has no row to learn from (split train); make a larger one")
    shared = documents_learned(data.train) & {row.document_id for row in data.validation} - {""}
    if shared:
        raise UsageError(
            f"data set {data.reference}: {len(shared)} documents, {min(shared)!r} among them, are in the training and "
            "in the validation split; what is chosen by documents that were learned is no choice. Make it again"
        )


def _check_split(rows: Iterable[DatasetRow], split: Split, reference: str) -> None:
    for row in rows:
        if row.split != split:
            raise UsageError(
                f"row {row.id!r} of data set {reference} is of split {row.split!r}, and was given to learn from or to "
                f"choose by as {split.value!r}; held-out rows are for evaluation only"
            )
