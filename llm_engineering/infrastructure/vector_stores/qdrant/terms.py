"""Points, filters and settings in the words of qdrant-client.

The traps are those of `qdrant_edge/terms.py`: an integer index loses fractions, ranges are floating-point, and a path
that is not quoted ends at the next dot.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, cast

from qdrant_client import models

from llm_engineering.domain.chunks import Point, SparseVector
from llm_engineering.domain.conditions import (
    EVERYTHING,
    And,
    Condition,
    Eq,
    Filter,
    In,
    Not,
    Or,
    Range,
    condition_of,
)
from llm_engineering.domain.queries import ScoredPoint
from llm_engineering.domain.value import Scalar
from llm_engineering.infrastructure.vector_stores.conditions.bounds import named_bounds
from llm_engineering.infrastructure.vector_stores.conditions.matching import meanings
from llm_engineering.infrastructure.vector_stores.conditions.payload_paths import (
    LARGEST_EXACT,
    LARGEST_INTEGER,
    payload_path,
)
from llm_engineering.infrastructure.vector_stores.qdrant.generations import same_place, seen_at, stored_id
from llm_engineering.infrastructure.vector_stores.versioned.generations import FOREVER, FROM, ID, RESERVED, UNTIL

if TYPE_CHECKING:
    from llm_engineering.infrastructure.vector_stores.qdrant.spec import Qdrant

# Which points frequencies of words are counted over can be said from this version on.
IDF_OF_SOME = (1, 19)
# Where a version has compressed vectors, twice as many as are wanted are found by them and scored again in full: left
# to itself the server does so for binary ones alone. Other versions take no notice of it.
IN_FULL = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0))


def stored_point(point: Point, generation: int) -> models.PointStruct:
    """Return the server's form of a point that is to be seen from a generation on."""
    vectors: dict[str, list[float] | models.SparseVector] = {"dense": point.dense.tolist()}
    if point.sparse.indices:
        vectors["sparse"] = stored_sparse(point.sparse)
    return models.PointStruct(
        id=stored_id(point.id, generation),
        vector=cast("models.VectorStruct", vectors),
        payload={**point.payload, ID: point.id, FROM: generation, UNTIL: FOREVER},
    )


def stored_sparse(vector: SparseVector) -> models.SparseVector:
    """Return the server's form of a sparse vector."""
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def own_id(record: models.Record | models.ScoredPoint | models.PointStruct) -> str:
    """Return the id under which we know a stored point; a foreign one has only the server's."""
    return str((record.payload or {}).get(ID, record.id))


def first_seen(record: models.Record) -> int:
    """Return the generation that added a stored point."""
    return int((record.payload or {}).get(FROM, 0))


def newest(records: Iterable[models.Record]) -> Iterator[models.Record]:
    """Return of points that come in the order of the server's ids those that count, in the order of ours."""
    for _, neighbours in groupby(records, key=lambda record: same_place(str(record.id))):
        last = {own_id(record): record for record in sorted(neighbours, key=first_seen)}
        yield from (last[known] for known in sorted(last))


def domain_point(record: models.Record) -> Point:
    """Return the domain's form of a stored point."""
    vectors = cast("dict[str, object]", record.vector or {})  # a foreign point may lack any of them
    sparse = cast("models.SparseVector | None", vectors.get("sparse"))
    return Point(
        id=own_id(record),
        dense=array("f", cast("list[float]", vectors.get("dense", []))),
        sparse=SparseVector(tuple(sparse.indices), tuple(sparse.values)) if sparse else SparseVector((), ()),
        payload=own_payload(record),
    )


def scored_point(found: models.ScoredPoint) -> ScoredPoint:
    """Return the domain's form of a hit."""
    return ScoredPoint(own_id(found), found.score, own_payload(found))


def own_payload(record: models.Record | models.ScoredPoint) -> dict[str, object]:
    """Return a stored payload without what the store added."""
    return {key: value for key, value in (record.payload or {}).items() if key not in RESERVED}


def index_kind(value: object) -> models.PayloadSchemaType:
    """Return the kind of payload index for a value. Whole numbers get a float index: it finds 3.0 and 2.5 as well."""
    if isinstance(value, bool):
        return models.PayloadSchemaType.BOOL
    return models.PayloadSchemaType.FLOAT if isinstance(value, int | float) else models.PayloadSchemaType.KEYWORD


def server_filter(filter: Filter | None, generation: int) -> models.Filter:
    """Return the server's form of a filter, for what is to be seen at a generation."""
    wanted = condition_of(filter)
    return models.Filter(
        must=[*seen_at(generation)] if wanted == EVERYTHING else [*seen_at(generation), server_condition(wanted)]
    )


def server_condition(wanted: Condition) -> models.Filter:
    """Return the server's form of a condition."""
    match wanted:
        case Eq(field=field, value=value):
            return equals_one_of(field, (value,))
        case In(field=field, values=values):
            return equals_one_of(field, values)
        case Range(field=field):
            bounds = models.Range(**named_bounds(wanted))
            return models.Filter(must=[models.FieldCondition(key=payload_path(field), range=bounds)])
        case And(conditions=parts):
            return models.Filter(must=[server_condition(part) for part in parts])
        case Or(conditions=parts):
            return models.Filter(should=[server_condition(part) for part in parts]) if parts else nothing()
        case Not(condition=denied):
            return models.Filter(must_not=[server_condition(denied)])


def equals_one_of(field: str, values: Iterable[Scalar]) -> models.Filter:
    """Return the condition that a field equals one of the values, or what one of them spells."""
    allowed: list[models.Condition] = [
        condition(payload_path(field), meant) for value in values for meant in meanings(value)
    ]
    return models.Filter(should=allowed) if allowed else nothing()


def nothing() -> models.Filter:
    """Return the condition that never holds. An empty `should` would let everything through."""
    return models.Filter(must=[models.HasIdCondition(has_id=[])])


def condition(path: str, value: Scalar) -> models.FieldCondition:
    """Return the condition that a payload field equals a value."""
    if isinstance(value, bool | str) or (isinstance(value, int) and LARGEST_EXACT < abs(value) <= LARGEST_INTEGER):
        return models.FieldCondition(key=path, match=models.MatchValue(value=value))
    return models.FieldCondition(key=path, range=models.Range(gte=float(value), lte=float(value)))


def frequencies_at(generation: int, server: tuple[int, int]) -> models.SearchParams | None:
    """Return that words are to be counted over the points of a generation, where the server is new enough.

    Older ones count those too that a writer adds and removes meanwhile: the order of hits may differ a little.
    """
    if server < IDF_OF_SOME:
        return None
    return models.SearchParams(idf=models.IdfCorpusParams(corpus=models.Filter(must=seen_at(generation))))


def dense_params(dimension: int, spec: "Qdrant") -> models.VectorParams:
    """Return the settings of the dense vector of a new version."""
    return models.VectorParams(
        size=dimension,
        distance=models.Distance.COSINE,
        on_disk=spec.on_disk or None,
        quantization_config=quantization(spec.quantization),
    )


def sparse_params(spec: "Qdrant") -> models.SparseVectorParams:
    """Return the settings of the sparse vector of a new version: weighed by inverse document frequency."""
    index = models.SparseIndexParams(on_disk=True) if spec.on_disk else None
    return models.SparseVectorParams(modifier=models.Modifier.IDF, index=index)


def quantization(kind: str) -> models.QuantizationConfig | None:
    """Return how the dense vectors of a new version are compressed."""
    if kind == "int8":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None
