"""Which language a text is in; documents in others can be refused."""

import re
from functools import cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from llm_engineering.application.cleaning.code_lines import mark_code
from llm_engineering.application.cleaning.findings import Findings
from llm_engineering.domain.documents import CleanedDocument, Format
from llm_engineering.domain.extras import require
from llm_engineering.domain.value import Value

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN = "unknown"
_URL = re.compile(r"\S+://\S+|\S+@\S+|`[^`\n]*`|<[^<>\n]*>")
_MOST = 20_000
# What the model says for text that is in no language.
_NONE = frozenset(["zxx", "und", "mul", "mis"])


class Language(Value):
    """Tell the language of a document, note it in the metadata, and refuse those that are not allowed.

    What is too short or too mixed to tell is `unknown`, and stays. Code is never asked, nor code in Markdown.
    """

    kind: Literal["language"] = "language"
    allow: tuple[str, ...] = Field((), description="languages to keep, ISO 639-1, for example [en, de]; empty: all")
    keep_unknown: bool = Field(True, description="whether documents of an unknown language stay, with an `allow` list")
    field: str = Field("language", min_length=1, description="the metadata field; one that the source filled stays")
    min_letters: int = Field(40, ge=1, description="a text of fewer letters is unknown; Chinese ones count threefold")
    min_confidence: float = Field(0.7, gt=0, le=1, description="probability below which a text is unknown")

    @field_validator("allow")
    @classmethod
    def _are_codes(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for code in allow:
            if not re.fullmatch(r"[a-z]{2,3}", code):
                raise ValueError(f"{code!r} is no language code; write ISO 639-1 in lower case, such as en, de, zh")
        return allow

    def require(self) -> None:
        """Refuse to go on without the extra."""
        require("languages", "the cleaner `language`", "py3langid")

    def clean(self, text: str, format: Format) -> str:  # noqa: ARG002 - the signature of every cleaner
        return text

    def examined(self, document: CleanedDocument) -> Findings:
        """Return the language, and why the document is refused if it is."""
        if document.format == "code":
            return Findings(document)
        found = self.language_of(f"{document.title}\n{document.text}", document.format)
        metadata = document.metadata if self.field in document.metadata else {**document.metadata, self.field: found}
        outcome = {"language": found}
        refused = found not in self.allow and not (found == UNKNOWN and self.keep_unknown)
        if self.allow and refused and document.text:
            outcome |= {"rejected": "language", "detail": f"its language is {found}; allowed: {', '.join(self.allow)}"}
        return Findings(document, metadata=metadata, outcome=outcome)

    def language_of(self, text: str, format: Format) -> str:
        """Return the ISO 639-1 code of a text's language, or `unknown`.

        Raises:
            UsageError: the extra `languages` is not installed.
        """
        self.require()
        prose = _prose(text[: 2 * _MOST], format)[:_MOST]
        letters = sum(3 if "\u3040" <= letter <= "\u9fff" else 1 for letter in prose if letter.isalpha())
        if letters < self.min_letters:
            return UNKNOWN
        code, probability = _identifier().classify(prose)
        return str(code) if probability >= self.min_confidence and code not in _NONE else UNKNOWN


def _prose(text: str, format: Format) -> str:
    if format == "markdown":
        text = "\n".join(line for line, is_code in mark_code(text.split("\n")) if not is_code)
    return " ".join(_URL.sub(" ", text).split())


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
