"""What is kept of answers: a copy for those who ask the same, and the receipt that proves it.

An answer is never lost because something of it cannot be kept.
"""

import asyncio
from collections.abc import Collection

from loguru import logger

from llm_engineering.application.answering import drafting
from llm_engineering.application.answering.replaying import packed
from llm_engineering.application.answering.tools import Tools
from llm_engineering.domain.answers import Answer, Question, Receipt
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.queries import Found

CUT, LEAK, NO_RECEIPT = "cut", "leak", "no_receipt"


async def cached(tools: Tools, key: str) -> Answer | None:
    """Return the answer that was made for a key, if it is still kept."""
    state = tools.state
    if state is None or not tools.settings.cache_seconds:
        return None
    try:
        text = await asyncio.to_thread(state.cached, key)
        return None if text is None else Answer.model_validate_json(text)
    except (BackendError, ValueError) as error:
        logger.warning("the cache of answers cannot be read: {}", error)
        return None


async def cache(tools: Tools, key: str, answer: Answer, documents: Collection[str]) -> None:
    """Keep an answer that is whole and proven for those who ask the same."""
    state, seconds = tools.state, tools.settings.cache_seconds
    if state is None or not seconds or {CUT, LEAK, drafting.UNSUPPORTED} & {*answer.flags}:
        return
    try:
        await asyncio.to_thread(state.cache, key, answer.model_dump_json(), seconds, tuple(documents))
    except (BackendError, UsageError) as error:
        logger.warning("the answer could not be cached: {}", error)


async def with_receipt(tools: Tools, question: Question, answer: Answer, found: Found) -> Answer:
    """Keep the receipt of an answer, where the settings say so; return the answer, flagged if that failed."""
    if tools.state is None or not tools.settings.keep_receipts:
        return answer
    retrieved, model = found.retrieved, found.manifest.model.digest
    receipt = Receipt(
        answer=answer,
        access=question.access,
        filter=question.filter,
        retrieval={**tools.retrieval, "asked_k": question.k, "model": model},
        hits=tuple((hit.chunk_id, hit.score) for hit in retrieved.hits),
        query=retrieved.query,
        vectors={wording: packed(vector) for wording, vector in found.vectors.items()},
    )
    try:
        # A model may have used what it did not cite, so the answer belongs to every document that was found.
        documents = {hit.document_id for hit in retrieved.hits}
        await asyncio.to_thread(tools.state.keep_receipt, question.owner, receipt, documents)
    except (BackendError, UsageError) as error:
        logger.warning("the receipt of answer {} could not be kept: {}", answer.id, error)
        return answer.model_copy(update={"flags": (*answer.flags, NO_RECEIPT)})
    return answer
