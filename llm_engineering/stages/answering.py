"""Ask one question, and look a former answer's sources up again."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager

from llm_engineering.application.answering.replaying import Replay, compare, unpacked
from llm_engineering.application.retrieval.searcher import FollowingSearcher
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.answering import open_assistant
from llm_engineering.bootstrap.asking import retrieval_ask
from llm_engineering.bootstrap.llms import Accounts, open_llms
from llm_engineering.bootstrap.searching import open_searcher
from llm_engineering.bootstrap.state import open_state
from llm_engineering.config import AssistantConfig
from llm_engineering.domain.answers import Broken, Finished, Question, Receipt
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports import Assistant, AssistantState, Searcher
from llm_engineering.infrastructure.observability.tracing import traced


def ask(config: AssistantConfig, question: Question) -> Finished:
    """Return the answer to a question, with the hits that it was made from.

    Raises:
        UsageError: the question is blank, a filter is wrong, no such model is configured, there is no index.
        BackendError: no answer came about; the message begins with the reason.
    """
    workspace = Workspace()
    accounts = Accounts(workspace)
    with closing(open_state(config, workspace)) as state, _searcher(config, workspace, state, accounts) as searcher:
        return asyncio.run(_asked(config, workspace, question, searcher, state, accounts))


async def _asked(
    config: AssistantConfig,
    workspace: Workspace,
    question: Question,
    searcher: Searcher,
    state: AssistantState,
    accounts: Accounts,
) -> Finished:
    llms = open_llms(config.llms, state, workspace, accounts)
    assistant = traced(open_assistant(config, workspace, searcher=searcher, llms=llms, state=state), config.tracing)
    try:
        return await last_event(assistant, question)
    finally:
        await assistant.close()


async def last_event(assistant: Assistant, question: Question) -> Finished:
    """Return the last event of an answer.

    Raises:
        BackendError: there is no answer.
    """
    async for event in assistant.answer(question.model_copy(update={"whole": True})):
        if isinstance(event, Finished):
            return event
        if isinstance(event, Broken):
            raise BackendError(f"{event.reason}: {event.detail}", transient=event.reason in {"timeout", "unavailable"})
    raise BackendError("the answer ended without a last event")


def replay(config: AssistantConfig, answer_id: str) -> Replay:
    """Search again as for a former answer, with the settings of its receipt, and compare.

    Raises:
        UsageError: there is no receipt of such an answer, or no index.
    """
    workspace = Workspace()
    with closing(open_state(config, workspace)) as state:
        receipt = state.receipt(None, answer_id)
        if receipt is None:
            raise UsageError(
                f"there is no receipt of answer {answer_id!r}: it is too old, a document that it cites was erased, it "
                "was made with another `state` section, or answering.keep_receipts is off"
            )
        settings = receipt.retrieval.get("settings", {})
        former = config.model_copy(update={"retrieval": type(config.retrieval).model_validate(settings)})
        found = _replayed(former, workspace, state, receipt)
        if found.same or getattr(config.embedding, "queries", "") != "auto":
            return found
        # A service may embed questions by another engine than a command does, and the last digits are that one's.
        other = _replayed(former, workspace, state, receipt, lasting=True)
        return other if other.same else found


def _replayed(
    config: AssistantConfig, workspace: Workspace, state: AssistantState, receipt: Receipt, *, lasting: bool = False
) -> Replay:
    with _searcher(config, workspace, state, Accounts(workspace), lasting=lasting) as searcher:
        k = receipt.retrieval.get("asked_k")
        if receipt.retrieval.get("model") == searcher.manifest().model.digest:
            searcher.know({wording: unpacked(vector) for wording, vector in receipt.vectors.items()})
        found = searcher.search(receipt.query, access=receipt.access, filter=receipt.filter, k=k)
        cited = {citation.document_id for citation in receipt.answer.citations}
        return compare(receipt, found, searcher.manifest(), searcher.documents(cited, receipt.access))


@contextmanager
def _searcher(
    config: AssistantConfig, workspace: Workspace, state: AssistantState, accounts: Accounts, *, lasting: bool = False
) -> Iterator[FollowingSearcher]:
    """Open the searcher, with a model for its own questions where its settings name one."""
    with (
        retrieval_ask(config, state, workspace, accounts) as ask,
        closing(open_searcher(config, workspace, ask, lasting=lasting)) as searcher,
    ):
        yield searcher
