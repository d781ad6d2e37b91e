"""Logging by loguru, configured once, on standard error: standard output belongs to results."""

import sys
from typing import TYPE_CHECKING

from loguru import logger

from llm_engineering.domain.secrets import redact

if TYPE_CHECKING:
    from loguru import Record


def configure_logging(level: str = "INFO") -> None:
    """Send logs to standard error in one short format, with secrets redacted."""

    def patch(record: "Record") -> None:
        record["message"] = redact(record["message"])

    logger.remove()
    logger.configure(patcher=patch)
    logger.add(sys.stderr, level=level, format="<dim>{time:HH:mm:ss}</dim> <level>{level: <7}</level> {message}")
