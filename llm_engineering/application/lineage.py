"""Answer where something comes from and what was made of it.

Backwards: chunk → document → source → run → configuration. Forwards: source or document → versions, chunks in each
index version, exports, data sets, models. Answers are JSON-like; they hold no texts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from llm_engineering.application.erasure import nearest
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.records import DocumentRecord, NameKind
from llm_engineering.domain.users import user_named

Answer = dict[str, Any]
# Where a chunk is in its document, as the active version of a collection knows it: position, start, end; or nothing.
SpanOf = Callable[[str, str], Mapping[str, object]]


def lineage(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:
    """Return the lineage of whatever has this id, URI or name.

    Raises:
        UsageError: nothing has it; the message says what would do, and what is near.
    """
    asked = name.strip()
    for find in (_chunk, _documents, _source, _index, _derivative, _user, _run):
        answer = find(warehouse, asked, span_of)
        if answer:
            return answer
    raise _unknown(warehouse, name)


def _chunk(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:
    records = warehouse.chunk_records(name)
    if not records:
        return {}
    document = warehouse.document_records("id", [records[0].document_id])[0]
    versions = {version.content_hash: version for version in warehouse.version_records(document.id)}
    made = versions.get(records[0].content_hash)
    places = [asdict(record) | {"span": dict(span_of(record.collection, name))} for record in records]
    return {
        "kind": "chunk",
        "id": name,
        "from": _origin(warehouse, document, made.run if made else document.version),
        "version": asdict(made) if made else None,
        "into": {"indexes": places, "derivatives": _derived(warehouse, [document.id])},
    }


def _documents(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:  # noqa: ARG001 - one signature for all
    found = warehouse.document_records("id", [name]) or warehouse.document_records("uri", [name])
    if not found:
        return {}
    answers = [_document(warehouse, document) for document in found]
    return answers[0] if len(answers) == 1 else {"kind": "uri", "id": name, "documents": answers}


def _document(warehouse: Warehouse, document: DocumentRecord) -> Answer:
    indexes = []
    for held in warehouse.indexed_records([document.id]):
        chunks = warehouse.indexed_chunks(held.collection, held.version, [document.id])
        indexes.append(asdict(held) | {"chunk_ids": [chunk.chunk_id for chunk in chunks]})
    return {
        "kind": "document",
        "id": document.id,
        "from": _origin(warehouse, document, document.version),
        "into": {
            "versions": [asdict(version) for version in warehouse.version_records(document.id)],
            "indexes": indexes,
            "derivatives": _derived(warehouse, [document.id]),
        },
    }


def _source(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:  # noqa: ARG001 - one signature for all
    documents = warehouse.document_records("source", [name])
    return _group(warehouse, "source", name, documents) if documents else {}


def _user(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:  # noqa: ARG001 - one signature for all
    if not name:
        return {}
    user = user_named(name)
    documents = warehouse.document_records("user", [user.id])
    known = {user_named(other).id for other in warehouse.known_names("user")}
    return _group(warehouse, "user", name, documents) if documents or user.id in known else {}


def _group(warehouse: Warehouse, kind: str, name: str, documents: Sequence[DocumentRecord]) -> Answer:
    ids = [document.id for document in documents]
    stored = sorted({run for document in documents for run in (document.first_run, document.version)})
    return {
        "kind": kind,
        "id": name,
        "from": {"sources": sorted({document.source for document in documents}), "runs": _runs(warehouse, stored[-1:])},
        "into": {
            "documents": {"live": sum(document.live for document in documents), "all": len(documents)},
            "stored_by_runs": stored,
            "uris": [document.uri + (f"#{document.key}" if document.key else "") for document in documents],
            "indexes": [asdict(held) for held in warehouse.indexed_records(ids)],
            "derivatives": _derived(warehouse, ids),
        },
    }


def _run(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:  # noqa: ARG001 - one signature for all
    digits = name.removeprefix("run").strip()
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 9:
        return {}
    number = int(digits)
    record = warehouse.run_record(number)
    stored = warehouse.stored_by(number)
    registered = [
        f"{collection}/{index.manifest.version}"
        for collection, index in warehouse.index_records()
        if index.run == number
    ]
    return {
        "kind": "run",
        "id": str(number),
        "from": _shown(record),
        "into": {
            "documents": len(stored),
            "document_ids": [document.id for document in stored],
            "indexes": registered,
            "derivatives": [_as_dict(made) for made in warehouse.derivatives() if made.run == number],
        },
    }


def _index(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:  # noqa: ARG001 - one signature for all
    known = {f"{collection}/{index.manifest.version}": index for collection, index in warehouse.index_records()}
    meant = [full for full in known if name in (full, full.rpartition("/")[2])]
    if len(meant) > 1:
        raise UsageError(f"{name!r} is a version of several collections; say which one: {', '.join(meant)}")
    if not meant:
        return {}
    index = known[meant[0]]
    made = [_as_dict(made) for made in warehouse.derivatives() if made.name.startswith(meant[0])]
    return {
        "kind": "index",
        "id": meant[0],
        "from": {"manifest": index.manifest.model_dump(mode="json"), "runs": _runs(warehouse, [index.run])},
        "into": {"documents": index.documents, "chunks": index.chunks, "derivatives": made},
    }


def _derivative(warehouse: Warehouse, name: str, span_of: SpanOf) -> Answer:  # noqa: ARG001 - one signature for all
    made = next((made for made in warehouse.derivatives() if name in (made.id, made.name, made.place)), None)
    if made is None:
        return {}
    keys = warehouse.derived_from(made.id)
    documents = warehouse.document_records("id", keys)
    return {
        "kind": made.kind,
        "id": made.id,
        "from": {
            "documents": [document.id for document in documents],
            "no_longer_there": len(keys) - len(documents),
            "sources": sorted({document.source for document in documents}),
            "runs": _runs(warehouse, [made.run]),
        },
        "into": {"derivatives": [_as_dict(made)]},
    }


def _origin(warehouse: Warehouse, document: DocumentRecord, run: int) -> Answer:
    return {"document": asdict(document), "source": document.source, "runs": _runs(warehouse, [run])}


def _runs(warehouse: Warehouse, numbers: Iterable[int]) -> list[Answer]:
    return [_shown(warehouse.run_record(number)) for number in numbers if number]


def _shown(record: Mapping[str, object]) -> Answer:
    """Return a run without its report, which is long and says nothing of where things come from."""
    kept = ("run", "pipeline", "status", "started_at", "finished_at")
    return {key: record[key] for key in kept} | {"configuration": record["config"]}


def _derived(warehouse: Warehouse, ids: Sequence[str]) -> list[Answer]:
    return [_as_dict(made) for made in warehouse.derivatives_of(ids)]


def _as_dict(made: Derivative) -> Answer:
    return made.model_dump(mode="json")


def _unknown(warehouse: Warehouse, name: str) -> UsageError:
    indexes = [f"{collection}/{index.manifest.version}" for collection, index in warehouse.index_records()]
    near = nearest(name, [*_names(warehouse), *indexes])
    return UsageError(
        f"nothing is known as {name!r}; give the id of a chunk or a document, a URI, the name of a source or a user, "
        f"the number of a run, an index version (collection/v1), or an export; near are: {', '.join(near) or 'none'}"
    )


def _names(warehouse: Warehouse) -> Iterator[str]:
    kinds: tuple[NameKind, ...] = ("source", "user", "uri")
    for kind in kinds:
        yield from warehouse.known_names(kind)
