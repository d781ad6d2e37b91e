"""A small index of owls, and the searcher over it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llm_engineering import plain
from llm_engineering.application.retrieval.searcher import FollowingSearcher
from llm_engineering.bootstrap import open_searcher
from llm_engineering.config import AssistantConfig, FeatureConfig, read_config


def overrides(texts: dict[str, str], *more: str, **source: Any) -> list[str]:
    sources = [{"kind": "memory", "name": "notes", "documents": texts, **source}]
    return [f"ingest.sources={json.dumps(sources)}", "embedding.kind=hashing", *more]


def run(texts: dict[str, str], *more: str, **source: Any) -> str:
    return plain.feature(
        read_config(FeatureConfig, None, overrides(texts, "ingest.allow_mass_delete=true", *more, **source))
    ).index_version


@contextmanager
def searcher(*more: str, every: float | None = 0.05) -> Iterator[FollowingSearcher]:
    opened = open_searcher(read_config(AssistantConfig, None, ["embedding.kind=hashing", *more]), every=every)
    try:
        yield opened
    finally:
        opened.close()


def texts(number: int) -> dict[str, str]:
    return {f"{name}.md": f"# {name}\n\nThe owl of run {number} sleeps in {name}.\n" for name in ("oak", "elm", "ash")}
