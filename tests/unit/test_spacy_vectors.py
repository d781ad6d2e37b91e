"""Vectors of a spaCy pipeline: which pipelines are taken, and what becomes of unknown words."""

import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.embedders import Spacy

spacy = pytest.importorskip("spacy", reason="the extra `spacy` is not installed")
HOME = Path()


def pipeline_in(folder: Path, dimension: int = 4, words: str = "fish cat sun", **vectors: list[float]) -> Path:
    pipeline = spacy.blank("en")
    for place, word in enumerate(words.split()):
        pipeline.vocab.set_vector(word, np.eye(dimension)[place % dimension])
    for word, vector in vectors.items():
        pipeline.vocab.set_vector(word, np.array(vector))
    pipeline.add_pipe("sentencizer")
    pipeline.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipeline_in(tmp_path_factory.mktemp("spacy") / "words")


def cosine(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_a_text_lies_in_the_middle_of_its_words(folder: Path) -> None:
    embedder = Spacy(pipeline=str(folder)).open(HOME)
    found = embedder.embed_query("a fish, a fish and a cat")
    expected = np.array([2, 1, 0, 0]) / math.sqrt(5)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert embedder.card.name == "words"
    assert embedder.card.dimension == 4


@pytest.mark.parametrize("text", ["", "  \n", "xyzzy", "Plugh! xyzzy", "日本語", "🦜"])
def test_unknown_words_have_a_direction_of_their_own(folder: Path, text: str) -> None:
    embedder = Spacy(pipeline=str(folder)).open(HOME)
    found = embedder.embed_query(text)
    assert math.hypot(*found) == pytest.approx(1, abs=1e-6)
    assert embedder.embed_query(text.upper()) == found
    assert next(vector for batch in embedder.embed([text, "fish"]) for _, vector in batch) == found


def test_the_same_unknown_words_are_found_by_each_other(tmp_path: Path) -> None:
    embedder = Spacy(pipeline=str(pipeline_in(tmp_path / "words", 300))).open(HOME)
    one, other, far = map(embedder.embed_query, ("xyzzy plugh", "plugh xyzzy frotz", "quux corge"))
    assert cosine(one, other) > 0.7
    assert abs(cosine(one, far)) < 0.5
    assert abs(cosine(one, embedder.embed_query("fish"))) < 0.5


def test_words_are_those_of_the_pipeline(folder: Path) -> None:
    tokenizer = Spacy(pipeline=str(folder)).open_tokenizer(HOME)
    text = "Don't  stop\n\nthe U.S. fish"
    assert [text[start:end] for start, end in tokenizer.spans(text)] == ["Do", "n't", "stop", "the", "U.S.", "fish"]


def test_words_are_forgotten_again(folder: Path) -> None:
    tokenizer = Spacy(pipeline=str(folder)).open_tokenizer(HOME)
    strings = tokenizer._pipeline.vocab.strings
    before = len(strings)
    for number in range(5_000):
        tokenizer.count(f"word{number} other{number}")
    assert len(strings) < before + 5_000


def test_the_vectors_decide_which_model_it_is(folder: Path, tmp_path: Path) -> None:
    same = pipeline_in(tmp_path / "same")
    other = pipeline_in(tmp_path / "other", words="fish sun cat")
    digests = [Spacy(pipeline=str(one)).card(HOME).digest for one in (folder, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_pipeline_is_found_by_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "xx_words_md"
    package.mkdir()
    pipeline_in(package / "xx_words_md-1.2.3")
    (package / "__init__.py").write_text("raise RuntimeError('code of a package is not run')")
    monkeypatch.syspath_prepend(tmp_path)
    spec = Spacy(pipeline="xx_words_md")
    assert spec.card(HOME).name == "xx_words_md"
    assert len(spec.open(HOME).embed_query("fish")) == 4


def test_a_pipeline_that_is_nowhere_is_a_clear_error_before_any_work() -> None:
    for name in ("en_core_web_nowhere", "./nowhere", "a/b", "os"):
        with pytest.raises(UsageError, match=r"no spaCy pipeline.*spacy download en_core_web_md"):
            Spacy(pipeline=name).require()


def test_a_pipeline_without_vectors_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(UsageError, match=r"has no word vectors.*_md or _lg"):
        Spacy(pipeline=str(tmp_path / "blank")).card(HOME)


def test_vectors_that_are_cut_short_are_a_clear_error(folder: Path, tmp_path: Path) -> None:
    broken = pipeline_in(tmp_path / "broken")
    path = broken / "vocab" / "vectors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UsageError, match="cannot be read"):
        Spacy(pipeline=str(broken)).card(HOME)


def test_vectors_that_hold_no_numbers_are_refused(tmp_path: Path) -> None:
    embedder = Spacy(pipeline=str(pipeline_in(tmp_path / "words", bad=[math.nan, 0, 0, 0]))).open(HOME)
    with pytest.raises(BackendError, match="zero or no number"):
        embedder.embed_query("a bad fish")


def test_without_the_extra_it_says_what_to_type(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_engineering.infrastructure.embedders.spacy.find_spec", lambda _: None)
    spec = Spacy(pipeline=str(folder))
    for attempt in (spec.require, lambda: spec.card(HOME), lambda: spec.open(HOME)):
        with pytest.raises(UsageError, match="poetry install --extras spacy"):
            attempt()


def test_settings_refuse_what_cannot_work() -> None:
    for wrong in ({}, {"pipeline": ""}, {"pipeline": "x", "max_tokens": 0}, {"pipeline": "x", "model": "y"}):
        with pytest.raises(ValidationError):
            Spacy(**wrong)
