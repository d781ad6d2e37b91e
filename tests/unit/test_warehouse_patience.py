import inspect
import re
import time

import pytest

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.warehouse.failures import Unavailable
from llm_engineering.infrastructure.warehouse.patience import patiently
from llm_engineering.infrastructure.warehouse.sql import SqlWarehouse


class Flaky:
    """Fails so many times, and then answers."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error or Unavailable("the database is away")

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error
        return self.calls


def test_work_is_repeated_until_the_database_is_back() -> None:
    assert patiently(Flaky(3), 5.0) == 4


def test_patience_ends() -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match="away"):
        patiently(Flaky(1_000), 0.3)
    assert time.monotonic() - started < 30


def test_without_patience_nothing_is_repeated() -> None:
    work = Flaky(1)
    with pytest.raises(Unavailable):
        patiently(work, 0.0)
    assert work.calls == 1


def test_a_run_that_is_held_by_another_one_is_no_reason_to_wait() -> None:
    work = Flaky(1, BackendError("collection x is held by run 7", transient=True))
    with pytest.raises(BackendError, match="held"):
        patiently(work, 5.0)
    assert work.calls == 1


def test_every_transaction_of_the_warehouse_is_patient() -> None:
    methods = {name: getattr(SqlWarehouse, name) for name in dir(SqlWarehouse) if callable(getattr(SqlWarehouse, name))}
    impatient = [
        name
        for name, method in methods.items()
        if inspect.isfunction(inspect.unwrap(method))
        and re.search(r"_database\.(reading|writing)\(\)", inspect.getsource(inspect.unwrap(method)))
        and not hasattr(method, "__wrapped__")
    ]
    assert impatient == []
