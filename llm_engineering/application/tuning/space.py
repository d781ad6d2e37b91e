"""The settings that are tried: fusions with their weights, and pools. The one in use is always the first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from llm_engineering.application.retrieval.fusion import Convex, Fusion, Interpolation, Rrf, ZScore

LEXICAL = (0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.065, 0.08, 0.12)
MISSING = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(1, 20))
RRF_K = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
RRF_WEIGHTS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Setting:
    """How two rankings become one: the fusion, and how many candidates of each method it sees.

    `chunk_tokens` is the size of the chunks that were searched; 0 is the size of the index that is there.
    """

    fusion: Fusion
    pool: int
    chunk_tokens: int = 0


def settings_of(
    default: Setting, kinds: Sequence[str], pools: Sequence[int], chunk_tokens: Sequence[int], most: int, seed: int
) -> list[Setting]:
    """Return at most `most` settings, drawn evenly where there are more, the default first."""
    sizes = dict.fromkeys((default.chunk_tokens, *chunk_tokens))
    tried = [
        Setting(fusion, pool, size)
        for fusion, pool, size in product(_fusions(kinds), dict.fromkeys((default.pool, *pools)), sizes)
    ]
    others = [setting for setting in dict.fromkeys(tried) if setting != default]
    if len(others) >= most:
        others = Random(seed).sample(others, most - 1)  # noqa: S311 - no secret
    return [default, *others]


def _fusions(kinds: Sequence[str]) -> Iterator[Fusion]:
    if "interpolation" in kinds:
        yield from (Interpolation(lexical=weight, missing=missing) for weight, missing in product(LEXICAL, MISSING))
    if "zscore" in kinds:
        yield from (ZScore(weight=weight) for weight in WEIGHTS)
    if "convex" in kinds:
        yield from (Convex(weight=weight) for weight in WEIGHTS)
    if "rrf" in kinds:
        yield from (Rrf(k=k, sparse_weight=weight) for k, weight in product(RRF_K, RRF_WEIGHTS))
