"""Calls to a server: one that is away is ridden out, its errors come in our words, its secrets stay out of them.

Every call of the port `Engine` can be repeated, so a call whose answer was lost is simply made again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from loguru import logger

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.secrets import redact

T = TypeVar("T")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
# A server that never answered is more likely named wrongly than restarting.
STRANGER = 0.5


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error of a client library means: in words, whether a retry may help, or what the user has to mend."""

    says: str
    transient: bool = False
    mend: str = ""


class Refused(BackendError):  # noqa: N818 - an answer, which the caller may have expected
    """The server answered, and its answer is no."""


class Calls:
    """One server and how long we wait for it. `place` names it for people, without secrets."""

    def __init__(
        self,
        place: str,
        patience: float,
        errors: tuple[type[Exception], ...],
        failure_of: Callable[[Exception], Failure],
    ) -> None:
        self._place = place
        self._patience = patience
        self._errors = errors
        self._failure_of = failure_of
        self._known = False

    def __call__(self, call: Callable[[], T]) -> T:
        """Make a call, again and again while the server is away or overloaded.

        Raises:
            BackendError: the server stayed away (transient), or refused the call (`Refused`).
            UsageError: the user has to mend something: the address, a password, a right.
        """
        started, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                result = call()
            except self._errors as error:
                failure = self._failure_of(error)
                waited = time.monotonic() - started
                patience = self._patience if self._known else min(self._patience, STRANGER)
                if not failure.transient or waited + pause > patience:
                    raise self._translated(failure, waited) from _bare(error)
                if self._known and pause == FIRST_PAUSE:
                    logger.warning(
                        "{} does not answer as it should ({}); trying again for up to {:.0f} s",
                        self._place,
                        redact(failure.says),
                        patience,
                    )
            else:
                self._known = True
                return result
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _translated(self, failure: Failure, waited: float) -> BackendError | UsageError:
        says = one_line(failure.says)
        if failure.mend:
            return UsageError(f"{self._place} cannot be used: {says}; {failure.mend}")
        if failure.transient:
            return BackendError(
                f"{self._place} cannot be used: {says}. It was asked for {waited:.0f} s (load: store: "
                "patience_seconds). Check that it runs and can be reached from here, then run again: what was written "
                "is kept",
                transient=True,
            )
        return Refused(f"{self._place} refused a request: {says}")


def one_line(text: str) -> str:
    """Return a library's message without secrets, in one line of at most 500 characters."""
    return " ".join(redact(text).split())[:500]


def _bare(error: Exception) -> Exception | None:
    """Leave out the cause where it would show a secret, in a traceback or in a log."""
    return error if redact(str(error)) == str(error) else None
