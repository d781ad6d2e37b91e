"""Readers hold one version from the start of a query to its end, whatever is switched meanwhile."""

from pathlib import Path

from chaos.oracle import layout_of, states_in
from chaos.scale import DOCUMENTS, Tally, repetitions, world_in
from chaos.world import World, wait_until

from llm_engineering import stages
from llm_engineering.application import versioning
from llm_engineering.config import FeatureConfig, read_config

OTHER = "tokenizing.language=none"


def switch(world: World, number: int) -> None:
    """Switch in one of three ways, from v1 to v2 or back."""
    with world.opened() as (warehouse, store):
        active = versioning.seen(store)
        other = "v2" if active == "v1" else "v1"
        if number % 3 == 0:
            versioning.activate(warehouse, store, "test", other, 0)
        elif number % 3 == 1:
            assert versioning.rollback(warehouse, store, "test", 0) == other
        else:
            with store.write(store.versions()[other]):
                versioning.publish(warehouse, store, "test", other, 0)
        assert versioning.seen(store) == other


def test_no_query_fails_or_mixes_versions_through_many_switches(tmp_path: Path) -> None:
    tally = Tally("switches between two versions under load")
    world = world_in(tmp_path)
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    world.run_well(OTHER)
    layout = layout_of(world.home)
    valid = [states_in(layout.version(version)) for version in ("v1", "v2")]
    assert valid[0] != valid[1]
    readers = [world.read(valid) for _ in range(2)]
    wait_until(lambda: all(reader.seen["reads"] for reader in readers))
    for number in range(repetitions(15, 50)):
        with tally.attempt(f"switch {number}"):
            before = [reader.seen["reads"] for reader in readers]
            switch(world, number)
            wait_until(lambda before=before: before != [reader.seen["reads"] for reader in readers])  # type: ignore[misc]
    with tally.attempt("readers"):
        for seen in [reader.stop() for reader in readers]:
            tally.reads += seen["reads"]
            assert (seen["mixed"], seen["failed"], seen["unpublished"]) == (0, 0, 0), seen["faults"]
    tally.close()


def test_rolling_back_returns_to_what_was_seen_before_also_after_a_kill(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    world.corpus.write_all(12)
    world.run_well()
    assert world.run(OTHER, failpoint="publish.before_record=kill") < 0
    world.run_well(OTHER)
    world.run_well("tokenizing.language=german")
    with world.opened() as (warehouse, store):
        assert versioning.seen(store) == "v3"
        assert versioning.rollback(warehouse, store, "test", 0) == "v2"
        assert versioning.rollback(warehouse, store, "test", 0) == "v1"


def test_a_run_that_is_killed_after_its_switch_leaves_a_searchable_index(tmp_path: Path, home: Path) -> None:
    world = world_in(tmp_path)
    world.corpus.write_all(12)
    assert world.run(failpoint="publish.after_pointer=kill") < 0
    config = read_config(FeatureConfig, None, world.config())
    assert world.home == home
    assert len(stages.search(config, ["Document 3 part 1"], {}, 3)[0]) == 3
