import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.http.pace import retry_after
from llm_engineering.infrastructure.http.urls import checked, normalised


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://user:pw@example.com/a#top", "https://example.com/a"),
        ("https://example.com/a?utm_source=x&b=1&fbclid=y", "https://example.com/a?b=1"),
        ("https://example.com/a?b=2&b=1", "https://example.com/a?b=2&b=1"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("  https://example.com/a  ", "https://example.com/a"),
    ],
)
def test_a_page_has_one_spelling(given_url: str, expected: str) -> None:
    assert normalised(given_url) == expected


@given(
    st.text(max_size=60) | st.text(max_size=40).map("http://".__add__) | st.text(max_size=40).map("https://a/".__add__)
)
def test_any_text_is_a_url_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(SourceError):
        once = normalised(text)
        assert normalised(once) == once


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "http://",
        "http://a b/",
        "http://a:99999/",
        "http://[::1",
        "http://a..b/",
    ],
)
def test_what_cannot_be_fetched_is_refused(bad: str) -> None:
    with pytest.raises(SourceError) as raised:
        checked(bad)
    assert raised.value.reason == "bad_url"


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "٣", "Thu, 99 Jan 1970 00:00:00 GMT"])
def test_a_retry_after_that_cannot_be_read_is_none(value: str) -> None:
    assert retry_after(value, 0.0) is None


def test_a_retry_after_in_the_past_is_zero() -> None:
    assert retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 50.0) == 0.0
