"""A corpus of topics with questions, indexed, and the configuration that makes a data set of it."""

import csv
from collections.abc import Sequence
from pathlib import Path

from llm_engineering import plain
from llm_engineering.config import DatasetConfig, FeatureConfig, read_config

# Each topic has words of its own, so that no two documents are alike unless a test says so.
TOPICS = {
    "anchor": "Sailors drop an anchor into mud or sand where currents would carry their boat away overnight.",
    "bakery": "Bakers knead rye dough before dawn, then let loaves rise beside warm brick ovens until six.",
    "cello": "A cello bow needs rosin because horsehair alone slips over gut strings without any sound.",
    "desert": "Camels store fat inside humps, which keeps them walking across dunes for weeks between wells.",
    "engine": "Pistons compress vapour of petrol; a spark plug ignites it and pushes the crankshaft round.",
    "falcon": "Peregrines dive on pigeons at three hundred kilometres an hour, folding wings against feathers.",
    "glacier": "Ice flows downhill under its weight, grinding valleys into broad troughs shaped like a U.",
    "harbour": "Cranes unload containers from freighters onto trucks while customs officers check their papers.",
    "island": "Volcanoes beneath an ocean pile up lava until a new island rises above the waves.",
    "jungle": "Orchids grow on branches of tall trees, taking water out of humid air through hanging roots.",
    "kitchen": "Sharp knives are safer than blunt ones since they do not slide off onions or fingers.",
    "library": "Librarians shelve novels by author, whereas atlases lie flat in drawers near the reading room.",
}


def document_of(topic: str, text: str) -> str:
    return f"# How does the {topic} work\n\n{text}\n"


def fill(folder: Path, texts: dict[str, str] = TOPICS, *overrides: str, tenant: str = "") -> FeatureConfig:
    """Write the texts as documents and index them."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic, text in texts.items():
        (folder / f"{topic}.md").write_text(document_of(topic, text))
    whose = f", tenant: {tenant}" if tenant else ""
    source = f"{{kind: files, name: {folder.name}, root: {folder}{whose}}}"
    config = read_config(FeatureConfig, None, [f"ingest.sources=[{source}]", "embedding.kind=hashing", *overrides])
    plain.feature(config)
    return config


def asked(file: Path, rows: Sequence[tuple[str, ...]], columns: Sequence[str] = ("question", "document")) -> Path:
    """Write a table of questions."""
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([tuple(columns), *rows])
    return file


def questions_about(topics: Sequence[str]) -> list[tuple[str, str]]:
    """Return two questions about each topic, in words that no other topic has."""
    words = {topic: [word.strip(".,;") for word in TOPICS[topic].split()] for topic in topics}
    return [
        (f"{of[start]} {of[start + 2]} {of[start + 4]} {of[start + 6]}?", f"{topic}.md")
        for topic, of in words.items()
        for start in (1, 5)
    ]


def config_of(*overrides: str, pairs: str = "") -> DatasetConfig:
    given = [f"dataset.pairs=[{pairs}]"] if pairs else []
    return read_config(DatasetConfig, None, ["embedding.kind=hashing", *given, *overrides])
