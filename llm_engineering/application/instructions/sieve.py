"""The steps by which drafts become fewer, each with its account."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_engineering.application.datasets.likeness import alike_texts, jaccard, words_of
from llm_engineering.application.datasets.mining import Searcher
from llm_engineering.application.datasets.splitting import fraction, splits_of
from llm_engineering.application.datasets.tying import Ties, tied
from llm_engineering.application.instructions.gates import distinct, grounded, is_long, verbatim
from llm_engineering.application.instructions.leakage import Row, Vectors, apart, leaks
from llm_engineering.application.instructions.settings import LanguageSettings
from llm_engineering.application.text.spans import Span
from llm_engineering.application.text.stems import Language
from llm_engineering.application.text.words import stems
from llm_engineering.domain.datasets import AskedQuestion, Split
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.instructions import Draft, GateFigure
from llm_engineering.domain.ports import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Sieve:
    """What drafts are sifted with, and the account of it."""

    searcher: Searcher
    texts: Mapping[str, CleanedDocument]
    settings: LanguageSettings
    language: Language
    progress: Progress
    dropped: Counter[str] = field(default_factory=Counter)
    figures: list[GateFigure] = field(default_factory=list)

    def sized(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts whose answers have neither too few words nor too many, nor just those asked, each once."""
        least, most = self.settings.words, self.settings.most_words
        kept: dict[tuple[str, str, str], Draft] = {}
        for one in drafts:
            said = stems(one.answer, "none")
            if not least <= len(said) <= most:
                self.dropped["short_answer" if len(said) < least else "long_answer"] += 1
            elif said == stems(one.instruction, "none"):
                # Of a model that copies: a question that is its own answer teaches to repeat what was said.
                self.dropped["repeats_question"] += 1
            elif kept.setdefault((one.instruction, one.document_id, one.answer), one) is not one:
                self.dropped["same_draft"] += 1
        return list(kept.values())

    def verbatim(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts whose answers stand in their documents, with their places."""
        documents = {name: document.text for name, document in self.texts.items()}
        kept, figure = verbatim(drafts, documents, self._places(), self.settings.gates)
        return self._passed(kept, figure, "not_verbatim")

    def grounded(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts whose answers stand in their passages."""
        kept, figure = grounded(drafts, self.settings.gates, self.language)
        return self._passed(kept, figure, "not_grounded")

    def distinct(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the pairs whose two answers differ."""
        kept, figure = distinct(drafts, self.settings.gates)
        return self._passed(kept, figure, "chosen_is_rejected")

    def tied(self, drafts: Sequence[Draft]) -> Ties:
        """Return what of the drafts and the corpus belongs together.

        Headings put no documents together: `Fixed (Release 1.2)` and `Fixed (Release 1.3)` are alike, and all that are
        would be one cluster. Those that are alike across splits go in the end.
        """
        numbers = [number for number, one in enumerate(drafts) if one.origin != "heading"]
        asked = [
            AskedQuestion(one.instruction, (one.document_id,), one.origin, {}, one.chunk_id)
            for one in (drafts[number] for number in numbers)
        ]
        found = tied(asked, self.searcher, self.settings.duplicates, self.progress)
        alike = {numbers[one]: {numbers[other] for other in others} for one, others in found.alike.items()}
        texts = [words_of(one.instruction) for one in drafts]
        for one, other in alike_texts(texts, self.settings.duplicates.questions):
            alike.setdefault(one, set()).add(other)
            alike.setdefault(other, set()).add(one)
        return Ties(alike, found.clusters, found.boilerplate)

    def once(self, drafts: Sequence[Draft], ties: Ties) -> list[Draft]:
        """Return the drafts without boilerplate, and without those that nearly repeat another one.

        Repeated is an instruction that is alike to another with an answer that is, too, or that is the same.
        """
        words = [words_of(one.answer) for one in drafts]
        folded = [" ".join(one.instruction.casefold().split()) for one in drafts]
        first: dict[str, int] = {}
        taken: set[int] = set()
        kept: list[Draft] = []
        for number, one in enumerate(drafts):
            alike = [other for other in ties.alike.get(number, ()) if other in taken]
            limit = self.settings.duplicates.passages
            repeats = any(jaccard(words[other], words[number]) >= limit for other in alike)
            if one.chunk_id in ties.boilerplate:
                self.dropped["boilerplate"] += 1
            elif first.setdefault(folded[number], number) != number or repeats:
                self.dropped["near_duplicate"] += 1
            else:
                taken.add(number)
                kept.append(one)
        return self._without_repeated_answers(kept)

    def splits(self, ties: Ties, drafts: Sequence[Draft]) -> dict[str, Split]:
        """Return the split of each cluster.

        Of a small corpus, a split may be drawn by no cluster; it gets one all the same, if it is to have a share and
        enough is left to learn from.
        """
        shares, seed = self.settings.shares, self.settings.seed
        found = splits_of(sorted(set(ties.clusters.values())), {}, seed, shares.validation, shares.test)
        used = {ties.clusters[one.document_id] for one in drafts}
        for split, share in ((Split.TEST, shares.test), (Split.VALIDATION, shares.validation)):
            train = [cluster for cluster in used if found[cluster] is Split.TRAIN]
            if share and len(train) > 1 and not any(found[cluster] is split for cluster in used):
                found[min(train, key=lambda cluster: (fraction("split", str(seed), cluster), cluster))] = split
        return found

    def vectors(self, drafts: Sequence[Draft]) -> Vectors:
        """Return the vectors that rows are compared by; none without an embedder."""
        embedder, corpus = self.searcher.searching.embedder, self.searcher.corpus
        if embedder is None:
            return Vectors()
        import numpy as np

        def unit(text: str) -> "NDArray[np.float32]":
            vector = np.asarray(embedder.embed_query(text), dtype=np.float32)
            return vector / max(float(np.linalg.norm(vector)), 1e-12)

        instructions = {text: unit(text) for text in dict.fromkeys(one.instruction for one in drafts)}
        passages = {one.chunk_id: corpus.vectors[corpus.places[one.chunk_id]] for one in drafts}
        return Vectors(instructions, passages)

    def apart(self, rows: list[Row], vectors: Vectors) -> list[Row]:
        """Return the rows of which none is alike to one of another split, and the proof of it as a figure."""
        kept = apart(rows, self.settings.apart, vectors)
        self.dropped["alike_across_splits"] += len(rows) - len(kept)
        found = len(leaks(kept, self.settings.apart, vectors))
        note = f"{found} leaks between splits after {len(rows) - len(kept)} rows were taken out"
        self.figures.append(
            GateFigure(
                name="leakage", rows=len(kept), failed=len(rows) - len(kept), value=found, bound=0.0,
                passed=not found, note=note,
            )
        )  # fmt: skip
        return kept

    def _without_repeated_answers(self, drafts: list[Draft]) -> list[Draft]:
        """Return the drafts without those of the same document that answer the same, in nearly the same words."""
        documents: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(drafts):
            if is_long(one.answer):
                documents[one.document_id].append(number)
        gone: set[int] = set()
        for numbers in documents.values():
            texts = [words_of(drafts[number].answer) for number in numbers]
            gone |= {numbers[other] for _, other in alike_texts(texts, self.settings.duplicates.passages)}
        self.dropped["near_duplicate"] += len(gone)
        return [one for number, one in enumerate(drafts) if number not in gone]

    def _passed(self, kept: list[Draft], figure: GateFigure, reason: str) -> list[Draft]:
        self.figures.append(figure)
        self.dropped[reason] += figure.failed
        return kept

    def _places(self) -> dict[str, Span]:
        passages = [passage for passage in self.searcher.corpus.passages if passage.start >= 0]
        return {one.id: Span(one.start, one.start + len(one.body)) for one in passages}
