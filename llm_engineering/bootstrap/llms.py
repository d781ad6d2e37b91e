"""The language models of a configuration, each with its layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from llm_engineering.application.answering.assistant import EXTRACTIVE
from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.llms import LlmCard
from llm_engineering.domain.ports import AssistantState, Llm
from llm_engineering.infrastructure.llms import LlmSpec, Replay
from llm_engineering.infrastructure.llms.breaker import Breaker
from llm_engineering.infrastructure.llms.budget import Account, Budgeted
from llm_engineering.infrastructure.llms.caching import Cached, Keeper, Memory
from llm_engineering.infrastructure.llms.deadlines import Deadline, Silence
from llm_engineering.infrastructure.llms.fallback import Fallback
from llm_engineering.infrastructure.llms.ledgers import FileLedger
from llm_engineering.infrastructure.llms.pace import Concurrency, Pace
from llm_engineering.infrastructure.llms.retrying import Retrying
from llm_engineering.infrastructure.llms.structured import Structured
from llm_engineering.infrastructure.llms.thoughts import Spoken


@dataclass
class Accounts:
    """The budgets of the models of a configuration, for all who open them. Safe to use from several threads."""

    workspace: Workspace
    _known: dict[str, Account] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, spec: LlmSpec, card: LlmCard) -> Account:
        """Return the account of a model. That of a day lies in the home, and outlives this process.

        Raises:
            UsageError: its budget is one of money, and it has no price.
        """
        with self._lock:
            if spec.name not in self._known:
                ledger = FileLedger(self.workspace.home, spec.name) if spec.budget.per == "day" else None
                self._known[spec.name] = Account(spec.budget, card, ledger=ledger)
            return self._known[spec.name]


def open_llms(
    specs: Sequence[LlmSpec], state: AssistantState | None, workspace: Workspace, accounts: Accounts | None = None
) -> Mapping[str, Llm]:
    """Open the models of a configuration by their names, in their order, the default first.

    Each is wrapped, from outside to inside: fallback, cache, deadline, retries, structured answers, thoughts left
    out, pace, concurrency, budget, breaker, silence. Two calls of this function share budgets if they are given the
    same accounts, and no other limits. An opened model belongs to one event loop.

    Raises:
        UsageError: two have one name, a name leads nowhere, a key or an extra is missing, a budget has no price.
    """
    opening = _opening(specs, state, workspace, accounts)
    return {spec.name: opening.with_fallback(spec) for spec in specs}


def open_default_llm(
    specs: Sequence[LlmSpec], state: AssistantState | None, workspace: Workspace, accounts: Accounts | None = None
) -> Llm:
    """Open the default model alone, with those that it falls back on, as `open_llms` does."""
    return _opening(specs, state, workspace, accounts).with_fallback(specs[0])


def _opening(
    specs: Sequence[LlmSpec], state: AssistantState | None, workspace: Workspace, accounts: Accounts | None
) -> "_Opening":
    _check_names(specs)
    keeper = state if state is not None else Memory()
    accounts = accounts if accounts is not None else Accounts(workspace)
    return _Opening({spec.name: spec for spec in specs}, keeper, workspace, accounts)


@dataclass
class _Opening:
    """The models that are being opened: each once, whoever refers to it."""

    specs: Mapping[str, LlmSpec]
    keeper: Keeper
    workspace: Workspace
    accounts: Accounts
    opened: dict[str, Llm] = field(default_factory=dict)

    def with_fallback(self, spec: LlmSpec) -> Llm:
        others = [self.opened_once(self.specs[name]) for name in spec.fallback]
        own = self.opened_once(spec)
        return Fallback(own, others) if others else own

    def opened_once(self, spec: LlmSpec) -> Llm:
        if spec.name not in self.opened:
            self.opened[spec.name] = self._layered(spec)
        return self.opened[spec.name]

    def _layered(self, spec: LlmSpec) -> Llm:
        if isinstance(spec, Replay):
            return spec.open(self.workspace.home, self._recorded(spec))
        limits = spec.limits
        llm: Llm = spec.open(self.workspace.home)
        takes_schema = bool(getattr(llm, "takes_schema", False))
        llm = Silence(llm, limits.first_token_timeout, limits.token_timeout)
        if limits.breaker_failures:
            # Never opened by the attempts of one call. One that is given up half-way to its first token's time-out has
            # waited for nothing long enough.
            failures, silence = max(limits.breaker_failures, limits.retries + 2), limits.first_token_timeout / 2
            llm = Breaker(llm, failures, limits.breaker_seconds, silence)
        if spec.budget.tokens is not None or spec.budget.dollars is not None:
            llm = Budgeted(llm, self.accounts.of(spec, llm.card))
        llm = Concurrency(llm, limits.concurrency)
        if limits.requests_per_minute is not None or limits.tokens_per_minute is not None:
            llm = Pace(llm, limits.requests_per_minute, limits.tokens_per_minute)
        llm = Structured(Spoken(llm), is_native=takes_schema)
        if limits.retries:
            llm = Retrying(llm, limits.retries, limits.timeout)
        llm = Deadline(llm, limits.timeout)
        return Cached(llm, self.keeper, spec.cache_seconds, model_identity(spec)) if spec.cache_seconds else llm

    def _recorded(self, spec: Replay) -> Llm | None:
        return self.opened_once(self.specs[spec.of]) if spec.mode != "replay" else None


def model_identity(spec: LlmSpec) -> object:
    """Return what tells a model apart from others whose completions may be kept in the same place."""
    return spec.model_dump(mode="json", exclude={"name", "limits", "budget", "price", "cache_seconds", "fallback"})


def _check_names(specs: Sequence[LlmSpec]) -> None:
    names = [spec.name for spec in specs]
    listed = ", ".join(repr(name) for name in names)
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two models under `llms` have the name {twice[0]!r}; give each a `name` of its own")
    if EXTRACTIVE in names:
        raise UsageError(
            f"{EXTRACTIVE!r} stands for answers without a model; give the model under `llms` another `name`"
        )
    for spec in specs:
        of = [spec.of] if isinstance(spec, Replay) and spec.mode != "replay" else []
        for name in (*spec.fallback, *of):
            if name not in names or name == spec.name:
                raise UsageError(
                    f"model {spec.name!r} refers to {name!r}; the other models under `llms` are among {listed}"
                )
    _check_recordings(specs)


def _check_recordings(specs: Sequence[LlmSpec]) -> None:
    """Refuse recordings of recordings that lead back to themselves."""
    of = {spec.name: spec.of for spec in specs if isinstance(spec, Replay) and spec.mode != "replay"}
    for start in of:
        seen, name = {start}, of[start]
        while name in of:
            if name in seen:
                raise UsageError(
                    f"model {start!r} records itself through {name!r}; let `of` name the model that is asked"
                )
            seen.add(name)
            name = of[name]
