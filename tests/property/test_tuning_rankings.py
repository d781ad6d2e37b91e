"""The arrays of the tuning say what the search itself would: same fusion, same order, same documents."""

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_engineering.application.retrieval.candidates import Wording, hits_of, ranked
from llm_engineering.application.retrieval.fusion import DENSE, SPARSE, Convex, Fusion, Interpolation, Rrf, ZScore
from llm_engineering.application.retrieval.settings import Retrieval
from llm_engineering.application.tuning import Asked, RankedQuestions
from llm_engineering.application.tuning.rankings import PASSAGES_PER_DOCUMENT
from llm_engineering.domain.queries import ScoredPoint

# Halves and quarters are exact, so equal scores are equal however they are added up.
scores = st.integers(-8, 40).map(lambda number: number / 4)
weights = st.sampled_from([0.0, 0.25, 0.5, 1.0])
fusions: st.SearchStrategy[Fusion] = st.one_of(
    st.builds(Interpolation, lexical=weights, missing=weights),
    st.builds(ZScore, weight=weights),
    st.builds(Convex, weight=weights),
    st.builds(Rrf, k=st.sampled_from([0.0, 2.0, 60.0]), dense_weight=weights, sparse_weight=weights),
)


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    rankings = {}
    for method in (DENSE, SPARSE):
        ids = draw(st.lists(st.integers(0, 25), unique=True, max_size=18))
        points = [ScoredPoint(f"p{i:02}", draw(scores), {"document_id": f"d{i % 7}"}) for i in ids]
        rankings[method] = ranked(points)
    relevant = draw(st.sets(st.integers(0, 8).map(lambda number: f"d{number}"), min_size=1, max_size=3))
    return Asked("q", frozenset(relevant), rankings)


@settings(max_examples=300, deadline=None)
@given(st.lists(asked(), min_size=1, max_size=4), fusions, st.integers(1, 20), st.integers(1, 5))
def test_the_same_documents_are_found_as_by_the_search(
    questions: list[Asked], fusion: Fusion, pool: int, k: int
) -> None:
    found = RankedQuestions.of(questions).found(fusion, pool, k)
    for row, question in enumerate(questions):
        cut = {method: ranking[:pool] for method, ranking in question.rankings.items()}
        hits = hits_of([Wording("q", 1.0, cut)], Retrieval(fusion=fusion), PASSAGES_PER_DOCUMENT * k)
        documents = list(dict.fromkeys(hit.document_id for hit in hits))[:k]
        expected = [float(document in question.relevant) for document in documents]
        assert found[row].tolist() == expected + [0.0] * (k - len(expected))
