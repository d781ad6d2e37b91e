"""What a run costs, said before it is paid: for people, for programs, and without writing anything."""

import json
import time
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from command_lines import tool
from loguru import logger

from llm_engineering import plain, stages
from llm_engineering.application.costing import Stopwatch, cost_of_chunks
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.chunks import Chunk, Vector
from llm_engineering.domain.costs import GUESS, Cost, EmbeddingRate
from llm_engineering.domain.indexes import ModelCard
from llm_engineering.domain.ports import Warehouse
from llm_engineering.infrastructure.embedders import Hashing
from llm_engineering.infrastructure.warehouse import open_warehouse

TEXTS = {"a.md": "# Whales\n\nWhales live in the sea.", "b.md": "Owls live in the wood.", "c.md": "Owls hunt."}


def config(texts: dict[str, str] = TEXTS, *overrides: str) -> FeatureConfig:
    sources = json.dumps([{"kind": "memory", "name": "docs", "documents": texts}])
    return read_config(FeatureConfig, None, [f"ingest.sources={sources}", "embedding.kind=hashing", *overrides])


def estimate(texts: dict[str, str] = TEXTS, *overrides: str) -> Cost:
    return stages.estimate(config(texts, *overrides), ["docs"])


def chunk(document: str, text: str, tokens: int) -> Chunk:
    return Chunk(document, "u", "s", "", 0, 0, len(text), text, "", tokens)


def test_a_text_that_is_there_twice_is_embedded_once(warehouse: Warehouse) -> None:
    rows = [chunk("1", "same", 10), chunk("1", "other", 20), chunk("2", "same", 10), chunk("3", "known", 40)]
    warehouse.put_vectors("m", {rows[3].text_hash: array("f", [1.0])})
    cost = cost_of_chunks(rows, "m", warehouse)
    assert (cost.documents, cost.chunks, cost.tokens) == (3, 4, 80)
    assert (cost.to_embed, cost.tokens_to_embed) == (2, 30)
    assert cost_of_chunks(rows, "another model", warehouse).tokens_to_embed == 70


def test_the_cost_of_nothing_is_nothing(warehouse: Warehouse) -> None:
    cost = cost_of_chunks([], "m", warehouse)
    assert (cost.documents, cost.chunks, cost.to_embed, cost.minutes) == (0, 0, 0, 0.0)
    assert "minutes" not in str(cost)


def test_minutes_are_those_of_earlier_runs_or_said_to_be_a_guess(warehouse: Warehouse) -> None:
    rows = [chunk("1", "a", 6_000)]
    guessed = cost_of_chunks(rows, "m", warehouse)
    assert guessed.minutes == round(GUESS.seconds_for(6_000) / 60, 2)
    assert guessed.basis.startswith("a guess, ")
    for seconds in (100.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        run = warehouse.start_run("feature", {})
        warehouse.record_embedding("m", EmbeddingRate(tokens=100, seconds=seconds, opening=30.0), run)
    measured = cost_of_chunks(rows, "m", warehouse)
    assert measured.minutes == 1.5  # 30 s to open the model, 60 s for 6,000 tokens; the oldest run no longer counts
    assert measured.basis == "100 tokens a second, measured over 5 earlier runs with this model"
    assert cost_of_chunks(rows, "another", warehouse).basis == guessed.basis


def test_the_sentence_has_all_figures() -> None:
    cost = Cost(documents=948, chunks=1214, tokens=120_000, to_embed=1214, minutes=0.3, basis="a guess")
    assert str(cost) == "948 documents, 1,214 chunks, 120,000 tokens; 1,214 to embed, about 0.3 minutes (a guess)"


def test_the_stopwatch_stands_while_vectors_are_stored() -> None:
    class Slow:
        card = ModelCard(name="m", digest="d", dimension=1, max_tokens=8)

        def embed(self, texts: Sequence[str]) -> Iterator[Sequence[tuple[int, Vector]]]:
            for position, _ in enumerate(texts):
                time.sleep(0.01)
                yield [(position, array("f", [1.0]))]

        def embed_query(self, text: str) -> Vector:
            return array("f", [1.0])

    stopwatch, started = Stopwatch(Slow), time.monotonic()
    for _ in stopwatch.open().embed(["a", "b", "c"]):
        time.sleep(0.2)
    assert 0.03 <= stopwatch.seconds <= time.monotonic() - started - 0.6
    assert stopwatch.rate(30).tokens == 30


def test_without_a_warehouse_none_is_made(home: Path) -> None:
    assert "no warehouse yet" in estimate().note
    assert not (home / "warehouse.db").exists()


def test_a_warehouse_of_another_version_is_left_as_it_is(home: Path) -> None:
    import sqlite3

    plain.feature(config())
    with sqlite3.connect(home / "warehouse.db") as connection:
        connection.execute("UPDATE warehouse_version SET version_num = '0001'")
    connection.close()
    assert "older version" in estimate().note


def test_an_estimate_counts_what_is_new_and_changed_for_the_version_that_would_be_written() -> None:
    plain.digital_data_etl(config())
    first = estimate()
    assert (first.documents, first.chunks, first.to_embed) == (3, 3, 3)
    made = plain.feature(config())
    assert (made.chunks, made.embedded) == (first.chunks, first.to_embed)
    assert estimate().documents == 0
    assert "Nothing in the warehouse is new or changed" in estimate().note
    plain.digital_data_etl(config({**TEXTS, "b.md": "Owls sleep."}))
    assert (estimate().documents, estimate().to_embed) == (1, 1)


def test_a_change_of_the_model_is_seen_to_embed_everything_and_of_the_tokenizer_nothing() -> None:
    plain.feature(config())
    model, words = estimate(TEXTS, "embedding.dimension=64"), estimate(TEXTS, "tokenizing.language=none")
    assert (model.documents, model.to_embed) == (3, 3)
    assert (words.documents, words.chunks, words.to_embed, words.minutes) == (3, 3, 0, 0.0)


def test_an_estimate_writes_nothing(home: Path) -> None:
    plain.digital_data_etl(config())
    before = (home / "warehouse.db").read_bytes()
    estimate()
    assert (home / "warehouse.db").read_bytes() == before
    assert not (home / "feature_store").exists()


def test_a_run_measures_its_rate_and_an_unchanged_one_measures_nothing() -> None:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    plain.feature(config())
    assert [line for line in lines if line.startswith("plan: 3 documents, 3 chunks, ")]
    digest = Hashing().card(Path()).digest
    with Workspace().warehouse() as warehouse:
        rate = warehouse.embedding_rate(digest)
    assert rate is not None
    assert rate.runs == 1
    assert rate.tokens == estimate(TEXTS, "load.collection=other").tokens
    lines.clear()
    plain.feature(config())
    logger.remove(sink)
    assert not [line for line in lines if line.startswith("plan:")]
    with Workspace().warehouse() as warehouse:
        assert warehouse.embedding_rate(digest) == rate


def test_a_dry_run_shows_the_cost_in_words_and_as_json(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"ingest": {"sources": [{"kind": "memory", "name": "docs", "documents": TEXTS}]},
                                "embedding": {"kind": "hashing"}}))  # fmt: skip
    plain.digital_data_etl(config())
    dry = tool(home, "run", "feature", "--config", str(path), "--dry-run")
    assert dry.code == 0, dry.err
    assert "cost of what is in the warehouse now (a dry run fetches nothing): 3 documents, 3 chunks, " in dry.out
    cost = tool(home, "run", "feature", "--config", str(path), "--dry-run", "--json").last_line["cost"]
    assert (cost["documents"], cost["to_embed"]) == (3, 3)
    assert cost["basis"].startswith("a guess")


def test_rates_survive_closing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    first = open_warehouse(url)
    first.record_embedding("m", EmbeddingRate(tokens=7, seconds=0.5), first.start_run("feature", {}))
    first.close()
    second = open_warehouse(url)
    assert second.embedding_rate("m") == EmbeddingRate(tokens=7, seconds=0.5, runs=1)
    second.close()
