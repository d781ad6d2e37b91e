"""The window of a model, and batches that waste little of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from llm_engineering.domain.errors import BackendError

T = TypeVar("T")


def check_window(lengths: Sequence[int], max_tokens: int) -> None:
    """Refuse texts that the model would cut off: what is not embedded cannot be found.

    Raises:
        BackendError: a text takes more positions than the window has. It names the first one.
    """
    for position, length in enumerate(lengths):
        if length > max_tokens:
            raise BackendError(
                f"text {position} takes {length} tokens, the embedder's window is {max_tokens}; the end would not be "
                "embedded. Chunk it with the embedder's own tokenizer first"
            )


def length_buckets(
    lengths: Sequence[int], token_budget: int, least: float = 0.0, short: int = 0
) -> Iterator[list[int]]:
    """Yield positions in batches of similar length, longest first; padded to its longest, a batch fits the budget.

    `least` is how long the shortest of a batch must be, as a share of its longest if that is over `short`.

    A single text over the budget is a batch of its own. Longest first shows at once whether memory suffices. Texts of
    equal length keep their order, and batches are cut from the front: without its first ones, the rest is cut alike.

    >>> list(length_buckets([3, 9, 4, 8], token_budget=18))
    [[1, 3], [2, 0]]
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        longest = lengths[batch[0]] if batch else 0
        share = least if longest > short else 0.0
        if batch and ((len(batch) + 1) * longest > token_budget or lengths[position] < share * longest):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def in_buckets(
    ids: Sequence[Sequence[int]],
    token_budget: int,
    encode: Callable[[Sequence[Sequence[int]]], Sequence[T]],
    short: int = 0,
) -> list[T]:
    """Return what is made of each text's token ids, in their order; those of similar length are encoded together.

    None is padded to more than twice its length, so that a long text does not make its neighbours long as well; but
    texts of up to `short` tokens go together, whatever their lengths.
    """
    found: dict[int, T] = {}
    for batch in length_buckets([len(tokens) for tokens in ids], token_budget, least=0.5, short=short):
        found |= zip(batch, encode([ids[position] for position in batch]), strict=True)
    return [found[position] for position in range(len(ids))]
