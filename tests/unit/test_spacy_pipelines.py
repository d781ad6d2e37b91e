from pathlib import Path
from typing import Any

import pytest

from llm_engineering.application.chunking import Sentences
from llm_engineering.application.text import Tokenizing
from llm_engineering.application.text.spacy_pipeline import SpacyPipeline
from llm_engineering.domain.errors import UsageError

SENTENCE = "The quick brown foxes jump."
LEMMAS = Tokenizing(lemmas=SpacyPipeline(pipeline="blank:en"))


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a pipeline whose parser knows one sentence: two noun phrases, and a verb between them."""
    import spacy
    from spacy.language import Language

    @Language.component("parser_of_one_sentence", assigns=["token.dep", "token.head", "token.pos"])
    def parse(document: Any) -> Any:
        verb = next((token.i for token in document if token.text.startswith("jump")), 0)
        nouns = {"foxes", "dogs"}
        for token in document:
            is_noun = token.text in nouns
            token.pos_ = "VERB" if token.i == verb else "NOUN" if is_noun else "ADJ"
            token.dep_ = "ROOT" if token.i == verb else ("nsubj" if token.i < verb else "dobj") if is_noun else "amod"
            later = next((other for other in document if other.i >= token.i and other.text in nouns), document[verb])
            token.head = document[verb] if is_noun or token.i == verb else later
        return document

    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser_of_one_sentence")
    folder = tmp_path_factory.mktemp("spacy") / "parsed"
    pipeline.to_disk(folder)
    return str(folder)


def test_lemmas_take_the_place_of_stems_on_both_sides() -> None:
    found = LEMMAS.sparse("Mice were running past three Geese")
    for word in ("mouse", "goose", "mice", "Geese", "run"):
        assert set(LEMMAS.query(word).indices) <= set(found.indices)
    assert not set(Tokenizing().query("goose").indices) & set(Tokenizing().sparse("Geese").indices)


def test_names_and_numbers_are_terms_as_ever() -> None:
    assert LEMMAS.query("os.path 3.14").indices
    assert set(LEMMAS.query("os.path").indices) <= set(LEMMAS.sparse("call os.path now").indices)


def test_the_defaults_write_what_they_always_wrote() -> None:
    assert "lemmas" not in Tokenizing().model_dump(mode="json")
    assert "spacy" not in Sentences().model_dump(mode="json")
    assert Tokenizing.model_validate(LEMMAS.model_dump(mode="json")) == LEMMAS


def test_spacy_tells_where_sentences_end() -> None:
    text = "First one. Second one!\n\n  Third?  "
    spans = SpacyPipeline().sentence_spans(text)
    assert [text[start:end] for start, end in spans] == ["First one.", "Second one!", "Third?"]


def test_a_parser_finds_noun_phrases(parsed: str) -> None:
    pipeline = SpacyPipeline(pipeline=parsed, phrases=True)
    pipeline.check()
    text = "quick brown foxes jump lazy dogs."
    assert [text[start:end] for start, end in pipeline.phrase_spans(text)] == ["quick brown foxes", "jump", "lazy dogs"]
    assert {"quick brown foxes", "lazy dogs"} <= set(pipeline.terms(text))


def test_what_a_pipeline_cannot_do_is_said_at_the_door(parsed: str) -> None:
    with pytest.raises(UsageError, match=r"finds no noun phrases: it has no parser .*such as en_core_web_sm"):
        SpacyPipeline(pipeline="blank:en", phrases=True).check()
    with pytest.raises(UsageError, match="finds no lemmas: it has no lemmatizer"):
        Tokenizing(lemmas=SpacyPipeline(pipeline=parsed)).require()
    with pytest.raises(UsageError, match=r"there is no spaCy pipeline 'en_core_web_sm'.*spacy download en_core_web_sm"):
        SpacyPipeline(pipeline="en_core_web_sm").check()
    with pytest.raises(UsageError, match="spaCy knows no language 'klingon'"):
        SpacyPipeline(pipeline="blank:klingon").check()


def test_without_the_extra_the_door_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_engineering.domain.extras.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="poetry install --extras spacy"):
        SpacyPipeline(pipeline=str(Path("nowhere"))).check()
