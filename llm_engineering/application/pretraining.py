"""The documents of an index as texts to learn from and texts to be tested on, divided so that none is in both."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from llm_engineering.application.datasets.likeness import alike_texts, words_of
from llm_engineering.application.datasets.splitting import Groups, clusters_of, fraction
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.training import HeldText, Texts
from llm_engineering.domain.value import digest

_PARAGRAPH = re.compile(r"\n\s*\n")
_PASSAGE = 1_000  # characters of a passage, where whole documents are too few to be counted
_LEAST_WORDS = 12  # a paragraph of fewer distinct words is a heading or a phrase that anybody may write


@dataclass(frozen=True)
class Division:
    """How documents are divided. `share` of all characters is for validation; texts that are at least `alike` (the
    share of words that two have in common) are on one side, unless more than `boilerplate` documents repeat them."""

    share: float = 0.1
    alike: float = 0.8
    boilerplate: int = 20
    seed: int = 0


def text_of(document: CleanedDocument) -> str:
    """Return the text of a document, under its title where it does not begin with that."""
    body = document.text.strip()
    begins_with_it = document.title in body[: len(document.title) + 200]
    return body if begins_with_it else f"{document.title}\n\n{body}"


def of_tenants(documents: Iterable[CleanedDocument], tenants: Sequence[str] | None) -> list[CleanedDocument]:
    """Return the documents of tenants that have a text, by id; those of anybody, for None, as long as it is one.

    Raises:
        UsageError: there is none, or they are of several tenants and nobody said that this is meant.
    """
    found = sorted((one for one in documents if one.text.strip()), key=lambda one: one.id)
    known = sorted({_tenant(one) for one in found})
    if tenants is None and len(known) > 1:
        raise UsageError(
            f"the index holds documents of {len(known)} tenants ({', '.join(map(repr, known))}, '' is nobody's), and a "
            "model that learns from them can repeat something of them all. Name those that may be together in "
            "pretraining.tenants"
        )
    found = [one for one in found if tenants is None or _tenant(one) in tenants]
    if not found:
        whose = ", ".join(map(repr, known)) or "nobody"
        raise UsageError(
            f"there is no document with a text that may be learnt from (those of the index belong to {whose}); run the "
            "feature pipeline first, or name other sources or tenants under pretraining"
        )
    return found


def texts_of(documents: Sequence[CleanedDocument], reference: str, division: Division) -> Texts:
    """Divide documents into those to learn from and those to be tested on; none of these, if all belong together."""
    held = held_out(documents, division)
    train = [one for one in documents if one.id not in held]
    return Texts(
        reference=reference,
        digest=digest([[one.id, text_of(one), one.id in held] for one in documents]),
        train=tuple(text_of(one) for one in train),
        validation=tuple(text_of(one) for one in documents if one.id in held),
    )


def held_texts(documents: Sequence[CleanedDocument], division: Division, fewest: int) -> list[HeldText]:
    """Return the documents for validation; where these are fewer than `fewest` clusters, in passages.

    Passages of a document are taken for independent: of a handful of documents nothing else could be said.
    """
    held = held_out(documents, division)
    named = clusters_of(_alike(documents, division))
    whole = [HeldText(one.id, named[one.id], text_of(one)) for one in documents if one.id in held]
    if len({one.cluster for one in whole}) >= fewest:
        return whole
    passages = [(f"{one.id}-{number}", text) for one in whole for number, text in enumerate(passages_of(one.text))]
    return [HeldText(name, name, text) for name, text in passages]


def passages_of(text: str, size: int = _PASSAGE) -> list[str]:
    """Cut a text into passages of about `size` characters, each ending where a line does.

    >>> passages_of("one\\ntwo\\nthree", 5)
    ['one\\ntwo\\n', 'three']
    """
    found, passage = [], ""
    for line in text.splitlines(keepends=True):
        passage += line
        if len(passage) >= size:
            found.append(passage)
            passage = ""
    return [one for one in [*found, passage] if one.strip()]


def held_out(documents: Sequence[CleanedDocument], division: Division) -> Collection[str]:
    """Return the ids of the documents for validation: whole clusters, in an order that follows from the seed."""
    if not division.share or len(documents) < 2:
        return frozenset()
    clusters: dict[str, list[CleanedDocument]] = defaultdict(list)
    named = clusters_of(_alike(documents, division))
    for one in documents:
        clusters[named[one.id]].append(one)
    sizes = {cluster: sum(len(text_of(one)) for one in members) for cluster, members in clusters.items()}
    wanted = division.share * sum(sizes.values())
    taken: list[str] = []
    for cluster in sorted(clusters, key=lambda name: (fraction("validation", str(division.seed), name), name)):
        so_far = sum(sizes[name] for name in taken)
        if so_far < wanted and so_far + sizes[cluster] <= 2 * wanted:
            taken.append(cluster)
    if not taken:  # every cluster is more than was asked for; the smallest one serves, if most of the text is left
        smallest = min(sizes, key=lambda name: (sizes[name], name))
        taken = [smallest] if 2 * sizes[smallest] <= sum(sizes.values()) and len(sizes) > 1 else []
    return frozenset(one.id for cluster in taken for one in clusters[cluster])


def _alike(documents: Sequence[CleanedDocument], division: Division) -> Groups[str]:
    """Put documents together that nearly repeat each other, as a whole or in a paragraph."""
    groups: Groups[str] = Groups(one.id for one in documents)
    for i, j in alike_texts([words_of(one.text) for one in documents], division.alike):
        groups.join([documents[i].id, documents[j].id])
    paragraphs = [(one.id, words) for one in documents for words in _paragraphs(one.text)]
    repeated: Groups[int] = Groups()
    for pair in alike_texts([words for _, words in paragraphs], division.alike):
        repeated.join(pair)
    for group in repeated.all():
        names = sorted({paragraphs[number][0] for number in group})
        if len(names) <= division.boilerplate:
            groups.join(names)
    return groups


def _paragraphs(text: str) -> list[frozenset[str]]:
    found = (words_of(part) for part in _PARAGRAPH.split(text))
    return [words for words in found if len(words) >= _LEAST_WORDS]


def _tenant(document: CleanedDocument) -> str:
    return str(document.metadata.get(TENANT, ""))
