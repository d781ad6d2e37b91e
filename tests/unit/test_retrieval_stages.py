"""The optional stages of a search: what each does, what its trace says, and that none can break the search."""

import json
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from llm_engineering.application.retrieval import Means, Reranking, Retrieval, retrieve
from llm_engineering.application.retrieval.expansion import LlmExpansion, RuleExpansion
from llm_engineering.application.retrieval.facets import count_values
from llm_engineering.application.retrieval.fields import metadata_fields, unknown_fields
from llm_engineering.application.retrieval.iterative import LlmIterative, RuleIterative
from llm_engineering.application.retrieval.mmr import Mmr
from llm_engineering.application.retrieval.parents import Parents
from llm_engineering.application.retrieval.self_query import LlmSelfQuery, RuleSelfQuery
from llm_engineering.application.text import Tokenizing
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.conditions import And, Eq, Not, Range
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import BackendError, BudgetExceeded
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.llms import Completion, LlmRequest
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.domain.queries import Hit, Retrieved, StageTrace
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.vector_stores import Memory

EMBEDDER = Hashing(dimension=64).open(Path())
TEXTS = {
    "kubernetes": ("a kubernetes cluster is made with one command", "mlops-zoomcamp"),
    "late": ("homework that is late is not scored", "ml-zoomcamp"),
    "late too": ("homework that is late is not scored .", "ml-zoomcamp"),
    "certificate": ("the certificate is sent after the project", "ml-zoomcamp"),
    "spark": ("spark runs in the cluster of data engineering", "data-engineering-zoomcamp"),
}


@pytest.fixture(scope="module")
def index() -> Iterator[VectorIndex]:
    manifest = IndexManifest(
        version="v7", fingerprint="f", model=EMBEDDER.card, payload_indexes=("metadata.course",), settings={}
    )
    with Memory().open(Path(), "faq").write(manifest) as opened:
        for name, (text, course) in TEXTS.items():
            payload = {
                "document_id": name, "uri": f"file:///{name}", "source": "faq", "title": name, "start": 0,
                "end": len(text), "text": text, "metadata": {"course": course},
            }  # fmt: skip
            vector = array("f", EMBEDDER.embed_query(text))
            opened.upsert([Point(str(uuid5(NAMESPACE_URL, name)), vector, Tokenizing().sparse(text), payload)])
        yield opened


@pytest.mark.parametrize(
    "filter",
    [{"course": "no such"}, {"metadata.course": "x"}, {"source": "y", "title": "z"}, {}, None, {"week": 3}],
)
def test_a_filter_on_fields_that_documents_have_is_right_whatever_it_finds(index: VectorIndex, filter: Any) -> None:
    assert unknown_fields(filter, index, lambda: frozenset({"metadata.week", "metadata.course"})) == ()
    if filter != {"week": 3}:
        assert unknown_fields(filter, index, lambda: pytest.fail("nobody has to look")) == ()


def test_a_field_that_no_document_has_is_named_with_those_that_are_there(index: VectorIndex) -> None:
    misspelt = Not(condition=And(conditions=(Eq(field="cours", value="ml"), Range(field="x" * 99_999, gt=1))))
    first, second = unknown_fields(misspelt, index, lambda: metadata_fields(index, ALL))
    assert "'cours'" in first
    assert "did you mean 'course'? There are: course, source, title, uri" in first
    assert len(second) < 300
    (seen,) = unknown_fields({"cours": "ml"}, index, lambda: frozenset({"metadata.week"}))
    assert "There are: source, title, uri, week" in seen  # and not `course`, which is indexed, of others' documents
    many = {f"no {number}": "x" for number in range(150)}
    assert len(unknown_fields(many, index, lambda: metadata_fields(index, ALL))) == 5
    nothing = Access(tenants=("nobody",))
    assert unknown_fields(misspelt, index, lambda: metadata_fields(index, nothing)) == ()


def search(index: VectorIndex, query: str, means: Means | None = None, **settings: Any) -> Retrieved:
    means = means or Means(facets=lambda: count_values(index, ALL))
    return retrieve(query, index, EMBEDDER, Tokenizing().query, Retrieval(**settings), access=ALL, means=means)


def names(found: Retrieved) -> list[str]:
    return [hit.document_id for hit in found.hits]


def stage(found: Retrieved, name: str) -> StageTrace:
    return next(one for one in found.stages if one.stage == name)


def saying(answer: object) -> Callable[[LlmRequest], Completion]:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return lambda request: Completion(text=text, model="scripted")


def failing(error: Exception) -> Callable[[LlmRequest], Completion]:
    def ask(request: LlmRequest) -> Completion:
        raise error

    return ask


def test_every_search_tells_its_stages_and_its_version(index: VectorIndex) -> None:
    found = search(index, "late homework", k=2)
    assert [one.stage for one in found.stages] == ["candidates", "fusion", "answerability"]
    assert stage(found, "candidates").detail["dense"] == 5
    assert (stage(found, "fusion").given, stage(found, "fusion").left) == (5, 2)
    assert (found.version, found.answerable, found.confidence) == ("v7", True, None)
    assert all(one.seconds >= 0 for one in found.stages)


def test_other_wordings_find_what_the_question_does_not(index: VectorIndex) -> None:
    settings = {"mode": "sparse", "k": 1}
    assert names(search(index, "k8s", **settings)) == []
    expansion = RuleExpansion(synonyms={"k8s": ("kubernetes",)})
    found = search(index, "K8s please", expansion=expansion, **settings)
    assert names(found) == ["kubernetes"]
    assert stage(found, "expansion").detail == {"wording 1": "kubernetes please"}


def test_synonyms_of_several_words_and_stop_words() -> None:
    rules = RuleExpansion(synonyms={"data engineering": ("de", "pipelines"), "x": ()}, without_stop_words=True)
    assert rules.variants("what is Data Engineering", None) == (
        "what is de", "what is pipelines", "Data Engineering",
    )  # fmt: skip
    assert rules.variants("engineering data", None) == ()
    assert RuleExpansion(without_stop_words=True).variants("what is it", None) == ()


def test_a_model_may_word_the_question_anew(index: VectorIndex) -> None:
    ask = saying({"queries": ["kubernetes cluster", "", 3, "k8s", "kubernetes cluster", "a", "b", "c"]})
    found = search(index, "k8s", Means(ask=ask), mode="sparse", k=1, expansion=LlmExpansion(n=2))
    assert names(found) == ["kubernetes"]
    assert len(stage(found, "expansion").detail) <= 2


@pytest.mark.parametrize(
    "ask",
    [
        None,
        saying("I am sorry, Dave"),
        saying("[1, 2]"),
        saying('{"queries": 7, "query": [], "enough": "no", "course": {"a": 1}}'),
        saying("[" * 100_000),
        failing(BackendError("the server hangs")),
        failing(BudgetExceeded("no money")),
        failing(TimeoutError("too late")),
    ],
)
@pytest.mark.parametrize(
    "stages",
    [{"expansion": LlmExpansion()}, {"self_query": LlmSelfQuery()}, {"iterative": LlmIterative(min_score=9)}],
    ids=lambda stages: next(iter(stages)),
)
def test_a_model_that_fails_or_talks_nonsense_costs_its_stage_and_nothing_else(
    index: VectorIndex, ask: Any, stages: dict[str, Any]
) -> None:
    means = Means(ask=ask, facets=lambda: count_values(index, ALL))
    found = search(index, "late homework", means, k=3, **stages)
    assert names(found) == names(search(index, "late homework", k=3))
    trace = stage(found, next(iter(stages)))
    assert "failed" in trace.detail or not trace.left or "stopped" in trace.detail or trace.stage == "expansion"


def test_a_value_that_the_question_names_limits_the_search(index: VectorIndex) -> None:
    found = search(index, "In ML Zoomcamp, what about the cluster?", self_query=RuleSelfQuery())
    assert stage(found, "self_query").detail == {"course": "ml-zoomcamp"}
    assert {hit.metadata["course"] for hit in found.hits} == {"ml-zoomcamp"}
    aliases = {"course": {"de": "data-engineering-zoomcamp", "nothing": "no such course"}}
    rules = RuleSelfQuery(aliases=aliases)
    assert names(search(index, "course de: late homework", self_query=rules)) == ["spark"]
    assert len(names(search(index, "de late homework nothing", self_query=rules))) == 5


def test_the_longer_name_is_meant() -> None:
    facets = {"course": {"data": 1, "data-engineering": 2, "other": 3}}
    assert RuleSelfQuery().read("data engineering and docker", facets, None) == {"course": ("data-engineering",)}


def test_a_misread_value_never_filters_to_nothing(index: VectorIndex) -> None:
    ask = saying({"course": "astrology-zoomcamp", "source": None})
    means = Means(ask=ask, facets=lambda: count_values(index, ALL))
    found = search(index, "late homework", means, self_query=LlmSelfQuery())
    assert len(found.hits) == 5
    stale = Means(ask=saying({"course": "gone-zoomcamp"}), facets=lambda: {"course": {"gone-zoomcamp": 3}})
    for settings in (RuleSelfQuery(), LlmSelfQuery()):
        found = search(index, "gone zoomcamp late homework", stale, self_query=settings)
        assert len(found.hits) == 5
        assert stage(found, "candidates").detail["self_query_dropped"] is True


def test_near_duplicates_make_room(index: VectorIndex) -> None:
    assert set(names(search(index, "late homework", k=2))) == {"late", "late too"}
    for by in ("vectors", "words"):
        found = search(index, "late homework", k=2, mmr=Mmr(by=by, weight=0.3))
        assert len({"late", "late too"} & set(names(found))) == 1
        assert stage(found, "mmr").detail["exchanged"] == 1
    assert names(search(index, "late homework", k=3, mmr=Mmr(weight=1.0))) == names(search(index, "late homework", k=3))


def test_another_round_asks_with_the_words_that_hits_share(index: VectorIndex) -> None:
    rules = RuleIterative(min_score=0.99, enough=5, rounds=1)
    found = search(index, "homework", iterative=rules)
    assert stage(found, "iterative").detail["asked"] == "homework cluster late scored"
    enough = search(index, "homework", iterative=RuleIterative(min_score=-1, enough=1))
    assert [one.stage for one in enough.stages] == ["candidates", "fusion", "answerability"]


def test_rounds_end(index: VectorIndex) -> None:
    asked = iter(range(100))
    ask = lambda request: saying({"enough": False, "query": f"round {next(asked)}"})(request)  # noqa: E731
    found = search(index, "homework", Means(ask=ask), iterative=LlmIterative(min_score=9, rounds=3))
    assert [one.stage for one in found.stages].count("iterative") == 3
    same = Means(ask=saying({"enough": False, "query": "homework"}))
    found = search(index, "homework", same, iterative=LlmIterative(min_score=9, rounds=3))
    assert stage(found, "iterative").detail == {"stopped": "nothing else to ask"}


class Reversing:
    """Likes the last candidate best."""

    name = "reversing"

    def scores(self, query: str, texts: list[str]) -> list[float]:
        return [float(place) for place in range(len(texts))]


class Broken(Reversing):
    def __init__(self, answer: list[float] | Exception) -> None:
        self.answer = answer

    def scores(self, query: str, texts: list[str]) -> list[float]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_reranker_reorders_the_candidates_that_it_reads(index: VectorIndex) -> None:
    plain = names(search(index, "late homework", k=5))
    found = search(index, "late homework", Means(reranking=Reranking(Reversing(), candidates=3)), k=2)
    assert names(found) == [plain[2], plain[1]]
    assert [hit.scores["rerank"] for hit in found.hits] == [2.0, 1.0]
    half = search(index, "late homework", Means(reranking=Reranking(Reversing(), candidates=3, weight=0.0)), k=2)
    assert names(half) == plain[:2]


@pytest.mark.parametrize("answer", [BackendError("out of memory"), [1.0], [float("nan")] * 5, []], ids=repr)
def test_a_reranker_that_fails_leaves_the_order_as_it_was(index: VectorIndex, answer: Any) -> None:
    found = search(index, "late homework", Means(reranking=Reranking(Broken(answer))), k=5)
    assert names(found) == names(search(index, "late homework", k=5))
    assert "failed" in stage(found, "rerank").detail


LONG = "\n\n".join(f"Paragraph {number} is about the number {number}." for number in range(40))


def hit_at(text: str, document: str = "long") -> Hit:
    start = LONG.index(text)
    return Hit(text, 1.0, document, "uri", "title", start, start + len(text), text)


@contextmanager
def documents() -> Iterator[Callable[[Any], dict[str, CleanedDocument]]]:
    known = {"long": CleanedDocument("long", "uri", "s", "text", LONG, "title", "hash")}
    yield lambda ids: {key: known[key] for key in ids if key in known}


def test_a_parent_is_whole_paragraphs_around_its_hit() -> None:
    with documents() as known:
        [hit] = Parents(characters=200).widen([hit_at("Paragraph 20 is")], 5, known)
    assert hit.parent is not None
    assert LONG[hit.parent.start : hit.parent.end] == hit.parent.text
    assert hit.parent.text.startswith("Paragraph 1")
    assert hit.parent.text.endswith(".")
    assert hit.text in hit.parent.text
    assert len(hit.parent.text) <= 260


def test_hits_that_run_into_each_other_become_one_and_make_room() -> None:
    hits = [hit_at(f"Paragraph {number} is") for number in (20, 21, 23, 5, 36)]
    with documents() as known:
        grown = Parents(characters=200).widen(hits, 2, known)
    assert [hit.text for hit in grown] == ["Paragraph 20 is", "Paragraph 5 is"]
    assert grown[0].parent is not None
    assert "Paragraph 23 is" in grown[0].parent.text


def test_a_hit_whose_document_is_another_by_now_keeps_no_parent() -> None:
    stale = Hit("x", 1.0, "long", "uri", "title", 3, 8, "other")
    gone = Hit("y", 1.0, "gone", "uri", "title", 0, 5, "words")
    with documents() as known:
        assert [hit.parent for hit in Parents().widen([stale, gone], 5, known)] == [None, None]
