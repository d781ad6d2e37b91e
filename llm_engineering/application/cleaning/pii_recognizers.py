"""The pattern recognizers of Presidio, without its language models and without a network."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Literal, NamedTuple

from llm_engineering.application.cleaning.plain_form import plain_form

Entity = Literal[
    "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS", "CRYPTO", "US_SSN"
]  # fmt: skip

_CLASSES: dict[Entity, str] = {
    "CREDIT_CARD": "CreditCardRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "IP_ADDRESS": "IpRecognizer",
    "MAC_ADDRESS": "MacAddressRecognizer",
    "CRYPTO": "CryptoRecognizer",
    "US_SSN": "UsSsnRecognizer",
}
# Some patterns take quadratic time; no text is looked at in longer pieces, and pieces end at blanks.
_LONGEST = 4_000
_BLANK = re.compile(r"\s")
_BEFORE = re.compile(r"[\w/=.@#:-]$")
_CALLED = re.compile(r"(?i)(?<![^\W_])(tel|phone|telefon|mobile?|fax|call|sms)[.:]$")
_AFTER = re.compile(r"[\w/@_-]|[.:]\w")
_REST_OF_IPV6 = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6}(?![\w:])")
_DIGIT_OR_AT = re.compile(r"\d|@")


class Found(NamedTuple):
    """A finding at [start, end)."""

    start: int
    end: int
    entity: str
    score: float


def recognized(text: str, entities: tuple[Entity, ...], regions: tuple[str, ...], min_score: float) -> list[Found]:
    """Return the findings in order, without overlap: of two that overlap the more certain, then the longer one."""
    found = [one for one in _findings(text, entities, regions) if one.score >= min_score]
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (-one.score, one.start - one.end, one.start, one.entity)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept)


def _findings(text: str, entities: tuple[Entity, ...], regions: tuple[str, ...]) -> Iterator[Found]:
    """Yield what is found in the text as it stands, and in what it looks like."""
    for first, last in _pieces(text):
        piece = text[first:last]
        yield from (_moved(one, range(first, last + 1)) for one in _in_piece(piece, entities, regions))
        plain, offsets = plain_form(piece)
        if plain != piece:
            places = [first + offset for offset in offsets]
            yield from (_moved(one, places) for one in _in_piece(plain, entities, regions))


def _moved(found: Found, places: Sequence[int]) -> Found:
    """Return a finding by its places in the whole text; what is invisible after its last character is not its own."""
    return found._replace(start=places[found.start], end=places[found.end - 1] + 1)


def _in_piece(piece: str, entities: tuple[Entity, ...], regions: tuple[str, ...]) -> Iterator[Found]:
    if not _DIGIT_OR_AT.search(piece):  # none of the kinds goes without
        return
    for entity in entities:
        for result in _recognizer(entity, regions).analyze(piece, [entity]) or ():
            start, end = result.start, result.end
            if entity == "IP_ADDRESS":
                end = _end_of_address(piece, start, end)
            if _is_meant(entity, piece, start, end):
                yield Found(start, end, entity, result.score)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = min(start + _LONGEST, len(text))
        if end < len(text):
            newline = text.rfind("\n", start + _LONGEST // 2, end)
            blank = newline if newline > 0 else _last_blank(text, start + _LONGEST // 2, end)
            end = blank + 1 if blank > start else end
        yield start, end
        start = end


def _last_blank(text: str, start: int, end: int) -> int:
    return max((match.start() for match in _BLANK.finditer(text, start, end)), default=-1)


def _is_meant(entity: Entity, text: str, start: int, end: int) -> bool:
    """Tell whether a finding is somebody's: no part of a longer name or number, no `git@host`, no private address."""
    if entity == "PHONE_NUMBER":
        is_part = _BEFORE.search(text[max(0, start - 1) : start]) and not _CALLED.search(
            text[max(0, start - 9) : start]
        )
        return not (is_part or _AFTER.match(text[end : end + 2]))
    if entity == "EMAIL_ADDRESS":
        return not text[start:end].lower().startswith("git@")
    return entity != "IP_ADDRESS" or _is_public(text[start:end])


def _end_of_address(text: str, start: int, end: int) -> int:
    """Return where an address ends: Presidio ends an IPv6 address at its `::`, before the part that names a host."""
    rest = _REST_OF_IPV6.match(text, end) if text[start:end].endswith("::") else None
    return rest.end() if rest and _parsed(text[start : rest.end()]) else end


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _is_public(address: str) -> bool:
    """Tell whether an address can be somebody's: those of documentation and private networks are nobody's."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_global


@cache
def _recognizer(entity: Entity, regions: tuple[str, ...]) -> Any:
    predefined = import_module("presidio_analyzer.predefined_recognizers")
    if entity == "PHONE_NUMBER":
        return predefined.PhoneRecognizer(supported_regions=regions)
    if entity == "EMAIL_ADDRESS":
        return _without_network(predefined.EmailRecognizer)
    return getattr(predefined, _CLASSES[entity])()


def _without_network(recognizer: Any) -> Any:
    """Return the recognizer of e-mail addresses with the list of domains that is installed: its own fetches one."""
    from tldextract import TLDExtract

    extract = TLDExtract(cache_dir=None, suffix_list_urls=())

    class Offline(recognizer):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text.rpartition("@")[2]).suffix)

    return Offline()
