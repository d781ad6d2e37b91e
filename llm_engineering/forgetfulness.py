"""Take out of a configuration what was forgotten, so that no run stores its name again, in whatever place."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from loguru import logger

from llm_engineering.bootstrap import Workspace
from llm_engineering.config import Author, Config, DigitalDataEtlConfig, FeatureEngineeringConfig, link_name
from llm_engineering.domain.erasure import Forgotten
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.users import user_named
from llm_engineering.infrastructure.traces.spellings import uris_meant

C = TypeVar("C", bound=Config)


def without_forgotten(config: C) -> C:
    """Return the configuration without the sources, addresses and authors that were forgotten.

    Raises:
        UsageError: nothing is left to read from.
    """
    with Workspace().warehouse() as warehouse:
        forgotten = Forgotten(warehouse.forgotten())
    if not forgotten:
        return config
    kept = _without_sources(_without_selected(config, forgotten), forgotten)
    if kept == config:
        return config
    logger.warning("the configuration names what was forgotten; that is not read. Take it out of the file")
    if isinstance(kept, DigitalDataEtlConfig) and not kept.names_sources:
        raise UsageError("everything that this configuration reads was forgotten (tools.forget); give it other sources")
    return kept


def _without_sources(config: C, forgotten: Forgotten) -> C:
    if not isinstance(config, DigitalDataEtlConfig):
        return config
    sources = [kept for source in config.ingest.sources if (kept := _kept(source, forgotten)) is not None]
    ingest = config.ingest.model_copy(update={"sources": tuple(sources)})
    author = config.author and _kept_author(config.author, forgotten)
    return config.model_copy(update={"ingest": ingest, "author": author})


def _without_selected(config: C, forgotten: Forgotten) -> C:
    if not isinstance(config, FeatureEngineeringConfig) or config.select.sources is None:
        return config
    names = tuple(name for name in config.select.sources if not forgotten.has("source", name))
    return config.model_copy(update={"select": config.select.model_copy(update={"sources": names})})


def _kept_author(author: Author, forgotten: Forgotten) -> Author | None:
    if forgotten.has("user", user_named(author.user_full_name).id):
        return None
    links = tuple(
        link for link in author.links if not (_names(link, forgotten) or forgotten.has("source", link_name(link)))
    )
    return author.model_copy(update={"links": links}) if links else None


def _kept(source: Any, forgotten: Forgotten) -> Any:
    """Return a source without the forgotten among its addresses, or None if nothing of it is left."""
    if forgotten.has("source", source.name):
        return None
    changed: dict[str, object] = {}
    for name, value in source:
        kept = _without(value, forgotten) if name not in ("kind", "name") else value
        if kept != value:
            changed[name] = kept
    return None if any(not value for value in changed.values()) else source.model_copy(update=changed)


def _without(value: object, forgotten: Forgotten) -> object:
    if isinstance(value, str | Path):
        return None if _names(str(value), forgotten) else value
    if isinstance(value, Mapping):
        return {key: item for key, item in value.items() if not _names(str(key), forgotten)}
    if isinstance(value, Iterable):
        return tuple(item for item in value if not (isinstance(item, str) and _names(item, forgotten)))
    return value


def _names(text: str, forgotten: Forgotten) -> bool:
    return any(forgotten.has("uri", uri) for uri in uris_meant(text))
