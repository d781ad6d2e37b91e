"""How mentions of what is to be forgotten are recognised in texts, and masked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.documents import Document, Failure
from llm_engineering.domain.erasure import MASK, Forgotten, Target, digest_of, masked
from llm_engineering.domain.traces import Traces, scrubbed
from llm_engineering.domain.users import user_named


def traces(**known: object) -> Traces:
    return Traces.model_validate({"target": Target(kind="uri", name="file:///d/a.md"), **known})


PAGE = traces(uris=frozenset({"https://x.org/a"}))
FILE = traces(uris=frozenset({"file:///d/a%20b.md"}))
DOCS = traces(sources=frozenset({"docs"}))
ADA = traces(people=frozenset({"Ada Lovelace"}))


@pytest.mark.parametrize(
    "text",
    [
        "https://x.org/a",
        "see https://x.org/a.",
        '{"uri":"https://x.org/a"}',
        "(https://x.org/a)",
        "https://x.org/a: 404",
    ],
)
def test_an_address_is_found_where_it_ends(text: str) -> None:
    assert PAGE.are_in(text)


@pytest.mark.parametrize(
    "text",
    ["https://x.org/ab", "https://x.org/a/b", "https://x.org/a?page=2", "https://x.org/a.html", "xhttps://x.org/a"],
)
def test_longer_addresses_are_others(text: str) -> None:
    assert not PAGE.are_in(text)


def test_a_file_is_also_found_by_its_path() -> None:
    assert FILE.are_in("cannot read /d/a b.md")
    assert FILE.is_named("/d/a b.md")


@pytest.mark.parametrize("text", ["source 'docs' failed", '["source docs"]', '{"name": "docs"}', "ingest docs: 3"])
def test_a_name_is_found_as_a_word(text: str) -> None:
    assert DOCS.are_in(text)


@pytest.mark.parametrize("text", ["https://docs.zenml.io", "a/docs/b", "mydocs", "docs-old", "Docstring"])
def test_a_name_is_not_found_inside_others(text: str) -> None:
    assert not DOCS.are_in(text)


def test_a_person_is_found_whatever_the_case_and_the_blanks() -> None:
    assert ADA.are_in("written by ADA   lovelace.")
    assert not ADA.are_in("Ada Lovelaceson")


def test_a_very_short_name_counts_only_in_quotes() -> None:
    short = traces(sources=frozenset({"a"}))
    assert short.are_in('{"name": "a"}')
    assert not short.are_in("a large document")


@given(st.text(min_size=3).filter(lambda text: text.strip() == text and text.isprintable()))
def test_names_are_found_in_json_in_json(name: str) -> None:
    named = traces(uris=frozenset({f"memo://{name}/x"}))
    text = json.dumps({"outer": json.dumps({"uri": f"memo://{name}/x"})})
    assert named.are_in(text)


def test_many_addresses_are_found_as_well_as_one() -> None:
    many = traces(uris=frozenset(f"https://x.org/{number}" for number in range(3000)))
    assert many.are_in("failed https://x.org/2999: 404")
    assert not many.are_in("failed https://x.org/3000: 404")


def test_scrubbing_keeps_the_sums_and_loses_the_names() -> None:
    report = {
        "found": 3,
        "sources": [{"source": "docs", "found": 2}, {"source": "other", "found": 1}],
        "rejections": [{"uri": "https://x.org/a", "source": "other", "reason": "paywall", "detail": "it says: secret"}],
        "documents": {"https://x.org/a": "the text", "https://x.org/b": "another"},
        "collection": "docs",
        "note": "source 'docs' failed",
    }
    found = traces(uris=frozenset({"https://x.org/a"}), sources=frozenset({"docs"}))
    assert scrubbed(report, found) == {
        "found": 3,
        "sources": [{"source": MASK, "found": 2}, {"source": "other", "found": 1}],
        "rejections": [{"uri": MASK, "source": MASK, "reason": "paywall", "detail": MASK}],
        "documents": {"https://x.org/b": "another"},
        "collection": "docs",
        "note": f"source '{MASK}' failed",
    }


def test_scrubbing_a_source_empties_its_section() -> None:
    section = {"kind": "memory", "name": "docs", "documents": {"m://1": "secret"}, "urls": ["secret"], "max_bytes": 7}
    assert scrubbed({"sources": [section]}, DOCS) == {
        "sources": [{"kind": "memory", "name": MASK, "documents": {}, "urls": [], "max_bytes": 7}]
    }


DOCUMENT = Document("m://1", "docs", "text", "a text", user_id=user_named("Ada Lovelace").id)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("document", DOCUMENT.id),
        ("uri", "m://1"),
        ("source", "docs"),
        ("user", user_named("ada lovelace").id),
        ("text", "a text"),
    ],
)
def test_what_was_forgotten_by_any_of_its_names_is_hidden(kind: str, name: str) -> None:
    assert Forgotten({digest_of(kind, name)}).hides(DOCUMENT)
    assert not Forgotten({digest_of(kind, name + "x")}).hides(DOCUMENT)


def test_a_forgotten_author_is_recognised_in_metadata() -> None:
    article = Document("m://2", "web", "text", "x", metadata={"author": " Ada  LOVELACE "})
    assert Forgotten({Target(kind="user", name="Ada Lovelace").digest}).hides(article)


def test_failures_of_forgotten_addresses_are_hidden() -> None:
    assert Forgotten({digest_of("uri", "m://1")}).hides(Failure("m://1", "docs", "timeout", "m://1 is slow"))


def test_the_account_of_a_hidden_item_names_it_nowhere() -> None:
    account = masked(DOCUMENT, DOCUMENT.id)
    assert (account.uri, account.reason) == (MASK, "forgotten")
    assert "m://1" not in repr(account)
    assert DOCUMENT.id not in repr(account)
    assert account.document_id != masked(DOCUMENT, "another").document_id
