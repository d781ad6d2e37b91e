"""Whatever damages an index is found, and mended without the model."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos.damage import DAMAGES, PUBLISHED, Damage
from chaos.oracle import Dump, layout_of, leftovers, published, states_in
from chaos.scale import DOCUMENTS, Tally, repetitions, world_in
from chaos.world import World

from llm_engineering import maintenance
from llm_engineering.application.verification import examine
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.index_reports import VerifyReport


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Dump]:
    world = world_in(tmp_path_factory.mktemp("damage"), overrides=("load.payload_indexes=[path]",))
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    expected = world.dump()
    world.save("healthy")
    return world, expected


@pytest.fixture
def world(healthy: tuple[World, Dump], monkeypatch: pytest.MonkeyPatch) -> World:
    healthy[0].restore("healthy")
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(healthy[0].home))
    return healthy[0]


@pytest.fixture
def expected(healthy: tuple[World, Dump]) -> Dump:
    return healthy[1]


def config(world: World) -> FeatureConfig:
    return read_config(FeatureConfig, None, world.config())


def kinds(report: VerifyReport) -> set[str]:
    return {problem.kind for problem in report.problems}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage_is_found_and_mended_without_the_model(world: World, expected: Dump, damage: Damage) -> None:
    damage.do(world.home)
    assert kinds(maintenance.verify(config(world))) >= damage.kinds
    repaired = maintenance.repair(config(world))
    assert (repaired.after.problems, repaired.done.embedded) == ((), 0)
    assert world.faults(expected) == []
    assert maintenance.verify(config(world)).problems == ()


@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage.run_heals], ids=lambda damage: damage.name)
def test_a_run_alone_mends_what_it_can_see(world: World, expected: Dump, damage: Damage) -> None:
    damage.do(world.home)
    assert world.run_well()["embedded"] == 0
    assert world.faults(expected) == []


@pytest.mark.parametrize("damage", PUBLISHED, ids=lambda damage: damage.name)
def test_damage_to_what_readers_see_is_found_and_published_over(world: World, expected: Dump, damage: Damage) -> None:
    damage.do(world.home)
    with world.opened() as (warehouse, store), store.read() as index:
        found = examine(warehouse, index, "test", deep=True).report()
    assert kinds(found) >= damage.kinds
    assert not maintenance.verify(config(world)).ready
    assert maintenance.repair(config(world)).done.embedded == 0
    assert world.faults(expected) == []


def remove_copy(home: Path) -> None:
    shutil.rmtree(published(home))


def remove_pointer(home: Path) -> None:
    for pointer in layout_of(home).root.glob("active.*.json"):
        pointer.unlink()


def damage_pointer(home: Path) -> None:
    next(layout_of(home).root.glob("active.*.json")).write_text("{")


def damage_manifest_of_copy(home: Path) -> None:
    (published(home) / "manifest.json").write_text("{}")


def remove_working_shard(home: Path) -> None:
    shutil.rmtree(layout_of(home).version("v1") / "shard")


def remove_working_manifest(home: Path) -> None:
    (layout_of(home).version("v1") / "manifest.json").unlink()


def remove_store(home: Path) -> None:
    shutil.rmtree(home / "feature_store")


@pytest.mark.parametrize(
    "do",
    [
        remove_copy,
        remove_pointer,
        damage_pointer,
        damage_manifest_of_copy,
        remove_working_shard,
        remove_working_manifest,
        remove_store,
    ],
)
def test_lost_and_broken_files_are_replaced_by_the_next_run(
    world: World, expected: Dump, do: Callable[[Path], None]
) -> None:
    do(world.home)
    assert world.run_well()["embedded"] == 0
    assert world.faults(expected) == []


@pytest.mark.parametrize("older", [False, True], ids=["lost", "older"])
def test_a_warehouse_that_is_lost_or_restored_from_an_older_copy_catches_up(tmp_path: Path, older: bool) -> None:
    world = world_in(tmp_path)
    world.corpus.write_all(12)
    world.run_well()
    shutil.copy(world.home / "warehouse.db", tmp_path / "backup.db")
    for revision in range(1, 4):
        world.corpus.write(0, revision)
        world.run_well()
    expected = states_in(published(world.home))
    (world.home / "warehouse.db").unlink()
    if older:
        shutil.copy(tmp_path / "backup.db", world.home / "warehouse.db")
    assert world.run_well()["run"] == 5
    assert states_in(published(world.home)) == expected
    assert leftovers(world.home) == []


def test_bits_that_flip_in_the_shard_are_found_or_do_no_harm(world: World, expected: Dump) -> None:
    tally = Tally("bits that flip in the files of the shard")
    for _ in range(repetitions(6, 100)):
        dice = tally.dice()
        world.restore("healthy")
        shard = layout_of(world.home).version("v1") / "shard"
        file = dice.choice(sorted(path for path in shard.rglob("*") if path.is_file() and path.stat().st_size))
        with tally.attempt(f"{file.relative_to(shard)}"):
            flip(file, dice)
            assert maintenance.repair(config(world)).done.embedded == 0
            assert world.faults(expected) == []
    tally.close()


def flip(file: Path, dice: random.Random, count: int = 20) -> None:
    content = bytearray(file.read_bytes())
    end = len(content.rstrip(b"\0")) or len(content)  # behind that the engine has only reserved space
    for _ in range(count):
        content[dice.randrange(end)] ^= 1 << dice.randrange(8)
    file.write_bytes(content)
