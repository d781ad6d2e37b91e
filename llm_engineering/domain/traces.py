"""By what the traces of something that is to be forgotten are recognised in texts, and how they are masked there."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from llm_engineering.domain.erasure import MASK, Target, digest_of
from llm_engineering.domain.users import user_named
from llm_engineering.domain.value import Value

_PER_PATTERN = 200
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
# Keys whose text is no name of a document, a source or a person, even if it reads like one.
_KEPT = frozenset({"kind", "reason", "pipeline", "status", "collection", "version", "index_version", "format", "mode"})
# Keys that say what a mapping is about.
_NAMING = frozenset({"name", "source", "uri", "url", "root", "user_full_name", "document_id"})


class Traces(Value):
    """By what the traces of a target are recognised: ids, addresses, and names.

    Ids and addresses identify by themselves. A name (`docs`, `Ada Lovelace`) counts only as a whole word, and one of
    less than three characters only in quotes.
    """

    target: Target
    document_ids: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()

    @property
    def digests(self) -> dict[str, str]:
        """What has to be remembered so that none of it comes back: digest → kind. `texts` are digests already."""
        people = {user_named(name).id for name in self.people}
        sources = {self.target.name} if self.target.kind == "source" else set()
        names = {"document": self.document_ids, "uri": self.uris, "user": people, "source": sources}
        digests = {digest_of(kind, name): kind for kind, group in names.items() for name in group}
        return digests | dict.fromkeys(self.texts, "text")

    def __or__(self, other: "Traces") -> "Traces":
        """Return the traces of both, of one target."""
        return Traces(
            target=self.target,
            document_ids=self.document_ids | other.document_ids,
            uris=self.uris | other.uris,
            sources=self.sources | other.sources,
            people=self.people | other.people,
            texts=self.texts | other.texts,
        )

    @cached_property
    def spellings(self) -> frozenset[str]:
        """All texts that stand for the target when they stand alone."""
        holds = {f"source {name}" for name in self.sources}
        return (
            frozenset({*self.document_ids, *(way for uri in self.uris for way in ways_to_write(uri))})
            | self.sources
            | holds
        )

    def is_named(self, text: str) -> bool:
        """Return whether a text as a whole is one of the target's names."""
        return text in self.spellings or " ".join(text.split()).casefold() in self._people

    def are_in(self, text: str) -> bool:
        """Return whether a text, or what it is once JSON escapes are undone, mentions the target."""
        return any(pattern.search(reading) for reading in _readings(text) for pattern in self._patterns)

    def masked(self, text: str) -> str:
        """Return the text with every mention of the target replaced."""
        for pattern in self._patterns:
            text = pattern.sub(MASK, text)
        return text

    @cached_property
    def _people(self) -> frozenset[str]:
        return frozenset(" ".join(name.split()).casefold() for name in self.people)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        words = sorted(self.spellings, key=lambda word: (word[:8], -len(word), word))
        patterns = [re.compile(_anywhere(words[at : at + _PER_PATTERN])) for at in range(0, len(words), _PER_PATTERN)]
        names = [r"\s+".join(map(re.escape, name.split())) for name in sorted(self._people)]
        return patterns + [re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE) for name in names]


def ways_to_write(uri: str) -> Iterator[str]:
    """Yield the spellings of a URI that configurations and messages use: itself, and the path of a file."""
    yield uri
    if uri.lower().startswith("file:"):
        yield unquote(urlsplit(uri).path)


def _anywhere(words: Iterable[str]) -> str:
    """Return a pattern for words that end where they end: `a.md` is not in `a.mdx`, `x.org/a` not in `x.org/a/b`."""
    long = "|".join(re.escape(word) for word in words if len(word) > 2)
    short = "|".join(rf"(?<=[\"']){re.escape(word)}(?=[\"'])" for word in words if 0 < len(word) <= 2)
    bounded = rf"(?<![\w./:@-])(?:{long})(?![\w/@-]|[.:?#&=%~+](?=\w))" if long else ""
    return "|".join(part for part in (bounded, short) if part) or r"(?!)"


def _readings(text: str) -> Iterator[str]:
    """Yield a text as it is and, twice over, with the escapes of JSON undone: JSON is stored inside JSON."""
    yield text
    for _ in range(2):
        if "\\" not in text:
            return
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _unescaped(found[2]), text)
        # Two escapes stand for one character beyond the 16-bit plane.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield text


def _unescaped(letter: str) -> str:
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(letter, letter)


def scrubbed(value: Any, traces: Traces) -> Any:
    """Return a JSON-like value without the target: its texts masked, its keys gone, what is about it emptied.

    Numbers and what else says nothing of it stay, so that accounts keep their sums.
    """
    if isinstance(value, str):
        return MASK if traces.is_named(value) else traces.masked(value)
    if isinstance(value, list | tuple):
        return [scrubbed(item, traces) for item in value]
    if not isinstance(value, Mapping):
        return value
    if any(key in _NAMING and isinstance(item, str) and traces.is_named(item) for key, item in value.items()):
        return {key: item if key in _KEPT else _emptied(item) for key, item in value.items()}
    kept = {key: item for key, item in value.items() if not traces.are_in(key)}
    return {
        key: item if key in _KEPT and isinstance(item, str) else scrubbed(item, traces) for key, item in kept.items()
    }


def _emptied(value: Any) -> Any:
    if isinstance(value, str):
        return MASK if value else value
    if isinstance(value, list | tuple):
        return []
    return {} if isinstance(value, Mapping) else value
