"""Logging by loguru, configured once, on standard error: standard output belongs to results."""

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.domain.secrets import redact

if TYPE_CHECKING:
    from loguru import Message, Record


def configure_logging(level: str = "INFO") -> None:
    """Send logs to standard error in one short format, with secrets redacted, and tracebacks without local variables.

    The records of Python's own `logging`, which libraries and ZenML use, lose their secrets too, whoever handles them.
    """

    def patch(record: "Record") -> None:
        record["message"] = redact(record["message"])

    def write(message: "Message") -> None:
        # The message has lost its secrets above; what stands beside it is a traceback or nothing.
        sys.stderr.write(redact(message) if message.record["exception"] else message)

    logger.remove()
    logger.configure(patcher=patch)
    logger.add(
        write,
        level=level,
        format="<dim>{time:HH:mm:ss}</dim> <level>{level: <7}</level> {message}",
        colorize=sys.stderr.isatty(),
        backtrace=False,
        diagnose=False,
    )
    if not isinstance(logging.getLogRecordFactory(), _Redacting):
        logging.setLogRecordFactory(_Redacting(logging.getLogRecordFactory()))


class _Redacting:
    """Makes log records as the factory before it did, their messages complete and without secrets."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *arguments: object, **more: object) -> logging.LogRecord:
        record = self._make(*arguments, **more)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a caller's mistake: `logging` says so when it handles the record
            return record
        safe = redact(message)
        if safe != message:
            record.msg, record.args = safe, ()
        return record


def forget_secrets(error: BaseException) -> None:
    """Take the secrets out of an error and of those that led to it, in place: whoever reports it shows their texts."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.args = tuple(redact(argument) if isinstance(argument, str) else argument for argument in one.args)
        waiting += [one.__cause__, one.__context__]
