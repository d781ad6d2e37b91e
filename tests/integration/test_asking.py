from pathlib import Path

import pytest

from llm_engineering import plain
from llm_engineering.config import AssistantConfig, FeatureConfig, read_config
from llm_engineering.domain.answers import Question
from llm_engineering.domain.errors import UsageError
from llm_engineering.stages.answering import ask, replay


@pytest.mark.slow
def test_an_answer_is_asked_for_proved_and_repeated_until_its_document_changes(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "tea.md").write_text("# Tea\n\nGreen tea is brewed at 80 degrees. Black tea needs boiling water.\n")
    (folder / "ice.md").write_text("# Ice\n\nIce melts at zero degrees. It is lighter than water.\n")
    sources = f"ingest.sources=[{{kind: files, name: docs, root: {folder}}}]"
    features = read_config(FeatureConfig, None, [sources, "embedding.kind=hashing"])
    plain.feature(features)
    config = read_config(AssistantConfig, None, ["embedding.kind=hashing"])

    finished = ask(config, Question(text="At how many degrees is green tea brewed?"))
    citation = finished.answer.citations[0]
    assert finished.answer.outcome == "answered"
    assert "80 degrees" in citation.quote
    assert citation.verdict == "found"
    assert replay(config, finished.answer.id).same

    (folder / "tea.md").write_text("# Tea\n\nGreen tea is brewed at 70 degrees.\n")
    plain.feature(features)
    again = replay(config, finished.answer.id)
    assert not again.same
    assert any("does not say the quote" in sentence for sentence in again.differences)
    with pytest.raises(UsageError, match="no receipt"):
        replay(config, "another")
