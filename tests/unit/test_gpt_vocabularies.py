"""Vocabularies of the GPT: what is encoded comes back, the same texts give the same ids, tokenizers agrees."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.bpe import BytePairs, learn_bpe
from llm_engineering.infrastructure.trainers.gpt.export import tokenizer_of, vocabulary_of
from llm_engineering.infrastructure.trainers.gpt.vocabulary import (
    END,
    SPECIALS,
    UNKNOWN,
    Pieces,
    Vocabulary,
    documents_to_ids,
    learn_pieces,
)

TEXTS = (
    "The cat sat on the mat, and the cat's hat sat on the cat.\n\n    def sit(cat):\n\treturn cat.sit(42)\n",
    "Größe und Höhe: 10 000 km² — «naïve» 日本語の文 🙂🙂 the theme of them all, 2024-11-21; email@example.org!",
)
BPE = learn_bpe(TEXTS, 320)
WORDS = learn_pieces(TEXTS, "words")
CHARACTERS = learn_pieces(TEXTS, "characters")
ALL: tuple[Vocabulary, ...] = (BPE, WORDS, CHARACTERS)
anything = st.text(st.characters(exclude_categories=()))
# Texts of what the vocabularies have seen, of all of Unicode, and of the names of special tokens.
likely = st.lists(st.one_of(st.sampled_from([*TEXTS, *SPECIALS, " the", "  ", "\n \n", "\x00", "<|user"]), st.text()))


@given(anything)
def test_every_text_comes_back_from_bytes(text: str) -> None:
    assert BPE.decode(BPE.encode(text)) == text


@given(st.binary(max_size=600))
def test_any_bytes_come_back(data: bytes) -> None:
    assert BPE.decode_bytes(BPE.encode_bytes(data)) == data


@pytest.mark.parametrize("vocabulary", ALL, ids=["bpe", "words", "characters"])
def test_what_was_learnt_comes_back(vocabulary: Vocabulary) -> None:
    for text in TEXTS:
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == text
        assert not set(ids) & set(range(len(SPECIALS)))


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_ids_are_sorted_and_do_not_hang_on_the_order_of_the_texts(kind: str) -> None:
    one, other = (learn_pieces(texts, kind) for texts in (TEXTS, TEXTS[::-1]))  # type: ignore[arg-type]
    assert one == other
    assert list(one.pieces) == sorted(one.pieces)
    assert [one.ids[piece] for piece in one.pieces] == list(range(len(SPECIALS), one.size))


def test_merges_do_not_hang_on_the_order_of_the_texts() -> None:
    words = " ".join(TEXTS).split(" ")
    shuffled = random.Random(0).sample(words, len(words))
    assert learn_bpe([f" {word}" for word in words], 300) == learn_bpe([f" {word}" for word in shuffled], 300)


def test_the_most_frequent_pair_is_merged_first_and_never_across_words() -> None:
    learnt = learn_bpe(["ab ab ab abc"], 1_000)
    assert learnt.tokens[len(SPECIALS) + 256 :] == [b"ab", b" ab"]


def test_a_token_that_two_merges_make_is_one_token() -> None:
    a, b, c = (len(SPECIALS) + byte for byte in b"abc")
    first = len(SPECIALS) + 256
    twice = BytePairs(((a, b), (b, c), (first, c), (a, first + 1)))
    assert twice.size == first + 3
    assert twice.encode("abc") == [first + 2]


def test_unknown_words_become_the_token_that_says_so() -> None:
    ids = WORDS.encode("The dog sat")
    assert ids.count(UNKNOWN) == 1
    assert WORDS.decode(ids) == "The<|unknown|> sat"


def test_unknown_words_are_refused_where_that_is_wanted() -> None:
    strict = learn_pieces(TEXTS, "words", unknown="refuse")
    with pytest.raises(UsageError, match=r"' dog' is not among the \d+ words"):
        strict.encode("The dog sat")


def test_a_limit_keeps_the_most_frequent() -> None:
    kept = learn_pieces(["a a a b b c"], "characters", size=len(SPECIALS) + 2)
    assert set(kept.pieces) == {" ", "a"}


@pytest.mark.parametrize(("texts", "size"), [(["a"], 3), ([], 0), ([""], 0)])
def test_a_vocabulary_of_nothing_is_refused(texts: list[str], size: int) -> None:
    with pytest.raises(UsageError, match="nothing to make a vocabulary"):
        learn_pieces(texts, "words", size)


def test_a_size_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(UsageError, match="262 tokens at least"):
        learn_bpe(TEXTS, 100)


@pytest.mark.parametrize("vocabulary", ALL, ids=["bpe", "words", "characters"])
def test_a_document_that_spells_a_special_token_does_not_get_it(vocabulary: Vocabulary) -> None:
    text = "the<|endoftext|> cat"
    assert END not in vocabulary.encode(text)
    assert vocabulary.encode(text, specials=True).count(END) == 1
    assert documents_to_ids(vocabulary, [text, "the"]).count(END) == 2


@pytest.mark.parametrize("vocabulary", ALL, ids=["bpe", "words", "characters"])
def test_a_described_vocabulary_is_the_same(vocabulary: Vocabulary) -> None:
    assert vocabulary_of(json.loads(json.dumps(vocabulary.described()))) == vocabulary


@pytest.mark.parametrize("vocabulary", ALL, ids=["bpe", "words", "characters"])
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(parts=likely)
def test_the_tokenizers_library_encodes_exactly_as_we_do(vocabulary: Vocabulary, parts: list[str]) -> None:
    text, library = "".join(parts), tokenizer_of(vocabulary)
    ids = vocabulary.encode(text, specials=True)
    assert library.encode(text, add_special_tokens=False).ids == ids
    assert library.decode(ids, skip_special_tokens=False) == vocabulary.decode(ids)
    library.encode_special_tokens = True
    assert library.encode(text, add_special_tokens=False).ids == vocabulary.encode(text)


def test_the_tokenizers_library_refuses_what_we_refuse() -> None:
    library = tokenizer_of(learn_pieces(TEXTS, "words", unknown="refuse"))
    with pytest.raises(Exception, match="UNK"):
        library.encode("The dog")


def test_a_megabyte_without_a_space_is_encoded_in_seconds() -> None:
    for sign in ("a", "-", " ", "日"):
        text = sign * 300_000
        assert BPE.decode(BPE.encode(text)) == text


def test_characters_that_are_cut_become_replacement_signs() -> None:
    ids = BPE.encode("日")
    assert isinstance(BPE.decode(ids[:1]), str)
    assert Pieces("characters", ("a",)).decode([]) == ""
