"""The numbers that Word counts by itself: '3.2.', '(a)', 'iv)'. They stand nowhere in a document's text.

A paragraph, or its style, names a list and a level of it; how the levels look and where they begin is said elsewhere
(ECMA-376, part 1, 17.9).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llm_engineering.infrastructure.parsers.formats.archive import Archive, attribute, local

_PART = "word/numbering.xml"
_LEVELS = 9
_ROMAN = {1000: "m", 900: "cm", 500: "d", 400: "cd", 100: "c", 90: "xc", 50: "l", 40: "xl", 10: "x", 9: "ix", 5: "v"}
_ROMAN |= {4: "iv", 1: "i"}


@dataclass
class _Level:
    """How one level of a list is counted and shown."""

    start: int = 1
    kind: str = "decimal"
    shown: str = ""  # '%1.%2.' stands for the numbers of the first two levels
    restarts: int | None = None  # after a paragraph of a level up to this one, counted from 1; 0: never
    legal: bool = False  # all numbers in digits
    style: str = ""  # paragraphs of this style are of this level


@dataclass
class _List:
    """A list as a document names it: which count it belongs to, and its levels."""

    count: str
    levels: dict[int, _Level]
    anew: set[int] = field(default_factory=set)  # levels that begin anew with it; others go on


@dataclass
class Numbers:
    """Counts the paragraphs of a document, which must come in their order."""

    _lists: Mapping[str, _List] = field(default_factory=dict)
    _styles: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # style → list and level
    _counts: dict[str, dict[int, int]] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, archive: Archive) -> "Numbers":
        """Read the lists of a document."""
        if _PART not in archive:
            return cls()
        lists = _lists(archive.xml(_PART))
        return cls(lists, dict(_styles(archive, lists)))

    def next(self, style: str, named: str, level: int | None) -> str | None:
        """Count a paragraph and return what stands before it: '' for a bullet, None if it is in no list.

        Args:
            style: Its style.
            named: The list that it names itself; empty: that of its style.
            level: The level that it names itself.
        """
        of_style = self._styles.get(style, ("", 0))
        found = self._lists.get(named or of_style[0])
        if found is None:
            return None
        depth = of_style[1] if level is None else level
        counts = self._counts.setdefault(found.count, {})
        if (named or of_style[0]) not in self._begun:
            self._begun.add(named or of_style[0])
            for each in found.anew:
                counts.pop(each, None)
        self._count(counts, found, depth)
        return self._shown(counts, found, depth)

    def _count(self, counts: dict[int, int], found: _List, depth: int) -> None:
        counts[depth] = counts.get(depth, _level(found, depth).start - 1) + 1
        for deeper in [each for each in counts if each > depth]:
            restarts = _level(found, deeper).restarts
            if restarts is None or depth < restarts:
                del counts[deeper]

    def _shown(self, counts: Mapping[int, int], found: _List, depth: int) -> str:
        level = _level(found, depth)
        if level.kind == "bullet":
            return ""
        text = level.shown
        for number in range(_LEVELS):
            one = _level(found, number)
            kind = "decimal" if level.legal else one.kind
            text = text.replace(f"%{number + 1}", written(counts.get(number, one.start), kind))
        return text.strip()


def _level(found: _List, depth: int) -> _Level:
    return found.levels.get(depth) or _Level()


def written(number: int, kind: str) -> str:
    """Write a number as Word's `numFmt` says; kinds that are not known here are digits.

    >>> written(4, "upperRoman"), written(28, "lowerLetter"), written(7, "decimalZero"), written(3, "none")
    ('IV', 'bb', '07', '')
    """
    if kind in ("none", "bullet"):
        return ""
    if kind == "decimalZero":
        return f"{number:02d}"
    if kind in ("lowerLetter", "upperLetter") and 0 < number <= 780:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters.upper() if kind.startswith("upper") else letters
    if kind in ("lowerRoman", "upperRoman") and 0 < number < 4_000:
        roman = ""
        for value, sign in _ROMAN.items():
            times, number = divmod(number, value)
            roman += sign * times
        return roman.upper() if kind.startswith("upper") else roman
    return str(number)


def _lists(root: Any) -> dict[str, _List]:
    abstract = {attribute(e, "abstractNumId"): e for e in root if local(e) == "abstractNum"}
    # A list may only name a style, and the one that defines this style has the levels.
    defined = {_said(e, "styleLink"): e for e in abstract.values() if _said(e, "styleLink")}
    lists = {}
    for one in root:
        if local(one) != "num":
            continue
        count = _said(one, "abstractNumId")
        definition = abstract.get(count)
        if definition is None or not attribute(one, "numId"):
            continue
        definition = defined.get(_said(definition, "numStyleLink"), definition)
        found = _List(count, dict(_levels_of(definition)))
        for change in one:
            if local(change) == "lvlOverride":
                depth = _number(attribute(change, "ilvl"))
                found.levels |= dict(_levels_of(change))
                start = _said(change, "startOverride")
                if start:
                    found.levels[depth] = replace(_level(found, depth), start=_number(start))
                    found.anew.add(depth)
        lists[attribute(one, "numId")] = found
    return lists


def _levels_of(parent: Any) -> Iterator[tuple[int, _Level]]:
    for level in parent:
        if local(level) == "lvl" and attribute(level, "ilvl").isdigit():
            restarts = _said(level, "lvlRestart")
            yield (
                _number(attribute(level, "ilvl")),
                _Level(
                    start=_number(_said(level, "start"), 1),
                    kind=_said(level, "numFmt") or "decimal",
                    shown=_said(level, "lvlText"),
                    restarts=_number(restarts) if restarts else None,
                    legal=any(local(e) == "isLgl" and attribute(e, "val") not in ("0", "false", "off") for e in level),
                    style=_said(level, "pStyle"),
                ),
            )


def _styles(archive: Archive, lists: Mapping[str, _List]) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield the list and the level of each paragraph style that has them, its own or inherited."""
    own: dict[str, tuple[str, int]] = {}
    parents: dict[str, str] = {}
    for style in archive.xml("word/styles.xml") if "word/styles.xml" in archive else ():
        key = attribute(style, "styleId")
        if local(style) != "style":
            continue
        parents[key] = _said(style, "basedOn")
        numbering = next((e for e in style.iter() if local(e) == "numPr"), None)
        if numbering is not None:
            named = _said(numbering, "numId")
            levels = lists[named].levels if named in lists else {}
            linked = next((depth for depth, level in levels.items() if level.style == key), None)
            own[key] = named, _number(_said(numbering, "ilvl")) if linked is None else linked
    for key in parents:
        ancestor, steps = key, 0
        while ancestor and ancestor not in own and steps < 20:
            ancestor, steps = parents.get(ancestor, ""), steps + 1
        if ancestor in own:
            yield key, own[ancestor]


def _said(element: Any, name: str) -> str:
    """Return the value of a child, or '' if there is none."""
    return next((attribute(child, "val") for child in element if local(child) == name), "")


def _number(value: str, otherwise: int = 0) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else otherwise
