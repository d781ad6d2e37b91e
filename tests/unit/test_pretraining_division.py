"""Documents are divided so that nothing that is tested on was learnt."""

import pytest

from llm_engineering.application.pretraining import Division, held_out, of_tenants, text_of, texts_of
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError

WORDS = [f"{first}{last}" for first in "bcdfghjklmnprst" for last in ("ane", "oil", "ust", "erd", "ink", "ole")]


def document(number: int, text: str = "", title: str = "", tenant: str = "") -> CleanedDocument:
    own = " ".join(f"{word}{number}" for word in WORDS[:30])
    metadata = {"tenant": tenant} if tenant else {}
    return CleanedDocument(str(number), f"file:{number}", "s", "text", text or own, title, "", metadata)


def test_about_the_share_is_held_out_and_the_same_for_the_same_seed() -> None:
    documents = [document(number) for number in range(100)]
    held = held_out(documents, Division(share=0.1))
    assert 8 <= len(held) <= 12
    assert held == held_out(documents[::-1], Division(share=0.1))
    assert held != held_out(documents, Division(share=0.1, seed=1))


def test_documents_with_a_paragraph_in_common_are_on_one_side() -> None:
    shared = "\n\n" + " ".join(f"{word}!" for word in WORDS[30:60])
    documents = [document(number) for number in range(40)]
    pairs = [(document(100 + n, document(100 + n).text + shared.replace("!", f"x{n // 2}")), n // 2) for n in range(40)]
    for seed in range(5):
        held = held_out([*documents, *(one for one, _ in pairs)], Division(share=0.3, seed=seed))
        sides: dict[int, set[bool]] = {}
        for one, pair in pairs:
            sides.setdefault(pair, set()).add(one.id in held)
        assert all(len(side) == 1 for side in sides.values())


def test_what_very_many_repeat_keeps_nothing_together() -> None:
    shared = "\n\n" + " ".join(WORDS[30:60])
    documents = [document(number, document(number).text + shared) for number in range(40)]
    assert held_out(documents, Division(share=0.1, alike=0.95, boilerplate=20))
    assert not held_out(documents, Division(share=0.1, alike=0.95, boilerplate=50))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_documents_leave_something_to_learn_from(count: int) -> None:
    texts = texts_of([document(number) for number in range(count)], "c@v1", Division())
    assert texts.train
    assert len(texts.train) + len(texts.validation) == count


def test_documents_that_all_repeat_each_other_are_all_learnt_from() -> None:
    documents = [document(number, "the same words " * 20) for number in range(5)]
    assert len(texts_of(documents, "c@v1", Division()).train) == 5


def test_a_share_of_nothing_holds_nothing_out() -> None:
    assert not held_out([document(number) for number in range(9)], Division(share=0))


def test_the_digest_follows_texts_and_division() -> None:
    documents = [document(number) for number in range(20)]
    one = texts_of(documents, "c@v1", Division()).digest
    assert one == texts_of(documents, "c@v2", Division()).digest
    assert one != texts_of([*documents[:-1], document(19, "other")], "c@v1", Division()).digest
    assert one != texts_of(documents, "c@v1", Division(seed=3)).digest


def test_a_title_stands_over_a_text_that_does_not_begin_with_it() -> None:
    assert text_of(document(1, "# Tea\n\nIt is hot.", "Tea")) == "# Tea\n\nIt is hot."
    assert text_of(document(1, "It is hot.", "Tea")) == "Tea\n\nIt is hot."


def test_documents_without_a_text_do_not_count() -> None:
    with pytest.raises(UsageError, match="no document with a text"):
        of_tenants([document(1, " \n")], None)
