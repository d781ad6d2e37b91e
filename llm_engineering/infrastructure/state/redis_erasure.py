"""Removal of everything that quotes a document from a Redis server.

Erasures are rare and answers many, so there is no index of documents that would have to agree with the rest for ever:
all keys of the prefix are looked through. What is written meanwhile is refused by its marks.
"""

from collections.abc import Collection, Iterator, Sequence

from llm_engineering.domain.answers import Turn
from llm_engineering.infrastructure.state import redis_scripts as scripts
from llm_engineering.infrastructure.state.keeping import document_marks, is_titled_by
from llm_engineering.infrastructure.state.redis_server import Server
from llm_engineering.infrastructure.state.writing import from_text
from llm_engineering.infrastructure.warehouse.paging import in_groups


class Erasure:
    """What quotes a document goes, with everything that belongs to the same answer, and does not come back."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def quoting(self, document_ids: Collection[str]) -> Sequence[str]:
        marks = document_marks(document_ids)
        marks |= self._answers_with(marks)
        names = {"entry": "cached", "receipts": "receipt", "turns": "turn"}
        found = []
        for kind, name in names.items():
            for key, heads in self._heads(kind):
                last = key.decode("utf-8", "surrogatepass").rpartition(":")[2]
                found += [f"{name} {last[:36]}/{head[0][:16]}" for head in heads if marks & set(head)]
        return sorted(found)

    def forget_documents(self, document_ids: Collection[str]) -> int:
        marks = document_marks(document_ids)
        self._remember_forgotten(marks)
        answers = self._answers_with(marks)
        self._remember_forgotten(answers)
        marks |= answers
        self._remove_titles(marks)
        removed = {kind: self._remove(kind, marks) for kind in ("entry", "receipts", "turns", "feedback")}
        return sum(removed.values()) - removed["feedback"]

    def compact(self) -> None:
        self._server.rewrite_files()

    def _answers_with(self, marks: frozenset[str]) -> frozenset[str]:
        """Return the marks of the answers that quote marked documents."""
        heads = (head for kind in ("receipts", "turns") for _, heads in self._heads(kind) for head in heads)
        return frozenset(head[0] for head in heads if head[0] != "-" and marks & set(head))

    def _heads(self, kind: str) -> Iterator[tuple[bytes, list[list[str]]]]:
        for key in self._server.keys(kind):
            yield key, [head.decode().split(",") for head in self._server.call(scripts.HEADS, [key])]

    def _remove(self, kind: str, marks: frozenset[str]) -> int:
        removed = 0
        for key, heads in self._heads(kind):
            # Few of the marks go to the server with each key, though the documents may be many.
            if has := marks & {mark for head in heads for mark in head}:
                removed += self._server.call(scripts.REMOVE, [key], *sorted(has))
        return removed

    def _remove_titles(self, marks: frozenset[str]) -> None:
        """Take the titles of conversations away that are the beginning of a marked question."""
        for key in self._server.keys("turns"):
            with self._server.errors():
                said = [
                    text.decode("utf-8", "surrogatepass").partition("\n")
                    for text in self._server.client.lrange(key, 0, -1)
                ]
                questions = [from_text(Turn, body).question for head, _, body in said if marks & set(head.split(","))]
                conversation = self._server.key("conversation", key.decode("utf-8", "surrogatepass").rpartition(":")[2])
                title = self._server.client.hget(conversation, "title") or b""
                if is_titled_by(title.decode("utf-8", "surrogatepass"), questions):
                    self._server.client.hset(conversation, "title", b"")

    def _remember_forgotten(self, marks: frozenset[str]) -> None:
        with self._server.errors():
            for group in in_groups(sorted(marks)):
                self._server.client.sadd(self._server.key("forgotten"), *group)
