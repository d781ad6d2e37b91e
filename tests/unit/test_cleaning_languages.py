import pytest
from pydantic import ValidationError

from llm_engineering.application.cleaning import Cleaning, Language
from llm_engineering.domain.documents import Document

ENGLISH = "The course starts on Monday, and everybody who has registered may join the first lecture online."
GERMAN = "Der Kurs beginnt am Montag, und alle, die sich angemeldet haben, können an der Vorlesung teilnehmen."
JAPANESE = "コースは月曜日に始まり、登録した人は誰でも最初の講義に参加できます。"


def document(text: str, format: str = "text", **metadata: str) -> Document:
    return Document("file:///a", "s", format, text, metadata=metadata)  # type: ignore[arg-type]


def test_the_language_of_a_document_is_in_its_metadata() -> None:
    cleaning = Cleaning(cleaners=(Language(),))
    for text, language in ((ENGLISH, "en"), (GERMAN, "de"), (JAPANESE, "ja")):
        cleaned = cleaning.clean(document(text))
        assert cleaned.metadata == {"language": language}
        assert (cleaned.text, cleaned.outcome) == (text, {"language": language})


@pytest.mark.parametrize("text", ["", "ok", "Hello there", "GET /api/v1", "12 34 56 78 " * 20, "https://a.org/b " * 9])
def test_what_is_too_short_to_tell_is_unknown_and_stays(text: str) -> None:
    cleaned = Cleaning(cleaners=(Language(allow=("en",)),)).clean(document(text))
    assert (cleaned.text, cleaned.metadata["language"]) == (text, "unknown")


def test_other_languages_than_those_allowed_are_refused_with_a_reason() -> None:
    cleaned = Cleaning(cleaners=(Language(allow=("en",)),)).clean(document(GERMAN))
    assert (cleaned.text, cleaned.title) == ("", "")
    assert cleaned.outcome == {"language": "de", "rejected": "language", "detail": "its language is de; allowed: en"}
    strict = Language(allow=("en",), keep_unknown=False)
    assert Cleaning(cleaners=(strict,)).clean(document("ok")).outcome["rejected"] == "language"


def test_code_has_no_language_and_code_in_markdown_does_not_count() -> None:
    cleaning = Cleaning(cleaners=(Language(allow=("de",)),))
    assert cleaning.clean(document("def f():\n    return 1\n" * 9, "code")).metadata == {}
    mixed = f"{GERMAN}\n\n```python\n{ENGLISH * 20}\n```\n"
    assert cleaning.clean(document(mixed, "markdown")).metadata["language"] == "de"


def test_what_the_source_says_of_the_language_stays() -> None:
    cleaned = Cleaning(cleaners=(Language(),)).clean(document(ENGLISH, language="en-GB"))
    assert cleaned.metadata == {"language": "en-GB"}
    assert cleaned.outcome == {"language": "en"}


def test_a_language_that_is_no_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="'English' is no language code; write ISO 639-1"):
        Language(allow=("English",))
