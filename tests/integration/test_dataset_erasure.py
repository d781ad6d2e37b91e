"""Forgetting a document takes it out of data sets, out of what models wrote, and names the models that learnt of it."""

from pathlib import Path

import pytest
from byte_scan import places_of
from dataset_world import TOPICS, asked, config_of, fill, questions_about

from llm_engineering import plain
from llm_engineering.application.datasets import leaks
from llm_engineering.bootstrap import Workspace, open_datasets
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.erasure import Target
from llm_engineering.domain.lineage import Derivative
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
