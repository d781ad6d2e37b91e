"""Two runs at once: one goes on, the other says who is at work. Who was taken for dead and wakes up changes nothing."""

import math
import os
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import pytest
from chaos.oracle import Dump
from chaos.scale import BIG, DOCUMENTS, Tally, repetitions, world_in
from chaos.world import World, ended, wait_until
from command_lines import config_file, tool

T = TypeVar("T")

LEASE = 1.0
# A process that is stopped inside a transaction has SQLite's lock on the database, which nobody can take from it.
LOCKED = {"warehouse.before_commit", "warehouse.in_migration"}
# Here the run is closed already.
TOO_LATE = {"run.after_finish"}
# The first commit is that of the migration: no run has begun yet.
FIRST = {"warehouse.after_commit": 2}
IN_TIME = 5.0
# Who is refused takes a second or two. A machine that is busy elsewhere can be late once; a fault is late every time.
TRIES = 3


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = world_in(tmp_path)
    world.corpus.write_all(min(DOCUMENTS, 100))
    return world


def statuses(world: World) -> list[str]:
    with closing(sqlite3.connect(world.home / "warehouse.db")) as connection:
        return [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY run")]


def stop_at(world: World, rule: str, *more: str, **environment: str) -> BaseProcess | None:
    """Start a run that stops itself at a failpoint; None if it ended before."""
    process = world.start(*more, failpoint=f"{rule}=stop", **environment)
    wait_until(lambda: not process.is_alive() or is_stopped(process))
    return process if is_stopped(process) else None


def is_stopped(process: BaseProcess) -> bool:
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False


def wake(process: BaseProcess) -> int:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    return ended(process)


def quickest(call: Callable[[], T]) -> tuple[T, float]:
    """Return what the last call returned, and the seconds of the quickest; a call in time needs no other."""
    best = math.inf
    for _ in range(TRIES):
        started = time.monotonic()
        returned = call()
        best = min(best, time.monotonic() - started)
        if best < IN_TIME:
            break
    return returned, best


def test_a_second_writer_says_who_is_at_work_and_ends_at_once(world: World) -> None:
    tally = Tally("a second writer while the first is at work")
    for place in ("ingest.after_put", "embed.before_keep", "load.after_upsert"):
        with tally.attempt(place):
            first = stop_at(world, place)
            assert first is not None
            code, seconds = quickest(world.run)
            assert seconds < IN_TIME
            assert code == 1, world.log
            assert f"process {first.pid} on" in world.log
            assert wake(first) == 0, world.log
            world.corpus.write(0, revision=tally.repetitions)
    assert statuses(world)[-1] == "completed"
    tally.close()


@pytest.mark.parametrize("arguments", [("--plain",), ()], ids=["plain", "zenml"])
def test_a_second_command_line_says_who_is_at_work_and_ends_in_five_seconds(
    world: World, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    config = config_file(tmp_path, f"{{kind: files, name: docs, root: {world.corpus.folder}}}")
    first = stop_at(world, "load.after_upsert")
    assert first is not None
    second, seconds = quickest(lambda: tool(world.home, "run", "feature", "--config", str(config), *arguments))
    assert second.code == 1
    assert f"process {first.pid} on" in second.err
    assert seconds < IN_TIME
    assert wake(first) == 0


def test_what_a_killed_owner_held_is_free_at_once(world: World) -> None:
    tally = Tally("the lock of a killed owner")
    for place in ("ingest.after_put", "load.after_upsert", "publish.in_copy"):
        with tally.attempt(place):
            owner = stop_at(world, place)
            assert owner is not None
            owner.kill()
            assert ended(owner) == -signal.SIGKILL
            tally.kills += 1
            # The lease is a minute: it is the death that frees it.
            assert world.run() == 0, world.log
            assert statuses(world)[-2:] == ["failed", "completed"]
            world.corpus.write(0, revision=tally.repetitions)
    tally.close()


def test_a_stopped_owner_that_wakes_up_changes_nothing(world: World) -> None:
    world.run_well()
    world.corpus.edit(adds=10, changes=6, deletes=4)
    world.save("start")
    world.restore("start")
    world.run_well(failpoint="*=log")
    reached = Counter(re.findall(r"^failpoint ([a-z_.]+):", world.log, re.MULTILINE))
    expected = world.dump()
    tally = Tally("a stopped owner that wakes up after a take-over")
    names = sorted(reached.keys() - LOCKED - TOO_LATE)
    for name in names if BIG else names[:: max(1, len(names) // 3)]:
        for _ in range(repetitions(1, 2)):
            rule = f"{name}:{tally.dice().randint(FIRST.get(name, 1), reached[name])}"
            with tally.attempt(rule):
                take_over(world, rule, expected)
    with tally.attempt("the successor is killed while it moves away"):
        take_over(world, "load.after_upsert", expected, killed="edge.in_move=kill")
        tally.kills += 1
    tally.close()


def take_over(world: World, rule: str, expected: Dump, killed: str = "") -> None:
    """Stop an owner, let another run go on with its work, wake the first, and compare."""
    world.restore("start")
    # The first run has the usual lease and beats seldom: it is not to be stopped inside the transaction of a beat.
    first = stop_at(world, rule)
    assert first is not None, f"{rule} was not reached: {world.log}"
    try:
        time.sleep(LEASE + 0.2)
        if killed:
            assert world.run(failpoint=killed, LLM_ENGINEERING_LEASE_SECONDS=str(LEASE)) < 0
        code = world.run(LLM_ENGINEERING_LEASE_SECONDS=str(LEASE))
        assert code == 0, world.log
    finally:
        (world.folder / "log").write_text("")
        woken = wake(first)
    assert woken == 1, f"the stopped owner ended with {woken} after {rule}: {world.log}"
    assert statuses(world)[1] == "failed"
    assert "closed as failed" in world.log or "took it over" in world.log, world.log
    # What the woken process left of its copy goes with the next publication.
    faults = [fault for fault in world.faults(expected) if ".part" not in fault]
    assert not faults, "\n".join(faults)
    world.run_well()
    assert world.faults(expected) == []
