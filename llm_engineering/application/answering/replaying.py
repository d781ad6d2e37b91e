"""Whether a search finds today what it found for an answer."""

import math
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping

import numpy as np

from llm_engineering.domain.answers import Receipt
from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.indexes import IndexManifest
from llm_engineering.domain.queries import Retrieved
from llm_engineering.domain.value import Value

# Another processor moves the last digits of what is computed.
_NOISE = 1e-5


def packed(vector: Vector) -> str:
    """Return a vector as a receipt has it."""
    return b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def unpacked(text: str) -> Vector:
    """Return a vector of a receipt."""
    return array("f", np.frombuffer(b64decode(text), dtype="<f4").astype(np.float32).tobytes())


class ReplayedHit(Value):
    """A passage with its score then and now; None where it was not among the hits."""

    chunk_id: str
    then: float | None
    now: float | None


class Replay(Value):
    """What became of a retrieval: `same`, or `differences`, each a sentence."""

    answer_id: str
    same: bool
    differences: tuple[str, ...] = ()
    hits: tuple[ReplayedHit, ...] = ()


def compare(
    receipt: Receipt, found: Retrieved, manifest: IndexManifest, documents: Mapping[str, CleanedDocument]
) -> Replay:
    """Compare the hits of a receipt with those of a new search. `documents` are those among the cited that exist."""
    then, now = dict(receipt.hits), {hit.chunk_id: hit.score for hit in found.hits}
    hits = tuple(
        ReplayedHit(chunk_id=chunk, then=then.get(chunk), now=now.get(chunk)) for chunk in dict.fromkeys([*then, *now])
    )
    differences = [*_versions(receipt, found, manifest), *_documents(receipt, documents), *_hits(hits)]
    if not differences and [chunk for chunk, _ in receipt.hits] != list(now):
        differences.append("the hits are the same, their order is not")
    return Replay(answer_id=receipt.answer.id, same=not differences, differences=tuple(differences), hits=hits)


def _versions(receipt: Receipt, found: Retrieved, manifest: IndexManifest) -> list[str]:
    was, now = receipt.answer.versions, found.version or manifest.version
    differences = []
    if was.index != now:
        differences.append(f"the answer is from index version {was.index}; readers see {now}")
    model = receipt.retrieval.get("model", manifest.model.digest)
    if model != manifest.model.digest:
        differences.append(f"the embedding model was {was.embedder} ({str(model)[:12]}); it is {manifest.model.name}")
    return differences


def _documents(receipt: Receipt, documents: Mapping[str, CleanedDocument]) -> list[str]:
    cited = {citation.document_id: citation for citation in receipt.answer.citations}
    gone = [one for document_id, one in cited.items() if document_id not in documents]
    changed = [
        one
        for one in receipt.answer.citations
        if one.verdict == "found"
        and (stored := documents.get(one.document_id)) is not None
        and stored.text[one.start : one.end] != one.quote
    ]
    return [
        *(f"the document {one.uri} is gone: erased, or no longer in its source" for one in gone),
        *(f"the document {one.uri} does not say the quote [{one.number}] at its place any more" for one in changed),
    ]


def _hits(hits: tuple[ReplayedHit, ...]) -> list[str]:
    differences = []
    for hit in hits:
        if hit.now is None:
            differences.append(f"passage {hit.chunk_id} (score {hit.then:.6f}) is not found any more")
        elif hit.then is None:
            differences.append(f"passage {hit.chunk_id} (score {hit.now:.6f}) was not found then")
        elif not math.isclose(hit.then, hit.now, rel_tol=_NOISE, abs_tol=_NOISE):
            differences.append(f"passage {hit.chunk_id} had the score {hit.then:.6f} and has {hit.now:.6f}")
    return differences
