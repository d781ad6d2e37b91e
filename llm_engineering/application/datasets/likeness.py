"""Near-duplicates: texts that share most of their words, and vectors that point the same way.

Candidates among texts come from MinHash signatures in bands (Broder 1997; Indyk and Motwani 1998), and each is checked
with the exact Jaccard similarity, so what is returned is never wrong, and misses are rarer than one in a thousand at
the threshold.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations, product
from typing import TYPE_CHECKING

from llm_engineering.application.text.words import parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HASHES = 128
# The chance that two texts just at the threshold meet in no band stays below this.
MISSED = 1e-3
_WORD = re.compile(r"\w+")
_BLOCK = 1 << 24  # cosines in memory at once
_SAME = 20  # equal sets all of whose pairs are named
_KEYS = 1 << 13  # keys that are hashed at once: 8 MB for each pass
_BUCKET = 500  # sets in a bucket of which all pairs are compared


def words_of(text: str) -> frozenset[str]:
    """Return the distinct words of a text, in lower case; of a text without words, its signs.

    A script without spaces gives pairs of characters: by its clauses, a text is alike to nothing but itself.

    >>> sorted(words_of("Tea, tea and CAKE!"))
    ['and', 'cake', 'tea']
    >>> sorted(words_of("换货吗？"))
    ['换货', '货吗']
    """
    folded = text.casefold()
    return frozenset(part for word in _WORD.findall(folded) for part in parts(word)) or frozenset(folded.split())


def jaccard(one: Collection[str], other: Collection[str]) -> float:
    """Return the share of the words of either that both have; two empty ones are alike.

    >>> jaccard({"a", "b", "c"}, {"b", "c", "d"})
    0.5
    """
    one, other = frozenset(one), frozenset(other)
    return len(one & other) / len(one | other) if one or other else 1.0


def alike_texts(texts: Sequence[Collection[str]], threshold: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs (i < j) of word sets with a Jaccard similarity of at least the threshold, each once.

    Of the pairs among many sets that are equal, a chain that joins them all is enough.
    """
    numbers: dict[frozenset[str], list[int]] = defaultdict(list)
    for number, words in enumerate(texts):
        numbers[frozenset(words)].append(number)
    distinct = list(numbers)
    for same in numbers.values():
        yield from combinations(same[:_SAME], 2)
        yield from zip(same[_SAME - 1 :], same[_SAME:], strict=False)
    for one, other in sorted(_candidates(distinct, threshold)):
        if jaccard(distinct[one], distinct[other]) >= threshold:
            pairs = product(numbers[distinct[one]][:_SAME], numbers[distinct[other]][:_SAME])
            yield from ((min(pair), max(pair)) for pair in pairs)


def alike_vectors(vectors: "NDArray[np.float32]", threshold: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs (i < j) of unit vectors (texts, components) with a cosine of at least the threshold."""
    import numpy as np

    rows = max(1, _BLOCK // max(1, len(vectors)))
    for start in range(0, len(vectors), rows):
        cosines = vectors[start : start + rows] @ vectors[start:].T
        first, second = np.nonzero(cosines >= threshold)
        yield from ((start + int(i), start + int(j)) for i, j in zip(first, second, strict=True) if i < j)


def bands_of(threshold: float) -> tuple[int, int]:
    """Return how many bands of how many rows a signature is cut into, so that hardly a pair at the threshold is missed.

    >>> bands_of(0.8)
    (25, 5)
    """
    for rows in range(HASHES, 0, -1):
        bands = HASHES // rows
        if (1 - threshold**rows) ** bands <= MISSED:
            return bands, rows
    return HASHES, 1


def _candidates(sets: Sequence[frozenset[str]], threshold: float) -> set[tuple[int, int]]:
    """Return the pairs of sets that share a band of their signatures."""
    import numpy as np

    signatures = np.stack([signature(words) for words in sets]) if sets else np.empty((0, HASHES), dtype=np.uint64)
    bands, rows = bands_of(threshold)
    found: set[tuple[int, int]] = set()
    for band in range(bands):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for number, part in enumerate(np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])):
            buckets[part.tobytes()].append(number)
        for bucket in buckets.values():
            # A bucket with most of a corpus in it would cost its square; each is compared with the first ones.
            for place, one in enumerate(bucket[:_BUCKET]):
                found.update((one, other) for other in bucket[place + 1 :])
    return found


def signature(words: Collection[str]) -> "NDArray[np.uint64]":
    """Return the least of HASHES hash functions over the words, (HASHES,), the same on every machine."""
    import numpy as np

    return signature_of(np.array([key_of(word) for word in words], dtype=np.uint64))


def signature_of(keys: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Return the least of HASHES hash functions over keys that are hashes themselves, (keys,) → (HASHES,)."""
    import numpy as np

    if not len(keys):
        return np.zeros(HASHES, dtype=np.uint64)
    least = np.full(HASHES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(keys), _KEYS):
        # Multiplying by an odd number is a permutation of the 64-bit numbers, and its high bits depend on all bits.
        np.minimum(least, (_factors()[:, None] * keys[start : start + _KEYS]).min(axis=1), out=least)
    return least


def mixed(values: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Return values with every bit spread over all others: the finaliser of SplitMix64 (Steele et al. 2014)."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@lru_cache(maxsize=100_000)
def key_of(word: str) -> int:
    """Return a hash of a word, 64 bits, the same on every machine."""
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())


@lru_cache(maxsize=1)
def _factors() -> "NDArray[np.uint64]":
    import numpy as np

    return np.array([key_of(f"hash {number}") | 1 for number in range(HASHES)], dtype=np.uint64)
