"""Signs of life: while a process works for a run, a thread says so to the warehouse every few seconds."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from loguru import logger

from llm_engineering.domain.errors import LLMEngineeringError
from llm_engineering.domain.ports import Warehouse

BEATS_PER_LEASE = 6


class Heartbeat:
    """Beats for one run until it is stopped, or the run is closed.

    Args:
        open_warehouse: opens a warehouse of the thread's own.
        run: the run to beat for.
        lease_seconds: how long the run may be silent before others take it for dead.
    """

    def __init__(
        self, open_warehouse: Callable[[], AbstractContextManager[Warehouse]], run: int, lease_seconds: float
    ) -> None:
        self._open = open_warehouse
        self._run = run
        self._pause = lease_seconds / BEATS_PER_LEASE
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of run {run}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop beating and wait until the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stopped.wait(self._pause):
            try:
                with self._open() as warehouse:
                    warehouse.beat(self._run)
            except LLMEngineeringError as error:
                # The work itself meets the same trouble, with a caller to tell. Here the next beat tries again.
                logger.debug("no sign of life from run {}: {}", self._run, error)
