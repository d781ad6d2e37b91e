"""Drafts into rows: what no gate passes goes, clusters are split, what is alike across splits goes."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from llm_engineering.application.datasets.tying import Ties
from llm_engineering.application.instructions.gates import length_bias, refuse
from llm_engineering.application.instructions.others import Paired, other_answers
from llm_engineering.application.instructions.settings import PreferenceSettings
from llm_engineering.application.instructions.sieve import Sieve
from llm_engineering.application.instructions.structure import OtherAnswers
from llm_engineering.domain.datasets import Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.instructions import Draft, Instruction, Preference
from llm_engineering.domain.value import identity

Kept = TypeVar("Kept", Draft, Preference)


def sift_instructions(drafts: Sequence[Draft], sieve: Sieve) -> list[Instruction]:
    """Return the rows of a data set of instructions, by id.

    Raises:
        GateFailed: a gate refuses the set.
        UsageError: no row is left.
    """
    sized = sieve.sized(drafts)
    worded = [one for one in sized if one.start < 0]
    kept = sieve.grounded(worded) + sieve.verbatim([one for one in sized if one.start >= 0])
    refuse(sieve.figures)
    kept = _filled(kept, sieve)
    ties = sieve.tied(kept)
    kept = sieve.once(kept, ties)
    splits = sieve.splits(ties, kept)
    rows = [_instruction(one, ties, splits) for one in kept]
    rows = sieve.apart(sorted(rows, key=lambda row: row.id), sieve.vectors(kept))
    refuse(sieve.figures)
    return rows


def sift_preferences(drafts: Sequence[Draft], sieve: Sieve, settings: PreferenceSettings) -> list[Preference]:
    """Return the rows of a data set of preferences, by id.

    Raises:
        GateFailed: a gate refuses the set.
        UsageError: no row is left.
    """
    # Of two drafts of the same question, the one that was paid for stays.
    ordered = sorted(drafts, key=lambda one: not one.writer)
    kept = sieve.grounded(sieve.verbatim(sieve.sized(ordered)))
    refuse(sieve.figures)
    kept = _filled(kept, sieve)
    ties = sieve.tied(kept)
    kept = sieve.once(kept, ties)
    splits = sieve.splits(ties, kept)
    vectors = sieve.vectors(kept)
    alone = [one for one in kept if not one.writer]
    spec = next((one for one in settings.pairs if isinstance(one, OtherAnswers)), None)
    paired = other_answers(alone, ties.clusters, splits, vectors.instructions, spec) if spec else []
    sieve.dropped["no_similar_question"] += len(alone) - len(paired) if spec else 0
    documents = {id(one.draft): one.rejected_document for one in paired}
    both = sieve.distinct([*(one for one in kept if one.writer), *(one.draft for one in paired)])
    rows = [_preference(Paired(one, documents.get(id(one), "")), ties, splits) for one in both]
    rows = sieve.apart(sorted(rows, key=lambda row: row.id), vectors)
    sieve.figures.append(length_bias([(row.chosen, row.rejected) for row in rows], settings.gates))
    refuse(sieve.figures)
    return _filled(rows, sieve)


def _filled(kept: list[Kept], sieve: Sieve) -> list[Kept]:
    if not kept:
        why = ", ".join(
            f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(sieve.dropped.items()) if count
        )
        raise UsageError(
            f"no row is left to learn from ({why or 'there were no drafts'}); index documents with questions or "
            "headings, let a model write some (`pairs` of kind llm), or look at `words` and `gates`"
        )
    return kept


def _instruction(one: Draft, ties: Ties, splits: Mapping[str, Split]) -> Instruction:
    cluster = ties.clusters[one.document_id]
    return Instruction(
        id=identity("instruction", one.instruction, one.answer, one.document_id, one.chunk_id),
        instruction=one.instruction,
        answer=one.answer,
        document_id=one.document_id,
        chunk_id=one.chunk_id,
        passage=one.passage,
        origin=one.origin,
        writer=one.writer,
        source=one.source,
        cluster=cluster,
        split=splits[cluster].value,
    )


def _preference(pair: Paired, ties: Ties, splits: Mapping[str, Split]) -> Preference:
    one = pair.draft
    cluster = ties.clusters[one.document_id]
    return Preference(
        id=identity("preference", one.instruction, one.answer, one.rejected, one.document_id, str(one.start)),
        instruction=one.instruction,
        chosen=one.answer,
        rejected=one.rejected,
        document_id=one.document_id,
        chunk_id=one.chunk_id,
        passage=one.passage,
        origin=one.origin,
        writer=one.writer,
        source=one.source,
        cluster=cluster,
        split=splits[cluster].value,
        start=one.start,
        end=one.end,
        rejected_document=pair.rejected_document,
    )
