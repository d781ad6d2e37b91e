"""An embedder that fails for a share of its calls costs runs, never documents."""

from pathlib import Path

from chaos.oracle import published, states_in
from chaos.scale import DOCUMENTS, Tally, repetitions, world_in


def test_an_embedder_that_fails_for_a_third_of_its_calls_loses_nothing(tmp_path: Path) -> None:
    tally = Tally("an embedder that fails for 30 % of its calls")
    world = world_in(tmp_path)
    world.corpus.write_all(DOCUMENTS)
    world.run_well()
    before = states_in(published(world.home))
    world.corpus.edit(adds=DOCUMENTS * 2 // 5, changes=DOCUMENTS // 5, deletes=0)
    world.save("start")
    world.restore("start")
    world.run_well()
    expected = world.dump()
    after = states_in(published(world.home))
    needed = sum(world.embedded)
    for _ in range(repetitions(1, 10)):
        seed = tally.dice().randrange(10**6)
        with tally.attempt(f"seed {seed}"):
            world.restore("start")
            reader = world.read([before, after])
            codes = [world.run(FAILING="0.3", SEED=str(seed + number)) for number in range(4)]
            world.run_well()
            seen = reader.stop()
            tally.reads += seen["reads"]
            assert (seen["mixed"], seen["failed"]) == (0, 0), seen["faults"]
            faults = world.faults(expected)
            assert not faults, "\n".join(faults)
            # A batch that failed is embedded again; nothing else is.
            assert sum(world.embedded) - needed <= max(world.embedded) * len(codes)
    tally.close()
