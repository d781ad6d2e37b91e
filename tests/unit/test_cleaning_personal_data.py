import json
import socket
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_engineering.application.cleaning import Cleaning, Pii
from llm_engineering.domain.documents import Document

SECRETS = {
    "EMAIL_ADDRESS": "ada.lovelace@example.org",
    "PHONE_NUMBER": "+44 20 7946 0958",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "IP_ADDRESS": "8.8.4.4",
}
TEXT = "Dear all,\n\n" + "\n".join(f"write to {value} today." for value in SECRETS.values())


def document(text: str, title: str = "", **metadata: str) -> Document:
    return Document("file:///a", "s", "text", text, title, metadata=metadata)


def only(**settings: object) -> Cleaning:
    return Cleaning(cleaners=(Pii.model_validate(settings),))


def test_each_kind_is_masked_by_its_name_and_counted() -> None:
    cleaned = only().clean(document(TEXT, "Ask ada.lovelace@example.org", author="ada.lovelace@example.org", n="1"))
    assert not any(value in cleaned.text for value in SECRETS.values())
    assert cleaned.text == "Dear all,\n\n" + "\n".join(f"write to <{kind}> today." for kind in SECRETS)
    assert (cleaned.title, cleaned.metadata) == ("Ask <EMAIL_ADDRESS>", {"author": "<EMAIL_ADDRESS>", "n": "1"})
    assert cleaned.outcome == {f"pii.{kind}": 1 + 2 * (kind == "EMAIL_ADDRESS") for kind in SECRETS}


def test_a_shortened_ipv6_address_is_masked_to_its_end() -> None:
    cleaned = only().clean(document("from 2001:4860:4860::8888, [2a00:1450:4001:81b::200e:1]:443 or fe80::1"))
    assert cleaned.text == "from <IP_ADDRESS>, [<IP_ADDRESS>]:443 or fe80::1"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ada\u200b.love\u00adlace@exam\u2060ple.org", "EMAIL_ADDRESS"),
        ("ada.lovelace＠example．org", "EMAIL_ADDRESS"),
        ("𝐚𝐝𝐚@example﹒org", "EMAIL_ADDRESS"),
        ("+44\u00a020\u202f7946\u20090958", "PHONE_NUMBER"),
        ("DE89\u00a03704\u202f0044\u00a00532\u00a00130\u00a000", "IBAN_CODE"),
        ("4111‑1111–1111−1111", "CREDIT_CARD"),
        ("٤111 １１１１ 1111 1111", "CREDIT_CARD"),
        ("8.8\u200b.4．4", "IP_ADDRESS"),
    ],
)
def test_what_a_reader_takes_for_an_address_or_number_is_masked_where_it_stands(text: str, kind: str) -> None:
    for before, after in (("é: ", " – ok"), ("\u200b", "\u200b"), ("word " * 900, "\n" + "é\u200b " * 2000)):
        assert only().clean(document(before + text + after)).text.rstrip() == f"{before}<{kind}>{after}".rstrip()


def test_a_number_behind_the_word_that_says_so_is_masked() -> None:
    cleaned = only().clean(document("tel:+12125550123, Phone:(212) 555-0123, but hotel:+12125550123"))
    assert cleaned.text == "tel:<PHONE_NUMBER>, Phone:<PHONE_NUMBER>, but hotel:+12125550123"


@pytest.mark.parametrize(
    "text", ["ada@example.org\u200bNext word", "x² + 10²³ – 4 ① ½", "🧑‍🚀 and 👍🏽", "19–23 × 4\u00a0000"]
)
def test_odd_characters_by_themselves_change_nothing(text: str) -> None:
    assert only().clean(document(text)).text == text.replace("ada@example.org", "<EMAIL_ADDRESS>")


def test_what_was_masked_is_clean() -> None:
    once = Cleaning(cleaners=(*Cleaning().cleaners, Pii())).clean(document(TEXT))
    again = Cleaning(cleaners=(*Cleaning().cleaners, Pii())).clean(document(once.text))
    assert (again.text, again.outcome) == (once.text, {})


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112",  # a wrong checksum
        "account DE89 3704 0044 0532 0130 01",
        "on 127.0.0.1, 10.0.0.7 or 192.168.1.1",
        "python 3.11.4, numpy 1.26.4",
        "me@localhost and user@host.invalid-tld",
        "a matrix of 1024 x 768 and 1,234,567 rows",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    cleaned = only().clean(document(text))
    assert (cleaned.text, cleaned.outcome) == (text, {})


def test_a_document_is_refused_or_only_counted_as_asked() -> None:
    refused = only(action="reject").clean(document(TEXT, "Title"))
    assert (refused.text, refused.title, refused.outcome["rejected"]) == ("", "", "pii")
    assert "1 CREDIT_CARD" in str(refused.outcome["detail"])
    assert not any(value in str(refused.outcome) for value in SECRETS.values())
    counted = only(action="report").clean(document(TEXT, "Title"))
    assert (counted.text, counted.outcome["pii.IBAN_CODE"]) == (TEXT, 1)


def test_the_tenant_of_a_document_is_never_masked() -> None:
    cleaned = only().clean(document(TEXT, tenant="ada.lovelace@example.org"))
    assert cleaned.metadata == {"tenant": "ada.lovelace@example.org"}


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert only().clean(document(TEXT)).outcome["pii.EMAIL_ADDRESS"] == 1


@pytest.mark.parametrize("text", ["a" * 50_000 + "@", "1 " * 20_000, "a.b-" * 12_000 + "@x", "4111 " * 9_000])
def test_hostile_text_takes_no_time(text: str) -> None:
    assert only().clean(document(text)).text.strip()


def test_a_finding_is_whole_where_the_text_is_long() -> None:
    text = "word " * 5_000 + "ada.lovelace@example.org " + "word " * 5_000
    assert only().clean(document(text)).text == text.replace("ada.lovelace@example.org", "<EMAIL_ADDRESS>")


def test_wrong_settings_name_the_valid_ones() -> None:
    with pytest.raises(ValidationError, match="'EMAIL_ADDRESS'"):
        Pii.model_validate({"entities": ["EMAIL"]})
    with pytest.raises(ValidationError, match="'UK1' is no country code"):
        Pii(regions=("UK1",))


def test_the_faq_has_addresses_and_hardly_anything_that_only_looks_like_personal_data() -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "faq" / "documents.json"
    if not path.is_file():
        pytest.skip("the FAQ corpus is not beside this checkout (shared/data/faq)")
    found: Counter[str] = Counter()
    for course in json.loads(path.read_text(encoding="utf-8")):
        for record in course["documents"]:
            found += Pii().masked(record["text"])[1]
    assert 40 <= found["EMAIL_ADDRESS"] <= 46
    assert found.total() - found["EMAIL_ADDRESS"] <= 10
