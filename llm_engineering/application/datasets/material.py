"""What questions are taken from, and the account of those that were not taken."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.corpus import Corpus, Passage
from llm_engineering.domain.datasets import AskedQuestion, Reply
from llm_engineering.domain.evaluation import Question
from llm_engineering.domain.incidents import Incident
from llm_engineering.domain.llms import Usage
from llm_engineering.domain.value import Scalar

if TYPE_CHECKING:
    from llm_engineering.application.datasets.questions import Questions
    from llm_engineering.application.datasets.writing import Writing


@dataclass
class Written:
    """What became of the passages that a model was to write questions for."""

    replies: list[tuple[Passage, Reply]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    resumed: int = 0
    stopped: str = ""
    failures: list[Incident] = field(default_factory=list)
    unasked: int = 0


@dataclass
class Material:
    """The corpus, and what the kinds of pairs need beside it.

    `read` returns the questions of a file, each with the split that it names (empty: none), `relevant` the ids of the
    documents that questions name, `write` what a language model wrote.
    """

    corpus: Corpus
    read: "Callable[[Questions], tuple[Sequence[Question], Sequence[str]]]"
    relevant: Callable[[Sequence[Question]], Sequence[Collection[str]]]
    write: "Callable[[Writing, Sequence[Passage]], Written]"
    dropped: Counter[str] = field(default_factory=Counter)
    written: list[Written] = field(default_factory=list)

    def drop(self, reason: str) -> None:
        """Count a question that is not taken."""
        self.dropped[reason] += 1

    def telling(self, asked: Sequence[AskedQuestion], most: int) -> Iterator[AskedQuestion]:
        """Yield the questions that no more documents than `most` answer: it would tie all of those into one cluster."""
        documents: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in asked:
            documents[_key(one)].update(one.documents)
        for one in asked:
            if len(documents[_key(one)]) > most:
                self.drop("names_many_documents")
            else:
                yield one


def _key(one: AskedQuestion) -> tuple[str, str]:
    return one.question.casefold(), repr(sorted(one.filter.items()))


def filter_of(passage: Passage, fields: Sequence[str]) -> dict[str, Scalar]:
    """Return the filter that a search for a passage is limited to: its own values of metadata fields."""
    return {name: passage.metadata[name] for name in fields if name in passage.metadata}
