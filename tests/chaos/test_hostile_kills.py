"""Sources that mean harm, and a process that is killed at reading them: every item is accounted for all the same."""

import signal
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from chaos.oracle import dump_warehouse
from chaos.scale import BIG, Tally, repetitions, world_in
from chaos.world import World, kill_after

from llm_engineering.domain.documents import document_id

documents = pytest.importorskip("hostile_documents", reason="the generator of hostile documents is not there")
servers = pytest.importorskip("hostile_server", reason="the server of hostile behaviours is not there")

QUICK = "requests_per_second: 1000, retries: 0, timeout_seconds: 2, max_bytes: 300000, private_hosts: [127.0.0.1]"


def test_hostile_documents_are_accounted_for_once_also_after_a_kill(tmp_path: Path) -> None:
    tally = Tally("kill an ingest of hostile documents")
    corpus = tmp_path / "hostile"
    corpus.mkdir()
    manifest = documents.write_corpus(corpus, documents.hostile_documents(0.02))
    source = f"{{kind: files, name: docs, root: {corpus}, include: ['*'], exclude: []}}"
    world = world_in(tmp_path, source=source, overrides=("limits={failures: null}",))
    allowed = {uri: document.outcomes for uri, document in manifest.items()}
    world.run_well()
    expected = world.dump()
    accounted(world, allowed, documents.INDEXED)
    seconds = world.report["seconds"]
    for _ in range(repetitions(1, 10)):
        delay = tally.dice().uniform(0.1, seconds)
        with tally.attempt(f"killed after {delay:.2f} s"):
            world.restore("nothing")
            tally.kills += kill_after(world.start(), delay)
            world.run_well()
            accounted(world, allowed, documents.INDEXED)
            assert world.faults(expected) == []
    tally.close()


@pytest.mark.skipif(not BIG, reason="the behaviours take their time: part of the big form")
def test_a_hostile_server_is_accounted_for_once_also_after_a_kill(tmp_path: Path) -> None:
    tally = Tally("kill an ingest from a hostile server")
    with servers.hostile_server() as server:
        source = f"{{kind: web, name: docs, urls: {list(server.manifest)}}}"
        world = world_in(tmp_path, source=source, overrides=(f"ingest.fetching={{{QUICK}}}", "limits={failures: null}"))
        for _ in range(repetitions(1, 5)):
            place = tally.dice().choice(["embed.before_keep", "load.after_flush", "ingest.before_bury"])
            with tally.attempt(place):
                world.restore("nothing")
                assert world.run(failpoint=f"{place}=kill") == -signal.SIGKILL
                tally.kills += 1
                world.run_well()
                accounted(world, server.manifest, "document")
    tally.close()


def accounted(world: World, allowed: Mapping[str, Collection[str]], indexed: str) -> None:
    """Check that every item of the manifest stands once in the report or the warehouse, with an allowed outcome."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for incident in (*world.report["rejections"], *world.report["failures"]):
        outcomes[incident["uri"]].append(incident["reason"])
    stored = dump_warehouse(world.home)["documents"]
    for uri in allowed:
        if document_id("docs", uri) in stored:
            outcomes[uri].append(indexed)
    wrong = {
        uri: (outcomes.get(uri), sorted(allowed[uri]))
        for uri in allowed
        if len(outcomes.get(uri, [])) != 1 or outcomes[uri][0] not in allowed[uri]
    }
    assert not wrong
    assert outcomes.keys() == allowed.keys()
