"""Random sequences of what people and accidents do: after each completed run the index equals its sources."""

import tempfile
from contextlib import suppress
from pathlib import Path

from chaos.oracle import layout_of
from chaos.scale import BIG, SEED, Tally, repetitions, world_in
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from llm_engineering.application import versioning
from llm_engineering.application.verification import compare_with_warehouse, examine
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.failpoints import NAMES
from llm_engineering.domain.ports import VectorIndex

SETTINGS = {
    "plain": (),
    "no stems": ("tokenizing.language=none",),
    "wide": ("embedding.max_tokens=96",),
}
# Not those that only a take-over, a first run or a removal of versions comes to.
OFTEN = sorted({*NAMES} - {"edge.in_move", "edge.before_manifest", "warehouse.in_migration"})
tally = Tally("random sequences of edits, runs, kills and switches")


class Machine(RuleBasedStateMachine):
    """A home and a folder of documents; every document is a list of paragraphs that is known here too."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="chaos-")
        self.world = world_in(Path(self.folder.name))
        self.settings = "plain"
        self.next = 4
        self.ran = False

    @initialize()
    def begin(self) -> None:
        self.world.corpus.write_all(4)

    @rule(number=st.integers(0, 20), revision=st.integers(1, 5))
    def edit(self, number: int, revision: int) -> None:
        there = self.paths()
        self.world.corpus.write(int(there[number % len(there)].stem), revision)

    @rule()
    def add(self) -> None:
        self.world.corpus.write(self.next)
        self.next += 1

    @precondition(lambda self: len(self.paths()) > 2)
    @rule(number=st.integers(0, 20))
    def delete(self, number: int) -> None:
        there = self.paths()
        there[number % len(there)].unlink()

    @rule(name=st.sampled_from(sorted(SETTINGS)))
    def change_settings(self, name: str) -> None:
        self.settings = name

    @rule(number=st.integers(0, 20), revision=st.integers(1, 5), name=st.sampled_from(OFTEN), hit=st.integers(1, 3))
    def kill_a_run(self, number: int, revision: int, name: str, hit: int) -> None:
        self.edit(number, revision)  # a run without work passes few failpoints
        if self.start(f"{name}:{hit}=kill") < 0:
            tally.kills += 1
        else:
            self.ran = True

    @rule()
    def run(self) -> None:
        assert self.start() == 0, self.world.log[-2000:]
        self.ran = True
        tally.repetitions += 1
        self.compare(self.world.report["index_version"])

    @precondition(lambda self: self.ran)
    @rule()
    def roll_back(self) -> None:
        with self.world.opened() as (warehouse, store):
            before = versioning.seen(store)
            with suppress(UsageError):  # there is no earlier version
                assert versioning.rollback(warehouse, store, "test", 0) != before
            with store.read() as index:
                assert index.manifest.version == versioning.seen(store)

    @precondition(lambda self: self.ran)
    @rule()
    def read(self) -> None:
        with self.world.opened() as (_, store), store.read() as index:
            assert paragraphs_of(index)

    def teardown(self) -> None:
        self.folder.cleanup()

    def compare(self, version: str) -> None:
        """Compare the version that was brought up to date with the files, and what readers see, if that is it."""
        wanted = {path.name: set(path.read_text().strip().split("\n\n")) for path in self.paths()}
        with self.world.opened() as (warehouse, store):
            with store.write(store.versions()[version]) as index:
                assert paragraphs_of(index) == wanted
                findings = examine(warehouse, index, "test", deep=True)
                compare_with_warehouse(findings, warehouse, index.manifest, "test", None)
                assert findings.report().problems == ()
            history = warehouse.activations("test")
            if versioning.seen(store) == version:
                with store.read() as index:
                    assert paragraphs_of(index) == wanted
            else:
                assert (history[-1].kind, history[-1].left) == ("rollback", version)
        assert layout_of(self.world.home).active_copy() is not None

    def start(self, failpoint: str = "") -> int:
        more = ("ingest.allow_mass_delete=true", *SETTINGS[self.settings])
        return self.world.run(*more, failpoint=failpoint)

    def paths(self) -> list[Path]:
        return sorted(self.world.corpus.folder.iterdir())


def paragraphs_of(index: VectorIndex) -> dict[str, set[str]]:
    """Return file name → the paragraphs that its chunks hold."""
    found: dict[str, set[str]] = {}
    for point in index.scan():
        name = str(point.payload["uri"]).rpartition("/")[2]
        found.setdefault(name, set()).update(str(point.payload["text"]).split("\n\n"))
    return found


def test_the_index_equals_its_sources_after_every_completed_run() -> None:
    chosen = settings(
        max_examples=repetitions(5, 200),
        stateful_step_count=20 if BIG else 10,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(Machine), settings=chosen)
