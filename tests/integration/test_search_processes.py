"""Searches in processes of their own: the same port, the same answers, and none of them goes back in time."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from owl_index import run, searcher, texts

from llm_engineering.bootstrap import Workspace
from llm_engineering.config import AssistantConfig, read_config
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.conditions import condition_of
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.vector_stores.versions import Overtaken
from llm_engineering.serving.search_processes import SearchProcesses
from llm_engineering.serving.search_worker import portable

WAIT = 120.0


@contextmanager
def processes(count: int = 1) -> Iterator[SearchProcesses]:
    opened = SearchProcesses(
        read_config(AssistantConfig, None, ["embedding.kind=hashing"]), Workspace().settings, count
    )
    try:
        yield opened
    finally:
        opened.close()


def children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.name == "search" and child.pid]


def test_a_process_answers_as_the_searcher_does() -> None:
    run(texts(1))
    limited = Access(sources=("elsewhere",))
    with processes() as there, searcher() as here:
        asked = {"query": "owl sleeps in elm", "access": ALL, "k": 2}
        assert there.search(**asked).hits == here.search(**asked).hits
        found, own = there.look_up(**asked), here.look_up(**asked)
        assert (found.retrieved.hits, found.documents, found.manifest) == (
            own.retrieved.hits,
            own.documents,
            own.manifest,
        )
        assert set(found.documents) == {hit.document_id for hit in found.retrieved.hits}
        assert there.manifest() == here.manifest()
        assert there.facets(ALL) == here.facets(ALL)
        first = found.retrieved.hits[0].document_id
        assert there.document(first, ALL) == here.document(first, ALL) != None  # noqa: E711 - all three at once
        assert there.document(first, limited) is None
        assert there.search("owl", access=limited).hits == ()
        nowhere = condition_of({"source": "nowhere"})
        assert there.search("owl", access=ALL, filter=nowhere).hits == ()


def test_errors_cross_as_what_they_are() -> None:
    with processes() as there:
        with pytest.raises(UsageError, match="run the feature pipeline first"):
            there.search("owl", access=ALL)
        run(texts(1))
        with pytest.raises(UsageError, match="the query is empty"):
            there.search("  ", access=ALL)
        assert len(there.search("owl", access=ALL).hits) == 3
    overtaken = portable(Overtaken(1, 2, "default"))
    assert (type(overtaken), str(overtaken)) == (BackendError, str(Overtaken(1, 2, "default")))
    waits = portable(BackendError("busy", transient=True, retry_after=3.0))
    assert isinstance(waits, BackendError)
    assert (waits.transient, waits.retry_after) == (True, 3.0)


def test_a_process_that_is_killed_is_replaced_and_no_search_fails() -> None:
    run(texts(1))
    with processes(2) as there:
        assert len(there.search("owl", access=ALL).hits) == 3
        before = children()
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        for _ in range(4):
            assert len(there.search("owl", access=ALL).hits) == 3
        assert len(children()) == 2
        assert before[0] not in children()
        assert before[1] in children()


def test_searches_that_wait_for_a_process_that_is_killed_are_made_by_the_one_that_replaces_it() -> None:
    run(texts(1))
    with processes() as there, ThreadPoolExecutor(6) as threads:
        assert len(there.search("owl", access=ALL).hits) == 3
        killed = children()[0]
        os.kill(killed, signal.SIGSTOP)
        asked = [threads.submit(there.search, f"owl {number}", access=ALL) for number in range(6)]
        time.sleep(0.5)  # one of them is with the process, which does not move, the others wait
        os.kill(killed, signal.SIGKILL)
        found = [search.result(WAIT) for search in asked]
        assert [one.query for one in found] == [f"owl {number}" for number in range(6)]
        assert all(len(one.hits) == 3 for one in found)
        assert killed not in children()


def test_a_call_that_cannot_be_handed_over_fails_and_no_other() -> None:
    run(texts(1))
    with processes() as there, ThreadPoolExecutor(6) as threads:
        assert len(there.search("owl", access=ALL).hits) == 3
        asked = [threads.submit(there.search, f"owl {number}", access=ALL) for number in range(3)]
        with pytest.raises((AttributeError, pickle.PicklingError)):
            there.search("owl", access=ALL, filter=lambda: "no condition")  # type: ignore[arg-type]
        asked += [threads.submit(there.search, f"owl {number}", access=ALL) for number in range(3, 6)]
        assert [search.result(WAIT).query for search in asked] == [f"owl {number}" for number in range(6)]


def test_a_process_that_is_killed_between_two_replies_of_a_request_loses_none() -> None:
    run(texts(1))
    with processes() as there, ThreadPoolExecutor(12) as threads:
        for _ in range(4):
            asked = [threads.submit(there.search, f"owl {number}", access=ALL) for number in range(12)]
            asked[3].result(WAIT)
            os.kill(children()[0], signal.SIGKILL)
            assert [search.result(WAIT).query for search in asked] == [f"owl {number}" for number in range(12)]


def test_a_search_that_nobody_awaits_any_more_is_left_out() -> None:
    run(texts(1))
    with processes() as there:
        assert len(there.search("owl", access=ALL).hits) == 3
        os.kill(children()[0], signal.SIGSTOP)
        asked = [there.begin_search(f"owl {number}", access=ALL) for number in range(6)]
        until = time.monotonic() + WAIT
        while not asked[0].running() and time.monotonic() < until:
            time.sleep(0.01)
        assert asked[5].cancel()  # four at the most are with the process
        assert not asked[0].cancel()
        os.kill(children()[0], signal.SIGCONT)
        for number, search in enumerate(asked):
            assert number == 5 or search.result(WAIT).query == f"owl {number}"


def test_while_no_process_can_be_started_searches_fail_and_afterwards_they_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(texts(1))
    with processes() as there:
        assert len(there.search("owl", access=ALL).hits) == 3

        def refused() -> None:
            raise OSError("no more processes")

        with monkeypatch.context() as patch:
            patch.setattr(there, "_started", refused)
            os.kill(children()[0], signal.SIGKILL)
            for _ in range(2):
                with pytest.raises(BackendError, match="the processes that searched ended"):
                    there.search("owl", access=ALL)
        assert len(there.search("owl", access=ALL).hits) == 3


def test_signals_of_the_terminal_are_left_to_the_service() -> None:
    run(texts(1))
    with processes() as there:
        there.manifest()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(children()[0], number)
        assert len(there.search("owl", access=ALL).hits) == 3


def test_no_search_sees_an_older_publication_than_one_before_it() -> None:
    run(texts(1))
    seen: list[int] = []
    stop = threading.Event()
    with processes(2) as there:

        def ask() -> None:
            while not stop.is_set():
                found = there.look_up("owl sleeps", access=ALL, k=3)
                runs = {int(hit.text.split("run ")[1].split()[0]) for hit in found.retrieved.hits}
                told = {int(document.text.split("run ")[1].split()[0]) for document in found.documents.values()}
                assert runs == told
                seen.extend(runs)

        for _ in range(2):
            there.manifest()
        asking = threading.Thread(target=ask)
        asking.start()
        until = time.monotonic() + WAIT
        for number in range(2, 6):
            run(texts(number))
            while (not seen or seen[-1] < number) and asking.is_alive() and time.monotonic() < until:
                time.sleep(0.02)
        stop.set()
        asking.join(WAIT)
    assert seen[-1] == 5
    assert seen == sorted(seen)


def test_what_is_closed_searches_no_more_and_leaves_no_process_behind() -> None:
    run(texts(1))
    with processes(2) as there:
        assert len(there.search("owl", access=ALL).hits) == 3
        there.close()
        assert children() == []
        with pytest.raises(BackendError, match="the search was closed"):
            there.search("owl", access=ALL)


def test_closing_ends_a_process_that_does_not_answer_and_tells_who_waits_for_it() -> None:
    run(texts(1))
    with processes() as there:
        assert len(there.search("owl", access=ALL).hits) == 3
        os.kill(children()[0], signal.SIGSTOP)
        asked = [there.begin_search(f"owl {number}", access=ALL) for number in range(3)]
        started = time.monotonic()
        there.close()
        assert time.monotonic() - started < WAIT
        assert children() == []
        for search in asked:
            with pytest.raises(BackendError, match="the search was closed"):
                search.result(WAIT)
