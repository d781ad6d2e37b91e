"""The questions of the FAQ as rows of a data set: one half of the documents to learn from, the other held out."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.halves import reported
from benchmarks.retrieval import faq_questions
from llm_engineering.domain.datasets import RetrievalPair, Split
from llm_engineering.domain.ports import VectorIndex
from llm_engineering.domain.value import identity

VALIDATION = 0.15


def split_of(document: str) -> Split:
    """Return the split of a document: held out as in the other benchmarks, else 17 : 3 to learn from and choose by."""
    if reported(document):
        return Split.TEST
    share = hashlib.sha256(f"validation {document}".encode()).digest()[0] / 256
    return Split.VALIDATION if share < VALIDATION else Split.TRAIN


def faq_rows(data: Path, index: VectorIndex) -> list[RetrievalPair]:
    """Return a row for each question whose document the index holds, with the document's first passage."""
    passages: dict[str, list[dict[str, object]]] = {}
    for payload in _in_order(index.payloads(["document_id", "metadata.id", "text", "context", "position"])):
        passages.setdefault(str(payload["metadata"]["id"]), []).append(payload)  # type: ignore[index]
    rows = []
    for asked in faq_questions(data):
        found = passages.get(asked["document"], [])
        if not found:
            continue
        documents = tuple(dict.fromkeys(str(payload["document_id"]) for payload in found))
        text = "\n".join(str(found[0][field]) for field in ("context", "text") if found[0].get(field))
        rows.append(
            RetrievalPair(
                id=identity("row", asked["question"], asked["document"]), question=asked["question"],
                document_id=documents[0], chunk_id="", passage=text, documents=documents, negatives=(),
                negative_ids=(), origin="question", source="faq", filter=json.dumps({"course": asked["course"]}),
                cluster=asked["document"], split=split_of(asked["document"]).value,
            )
        )  # fmt: skip
    return rows


def _in_order(payloads: Iterable[object]) -> list[dict[str, object]]:
    known = [dict(payload) for payload in payloads]  # type: ignore[call-overload]
    return sorted(known, key=lambda payload: (str(payload["document_id"]), int(payload.get("position") or 0)))
