"""Questions and a corpus into rows: what repeats itself goes, clusters are split, passages are chosen."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from llm_engineering.application.datasets.corpus import Passage
from llm_engineering.application.datasets.leaking import apart
from llm_engineering.application.datasets.mining import Searcher, negatives
from llm_engineering.application.datasets.settings import DatasetSettings
from llm_engineering.application.datasets.splitting import splits_of
from llm_engineering.application.datasets.structure import without
from llm_engineering.application.datasets.tying import Ties, tied
from llm_engineering.application.text.words import word_count
from llm_engineering.domain.datasets import AskedQuestion, RetrievalPair, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Progress
from llm_engineering.domain.value import Scalar, identity

# So many words must be left of a passage without its question.
LEAST_WORDS = 4
STRUCTURE = frozenset({"faq", "title", "heading"})


def make(
    asked: Sequence[AskedQuestion], searcher: Searcher, settings: DatasetSettings, progress: Progress
) -> tuple[list[RetrievalPair], Counter[str]]:
    """Return the rows of a data set, by id, and how many questions were dropped, by reason.

    Raises:
        UsageError: no question is left, or a split is none.
    """
    dropped: Counter[str] = Counter()
    questions = merged(asked, dropped)
    if not questions:
        raise UsageError(_NOTHING.format(dropped=_listed(dropped) or "nothing was asked"))
    ties = tied(questions, searcher, settings.duplicates, progress)
    splits = _splits(questions, ties, settings)
    kept = _kept(questions, ties, splits, dropped)
    making = _Making(searcher, settings, questions, ties, splits, dropped)
    rows: dict[str, RetrievalPair] = {}
    for number in progress(kept, "mine", total=len(kept), unit="question"):
        for row in making.rows_of(number):
            rows.setdefault(row.id, row)
    if not rows:
        raise UsageError(_NOTHING.format(dropped=_listed(dropped)))
    kept_rows = apart([rows[key] for key in sorted(rows)], settings.duplicates.questions, settings.duplicates.passages)
    if len(kept_rows) < len(rows):
        dropped["alike_across_splits"] += len(rows) - len(kept_rows)
    return kept_rows, dropped


_NOTHING = (
    "no question is left to learn from ({dropped}); name questions whose documents are in the index, or documents with "
    "titles and headings, in dataset.pairs"
)


def merged(asked: Sequence[AskedQuestion], dropped: Counter[str]) -> list[AskedQuestion]:
    """Return the questions, each once: those of the same words and filter are answered by the documents of them all.

    The first of them decides where it comes from.

    Raises:
        UsageError: a split is none.
    """
    found: dict[tuple[str, str], AskedQuestion] = {}
    for one in asked:
        if one.split and one.split not in set(Split):
            raise UsageError(
                f"the question {one.question!r} is to be in split {one.split!r}; valid are {', '.join(Split)}, or none"
            )
        key = (" ".join(one.question.casefold().split()), _json(one.filter))
        before = found.get(key)
        if before is None:
            found[key] = one
            continue
        dropped["same_question"] += 1
        documents = tuple(sorted({*before.documents, *one.documents}))
        # Made from one passage, asked of two documents: now the best passage of each is to be found.
        chunk = before.chunk_id if documents == before.documents else ""
        split = min((before.split, one.split), key=lambda name: _STRENGTH.get(name, len(_STRENGTH)))
        found[key] = replace(before, documents=documents, chunk_id=chunk, split=split)
    return list(found.values())


_STRENGTH = {Split.TEST.value: 0, Split.VALIDATION.value: 1, Split.TRAIN.value: 2}


def _splits(questions: Sequence[AskedQuestion], ties: Ties, settings: DatasetSettings) -> dict[str, Split]:
    named: dict[str, list[Split]] = defaultdict(list)
    if settings.splits == "column":
        for one in questions:
            if one.split:
                named[ties.clusters[one.documents[0]]].append(Split(one.split))
        if not named:
            raise UsageError(
                "dataset.splits is column, and no question says in which split it is to be; name the column in "
                "dataset.pairs (`split`), or set dataset.splits to cluster"
            )
    clusters = sorted(set(ties.clusters.values()))
    return splits_of(clusters, named, settings.seed, settings.shares.validation, settings.shares.test)


def _kept(
    questions: Sequence[AskedQuestion], ties: Ties, splits: Mapping[str, Split], dropped: Counter[str]
) -> list[int]:
    """Return the numbers of the questions that are worth a row."""
    kept: list[int] = []
    taken: set[int] = set()
    for number, one in enumerate(questions):
        split = splits[ties.clusters[one.documents[0]]]
        if one.split and one.split != split.value and split is not Split.VALIDATION:
            dropped["its_cluster_is_in_another_split"] += 1
        elif any(other in taken and _same(questions[other], one) for other in ties.alike.get(number, ())):
            dropped["near_duplicate_question"] += 1
        else:
            taken.add(number)
            kept.append(number)
    return kept


def _same(one: AskedQuestion, other: AskedQuestion) -> bool:
    return one.documents == other.documents and one.filter == other.filter


@dataclass(frozen=True)
class _Making:
    """What rows are made with."""

    searcher: Searcher
    settings: DatasetSettings
    questions: Sequence[AskedQuestion]
    ties: Ties
    splits: Mapping[str, Split]
    dropped: Counter[str]

    def rows_of(self, number: int) -> Iterator[RetrievalPair]:
        """Yield a row for each document that answers a question."""
        one = self.questions[number]
        positives = [found for name in one.documents if (found := self._positive(one, name)) is not None]
        if not positives:
            return
        hits = self.searcher.found(one, self.settings.negatives.last)
        if one.origin == "llm" and not {hit.document_id for hit in hits} & set(one.documents):
            self.dropped["not_found_by_search"] += 1
            return
        answers = self._answers(number)
        candidates = hits[self.settings.negatives.first - 1 :]
        cosines = self.searcher.cosines(one.question)
        for positive, text in positives:
            taken = negatives(
                candidates,
                positive,
                self.searcher.corpus,
                cosines,
                self._others(positive, answers),
                self.settings.negatives.margin,
                self.settings.duplicates.passages,
            )
            yield self._row(one, positive, text, taken[: self.settings.negatives.count])

    def _positive(self, one: AskedQuestion, document: str) -> tuple[Passage, str] | None:
        """Return the passage of a document that answers a question, and its text as it is learnt from."""
        corpus, boilerplate = self.searcher.corpus, self.ties.boilerplate
        passages = [passage for passage in corpus.documents[document] if passage.id not in boilerplate]
        if not passages:
            self.dropped["boilerplate"] += 1
            return None
        if not _fulfils(passages[0], one.filter):
            self.dropped["filter_excludes_answer"] += 1
            return None
        named = [passage for passage in passages if passage.id == one.chunk_id]
        positive = named[0] if named else self.searcher.best_of(one, passages)
        left = without(positive.text, one.hide or one.question)
        if one.origin in STRUCTURE and word_count(left) < LEAST_WORDS:
            self.dropped["passage_is_the_question"] += 1
            return None
        return positive, left if one.hide else positive.text

    def _answers(self, number: int) -> set[str]:
        """Return the clusters of all documents that answer a question, or one that nearly repeats it."""
        same = (number, *self.ties.alike.get(number, ()))
        return {self.ties.clusters[name] for other in same for name in self.questions[other].documents}

    def _others(self, positive: Passage, answers: Collection[str]) -> "_Others":
        return _Others(self, self.splits[self.ties.clusters[positive.document_id]], answers)

    def _row(self, one: AskedQuestion, positive: Passage, text: str, taken: Sequence[Passage]) -> RetrievalPair:
        cluster = self.ties.clusters[positive.document_id]
        limits = _json(one.filter)
        return RetrievalPair(
            id=identity("pair", one.question, limits, positive.id),
            question=one.question,
            document_id=positive.document_id,
            chunk_id=positive.id,
            passage=text,
            documents=one.documents,
            negatives=tuple(passage.text for passage in taken),
            negative_ids=tuple(passage.id for passage in taken),
            origin=one.origin,
            source=positive.source,
            filter=limits,
            cluster=cluster,
            split=self.splits[cluster].value,
            negative_documents=tuple(passage.document_id for passage in taken),
        )


@dataclass(frozen=True)
class _Others:
    """Says whether a passage may be a negative: of another cluster than all answers, and of the row's own split.

    A model that learns to push away the passages of held-out documents has seen them, too. Validation is small, and
    borrows from what is learnt from.
    """

    making: _Making
    split: Split
    answers: Collection[str]

    def __call__(self, passage: Passage) -> bool:
        ties = self.making.ties
        cluster = ties.clusters[passage.document_id]
        is_near = cluster in self.answers or passage.id in ties.boilerplate
        split = self.making.splits[cluster]
        return not is_near and (split is self.split or (split, self.split) == (Split.TRAIN, Split.VALIDATION))


def _fulfils(passage: Passage, limits: Mapping[str, Scalar]) -> bool:
    known = {"source": passage.source, "title": passage.title, **passage.metadata}
    return all(str(known.get(name)) == str(value) for name, value in limits.items())


def _json(value: Mapping[str, Scalar]) -> str:
    return json.dumps(dict(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _listed(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(dropped.items()))
