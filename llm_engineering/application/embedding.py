"""Keep a vector for every text: what the warehouse lacks is computed, once, in batches that a killed run repeats.

The missing texts go to the embedder in the order of their hashes, and each batch is kept in a transaction of its own
before the next one is computed. Embedders cut their batches from the front of a stable order, so what is missing after
a kill is a suffix made of the very same batches, and its vectors come out the same, bit for bit.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import mul

from loguru import logger

from llm_engineering.domain import failpoints
from llm_engineering.domain.chunks import Chunk, Vector
from llm_engineering.domain.errors import BackendError
from llm_engineering.domain.ports import Dataset, Embedder, Warehouse

# Vectors are looked up and computed in windows of this many chunks: enough for good length buckets, bounded in memory.
WINDOW = 4096
# So often is a batch tried while the embedder fails for reasons that may pass, each time after twice the pause.
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.5
# A service may name a time before which it need not be asked again.
LONGEST_PAUSE_SECONDS = 300.0
_TOLERANCE = 0.01

Pause = Callable[[float], None]


def ensure_vectors(
    chunks: Dataset[Chunk],
    model_digest: str,
    open_embedder: Callable[[], Embedder],
    warehouse: Warehouse,
    pause: Pause = time.sleep,
) -> Iterator[tuple[str, bool]]:
    """Keep a vector for every text; yield (text hash, whether it was embedded just now) once for each chunk.

    The embedder is opened only if a vector is missing.

    Raises:
        BackendError: the embedder failed for good, or returned what is no vector of its model for each of the texts.
            What was embedded before stays.
    """
    embedder: Embedder | None = None
    for window in windows(chunks):
        texts = {chunk.text_hash: chunk.embedded_text for chunk in window}
        known = warehouse.vectors(model_digest, texts.keys()).keys()
        missing = {key: texts[key] for key in sorted(texts.keys() - known)}
        if missing:
            embedder = embedder or open_embedder()
            for done in missing_vectors(missing, embedder, pause):
                failpoints.reach("embed.before_keep")
                warehouse.put_vectors(model_digest, done)
                yield from ((key, True) for key in done)
        yield from ((key, False) for key in known)
        yield from (("", False) for _ in range(len(window) - len(texts)))


def windows(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Divide chunks into lists of `WINDOW`."""
    iterator = iter(chunks)
    while window := list(islice(iterator, WINDOW)):
        yield window


def missing_vectors(
    missing: Mapping[str, str], embedder: Embedder, pause: Pause = time.sleep
) -> Iterator[Mapping[str, Vector]]:
    """Embed texts by their hash, batch by batch. After a failure that may pass, the rest is tried again."""
    left = dict(missing)
    failures = 0
    while left:
        keys = list(left)
        try:
            for batch in embedder.embed(list(left.values())):
                done = _checked(batch, keys, left, embedder)
                yield done
                left = {key: text for key, text in left.items() if key not in done}
                failures = 0
        except BackendError as error:
            failures += 1
            if not error.transient or failures >= ATTEMPTS:
                raise
            seconds = max(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), min(error.retry_after or 0, LONGEST_PAUSE_SECONDS))
            logger.warning("{}; trying again in {:.1f} s ({} of {})", error, seconds, failures, ATTEMPTS - 1)
            pause(seconds)
            continue
        if left:
            name, returned = embedder.card.name, len(keys) - len(left)
            raise BackendError(f"model {name} returned {returned} vectors for {len(keys)} texts")


def _checked(
    batch: Sequence[tuple[int, Vector]], keys: Sequence[str], left: Mapping[str, str], embedder: Embedder
) -> dict[str, Vector]:
    """Return the vectors of a batch by text hash, if each is a unit vector for a text that has none yet."""
    card = embedder.card
    done: dict[str, Vector] = {}
    for position, vector in batch:
        if not 0 <= position < len(keys) or keys[position] in done or keys[position] not in left:
            raise BackendError(f"model {card.name} returned a second vector for text {position}, or one for none")
        if len(vector) != card.dimension:
            raise BackendError(
                f"model {card.name} returned a vector of {len(vector)} components, its card says {card.dimension}"
            )
        length = sum(map(mul, vector, vector))
        if not abs(length - 1) < _TOLERANCE:  # true for no number, too
            raise BackendError(f"model {card.name} returned a vector of length {length**0.5:.3g} instead of 1")
        done[keys[position]] = vector
    return done
