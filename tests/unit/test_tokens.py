import csv
import json
import math
from collections import defaultdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_engineering.application.text import Tokenizing
from llm_engineering.application.text.tokenizing import term_id
from llm_engineering.application.text.words import stems, terms, words
from llm_engineering.domain.chunks import Chunk, SparseVector
from llm_engineering.infrastructure.embedders import Hashing

FAQ = Path(__file__).parents[2].parent / "shared" / "data" / "faq"


def chunk(text: str, context: str = "") -> Chunk:
    return Chunk("id", "file:///a", "test", "", 0, 0, len(text), text, context, 7)


def dot(left: SparseVector, right: SparseVector) -> float:
    weights = dict(zip(left.indices, left.values, strict=True))
    return sum(weights.get(index, 0.0) * value for index, value in zip(right.indices, right.values, strict=True))


def test_words_are_as_written() -> None:
    assert words("The quick brown fox jumps.") == ("The", "quick", "brown", "fox", "jumps")
    assert words("don't use os.path, 3.14 or C++ & C#; ____ …") == (
        "don't",
        "use",
        "os.path",
        "3.14",
        "or",
        "C++",
        "C#",
    )
    assert words("हिन्दी naïve cafe\u0301") == ("हिन्दी", "naïve", "cafe\u0301")
    assert words("") == ()


def test_stems_are_light_and_lower_case() -> None:
    assert stems("running foxes") == ("run", "fox")
    assert stems("Ｆｏｘｅｓ don’t") == ("fox", "don't")
    assert stems("laufende Häuser", "german") == ("laufend", "haus")
    assert stems("l'homme", "french") == ("homm",)
    assert stems("running", "none") == ("running",)
    assert stems("a" * 10_000) == ("a" * 10_000,)


def test_scripts_without_spaces_become_bigrams() -> None:
    assert stems("今日は") == ("今日", "日は")
    assert stems("猫") == ("猫",)
    assert stems("Python入門") == ("python", "入門")
    assert stems("สวัสดี")[0] == "สว"
    assert {"黒猫", "猫"} <= set(terms("黒猫がいる"))


def test_names_in_code_are_found_whole_and_by_their_parts() -> None:
    assert set(terms("get_user_name")) == {"get_user_name", "get", "user", "name"}
    assert set(terms("HTTPServer")) == {"httpserver", "http", "server"}
    assert set(terms("os.path.join")) == {"os.path.join", "os", "path", "join"}
    assert terms("plain words") == ("plain", "word")


def test_a_vector_is_stable_and_ascending() -> None:
    # The first 4 bytes of BLAKE2b: a change of these ids would make every stored index unreadable.
    assert term_id("fox") == 3786988939
    vector = Tokenizing().sparse("the fox and the hound")
    assert list(vector.indices) == sorted(set(vector.indices))
    assert len(vector.indices) == len(vector.values) == 4
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert Tokenizing().sparse("") == SparseVector((), ())


def test_weights_are_bm25() -> None:
    tokenizing = Tokenizing(k1=1.2, b=0.75, average_length=10)
    weights = tokenizing.sparse("fox fox hound")
    slack = 1.2 * (1 - 0.75 + 0.75 * 3 / 10)
    assert dot(weights, tokenizing.query("foxes")) == pytest.approx(2 * 2.2 / (2 + slack))
    assert dot(weights, tokenizing.query("hounds fox hound")) == pytest.approx(
        2 * 2.2 / (2 + slack) + 2.2 / (1 + slack)
    )
    assert dot(weights, tokenizing.query("cat")) == 0


def test_terms_with_the_same_id_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_engineering.application.text.tokenizing.term_id", lambda term: 5)
    assert Tokenizing().query("fox hound") == SparseVector((5,), (2.0,))


def test_stop_words_have_no_weight() -> None:
    assert Tokenizing(stop_words="english").query("the fox") == Tokenizing().query("fox")
    assert Tokenizing(stop_words=("foxes",)).query("the fox") == Tokenizing().query("the")


def test_tokens_see_the_context() -> None:
    tokens = Tokenizing().tokens(chunk("It runs.", context="Foxes"), Hashing().open_tokenizer(Path()))
    assert tokens.words == ("Foxes", "It", "runs")
    assert tokens.stems == ("fox", "it", "run")
    assert tokens.subwords == ("Foxes", "It", "runs", ".")
    assert dot(tokens.sparse, Tokenizing().query("fox")) > 0


@pytest.mark.parametrize("wrong", [{"k1": -1}, {"b": 2}, {"average_length": 0}, {"language": "klingon"}, {"k2": 1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Tokenizing.model_validate(wrong)


def test_the_faq_is_found_by_its_words() -> None:
    if not FAQ.is_dir():
        pytest.skip("the FAQ corpus is not beside this checkout (shared/data/faq)")
    documents = json.loads((FAQ / "documents-with-ids.json").read_text("utf-8"))
    with (FAQ / "questions-dev.csv").open(encoding="utf-8") as file:
        questions = list(csv.DictReader(file))[::4]
    ranks = [rank(question, documents) for question in answer(documents, questions)]
    assert sum(found <= 5 for found in ranks) / len(ranks) >= 0.95
    assert sum(1 / found for found in ranks if found <= 5) / len(ranks) >= 0.89


def answer(
    documents: list[dict[str, str]], questions: list[dict[str, str]]
) -> list[tuple[dict[str, str], dict[int, float]]]:
    """Score every document for each question, as a store with inverse document frequencies does."""
    tokenizing = Tokenizing()
    postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for number, entry in enumerate(documents):
        vector = tokenizing.sparse(" ".join([entry["course"], entry["section"], entry["question"], entry["text"]]))
        for term, weight in zip(vector.indices, vector.values, strict=True):
            postings[term].append((number, weight))
    results = []
    for question in questions:
        scores: dict[int, float] = defaultdict(float)
        for term in tokenizing.query(question["question"]).indices:
            found = postings.get(term, [])
            rarity = math.log((len(documents) - len(found) + 0.5) / (len(found) + 0.5) + 1)
            for number, weight in found:
                scores[number] += rarity * weight
        results.append((question, scores))
    return results


def rank(result: tuple[dict[str, str], dict[int, float]], documents: list[dict[str, str]]) -> float:
    question, scores = result
    same_course = [number for number in scores if documents[number]["course"] == question["course"]]
    best = sorted(same_course, key=lambda number: -scores[number])[:5]
    ids = [documents[number]["id"] for number in best]
    return ids.index(question["document"]) + 1 if question["document"] in ids else math.inf
