"""What becomes of documents that the warehouse does not hold as they were stored."""

from collections.abc import Iterator
from contextlib import contextmanager

from llm_engineering.domain.errors import DamagedDocuments
from llm_engineering.domain.ports import Warehouse


@contextmanager
def read_again(warehouse: Warehouse, run: int) -> Iterator[None]:
    """Let the next run read documents that turn out to be damaged from their sources again.

    Raises:
        DamagedDocuments: there are some.
    """
    try:
        yield
    except DamagedDocuments as error:
        warehouse.doubt(error.ids, run)
        raise
