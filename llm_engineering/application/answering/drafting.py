"""Answers in the making: text, citations with their verdicts, and what a reader should know."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent

from llm_engineering.application.answering.exits import addresses, citations, sanitised, tidied
from llm_engineering.application.answering.extractive import Quoted, extract
from llm_engineering.application.answering.injection import is_injected
from llm_engineering.application.answering.numbered import Numbered
from llm_engineering.application.answering.quotes import Proof, StoredText, prove, proves
from llm_engineering.application.answering.reply import Reply
from llm_engineering.application.answering.settings import Answering
from llm_engineering.application.answering.support import supporting
from llm_engineering.application.answering.wording import SENTENCES
from llm_engineering.application.text.sentences import sentence_spans
from llm_engineering.application.text.spans import Span
from llm_engineering.application.text.stems import Language
from llm_engineering.domain.answers import Citation, Outcome
from llm_engineering.domain.documents import CleanedDocument

UNSUPPORTED = "unsupported"
_MOST_NEAREST = 3
# Without a calibrated threshold, a quote must have this share of the question in it.
_FLOOR = 0.25
_LONGEST_CLAIM = 2_000
_TICKS = re.compile("`{3,}")
_LANGUAGE = re.compile(r"[a-z][a-z0-9+#-]{0,19}")


@dataclass(frozen=True)
class Draft:
    """An answer before it is finished."""

    text: str
    outcome: Outcome
    citations: tuple[Citation, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What an answer is made from: the question, the passages, and the stored documents that these are of.

    `judged` tells that the search has decided by a calibrated threshold that there is an answer.
    """

    question: str
    passages: Sequence[Numbered]
    documents: Mapping[str, CleanedDocument]
    settings: Answering
    language: Language = "english"
    judged: bool = False

    @property
    def uris(self) -> frozenset[str]:
        """The addresses of the sources."""
        return frozenset(passage.hit.uri for passage in self.passages if "://" in passage.hit.uri)

    @property
    def inert(self) -> frozenset[str]:
        """The addresses that stand in passages without orders: a quote may show them, as text that leads nowhere."""
        return frozenset(
            address for one in self.passages if not is_injected(one.text) for address in addresses(one.text)
        )

    def stored(self, passage: Numbered) -> StoredText | None:
        document = self.documents.get(passage.hit.document_id)
        return None if document is None else StoredText(document, Span(passage.start, passage.end))


def quoted_draft(evidence: Evidence) -> Draft:
    """Return an answer of quotes; where nothing supports the question, that the sources do not say."""
    settings = evidence.settings
    quotes = extract(
        evidence.question,
        evidence.passages,
        language=evidence.language,
        most=settings.sentences,
        characters=settings.characters,
        floor=0.0 if evidence.judged else _FLOOR,
    )
    cited = [(quote, _citation_at(evidence, quote)) for quote in quotes]
    kept = [(quote, citation) for quote, citation in cited if citation.verdict == "found"]
    if not kept:
        return nothing_draft(evidence)
    shown = [_shown(evidence, quote) for quote, _ in kept]
    return Draft("\n\n".join(shown), "answered", tuple(citation for _, citation in kept))


def nothing_draft(evidence: Evidence) -> Draft:
    """Return that the sources do not say, with what is nearest."""
    nearest = []
    for passage in evidence.passages[:_MOST_NEAREST]:
        citation = _citation_at(evidence, Quoted(passage, passage.first))
        if citation.verdict == "found":
            nearest.append(citation)
    marks = " ".join(f"[{citation.number}]" for citation in nearest)
    said = SENTENCES[evidence.settings.language]
    text = f"{said.nothing} {said.nearest} {marks}" if nearest else said.nothing
    return Draft(text, "no_answer", tuple(nearest))


def checked_draft(evidence: Evidence, reply: Reply) -> Draft:
    """Return a model's answer with each citation checked. Without one that stands, quotes take its place, or, where
    the settings say so, it is flagged. A model that says nothing has not said that the sources are silent."""
    if reply.refused:
        return nothing_draft(evidence)
    by_number = {passage.number: passage for passage in evidence.passages}
    inert = evidence.inert if evidence.settings.links == "passages" else ()
    text = tidied(sanitised(reply.text, by_number.keys(), evidence.uris, inert))
    cited = _cited(evidence, text, reply, by_number)
    if any(citation.verdict == "found" for citation in cited):
        return Draft(text, "answered", cited)
    if text and evidence.settings.unsupported == "flag":
        return Draft(text, "answered", cited, (UNSUPPORTED,))
    quoted = quoted_draft(evidence)
    if quoted.outcome == "answered":
        unverified = SENTENCES[evidence.settings.language].unverified
        quoted = Draft(f"{unverified}\n\n{quoted.text}", "no_answer", quoted.citations)
    return Draft(quoted.text, "no_answer", quoted.citations, (UNSUPPORTED,))


def _cited(evidence: Evidence, text: str, reply: Reply, by_number: Mapping[int, Numbered]) -> tuple[Citation, ...]:
    claims: dict[int, list[str]] = {}
    for number, offset in citations(text):
        claims.setdefault(number, []).append(_claim(text, offset))
    found: list[Citation] = []
    for number, its_claims in claims.items():
        passage = by_number[number]
        found += _citations_of(evidence, passage, reply.quotes.get(number, ()), its_claims)
    return tuple(found)


def _claim(text: str, offset: int) -> str:
    """Return the sentence that ends with the citation at the offset."""
    before = text[max(0, offset - _LONGEST_CLAIM) : offset].rstrip()
    while before.endswith("]") and (start := before.rfind("[")) >= 0 and before[start + 1 : -1].isdigit():
        before = before[:start].rstrip()
    spans = list(sentence_spans(before))
    return before[spans[-1].start :] if spans else before


def _citations_of(
    evidence: Evidence, passage: Numbered, quotes: Sequence[str], claims: Sequence[str]
) -> list[Citation]:
    """Return one citation for each quote that stands; else, for each claim that the passage supports; else, what the
    model gave, with its verdict."""
    checked = [_check(evidence, passage, quote) for quote in dict.fromkeys(quotes)]
    standing = [citation for citation in checked if citation.verdict == "found"]
    for claim in () if standing else dict.fromkeys(claims):
        if span := supporting(claim, passage, evidence.language):
            citation = _citation_at(evidence, Quoted(passage, span))
            standing += [citation] if citation.verdict == "found" else []
    return standing or checked[:1] or [_citation(passage, "", Proof("absent"))]


def _check(evidence: Evidence, passage: Numbered, quote: str) -> Citation:
    cited = evidence.stored(passage)
    others = [
        stored
        for one in evidence.passages
        if one.hit.document_id != passage.hit.document_id and (stored := evidence.stored(one))
    ]
    proof = prove(quote, cited, others) if cited else Proof("absent")
    if proof.verdict != "found" or cited is None:
        return _citation(passage, quote, proof)
    return _citation(passage, cited.document.text[proof.span.start : proof.span.end], proof)


def _citation_at(evidence: Evidence, quote: Quoted) -> Citation:
    """Return a citation of a stretch of a passage, after a look at the stored document."""
    passage, text = quote.passage, quote.text
    span = Span(passage.start + quote.span.start, passage.start + quote.span.end)
    stored = evidence.stored(passage)
    if stored is None:
        return _citation(passage, text, Proof("absent"))
    if stored.document.text[span.start : span.end] == text:
        return _citation(passage, text, Proof("found", stored.document.id, span))
    return _citation(passage, text, prove(text, stored) if proves(text) else Proof("absent"))


def _citation(passage: Numbered, quote: str, proof: Proof) -> Citation:
    hit = passage.hit
    span = proof.span if proof.verdict == "found" else Span(hit.start, hit.end)
    return Citation(
        number=passage.number,
        quote=quote,
        verdict=proof.verdict,
        document_id=hit.document_id,
        chunk_id=hit.chunk_id,
        uri=hit.uri,
        title=hit.title,
        source=hit.source,
        start=span.start,
        end=span.end,
    )


def _as_code(quote: Quoted) -> str:
    """Return a quote of source code between fences that nothing in it closes, its first line indented as it was."""
    before = quote.passage.text[: quote.span.start]
    indent = before[len(before.rstrip(" \t")) :] if before.rstrip(" \t")[-1:] in ("", "\n") else ""
    language = str(quote.passage.hit.metadata.get("language", ""))
    fence = "`" * max(3, *(len(run) + 1 for run in _TICKS.findall(quote.text)), 0)
    return f"{fence}{language if _LANGUAGE.fullmatch(language) else ''}\n{dedent(indent + quote.text)}\n{fence}"


def _shown(evidence: Evidence, quote: Quoted) -> str:
    """Return a quote as it is shown: links and images as text, source code as code, and its number behind it."""
    text = tidied(sanitised(_as_code(quote) if quote.passage.is_code else quote.text, (), (), evidence.inert))
    space = "\n" if text.endswith(("```", "~~~", "|")) else " "
    return f"{text}{space}[{quote.passage.number}]"
