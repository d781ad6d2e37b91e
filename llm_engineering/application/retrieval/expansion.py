"""Expansion: a question is also asked in other words, and what they find counts in part."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from llm_engineering.application.retrieval.asking import Ask, ask_json, texts_in
from llm_engineering.application.text.tokenizing import ENGLISH_STOP_WORDS
from llm_engineering.application.text.words import words
from llm_engineering.domain.value import Value

MOST = 8
ORDER = (
    "You help a search engine. Rewrite the user's question in other words that a text answering it might use. Keep its "
    'meaning and language. Answer with JSON: {"queries": ["...", "..."]}. Do not answer the question.'
)
WEIGHT = Field(0.5, gt=0, le=10, description="how much the other words count beside the question, which counts 1")


class RuleExpansion(Value):
    """Ask again with words replaced by what they stand for, and with the content words alone."""

    kind: Literal["rules"] = "rules"
    synonyms: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="word or words → what they also mean, for example {k8s: [kubernetes], de: [data engineering]}",
    )
    without_stop_words: bool = Field(False, description="also ask with the words of content alone")
    stop_words: tuple[str, ...] = Field(
        tuple(sorted(ENGLISH_STOP_WORDS | {"how", "what", "when", "where", "which", "who", "why", "can"})),
        description="the words to leave out",
    )
    weight: float = WEIGHT

    def variants(self, query: str, ask: Ask | None) -> tuple[str, ...]:  # noqa: ARG002 - one signature for all kinds
        """Return the other queries, at most eight, without the question itself."""
        asked = words(query)
        found = [
            " ".join((*asked[:start], other, *asked[start + len(meant) :]))
            for given, others in self.synonyms.items()
            if (meant := _folded(words(given)))
            for start in range(len(asked) - len(meant) + 1)
            if _folded(asked[start : start + len(meant)]) == meant
            for other in others
        ]
        if self.without_stop_words:
            ignored = set(_folded(self.stop_words))
            found.append(" ".join(word for word in asked if word.casefold() not in ignored))
        same = {" ".join(asked), query.strip(), ""}
        return tuple(dict.fromkeys(text for text in found if text not in same))[:MOST]


class LlmExpansion(Value):
    """Let a language model put the question in other words."""

    kind: Literal["llm"] = "llm"
    n: int = Field(3, ge=1, le=MOST, description="other wordings to ask for")
    weight: float = WEIGHT

    def variants(self, query: str, ask: Ask | None) -> tuple[str, ...]:
        """Return the other queries.

        Raises:
            BackendError: there is no model, it failed or talked nonsense.
        """
        listed = {"type": "array", "items": {"type": "string"}, "maxItems": self.n}
        schema = {"type": "object", "properties": {"queries": listed}, "required": ["queries"]}
        answer = ask_json(ask, ORDER, f"Give {self.n} other wordings of this question:\n\n{query}", schema)
        return tuple(text for text in texts_in(answer.get("queries"), self.n + 1) if text != query.strip())[: self.n]


Expansion = Annotated[RuleExpansion | LlmExpansion, Field(discriminator="kind")]


def _folded(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in given)
