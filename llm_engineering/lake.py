"""Start from an export instead of from sources: of documents, raw or cleaned, or of features."""

import json
from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from llm_engineering import feature_versions, raw_documents
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import Load
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.reports import Report


def take_in(place: str | Path, load: Load, chosen: Sequence[str] | None = None) -> Report | None:
    """Store the documents of an export in the warehouse; nothing is returned, since a run makes features of them.

    An export of features becomes an index version without any model, and the report of that is returned.

    Raises:
        UsageError: there is no finished export, it is damaged, changed or foreign, or it has none of the sources that
            are `chosen` for the index; nothing was written.
        BackendError: the object store failed, or a run is at work.
    """
    from llm_engineering.infrastructure.parquet import incoming

    with incoming(place, Workspace().home / "spool") as folder:
        if _format(folder) == "llm-engineering features":
            return feature_versions.import_features(load, folder)
        logger.info("{}", raw_documents.import_documents(folder, chosen))
    return None


def _format(folder: Path) -> str:
    """Return what the manifest says it is of; whoever reads the export proves the rest."""
    path = folder / "manifest.json"
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{folder} holds no finished export: manifest.json is missing; export it again") from error
    except ValueError as error:
        raise UsageError(f"{path} is no manifest of an export; export it again") from error
    return str(content.get("format")) if isinstance(content, dict) else ""
