"""Work in processes beside this one: the same results in the same order, and nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_engineering.application import features
from llm_engineering.application.chunking import ByFormat
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.application.text import Tokenizing
from llm_engineering.config import FeatureConfig
from llm_engineering.domain.documents import Document
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports import Executor
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.executors import Local
from llm_engineering.infrastructure.observability.progress import silent
from llm_engineering.infrastructure.processes import is_alive
from tests.ray_cluster import Doubling

BESIDE = Local(processes=2, worthwhile=0)


def numbers(count: int) -> Iterator[list[int]]:
    return ([number] for number in range(count))


def features_by(executor: Executor, home: Path) -> tuple[object, ...]:
    texts = (f"# Nr {number}\n\nDocument {number} says {'this and that. ' * number}" for number in range(150))
    documents = [Document(f"{n}.md", "s", "markdown", text) for n, text in enumerate(texts)]
    tokenizer = partial(Hashing().open_tokenizer, home)
    cleaned = list(features.clean_documents(documents, Cleaning(), silent, executor))
    chunks = list(features.chunk_documents(cleaned, ByFormat(), tokenizer, silent, executor))
    return cleaned, chunks, list(features.tokenize_chunks(chunks, Tokenizing(), tokenizer, silent, executor))


def test_several_processes_make_what_one_makes(tmp_path: Path) -> None:
    with Local().open(150) as one, BESIDE.open(150) as two:
        assert features_by(one, tmp_path) == features_by(two, tmp_path)


def test_results_come_in_order_few_ahead_and_an_error_is_raised_as_itself() -> None:
    taken: list[int] = []

    def counted() -> Iterator[list[int]]:
        for batch in numbers(1000):
            taken.append(batch[0])
            yield batch

    with BESIDE.open(1) as executor:
        assert list(executor.map(Doubling(), numbers(40))) == [[2 * number] for number in range(40)]
        results = executor.map(Doubling(), counted())
        assert [next(results) for _ in range(20)] == [[2 * number] for number in range(20)]
        assert len(taken) < 30
        with pytest.raises(UsageError, match="7 cannot be doubled"):
            list(executor.map(Doubling(bad=7), numbers(40)))


def test_a_process_that_dies_ends_the_work_with_a_sentence() -> None:
    with BESIDE.open(1) as executor, pytest.raises(BackendError, match=r"a process .* ended with code"):
        list(executor.map(Doubling(deadly=3), numbers(40)))


def test_little_work_starts_no_process_and_work_that_cannot_be_sent_is_done_here() -> None:
    with Local(processes=2, worthwhile=10).open(9) as executor:
        assert type(executor).__name__ == "_Here"
    here = os.getpid()

    class Unsendable:
        def open(self) -> object:
            return lambda rows: [os.getpid() for _ in rows]

    with BESIDE.open(1) as executor:
        assert list(executor.map(Unsendable(), numbers(2))) == [[here], [here]]  # type: ignore[arg-type]


def test_the_settings_are_checked() -> None:
    config = FeatureConfig.model_validate({"executor": {"kind": "local", "processes": None}})
    assert config.executor == Local(processes=None)
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Local(processes=0)


_PARENT = """
import sys, time
from llm_engineering.infrastructure.executors.local_pool import LocalPool
from tests.own_functions import Numbered
results = LocalPool(2).map(Numbered(), ([number] for number in range(100)))
print(*{next(results)[0] for _ in range(90)}, flush=True)
time.sleep(600)
"""


def test_no_process_outlives_the_one_that_was_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        children = [int(number) for number in parent.stdout.readline().split()]
        assert children
        assert all(map(is_alive, children))
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(map(is_alive, children)):
        assert time.monotonic() < deadline, "the processes live on"
        time.sleep(0.1)


def test_what_is_not_needed_is_not_imported() -> None:
    code = (
        "import sys, llm_engineering.infrastructure.executors.local_worker, llm_engineering.application.works\n"
        "print([name for name in ('torch', 'zenml', 'ray', 'sqlalchemy', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
