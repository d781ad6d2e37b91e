"""The assistant: from a question to an answer whose every claim can be looked up."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from loguru import logger

from llm_engineering.application.answering.making import Making
from llm_engineering.application.answering.tools import Tools
from llm_engineering.domain.answers import AnswerEvent, Broken, Finished, Question
from llm_engineering.domain.errors import BackendError, BudgetExceeded, UsageError
from llm_engineering.domain.ports import Llm

EXTRACTIVE = "extractive"
_SECONDS_TO_STOP = 2.0


@dataclass
class GroundedAssistant:
    """Answers from the passages that a searcher finds: with quotes, or with the words of a model and quotes that prove
    them. Each answer works in a task of its own, which ends with its iterator."""

    tools: Tools
    llms: Mapping[str, Llm] = field(default_factory=dict)

    def models(self) -> Sequence[str]:
        return tuple(dict.fromkeys((*self.llms, EXTRACTIVE)))

    async def answer(self, question: Question) -> AsyncIterator[AnswerEvent]:
        llm = self._llm_of(question)
        events: asyncio.Queue[AnswerEvent | UsageError] = asyncio.Queue()
        work = asyncio.create_task(self._work(question, llm, events))
        try:
            while True:
                event = await events.get()
                if isinstance(event, UsageError):
                    raise event
                yield event
                if isinstance(event, Finished | Broken):
                    return
        finally:
            work.cancel()
            # A model that does not let go is left behind: whoever asked has gone.
            await asyncio.wait({work}, timeout=_SECONDS_TO_STOP)

    async def _work(
        self, question: Question, llm: Llm | None, events: "asyncio.Queue[AnswerEvent | UsageError]"
    ) -> None:
        """Make the answer; whatever happens, the last event is put into the queue."""
        answer_id = str(uuid.uuid4())
        seconds = self.tools.settings.timeout
        began = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                await Making(self.tools, question, answer_id, llm, events.put_nowait).make()
        except UsageError as error:
            events.put_nowait(error)
        except TimeoutError:
            late = time.perf_counter() - began >= seconds
            detail = f"there was no answer within {seconds:g} seconds" if late else "a service did not answer in time"
            events.put_nowait(Broken(answer_id, "timeout", detail))
        except BudgetExceeded as error:
            events.put_nowait(Broken(answer_id, "budget", str(error)))
        except BackendError as error:
            events.put_nowait(Broken(answer_id, getattr(error, "reason", "unavailable"), str(error)))
        except Exception:  # noqa: BLE001 - whatever went wrong, whoever waits for the last event gets it
            logger.exception("answer {} failed", answer_id)
            events.put_nowait(Broken(answer_id, "internal", "the answer failed through a fault of this program"))

    def _llm_of(self, question: Question) -> Llm | None:
        """Return the model that is to answer, or None for quotes."""
        if not question.text.strip():
            raise UsageError("the question is empty; ask for something")
        name = question.llm or self.models()[0]
        if name not in self.models():
            raise UsageError(f"there is no model {name!r}; there are {', '.join(self.models())}")
        return self.llms.get(name)

    async def close(self) -> None:
        """Close the models. Searcher and state belong to those who opened them."""
        for llm in self.llms.values():
            await llm.close()
