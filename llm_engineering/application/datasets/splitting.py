"""Splits by cluster: documents that nearly repeat each other, or answer the same question, are never apart."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Generic, TypeVar

from llm_engineering.domain.datasets import Split
from llm_engineering.domain.value import identity

T = TypeVar("T", bound=Hashable)

# What a cluster is if its questions were put into several splits: the one that is best kept from trainers.
STRONGEST = (Split.TEST, Split.VALIDATION, Split.TRAIN)


class Groups(Generic[T]):
    """Disjoint groups of things that belong together (union–find). Nothing is in a group before it is named."""

    def __init__(self, members: Iterable[T] = ()) -> None:
        self._parents: dict[T, T] = {member: member for member in members}

    def root(self, member: T) -> T:
        """Return the member that stands for the group."""
        parents = self._parents
        parents.setdefault(member, member)
        while (parent := parents[member]) != member:
            parents[member] = parents[parent]
            member = parents[member]
        return member

    def join(self, members: Iterable[T]) -> None:
        """Put members, and their groups, together."""
        roots = [self.root(member) for member in members]
        for root in roots[1:]:
            self._parents[self.root(root)] = self.root(roots[0])

    def all(self) -> list[list[T]]:
        """Return the groups, each in the order in which its members were named."""
        found: dict[T, list[T]] = defaultdict(list)
        for member in list(self._parents):
            found[self.root(member)].append(member)
        return list(found.values())


def fraction(*parts: str) -> float:
    """Return a number in [0, 1) that looks random and is the same for the same parts on every machine."""
    return int.from_bytes(sha256(identity(*parts).encode()).digest()[:8]) / 2**64


def clusters_of(documents: Groups[str]) -> dict[str, str]:
    """Return document → id of its cluster: made of the member with the lowest hash.

    A document that joins a cluster of n changes its id, and with it perhaps its split, once in n + 1 times.
    """
    found: dict[str, str] = {}
    for group in documents.all():
        named = identity("cluster", min(group, key=lambda document: (fraction("member", document), document)))
        found |= dict.fromkeys(group, named)
    return found


def split_of(cluster: str, seed: int, validation: float, test: float) -> Split:
    """Return the split that a cluster is in by its hash."""
    drawn = fraction("split", str(seed), cluster)
    return Split.TEST if drawn < test else Split.VALIDATION if drawn < test + validation else Split.TRAIN


def splits_of(
    clusters: Iterable[str], named: Mapping[str, Sequence[Split]], seed: int, validation: float, test: float
) -> dict[str, Split]:
    """Return cluster → split.

    `named` are the splits that somebody gave questions of a cluster; the strongest is the cluster's. Where there are
    such at all, clusters without one are learnt from, and if none is for validation, a share of the others is.
    """
    if not named:
        return {cluster: split_of(cluster, seed, validation, test) for cluster in clusters}
    has_validation = any(Split.VALIDATION in splits for splits in named.values())
    found: dict[str, Split] = {}
    for cluster in clusters:
        given = named.get(cluster, ())
        split = next((one for one in STRONGEST if one in given), Split.TRAIN)
        if split is Split.TRAIN and not (given and has_validation):
            split = split_of(cluster, seed, validation / (1 - test), 0.0)
        found[cluster] = split
    return found
