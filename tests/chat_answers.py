"""Documents and answers to show on the chat page."""

from typing import Any

from chat_server import Event

TEXT = (
    "Course FAQ. The course starts in January. You can join late: the homework stays open, and late submissions count "
    "until the form closes. Certificates need a finished project, reviewed by three peers. " + "More about it. " * 400
)
QUOTE = "You can join late: the homework stays open"
OTHER = "Certificates need a finished project"


def document(title: str = "Course FAQ", uri: str = "https://example.org/faq?a=1", text: str = TEXT) -> dict[str, Any]:
    return {"title": title, "uri": uri, "source": "faq", "text": text}


def citation(number: int = 1, quote: str = QUOTE, **changes: Any) -> dict[str, Any]:
    place = {"number": number, "quote": quote, "verdict": "found", "document_id": "d1", "chunk_id": f"c{number}"}
    start = TEXT.index(quote) if quote in TEXT else 0
    named = {"uri": "https://example.org/faq?a=1", "title": "Course FAQ", "source": "faq"}
    return {**place, **named, "start": start, "end": start + len(quote), **changes}


def hit(number: int = 1, **changes: Any) -> dict[str, Any]:
    place = {"chunk_id": f"c{number}", "score": 0.7, "document_id": "d1", "uri": "https://example.org/faq?a=1"}
    named = {"title": "Course FAQ", "source": "faq", "start": 0, "end": 41, "text": TEXT[:41], "context": ""}
    return {**place, **named, "metadata": {}, "scores": {"dense": 0.7}, "parent": None, **changes}


ANSWER = "**Yes**, you can join late [1]. A certificate needs a project [2]."


def answer(text: str = ANSWER, **changes: Any) -> dict[str, Any]:
    parts = {"id": "a1", "question": "q", "text": text, "outcome": "answered", "confidence": 0.82, "flags": []}
    cited = [citation(), citation(2, OTHER)]
    versions = {"llm": "extractive", "index": "v1"}
    usage = {"calls": 1, "input_tokens": 900, "output_tokens": 80, "cost": None}
    more = {"usage": usage, "seconds": {"total": 0.84}, "cached": False, "conversation_id": "k1"}
    return {**parts, "citations": cited, "versions": versions, **more, "hits": [hit(1), hit(2), hit(3)], **changes}


def events(text: str = ANSWER, *, piece: int = 7, **changes: Any) -> list[Event]:
    """Return the events of an answer: sources, pieces of the text, the answer."""
    last = answer(text, **changes)
    sources = {"answer_id": last["id"], "conversation_id": last["conversation_id"], "hits": last["hits"]}
    pieces = [("piece", {"text": text[at : at + piece]}) for at in range(0, len(text), piece)]
    return [("sources", sources), *pieces, ("finished", last)]
