"""Forgetting a document takes it out of data sets, out of what models wrote, and names the models that learnt of it."""

from pathlib import Path

import pytest
from byte_scan import places_of
from dataset_world import TOPICS, asked, config_of, fill, questions_about

from llm_engineering import plain
from llm_engineering.application.datasets import leaks
from llm_engineering.bootstrap import Workspace, open_datasets, open_evaluations, open_registry
from llm_engineering.config import EvaluationConfig, read_config
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.erasure import MASK, Target
from llm_engineering.domain.evaluation import Evaluation, SliceFigures
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.promotions import Check, PromotionEvidence, PromotionVerdict
from llm_engineering.erasure import forget
from llm_engineering.infrastructure.datasets import open_replies

pytestmark = pytest.mark.slow

CANARIES = ("Zwitschern", "Piepmatz")


def test_no_byte_of_a_document_stays_in_data_sets_or_replies(tmp_path: Path, home: Path) -> None:
    texts = TOPICS | {"Piepmatz": "The secret word is Zwitschern, sailors and bakers and camels may not know of it."}
    fill(tmp_path / "docs", texts)
    rows = [*questions_about(sorted(TOPICS)), ("What do sailors and bakers and camels not know?", "Piepmatz.md")]
    file = asked(tmp_path / "questions.csv", rows)
    llms = 'llms=[{kind: scripted, text: \'{"questions": ["Who whispers among sailors at night?"]}\'}]'
    pairs = f"{{kind: questions, file: {file}}}, {{kind: structure}}, {{kind: llm, words: 3}}"
    # The same reply for all passages: one question, answered by all documents.
    settings = ["dataset.negatives.margin=1", llms, "dataset.duplicates.question_cosine=null"]
    reference = plain.dataset(config_of(*settings, pairs=pairs)).dataset.reference  # type: ignore[union-attr]
    (other,) = [plain.dataset(config_of(*settings, "dataset.name=second")).dataset]
    assert other is not None
    with Workspace().warehouse() as warehouse:
        (secret,) = [
            state.id for state in warehouse.document_records("uri", [(tmp_path / "docs" / "Piepmatz.md").as_uri()])
        ]
        model = Derivative(
            id="model-1", kind="model", name="retriever@1", place=str(home / "registry" / "retriever" / "1")
        )
        warehouse.record_derivative(model, [secret])
    assert places_of(home, CANARIES)
    store = open_datasets(Workspace())
    before = list(store.table(store.find(reference)))

    target = Target(kind="uri", name=(tmp_path / "docs" / "Piepmatz.md").as_uri())
    dry = forget(target, dry_run=True)
    assert {item for found in dry.found if found.place == "data sets" for item in found.items} >= {reference}
    report = forget(target)
    assert [made.name for made in report.derivatives] == ["retriever@1"]

    assert places_of(home, CANARIES) == []
    after = store.find("retrieval")
    assert after.reference != reference
    kept = list(store.rows(after, list(Split)))
    assert after.dropped["forgotten"] == len(before) - len(kept) > 0
    assert secret not in {name for row in kept for name in (*row.documents, *row.negative_documents)}
    assert leaks(kept) == []
    with open_replies(home) as replies:
        assert len(replies) == 12
    with Workspace().warehouse() as warehouse:
        assert {made.name for made in warehouse.derivatives()} >= {after.reference, "retriever@1"}
        assert reference not in {made.name for made in warehouse.derivatives()}


def evaluate(file: Path, *overrides: str) -> Evaluation:
    settings = [f"evaluation.questions={file}", "evaluation.k=[1, 20]", "evaluation.resamples=100", *overrides]
    measured = plain.evaluation(read_config(EvaluationConfig, None, ["embedding.kind=hashing", *settings])).measured
    assert measured is not None
    return measured.evaluation


def test_evaluations_about_a_document_go_and_others_keep_their_figures_without_its_name(
    tmp_path: Path, home: Path
) -> None:
    texts = TOPICS | {"Piepmatz": "The secret word is Zwitschern, sailors and bakers and camels may not know of it."}
    fill(tmp_path / "docs", texts)
    topics = questions_about(sorted(TOPICS))
    asked_about_it = [*topics, ("What do sailors and bakers and camels not know?", "Piepmatz.md")]
    about = evaluate(asked(tmp_path / "about.csv", asked_about_it), "evaluation.name=about")
    other = evaluate(asked(tmp_path / "other.csv", topics), "evaluation.name=other")
    secret_uri = (tmp_path / "docs" / "Piepmatz.md").as_uri()
    store = open_evaluations(Workspace())
    places = [one.found for one in store.find(other.id)[1]]
    assert len({name for found in places for name in found}) == 13  # all documents, the secret one among them

    report = forget(Target(kind="uri", name=secret_uri))

    assert {item for found in report.found if found.place == "evaluations" for item in found.items} >= {
        about.id,
        other.id,
    }
    assert [one.name for one in store.all()] == ["other"]
    again, outcomes = store.find(other.id)
    assert again == other
    assert [len(one.found) for one in outcomes] == [len(found) for found in places]
    assert sum(MASK in one.found for one in outcomes) == len(outcomes)
    assert places_of(home, CANARIES) == []


def test_verdicts_lose_the_name_of_a_source_and_unfinished_trainings_go(tmp_path: Path, home: Path) -> None:
    fill(tmp_path / "Piepmatz")
    plain.dataset(config_of(pairs="{kind: structure}"))
    checkpoint = home / "training" / "retriever" / "abc" / "checkpoints" / "optimizer.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"learnt")
    registry = open_registry(Workspace())
    model = registry.register(RegisteredModel(name="search", number=0, kind="retrieval", settings={"k": 5}), None)
    slices = (SliceFigures(slice="source=Piepmatz", questions=1, metrics={}),)
    measured = Evaluation(
        id="e1", name="search@1", subject={}, questions=1, unknown=0, questions_digest="q", questions_from="made up",
        depth=10, confidence=0.95, slices=slices, p50_ms=0, p95_ms=0,
    )  # fmt: skip
    check = Check(name="slices", passed=False, detail="it is worse on source=Piepmatz: ndcg@10 0.9 → 0.1")
    verdict = PromotionVerdict(
        model="search@1", against="x", metric="ndcg@10", passed=False, checks=(check,),
        evidence=PromotionEvidence(after=measured),
    )  # fmt: skip
    path = registry.keep_verdict(model, "run1", verdict.model_dump_json())

    forget(Target(kind="source", name="Piepmatz"))

    assert not checkpoint.exists()
    kept = PromotionVerdict.model_validate_json(path.read_text())
    assert kept.reasons == (f"it is worse on source={MASK}: ndcg@10 0.9 → 0.1",)
    assert places_of(home / "registry", ["Piepmatz"]) == []
