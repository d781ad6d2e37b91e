"""`kill -9` at any moment and a re-run: the same index, bit for bit, as without the kill."""

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from random import Random

import pytest
from chaos.oracle import Dump, published, states_in
from chaos.scale import BIG, DOCUMENTS, Tally, repetitions, world_in
from chaos.world import Reader, World, kill_after

from llm_engineering.domain.failpoints import NAMES

# Where the engine or the file system works for a while: here the process is also killed a little later, inside it.
LONG = {"edge.before_flush", "edge.between_batches", "edge.before_optimize", "publish.before_copy"}
# Beats of the lease are commits too, and a run that is quicker than the one that was counted has fewer of them.
BEATEN = {"warehouse.before_commit", "warehouse.after_commit"}
# Reached only by a run that takes over from a process that stands still: see test_writers.
ELSEWHERE = {"edge.in_move"}
# Of other runs than a feature run; test_killed_promotions, test_registries and test_training_pipeline go through them.
OTHER_RUNS = ("promote.", "registry.", "training.")
# The reduced form goes through each failpoint once: those of every run in one case, the others where they are.
FIRST_ONLY = {"warehouse.in_migration", "edge.before_manifest"}
REBUILD_ONLY = {"edge.in_removal", "prune.after_drop", "publish.before_record", "publish.after_record"}

swept: set[str] = set()


@dataclass
class Case:
    """A run to be killed: from the home `start` to `expected`, in so many seconds, through these failpoints."""

    world: World
    expected: Dump
    reached: Counter[str]
    seconds: float
    embedded: int
    valid: list[dict[str, dict[str, str]]]
    more: tuple[str, ...] = ()

    @classmethod
    def of(cls, world: World, *more: str) -> "Case":
        """Run once without a kill, from the home as it is, and go back to it."""
        valid = [states_in(published(world.home))] if world.home.exists() else []
        world.save("start")
        world.restore("start")
        started = time.monotonic()
        world.run_well(*more, failpoint="*=log")
        seconds = time.monotonic() - started
        reached = Counter(re.findall(r"^failpoint ([a-z_.]+):", world.log, re.MULTILINE))
        embedded = sum(world.embedded)
        valid.append(states_in(published(world.home)))
        case = cls(world, world.dump(), reached, seconds, embedded, valid, more)
        assert world.faults(case.expected) == []
        return case

    def attempt(self, tally: Tally, kill: Callable[[], bool], again: str = "") -> int:
        """Kill a run, run again (to be killed again, if wanted), and compare, while a reader looks on.

        Return how many of the runs were killed.
        """
        self.world.restore("start")
        reader = self.world.read(self.valid)
        try:
            kills = int(kill())
            if again and self.world.run(*self.more, failpoint=again) < 0:
                kills += 1
            self.world.run_well(*self.more)
        finally:
            self._check_reader(reader, tally)
        tally.kills += kills
        faults = self.world.faults(self.expected)
        assert not faults, "\n".join(faults)
        batch = max([0, *self.world.embedded])
        twice = sum(self.world.embedded) - self.embedded
        assert twice <= batch * max(kills, 0), f"{twice} texts were embedded twice, in batches of {batch}"
        return kills

    @staticmethod
    def _check_reader(reader: Reader, tally: Tally) -> None:
        seen = reader.stop()
        tally.reads += seen["reads"]
        assert (seen["mixed"], seen["failed"]) == (0, 0), seen["faults"]


def first_ingest(folder: Path) -> Case:
    """From nothing to all documents."""
    world = world_in(folder)
    world.corpus.write_all(DOCUMENTS)
    return Case.of(world)


def incremental(folder: Path) -> Case:
    """200 documents come, 100 change, 100 go, of 500; in the reduced form as many in proportion."""
    world = world_in(folder)
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    world.corpus.edit(adds=DOCUMENTS * 2 // 5, changes=DOCUMENTS // 5, deletes=DOCUMENTS // 5)
    return Case.of(world)


def rebuild(folder: Path) -> Case:
    """Another setting builds another version, and the policy keeps none of the old ones."""
    world = world_in(folder)
    world.corpus.write_all(DOCUMENTS // 2)
    world.run_well()
    return Case.of(world, "tokenizing.language=none", "load.keep_versions=0")


def test_an_ingest_killed_at_random_moments(tmp_path: Path) -> None:
    at_random(first_ingest(tmp_path), Tally("kill an ingest at random moments"), repetitions(3, 100))


def test_an_incremental_run_killed_at_random_moments(tmp_path: Path) -> None:
    at_random(incremental(tmp_path), Tally("kill an incremental run at random moments"), repetitions(3, 60))


def test_a_rebuild_killed_at_random_moments(tmp_path: Path) -> None:
    at_random(rebuild(tmp_path), Tally("kill a rebuild at random moments"), repetitions(2, 30))


def test_an_ingest_killed_at_every_failpoint(tmp_path: Path) -> None:
    case = first_ingest(tmp_path)
    tally = Tally("kill an ingest at every failpoint")
    at_failpoints(case, tally, case.reached if BIG else FIRST_ONLY, repetitions(1, 5))


def test_an_incremental_run_killed_at_every_failpoint(tmp_path: Path) -> None:
    case = incremental(tmp_path)
    tally = Tally("kill an incremental run at every failpoint")
    if BIG:
        at_failpoints(case, tally, case.reached, repetitions(1, 3))
    else:
        in_pairs(case, tally)


def test_a_rebuild_killed_at_every_failpoint(tmp_path: Path) -> None:
    case = rebuild(tmp_path)
    tally = Tally("kill a rebuild at every failpoint")
    at_failpoints(case, tally, case.reached if BIG else REBUILD_ONLY, repetitions(1, 3))


def test_no_failpoint_was_left_out() -> None:
    if not swept:
        pytest.skip("the failpoints were not gone through in this session")
    assert {name for name in NAMES if not name.startswith(OTHER_RUNS)} - swept - ELSEWHERE == set()


def at_random(case: Case, tally: Tally, count: int) -> None:
    for _ in range(count):
        delay = tally.dice().uniform(0.0, case.seconds)
        with tally.attempt(f"killed after {delay:.3f} s"):
            case.attempt(tally, partial(kill_at, case, delay))
    tally.close()


def at_failpoints(case: Case, tally: Tally, names: Iterable[str], count: int) -> None:
    for name in sorted(names):
        swept.add(name)
        for _ in range(count):
            dice = tally.dice()
            rule = rule_of(name, case.reached[name], dice)
            again = f"{dice.choice(sorted(case.reached))}=kill" if dice.random() < 0.2 else ""
            with tally.attempt(f"{rule}, {again}"):
                case.attempt(tally, partial(killed_by, case, rule), again)
    tally.close()


def in_pairs(case: Case, tally: Tally) -> None:
    """Kill a run at an early failpoint and the run after it at a late one: half as many runs to the end.

    A late one that the second run does not get to, because the first has done that work, is gone through by itself.
    """
    names = list(case.reached)  # in the order in which a run gets to them
    middle = (len(names) + 1) // 2
    alone = []
    for early, late in zip_longest(names[:middle], names[middle:]):
        dice = tally.dice()
        rule = rule_of(early, case.reached[early], dice)
        again = rule_of(late, 1, dice) if late else ""
        swept.add(early)
        with tally.attempt(f"{rule}, {again}"):
            if case.attempt(tally, partial(killed_by, case, rule), again) == 2:
                swept.add(late)
            elif late:
                alone.append(late)
    at_failpoints(case, tally, alone, 1)


def rule_of(name: str, count: int, dice: Random) -> str:
    """Return the rule that kills at one of the times, up to `count`, that a run gets to a failpoint."""
    most = max(1, count // 2) if name in BEATEN else count
    rule = f"{name}:{dice.randint(1, most)}=kill"
    if name in LONG and dice.random() < 0.7:
        rule += f":{dice.uniform(0.0002, 0.03):.4f}"
    return rule


def kill_at(case: Case, delay: float) -> bool:
    return kill_after(case.world.start(*case.more), delay)


def killed_by(case: Case, rule: str) -> bool:
    code = case.world.run(*case.more, failpoint=rule)
    assert code in (-signal.SIGKILL, -signal.SIGALRM) or ":0.0" in rule, f"{rule} was not reached: {case.world.log}"
    return code < 0
