"""What former answers rely on, read from their receipts again, as far as the reader may still see it."""

from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger

from llm_engineering.domain.answers import Answer, Citation, Turn
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.serving.callers import Caller
from llm_engineering.serving.service import Service

# Turns of a conversation, the last ones, whose receipts are read: each is a question to the state's store.
MOST_TURNS = 200
# `withdrawn`: a cited document is gone, or no longer for this reader. `outdated`: it says something else at this place.
WITHDRAWN, OUTDATED = "withdrawn", "outdated"

_SHOWN = {"outcome", "confidence", "versions", "usage", "seconds", "cached"}


async def proofs(service: Service, caller: Caller, turns: Sequence[Turn]) -> Mapping[str, dict[str, Any]]:
    """Return answer id → citations, flags, outcome, confidence and the like of those turns that have a receipt.

    Citations of documents that the caller may not see now are left out. Without an index there are no proofs, which is
    no reason not to show the texts.
    """
    answers = await service.kept(_answers, service, caller, turns[-MOST_TURNS:])
    cited = {citation.document_id for answer in answers for citation in answer.citations}
    try:
        seen = await service.computed(service.searcher.documents, cited, caller.access) if cited else {}
    except LLMEngineeringError as error:
        logger.warning("the sources of a conversation cannot be looked up: {}", error)
        return {}
    return {answer.id: _proof(answer, seen) for answer in answers}


def _answers(service: Service, caller: Caller, turns: Sequence[Turn]) -> list[Answer]:
    receipts = [service.state.receipt(caller.owner, turn.answer_id) for turn in turns if turn.answer_id]
    return [receipt.answer for receipt in receipts if receipt is not None]


def _proof(answer: Answer, seen: Mapping[str, CleanedDocument]) -> dict[str, Any]:
    visible = [citation for citation in answer.citations if citation.document_id in seen]
    flags = [*answer.flags]
    flags += [WITHDRAWN] if len(visible) < len(answer.citations) else []
    flags += [OUTDATED] if any(not _stands(one, seen[one.document_id]) for one in visible) else []
    return answer.model_dump(mode="json", include=_SHOWN) | {
        "citations": [citation.model_dump(mode="json") for citation in visible],
        "flags": flags,
    }


def _stands(citation: Citation, document: CleanedDocument) -> bool:
    """Tell whether a quote that was found stands where it stood."""
    return citation.verdict != "found" or document.text[citation.start : citation.end] == citation.quote
