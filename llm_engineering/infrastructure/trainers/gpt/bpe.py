"""Byte-level BPE: a vocabulary that is learnt, and that knows every text there is (Sennrich et al. 2016; GPT-2).

It begins with the 256 bytes, so nothing is ever unknown. Then, again and again, the pair of neighbours that occurs
most often becomes a token of its own: " t" + "he" → " the". Frequent words end as one token, rare ones as a few, and
no pair is joined across the border of two words.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.gpt.vocabulary import SPECIALS, WORD, parted

FIRST = len(SPECIALS)  # the id of byte 0
_WORD = re.compile(WORD)
_LONGEST = 4 * 64 + 1  # bytes in a word, with the space before it
_KEPT = 100_000  # words whose ids are remembered
Pair = tuple[int, int]


@dataclass(frozen=True)
class BytePairs:
    """A vocabulary of bytes and of what was merged of them. `merges` are pairs of ids, the first one learnt first.

    >>> BytePairs(((FIRST + 97, FIRST + 98),)).encode("abc")
    [262, 105]
    """

    merges: tuple[Pair, ...]
    _known: dict[str, list[int]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def tokens(self) -> list[bytes]:
        """The bytes that each id stands for."""
        return self._made[0]

    @cached_property
    def ranks(self) -> dict[Pair, tuple[int, int]]:
        """Pair → its place among the merges, and the id that it becomes."""
        return self._made[1]

    @cached_property
    def _made(self) -> tuple[list[bytes], dict[Pair, tuple[int, int]]]:
        tokens = [*(name.encode() for name in SPECIALS), *(bytes([byte]) for byte in range(256))]
        numbers = {token: FIRST + byte for byte, token in enumerate(tokens[FIRST:])}
        ranks = {}
        for rank, (left, right) in enumerate(self.merges):
            merged = tokens[left] + tokens[right]
            # "abc" may be learnt as a + bc and again as ab + c. It is one token.
            if merged not in numbers:
                numbers[merged] = len(tokens)
                tokens.append(merged)
            ranks[left, right] = rank, numbers[merged]
        return tokens, ranks

    @property
    def size(self) -> int:
        return len(self.tokens)

    def encode(self, text: str, *, specials: bool = False) -> list[int]:
        found: list[int] = []
        for part, special in parted(text, specials=specials):
            if special:
                found.append(SPECIALS.index(part))
                continue
            for word in _WORD.findall(part):
                found += self._word(word)
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids. Bytes that are no text, as when a character was cut, become replacement signs."""
        data = self.decode_bytes(ids)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of ids."""
        return b"".join(self.tokens[number] for number in ids)

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return the ids of any bytes, of which so many at a time are read as one word."""
        found: list[int] = []
        for start in range(0, len(data), _LONGEST):
            found += merge_word([FIRST + byte for byte in data[start : start + _LONGEST]], self.ranks)
        return found

    def described(self) -> dict[str, object]:
        return {"kind": "bpe", "merges": [list(pair) for pair in self.merges]}

    def _word(self, word: str) -> list[int]:
        known = self._known.get(word)
        if known is None:
            known = self.encode_bytes(word.encode("utf-8", "surrogatepass"))
            if len(self._known) < _KEPT:
                self._known[word] = known
        return known


def merge_word(ids: list[int], ranks: dict[Pair, tuple[int, int]]) -> list[int]:
    """Merge the pair that was learnt first, wherever it stands, until no pair is left that was learnt."""
    while len(ids) > 1:
        rank, pair = min((ranks[pair][0], pair) if pair in ranks else (len(ranks), pair) for pair in pairwise(ids))
        if rank == len(ranks):
            break
        ids = merged(ids, pair, ranks[pair][1])
    return ids


def merged(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Return ids with a pair replaced by a new id, from left to right.

    >>> merged([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    found, place, last = [], 0, len(ids) - 1
    while place <= last:
        if place < last and (ids[place], ids[place + 1]) == pair:
            found.append(new)
            place += 2
        else:
            found.append(ids[place])
            place += 1
    return found


def learn_bpe(texts: Iterable[str], size: int) -> BytePairs:
    """Learn merges from texts until the vocabulary has so many tokens, or nothing occurs twice.

    Of pairs that are equally frequent the one of the lower ids is merged, so the same texts give the same vocabulary.

    Raises:
        UsageError: the size does not hold the bytes.
    """
    if size < FIRST + 256:
        raise UsageError(f"a byte-level vocabulary has {FIRST + 256} tokens at least; a size of {size} is too small")
    counts = Counter(word for text in texts for word in _WORD.findall(text))
    encoded = {word: word.encode("utf-8", "surrogatepass") for word in counts}
    return _Learning([[FIRST + byte for byte in encoded[word]] for word in counts], list(counts.values())).run(size)


class _Learning:
    """Counts of pairs that are kept up to date, so that a merge looks only at the words that hold its pair."""

    def __init__(self, words: list[list[int]], frequencies: list[int]) -> None:
        self.words, self.frequencies = words, frequencies
        self.counts: Counter[Pair] = Counter()
        self.holders: dict[Pair, set[int]] = defaultdict(set)  # pair → the words that it may stand in
        for number, ids in enumerate(words):
            for pair in pairwise(ids):
                self.counts[pair] += frequencies[number]
                self.holders[pair].add(number)
        self.queue = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.queue)

    def run(self, size: int) -> BytePairs:
        tokens = [bytes([byte]) for byte in range(256)]
        numbers = {token: FIRST + byte for byte, token in enumerate(tokens)}
        merges: list[Pair] = []
        while FIRST + len(tokens) < size and (pair := self._most_frequent()):
            token = tokens[pair[0] - FIRST] + tokens[pair[1] - FIRST]
            if token not in numbers:
                numbers[token] = FIRST + len(tokens)
                tokens.append(token)
            merges.append(pair)
            self._merge(pair, numbers[token])
        return BytePairs(tuple(merges))

    def _most_frequent(self) -> Pair | None:
        while self.queue:
            negative, pair = heapq.heappop(self.queue)
            # An entry whose count has changed since is out of date; a newer one is in the queue.
            if self.counts[pair] == -negative:
                return pair if -negative > 1 else None
        return None

    def _merge(self, pair: Pair, new: int) -> None:
        changed: set[Pair] = set()
        for number in self.holders.pop(pair):
            before, often = self.words[number], self.frequencies[number]
            after = self.words[number] = merged(before, pair, new)
            for old in pairwise(before):
                self.counts[old] -= often
                changed.add(old)
            for one in pairwise(after):
                self.counts[one] += often
                self.holders[one].add(number)
                changed.add(one)
        for one in changed:
            if self.counts[one] > 0:
                heapq.heappush(self.queue, (-self.counts[one], one))
