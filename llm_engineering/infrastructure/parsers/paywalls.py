"""What a publisher declares about access to a page, in schema.org's words."""

import json
from collections.abc import Iterable, Iterator, Mapping

_FALSE = frozenset({"false", "no", "0", "https://schema.org/false", "http://schema.org/false"})
_WORKS = ("Article", "Posting", "Page", "Work", "Review", "Report", "Recipe", "Course", "Chapter", "Book")


def says_not_free(json_ld: Iterable[str], meta: Mapping[str, str]) -> bool:
    """Tell whether the page declares itself as not accessible for free.

    Only the page's own article counts: teasers of other articles (lists, related items) may be for subscribers.
    """
    if meta.get("isaccessibleforfree", "").lower() in _FALSE or meta.get("article:content_tier", "") == "locked":
        return True
    return any(_is_false(work) for work in _works(json_ld))


def _works(json_ld: Iterable[str]) -> Iterator[Mapping[str, object]]:
    """Yield the first work of each block of JSON-LD. Blocks that cannot be read declare nothing."""
    for block in json_ld:
        try:
            content = json.loads(block)
        except (ValueError, RecursionError):
            continue
        first = next((node for node in _nodes(content) if _is_work(node)), None)
        if first is not None:
            yield first


def _nodes(content: object) -> Iterator[Mapping[str, object]]:
    for node in content if isinstance(content, list) else [content]:
        if isinstance(node, dict):
            yield node
            graph = node.get("@graph")
            yield from (inner for inner in graph if isinstance(inner, dict)) if isinstance(graph, list) else ()


def _is_work(node: Mapping[str, object]) -> bool:
    types = node.get("@type")
    return any(str(name).endswith(_WORKS) for name in (types if isinstance(types, list) else [types]))


def _is_false(node: Mapping[str, object]) -> bool:
    declared = node.get("isAccessibleForFree")
    return declared is False or str(declared).lower() in _FALSE
