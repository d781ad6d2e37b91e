"""What a process that searches does with the calls of one request."""

from collections.abc import Collection
from typing import Any

import pytest

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.serving.search_worker import Call, Reply, Request, answer

ASKED = [Call("search", ("owl",), {"k": 1}), Call("facets", (), {}), Call("look_up", ("elm",), {})]


class Pipe:
    """One request, and the replies to it."""

    def __init__(self, calls: list[Call], publication: str = "1") -> None:
        self.request = Request(calls, publication)
        self.replies: list[Reply] = []

    def recv(self) -> Request:
        return self.request

    def send(self, reply: Reply) -> None:
        self.replies.append(reply)


class Searcher:
    """Notes in which order it is called."""

    def __init__(self, publication: str = "1", broken: str = "", fault: Exception | None = None) -> None:
        self.publication = publication
        self.done: list[Any] = []
        self.broken, self.fault = broken, fault

    def learn(self, queries: Collection[str]) -> None:
        self._do("learn", *queries)

    def look(self) -> None:
        self._do("look")
        self.publication = "2"

    def search(self, query: str, k: int | None = None) -> str:
        return self._do("search", query, k)

    def look_up(self, query: str) -> str:
        return self._do("look_up", query)

    def facets(self) -> str:
        return self._do("facets")

    def _do(self, *what: Any) -> str:
        self.done.append(what)
        if self.fault and what[0] == self.broken:
            raise self.fault
        return str(what[0])


def answered(calls: list[Call], searcher: Searcher, publication: str = "1") -> list[Reply]:
    pipe = Pipe(calls, publication)
    answer(pipe, searcher)  # type: ignore[arg-type]
    return pipe.replies


def test_questions_are_embedded_together_and_answered_in_their_order() -> None:
    searcher = Searcher()
    assert answered(ASKED, searcher) == [Reply(name, None, "1") for name in ("search", "facets", "look_up")]
    assert searcher.done == [("learn", "owl", "elm"), ("search", "owl", 1), ("facets",), ("look_up", "elm")]


def test_one_question_is_embedded_by_its_own_search() -> None:
    searcher = Searcher()
    answered(ASKED[:2], searcher)
    assert searcher.done == [("search", "owl", 1), ("facets",)]


@pytest.mark.parametrize("fault", [BackendError("no model"), RuntimeError("a defect")])
def test_what_goes_wrong_with_all_is_told_by_each_for_itself(fault: Exception) -> None:
    searcher = Searcher(broken="learn", fault=fault)
    assert [reply.value for reply in answered(ASKED, searcher)] == ["search", "facets", "look_up"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(UsageError("empty"), UsageError), (BackendError("gone"), BackendError), (KeyError("x"), RuntimeError)],
)
def test_a_fault_of_one_call_is_its_own(fault: Exception, kind: type[Exception]) -> None:
    replies = answered(ASKED, Searcher(broken="search", fault=fault))
    assert type(replies[0].error) is kind
    assert [reply.value for reply in replies[1:]] == ["facets", "look_up"]


def test_it_looks_what_is_published_when_others_have_seen_something_else() -> None:
    searcher = Searcher(publication="1")
    replies = answered(ASKED[:1], searcher, publication="2")
    assert searcher.done == [("look",), ("search", "owl", 1)]
    assert replies == [Reply("search", None, "2")]
