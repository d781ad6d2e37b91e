"""A database that is away for a while in the middle of a run: the run waits, and ends as if nothing had been."""

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from chaos.oracle import layout_of, points_in, published
from chaos.postgres import Cluster, DroppingProxy
from chaos.scale import BIG, DOCUMENTS, Tally, repetitions, world_in
from chaos.world import World, ended, wait_until

from llm_engineering.application.verification import compare_with_warehouse, examine

AWAY = 30.0 if BIG else 2.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        cluster = Cluster(Path(folder))
        cluster.start()
        yield cluster
        cluster.stop()


def paused_at(world: World, place: str, **environment: str) -> BaseProcess:
    """Start a run that waits for a moment at a failpoint, and return when it is there."""
    (world.folder / "log").unlink(missing_ok=True)
    process = world.start(failpoint=f"{place}=log;{place}=sleep:0.7", **environment)
    wait_until(lambda: f"failpoint {place}" in world.log or not process.is_alive())
    return process


def test_a_warehouse_that_another_process_locks_is_waited_for(tmp_path: Path) -> None:
    tally = Tally(f"SQLite locked for {AWAY:.0f} s")
    world = world_in(tmp_path)
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    expected = world.dump()
    # An impatient driver, so that the lock is met in seconds; with the usual one it waits for half a minute itself.
    url = f"sqlite:///{world.home / 'warehouse.db'}" + ("" if BIG else "?timeout=0.2")
    places = ("ingest.before_put", "embed.before_keep", "load.after_flush", "run.before_finish")
    for place in places if BIG else places[1:3]:
        with tally.attempt(place):
            world.restore("nothing")
            world.home.mkdir()
            run = paused_at(world, place, LLM_ENGINEERING_WAREHOUSE_URL=url)
            with closing(sqlite3.connect(world.home / "warehouse.db", isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                time.sleep(AWAY)
                other.execute("ROLLBACK")
            assert ended(run) == 0, world.log
            assert world.faults(expected) == []
    tally.close()


def test_a_server_that_stops_and_starts_again_is_waited_for(tmp_path: Path, cluster: Cluster) -> None:
    tally = Tally(f"PostgreSQL stopped for {AWAY:.0f} s")
    world, expected = on_server(tmp_path, cluster)
    places = ("ingest.before_put", "embed.before_keep", "load.after_flush", "publish.before_record")
    for place in places if BIG else places[::3]:
        with tally.attempt(place):
            cluster.clear()
            world.restore("nothing")
            run = paused_at(world, place)
            cluster.stop()
            try:
                time.sleep(AWAY)
            finally:
                cluster.start()
            assert ended(run) == 0, world.log
            assert "trying again" in world.log
            assert faults_on_server(world, expected) == []
            assert cluster.statuses() == ["completed"]
    tally.close()


def test_connections_that_break_are_opened_again(tmp_path: Path, cluster: Cluster) -> None:
    tally = Tally("connections to PostgreSQL dropped at random")
    world, expected = on_server(tmp_path, cluster)
    drops = 0
    # The larger the corpus, the more pieces its largest transaction has, which get through all together or not at all.
    probability = 0.003 if BIG else 0.01
    patience = {"LLM_ENGINEERING_PATIENCE_SECONDS": "600"}
    for _ in range(repetitions(1, 20)):
        dice = tally.dice()
        with tally.attempt("a proxy that drops connections"):
            cluster.clear()
            world.restore("nothing")
            proxy = DroppingProxy(cluster.port, dice, probability)
            try:
                code = world.run(LLM_ENGINEERING_WAREHOUSE_URL=cluster.url(proxy.port), **patience)
            finally:
                proxy.close()
            drops += proxy.drops
            assert code == 0, world.log
            assert faults_on_server(world, expected) == []
            assert cluster.statuses() == ["completed"]
    assert drops > 0
    tally.close()


def test_a_server_that_stays_away_ends_the_run_with_a_sentence(tmp_path: Path, cluster: Cluster) -> None:
    world, _ = on_server(tmp_path, cluster)
    world.corpus.write(0, revision=1)
    run = paused_at(world, "load.after_flush", LLM_ENGINEERING_PATIENCE_SECONDS="1")
    cluster.stop()
    try:
        assert ended(run) == 1
    finally:
        cluster.start()
    assert "check that the server runs" in world.log.splitlines()[-1]
    world.run_well()
    assert cluster.statuses() == ["completed", "failed", "completed"]


def on_server(folder: Path, cluster: Cluster) -> tuple[World, dict[str, str]]:
    """Return a world whose warehouse is on the server, filled, and the points of its index."""
    cluster.clear()
    world = world_in(folder, environment={"LLM_ENGINEERING_WAREHOUSE_URL": cluster.url()})
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    return world, points_in(published(world.home))


def faults_on_server(world: World, expected: dict[str, str]) -> list[str]:
    """Return what is not as after an undisturbed run: points and ledger."""
    layout = layout_of(world.home)
    faults = ["published"] if points_in(published(world.home)) != expected else []
    faults += ["working"] if points_in(layout.version("v1")) != expected else []
    with world.opened() as (warehouse, store), store.read() as index:
        findings = examine(warehouse, index, "test", deep=True)
        compare_with_warehouse(findings, warehouse, index.manifest, "test", None)
        faults += [str(problem) for problem in findings.report().problems]
    return faults
