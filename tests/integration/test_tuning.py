"""The search of a real index is tuned with the questions of a data set, and of nothing else."""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import pytest

from llm_engineering import plain, stages
from llm_engineering.application.evaluation import Searching
from llm_engineering.application.evaluation.general import general_questions
from llm_engineering.application.retrieval import Reranking
from llm_engineering.application.retrieval.fusion import Convex
from llm_engineering.application.tuning import tuning_questions, unanswerable
from llm_engineering.application.tuning.reweighing import reweigh
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.config.retrieval import RetrievalSection
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.infrastructure.trainers import RetrievalTuner

TUNER = RetrievalTuner(settings=200, pools=(20, 50), threshold=False)
BAD = ["retrieval.fusion={kind: convex, weight: 0.95}"]


def row(number: int, question: str, document: str, split: Split, origin: str = "question") -> RetrievalPair:
    return RetrievalPair(
        id=f"r{number}", question=question, document_id=document, chunk_id="", passage="", documents=(document,),
        negatives=(), negative_ids=(), origin=origin, source="docs", filter="", cluster=document, split=split.value,
    )  # fmt: skip


@pytest.fixture
def sources(tmp_path: Path, home: Path) -> str:
    """Index the passages of the general set, one document each; write its questions as a data set."""
    folder = tmp_path / "docs"
    folder.mkdir()
    passages, questions = general_questions()
    for number, passage in enumerate(passages):
        (folder / f"p{number:03}.md").write_text(f"{passage}\n")
    named = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    config = read_config(FeatureConfig, None, [named, "embedding.kind=hashing"])
    plain.feature(config)
    with Workspace().store(config.load) as store, store.read() as index:
        ids = {str(p["uri"]).rsplit("/", 1)[1]: str(p["document_id"]) for p in index.payloads(["uri", "document_id"])}
    splits = (Split.TRAIN, Split.VALIDATION, Split.TEST, Split.TRAIN, Split.VALIDATION)
    rows = [
        row(number, question.text, ids[f"p{question.passage:03}.md"], splits[question.passage % 5])
        for number, question in enumerate(questions)
    ]
    # Rows that would teach the opposite, if anybody looked at them: headings, and held-out questions.
    rows += [row(1_000 + n, passages[n][:20], ids[f"p{n + 1:03}.md"], Split.TRAIN, "heading") for n in range(100)]
    rows += [row(2_000 + n, passages[n][:30], ids[f"p{n + 1:03}.md"], Split.TEST) for n in range(100)]
    open_datasets(Workspace()).write(DatasetCard(name="general", version="", digest=""), rows)
    return named


def tuned(sources: str, tuner: RetrievalTuner, *overrides: str) -> RegisteredModel:
    config = read_config(FeatureConfig, None, [sources, "embedding.kind=hashing", *overrides])
    return stages.tune_retrieval(config, "general", tuner, "search")


def test_a_bad_default_gives_way_to_what_the_validation_questions_show_to_be_better(sources: str) -> None:
    model = tuned(sources, TUNER, *BAD)
    assert model.kind == "retrieval"
    assert model.files == ()
    figures = model.metrics
    assert figures["validation/mrr@10"].value > figures["validation/mrr@10/before"].value + 0.05
    settings = RetrievalSection.model_validate(model.settings["retrieval"])
    assert settings.fusion != Convex(weight=0.95)
    assert model.dataset.startswith("general@")
    assert len(model.dataset_digest) == 64
    assert model.training is not None
    assert model.training.rows == len([q for q in general_questions()[1] if q.passage % 5 != 2])


class Oracle:
    """A reranker that knows the passage of each question, or, if it lies, prefers any passage by its hash."""

    name = "oracle"

    def __init__(self, lies: bool) -> None:
        passages, questions = general_questions()
        self._answers = {question.text: passages[question.passage] for question in questions}
        self._lies = lies

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        if self._lies:
            return [float(crc32(f"{query}{text}".encode())) for text in texts]
        return [float(self._answers[query] in text) for text in texts]


@pytest.mark.parametrize("lies", [False, True])
def test_a_reranker_gets_the_share_that_it_deserves(sources: str, lies: bool) -> None:
    config = read_config(FeatureConfig, None, [sources, "embedding.kind=hashing"])
    workspace = Workspace()
    datasets = open_datasets(workspace)
    rows = datasets.rows(datasets.find("general"), [Split.TRAIN, Split.VALIDATION])
    with workspace.store(config.load) as store, store.read() as index:
        searching = Searching(index, config.embedding.open(workspace.home), config.tokenizing.query)
        reranking = Reranking(Oracle(lies), candidates=20, weight=0.0)
        questions = tuning_questions(rows, TUNER)
        weighed = reweigh(TUNER, questions, searching, config.retrieval, reranking, workspace.progress)
    if lies:
        assert weighed.weight == 0.0
        assert weighed.reason
    else:
        assert weighed.weight > 0.0
        assert weighed.after > weighed.before + 0.1


def test_tuned_settings_are_not_tuned_again(sources: str) -> None:
    first = tuned(sources, TUNER, *BAD)
    section = RetrievalSection.model_validate(first.settings["retrieval"])
    fusion = section.fusion.model_dump_json()
    second = tuned(sources, TUNER, f"retrieval.fusion={fusion}", f"retrieval.pool={section.pool}")
    again = RetrievalSection.model_validate(second.settings["retrieval"])
    assert again.fusion == section.fusion
    assert second.settings["why"]["choice"]["reason"]  # type: ignore[index]


def test_other_sizes_of_chunks_are_searched_without_touching_the_index(sources: str, home: Path) -> None:
    before = sorted(path.name for path in (home / "feature_store").rglob("*"))
    model = tuned(sources, TUNER.model_copy(update={"chunk_tokens": (32,)}))
    assert model.settings["chunk_tokens"] in (0, 32)
    assert sorted(path.name for path in (home / "feature_store").rglob("*")) == before


def test_an_index_of_too_many_chunks_is_refused(sources: str) -> None:
    with pytest.raises(UsageError, match="max_chunks is 10"):
        tuned(sources, TUNER.model_copy(update={"chunk_tokens": (16,), "max_chunks": 10}))


def test_a_search_that_fuses_nothing_is_refused(sources: str) -> None:
    with pytest.raises(UsageError, match=r"retrieval\.mode is 'dense'"):
        tuned(sources, TUNER, "retrieval.mode=dense")


def test_held_out_rows_and_rows_without_real_questions_are_refused() -> None:
    held = row(1, "q?", "d", Split.TEST)
    with pytest.raises(UsageError, match="'test'"):
        tuning_questions([held], TUNER)
    with pytest.raises(UsageError, match="heading"):
        tuning_questions([row(1, "q?", "d", Split.TRAIN, "heading")], TUNER)
    with pytest.raises(UsageError, match="none of the 1 rows of origin question or llm is in split train"):
        tuning_questions([row(1, "q?", "d", Split.VALIDATION)], TUNER)


def test_questions_without_an_answer_are_asked_elsewhere_and_stay_in_their_split() -> None:
    rows = [
        RetrievalPair(
            **{
                **vars(row(n, f"question {n}?", f"d{n}", (Split.TRAIN, Split.VALIDATION)[n % 2])),
                "filter": f'{{"course": "{"ab"[n // 2 % 2]}"}}',
            }
        )
        for n in range(8)
    ]
    questions = tuning_questions(rows, TUNER)
    without = unanswerable(questions, 0)
    for split, asked in without.items():
        own = {one.question.text: one.question.filter["course"] for one in questions[split]}
        moved = {one.question.text: one.question.filter["course"] for one in asked if one.question.filter}
        assert moved.keys() == own.keys()
        assert all(moved[text] != own[text] for text in own)
    subjects = [{one.cluster for one in asked if not one.question.filter} for asked in without.values()]
    assert subjects[0]
    assert not subjects[0] & subjects[1]
