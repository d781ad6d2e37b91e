"""What the routes share: the assistant behind ports, the places at its table, its threads, its numbers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from llm_engineering.config.serving import Scope, Serving
from llm_engineering.domain.access import Access
from llm_engineering.domain.conditions import Condition
from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.ports.answers import Assistant, AssistantState, Searcher
from llm_engineering.domain.queries import Retrieved
from llm_engineering.infrastructure.cores import available_cores
from llm_engineering.serving.admission import Bucket, Gate
from llm_engineering.serving.callers import Caller, Callers
from llm_engineering.serving.described import KEY
from llm_engineering.serving.lifetime import Lifetime
from llm_engineering.serving.metrics import Metrics
from llm_engineering.serving.search_processes import SearchProcesses

P = ParamSpec("P")
T = TypeVar("T")

EXTRACTIVE = "extractive"
# The state's store waits more than it computes, so its threads need no cores of their own.
STATE_THREADS = 4
WAITING_FOR_EACH_THREAD = 5


class Service:
    """One running service. Its gates and buckets belong to one event loop, the ports may be used from any thread."""

    def __init__(self, assistant: Assistant, searcher: Searcher, state: AssistantState, settings: Serving) -> None:
        self.assistant = assistant
        self.searcher = searcher
        self.state = state
        self.settings = settings
        self.callers = Callers(settings)
        self.lifetime = Lifetime()
        self.metrics = Metrics()
        threads = settings.threads or available_cores()
        waiting = WAITING_FOR_EACH_THREAD * threads if settings.waiting is None else settings.waiting
        self.searches = Gate("search", threads + waiting)
        self.generations = Gate("generation", settings.generations)
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._state_threads = ThreadPoolExecutor(STATE_THREADS, thread_name_prefix="state")
        self._buckets: dict[str, Bucket] = {}
        self.on_start: Callable[[], None] = lambda: None
        self.on_end: Callable[[], Awaitable[None]] = _nothing
        for gate in (self.searches, self.generations):
            self.metrics.in_flight.labels(gate.name).set_function(partial(getattr, gate, "inside"))

    async def computed(self, function: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
        """Run what needs a processor in one of the few threads that are meant for it."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, partial(function, *arguments, **more))

    async def searched(self, query: str, access: Access, filter: Condition | None, k: int | None) -> Retrieved:
        """Search, in a process of its own where there are any; none of our threads waits for those."""
        if isinstance(self.searcher, SearchProcesses):
            return await asyncio.wrap_future(self.searcher.begin_search(query, access=access, filter=filter, k=k))
        return await self.computed(self.searcher.search, query, access=access, filter=filter, k=k)

    async def kept(self, function: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
        """Run what asks the state's store in a thread of its own kind."""
        return await asyncio.get_running_loop().run_in_executor(
            self._state_threads, partial(function, *arguments, **more)
        )

    def gate(self, llm: str | None) -> Gate:
        """Return the gate that an answer of this model passes: extractive ones are no more than a search."""
        chosen = llm or next(iter(self.assistant.models()), EXTRACTIVE)
        return self.searches if chosen == EXTRACTIVE else self.generations

    def gates_of(self, path: str) -> Sequence[Gate]:
        """Return the gates of which one must have a place before a request on this path is looked at."""
        if path == "/search":
            return (self.searches,)
        if path in ("/ask", "/v1/chat/completions"):
            extractive_only = tuple(self.assistant.models()) == (EXTRACTIVE,)
            return (self.searches,) if extractive_only else (self.searches, self.generations)
        return ()

    def take_from_bucket(self, caller: Caller) -> None:
        """Count a request of a caller.

        Raises:
            Problem: 429, the caller makes too many.
        """
        if caller.rate is not None:
            bucket = self._buckets.get(caller.name)
            if bucket is None:
                bucket = self._buckets[caller.name] = Bucket(caller.rate)
            bucket.take()

    async def has_index(self) -> bool:
        """Tell whether there is an index to search; take note of which for the metrics."""
        self.metrics.index.clear()
        try:
            manifest = await self.kept(self.searcher.manifest)
        except LLMEngineeringError:
            return False
        self.metrics.index.labels(manifest.version, manifest.model.name).set(1)
        return True

    def close(self) -> None:
        """End the threads. The ports belong to whoever opened them."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self._state_threads.shutdown(wait=True)


async def _nothing() -> None:
    """Nothing is open that has to be closed on the loop."""


async def _service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _with_scope(scope: Scope) -> Callable[..., object]:
    async def caller_of(request: Request, _shown: Annotated[object, Depends(KEY)]) -> Caller:
        caller: Caller = request.scope["caller"]
        caller.must_have(scope)
        return caller

    return caller_of


TheService = Annotated[Service, Depends(_service_of)]
Asking = Annotated[Caller, Depends(_with_scope("ask"))]
Searching = Annotated[Caller, Depends(_with_scope("search"))]
Reading = Annotated[Caller, Depends(_with_scope("read"))]
Rating = Annotated[Caller, Depends(_with_scope("feedback"))]
KEYED = Depends(KEY)
MEASURING = Depends(_with_scope("metrics"))
