"""Find the documents that questions name: by id, URI, `URI#key`, record key, or the end of a URI."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from llm_engineering.domain.datasets import HeldQuestion
from llm_engineering.domain.documents import Place
from llm_engineering.domain.evaluation import Question


def relevant_documents(questions: Sequence[Question | HeldQuestion], places: Iterable[Place]) -> list[frozenset[str]]:
    """Return for each question the ids of the documents that answer it; none where no place has such a name.

    A name may mean several documents (a record key that two sources have): then each of them is an answer. The end of
    a URI (`guide/install.md`) counts only if nothing has the whole name.
    """
    wanted = {name for question in questions for name in question.documents}
    exact: dict[str, set[str]] = defaultdict(set)
    loose: dict[str, set[str]] = defaultdict(set)
    for place in places:
        for name in wanted.intersection(_names(place)):
            exact[name].add(place.id)
        for name in wanted.intersection(_endings(place)):
            loose[name].add(place.id)
    found = {name: exact.get(name) or loose.get(name) or set() for name in wanted}
    return [frozenset().union(*(found[name] for name in question.documents)) for question in questions]


def _names(place: Place) -> tuple[str, ...]:
    return (place.id, place.uri, f"{place.uri}#{place.key}", place.key) if place.key else (place.id, place.uri)


def _endings(place: Place) -> Iterator[str]:
    """Yield what follows each slash of the URI."""
    rest = place.uri
    while "/" in rest:
        rest = rest.partition("/")[2]
        yield rest
