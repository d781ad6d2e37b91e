"""A budget that is never passed: what a call may take at most is set aside before it is made."""

import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from llm_engineering.domain.errors import BudgetExceeded, UsageError
from llm_engineering.domain.llms import Completion, Delta, LlmCard, LlmRequest
from llm_engineering.domain.ports import Llm
from llm_engineering.infrastructure.llms.counting import most_tokens
from llm_engineering.infrastructure.llms.failures import Refused
from llm_engineering.infrastructure.llms.layer import Layer, streaming
from llm_engineering.infrastructure.llms.ledgers import Ledger, MemoryLedger, Taken
from llm_engineering.infrastructure.llms.settings import Budget


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was set aside for a call: tokens read, tokens written, and the day it was set aside on."""

    input_tokens: int
    output_tokens: int
    day: str


class Account:
    """What was spent and what is set aside, of one budget. Safe to use from several threads.

    `spent_tokens` and `spent_dollars` are this account's own; the ledger also knows those of others that share it, and
    of those before.

    Raises:
        UsageError: a budget of money, and no price to reckon with.
    """

    def __init__(
        self, budget: Budget, card: LlmCard, today: Callable[[], str] = _today, ledger: Ledger | None = None
    ) -> None:
        if budget.dollars is not None and card.cost(1, 1) is None:
            raise UsageError(
                f"model {card.name!r} has a budget of {budget.dollars:g} US dollars, and its price is not known; set "
                "`price: {input: …, output: …}` (US dollars per million tokens), or a budget of tokens"
            )
        self._budget = budget
        self._card = card
        self._today = today
        self._ledger = ledger if ledger is not None else MemoryLedger()
        self._lock = threading.Lock()
        self._day = self._period()
        self.spent_tokens = 0
        self.spent_dollars = 0.0
        self._held_tokens = 0
        self._held_dollars = 0.0

    def reserve(self, request: LlmRequest) -> Reservation:
        """Set aside the most that a call may take.

        Raises:
            BudgetExceeded: it may be more than is left.
        """
        with self._lock:
            self._turn_over()
            kept = Reservation(most_tokens(request), request.max_tokens, self._day)
            tokens, dollars = self._amount(kept.input_tokens, kept.output_tokens)
            self._ledger.change(self._day, lambda taken: self._checked(taken, tokens, dollars))
            self._held_tokens += tokens
            self._held_dollars += dollars
            return kept

    def settle(self, kept: Reservation, input_tokens: int, output_tokens: int) -> None:
        """Give back what was set aside and count what was taken."""
        with self._lock:
            self._turn_over()
            held_tokens, held_dollars = self._amount(kept.input_tokens, kept.output_tokens)
            tokens, dollars = self._amount(input_tokens, output_tokens)
            self._ledger.change(self._day, lambda taken: taken.more(tokens - held_tokens, dollars - held_dollars))
            self._held_tokens -= held_tokens
            self._held_dollars -= held_dollars
            self.spent_tokens += tokens
            self.spent_dollars += dollars

    def _checked(self, taken: Taken, tokens: int, dollars: float) -> Taken:
        """Return what is taken with this call, too.

        Raises:
            BudgetExceeded: it may be more than there is.
        """
        budget, day = self._budget, f" of {self._day}" if self._day else ""
        if budget.tokens is not None and taken.tokens + tokens > budget.tokens:
            spent, held = taken.tokens - self._held_tokens, self._held_tokens
            raise BudgetExceeded(
                f"the budget{day} of model {self._card.name!r} is {budget.tokens:,} tokens; {max(0, spent):,} are "
                f"spent, {held:,} set aside for calls that run, and this one may take {tokens:,}. It was "
                "not made; wait, ask for fewer tokens, or raise `budget.tokens`"
            )
        if budget.dollars is not None and taken.dollars + dollars > budget.dollars:
            spent_dollars, held_dollars = taken.dollars - self._held_dollars, self._held_dollars
            raise BudgetExceeded(
                f"the budget{day} of model {self._card.name!r} is ${budget.dollars:.4f}; ${max(0.0, spent_dollars):.4f}"
                f" are spent, ${held_dollars:.4f} set aside for calls that run, and this one may take ${dollars:.4f}. "
                "It was not made; wait, ask for fewer tokens, or raise `budget.dollars`"
            )
        return taken.more(tokens, dollars)

    def _amount(self, input_tokens: int, output_tokens: int) -> tuple[int, float]:
        return input_tokens + output_tokens, self._card.cost(input_tokens, output_tokens) or 0.0

    def _period(self) -> str:
        return self._today() if self._budget.per == "day" else ""

    def _turn_over(self) -> None:
        """Begin anew on a new day. What is set aside stays so: it will be spent on the day on which it ends."""
        if (day := self._period()) != self._day:
            self._day, self.spent_tokens, self.spent_dollars = day, 0, 0.0
            if self._held_tokens:
                self._ledger.change(day, lambda taken: taken.more(self._held_tokens, self._held_dollars))


class Budgeted(Layer):
    """Makes a call only if the budget has room for the most that it may take.

    A call that was cut counts too, as its server goes on to charge for it: what the server has said of it, else half a
    token for each byte of the prompt and one for each byte that was written. One that the server refused costs nothing.
    """

    def __init__(self, inner: Llm, account: Account) -> None:
        super().__init__(inner)
        self._account = account

    async def complete(self, request: LlmRequest) -> Completion:
        kept = self._account.reserve(request)
        taken = kept.input_tokens // 2, 0
        try:
            completion = await self.inner.complete(request)
            taken = completion.usage.input_tokens, completion.usage.output_tokens
            return completion
        except Refused:
            taken = 0, 0
            raise
        finally:
            self._account.settle(kept, *taken)

    async def stream(self, request: LlmRequest) -> AsyncIterator[Delta | Completion]:
        kept = self._account.reserve(request)
        taken = kept.input_tokens // 2, 0
        try:
            async with streaming(self.inner, request) as events:
                async for event in events:
                    if isinstance(event, Completion):
                        taken = event.usage.input_tokens, event.usage.output_tokens
                    else:
                        written = taken[1] + len(event.text.encode("utf-8", "replace"))
                        taken = taken[0], min(written, kept.output_tokens)
                    yield event
        except Refused:
            taken = 0, 0
            raise
        finally:
            self._account.settle(kept, *taken)
