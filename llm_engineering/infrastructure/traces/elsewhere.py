"""Records that are beyond reach: ZenML's, where they are kept on a server and not in the home."""

import os
from collections.abc import Iterator
from pathlib import Path

from llm_engineering.domain.secrets import redact


def beyond_reach(home: Path) -> Iterator[str]:
    """Yield a sentence for each place that the home points to and that is not erased from here."""
    import yaml

    url = os.environ.get("ZENML_STORE_URL", "")
    settings = home / "zenml" / "config.yaml"
    if not url and settings.is_file():
        url = str((yaml.safe_load(settings.read_text(encoding="utf-8")).get("store") or {}).get("url") or "")
    if url and not url.startswith("sqlite:"):
        yield f"ZenML keeps its records at {redact(url)}: delete the runs that read these documents there"
