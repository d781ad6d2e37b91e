"""A full disk ends the run with a sentence; what is there stays, and the next run goes on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chaos.oracle import published, states_in
from chaos.scale import DOCUMENTS, Tally, repetitions, world_in
from chaos.world import World, wait_until

ROOMY = 900


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home on a file system of its own, which can be made small."""
    world = world_in(tmp_path)
    world.home.mkdir()
    if os.geteuid() != 0 or not mount(world.home, f"size={ROOMY}m"):
        pytest.skip("mounting a small file system needs root and the right to mount")
    try:
        yield world
    finally:
        subprocess.run(["umount", "-l", str(world.home)], check=True)


def mount(home: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def only(world: World, megabytes: float) -> Iterator[None]:
    """Leave so much space and no more."""
    disk = os.statvfs(world.home)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    resize(world.home, f"{int(used / 1024 + megabytes * 1024)}k")
    try:
        yield
    finally:
        resize(world.home, f"{ROOMY}m")


def resize(home: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(home)], check=True)


def empty(home: Path) -> None:
    for path in home.iterdir():
        subprocess.run(["rm", "-rf", str(path)], check=True)


def test_a_disk_that_fills_up_is_a_sentence_and_the_next_run_goes_on(world: World) -> None:
    tally = Tally("a disk that fills up in an ingest")
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    expected = world.dump()
    # From hardly any space to nearly enough: the warehouse, the data sets and the index each meet the full disk.
    for megabytes in spread(0.7, 100.0, repetitions(8, 40)):
        with tally.attempt(f"{megabytes:.1f} MB"):
            empty(world.home)
            fails_clearly(world, megabytes)
            assert world.run() == 0, world.log
            assert world.faults(expected) == []
    tally.close()


def test_a_disk_that_fills_up_in_a_second_run_leaves_readers_what_they_have(world: World) -> None:
    tally = Tally("a disk that fills up in an incremental run")
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    before = states_in(published(world.home))
    for number, megabytes in enumerate(spread(0.3, 80.0, repetitions(4, 20))):
        with tally.attempt(f"{megabytes:.1f} MB"):
            for changed in range(10):
                world.corpus.write(changed, revision=number + 1)
            fails_clearly(world, megabytes)
            assert states_in(published(world.home)) == before
            assert world.run() == 0, world.log
            before = states_in(published(world.home))
    tally.close()


def test_a_full_disk_keeps_nobody_from_searching(world: World) -> None:
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    valid = [states_in(published(world.home))]
    with only(world, 0.1):
        reader = world.read(valid)
        wait_until(lambda: reader.seen["reads"] > 1)
        seen = reader.stop()
    assert (seen["mixed"], seen["failed"], seen["unpublished"]) == (0, 0, 0), seen["faults"]


def fails_clearly(world: World, megabytes: float) -> None:
    (world.folder / "log").write_text("")
    with only(world, megabytes):
        code = world.run()
    assert code == 1, f"the run ended with {code}: {world.log}"
    last = world.log.strip().splitlines()[-1]
    assert "disk is" in last or "No space left" in last, world.log
    assert "Traceback" not in world.log


def spread(least: float, most: float, count: int) -> list[float]:
    """Return so many sizes, each larger than the one before by the same factor."""
    return [least * (most / least) ** (number / (count - 1)) for number in range(count)]
