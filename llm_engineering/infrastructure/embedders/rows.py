"""Texts as rows of tokens: short ones share a row, so that hardly a token is padding.

Four questions of 11 to 31 tokens, each padded to the longest, are a quarter of padding, which is computed like the
rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Texts share a row up to so many tokens. Attention looks at each pair of a row, also at those that it then hides:
# at 128 that is a twentieth of what a BERT of 384 components computes, and grows with the square.
WIDTH = 128


@dataclass(frozen=True)
class Rows:
    """A batch of texts as the graph wants it (see `bert_graph.py`), and where each is.

    Args:
        inputs: `input_ids`, `position_ids` and `text_ids`, int64 (rows, tokens); texts count from 1, padding is 0.
        places: For each text its row, and its tokens in it.
    """

    inputs: dict[str, NDArray[np.int64]]
    places: list[tuple[int, slice]]

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]]) -> "Rows":
        """Lay out the token ids of texts, in their order: a row is full where the next would not fit; one in each row
        where that takes no more room.

        >>> rows = Rows.of([[7, 8, 9], [5, 6]])
        >>> {name: values.tolist() for name, values in rows.inputs.items()}
        {'input_ids': [[7, 8, 9, 5, 6]], 'position_ids': [[0, 1, 2, 0, 1]], 'text_ids': [[1, 1, 1, 2, 2]]}
        >>> rows.places
        [(0, slice(0, 3, None)), (0, slice(3, 5, None))]
        """
        places = _placed([len(tokens) for tokens in ids])
        shape = _shape(places)
        tokens, positions, texts = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        for number, (sequence, place) in enumerate(zip(ids, places, strict=True), start=1):
            tokens[place] = sequence
            positions[place] = np.arange(len(sequence))
            texts[place] = number
        return cls({"input_ids": tokens, "position_ids": positions, "text_ids": texts}, places)


def _placed(lengths: Sequence[int]) -> list[tuple[int, slice]]:
    """Return the row and the tokens of each text."""
    alone = [(row, slice(0, length)) for row, length in enumerate(lengths)]
    return min(alone, _shared(lengths), key=lambda places: math.prod(_shape(places)))


def _shared(lengths: Sequence[int]) -> list[tuple[int, slice]]:
    """Return the same where each row is filled."""
    places: list[tuple[int, slice]] = []
    width, row, end = max(WIDTH, *lengths), 0, 0
    for length in lengths:
        if end + length > width:
            row, end = row + 1, 0
        places.append((row, slice(end, end + length)))
        end += length
    return places


def _shape(places: Sequence[tuple[int, slice]]) -> tuple[int, int]:
    """Return how many rows there are, and how many tokens in each."""
    return places[-1][0] + 1, max(int(span.stop) for _, span in places)
