"""Promotion end to end, without ZenML: gate, switch, service, rollback."""

from contextlib import closing
from pathlib import Path
from time import perf_counter, sleep

import pytest
from loguru import logger
from promoted import MODEL, NAME, World, good_model, ignorant_model

from llm_engineering import maintenance, stages
from llm_engineering.application import versioning
from llm_engineering.application.retrieval.searcher import FollowingSearcher
from llm_engineering.bootstrap import Workspace, open_evaluations, open_registry, open_searcher
from llm_engineering.bootstrap.evaluating import asked_version
from llm_engineering.config import FeatureConfig, Load, PromotionConfig
from llm_engineering.domain.access import ALL
from llm_engineering.domain.errors import GateFailed, UsageError
from llm_engineering.domain.models import Stage

pytestmark = [
    pytest.mark.training,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(MODEL is None, reason="the package with the default embedding model is not installed"),
]


def active() -> str:
    with Workspace().store(Load(collection="world")) as store:
        return versioning.seen(store)


def stages_of(name: str = NAME) -> list[Stage]:
    return [model.stage for model in open_registry(Workspace()).versions(name)]


def rolled_back(name: str = NAME):  # type: ignore[no-untyped-def]
    from llm_engineering import promotions

    return promotions.rollback(name)


@pytest.mark.slow
def test_a_better_model_serves_a_worse_one_is_refused_and_all_is_rolled_back_without_a_restart(
    tmp_path: Path, home: Path
) -> None:
    world = World(tmp_path)
    world.register(good_model(tmp_path / "good"))
    messages: list[str] = []
    sink = logger.add(lambda message: messages.append(str(message)), level="WARNING")
    with closing(open_searcher(world.project().of(FeatureConfig), every=0.05)) as searcher:
        assert searcher.search("clouds of ice", access=ALL).version == "v1"

        report = world.promote()

        assert report.promotion is not None
        assert report.promotion.promoted
        assert (active(), stages_of()) == ("v2", [Stage.PRODUCTION])
        assert followed(searcher, "v2")
        assert searcher.manifest().model.name == "registry:retriever@1"
        kept = {one.name: one for one in open_evaluations(Workspace()).all()}
        assert kept.keys() == {stages.BASE, "retriever@1"}
        verdict = report.promotion.verdict
        assert (verdict.evidence.before, verdict.evidence.after) == (kept[stages.BASE], kept["retriever@1"])

        again = world.run()
        assert (again.index_version, again.embedded, again.written) == ("v2", 0, 0)
        assert world.promote().promotion.note == "it is in production already"

        world.register(ignorant_model(tmp_path / "other", seed=1))
        refused = world.promote()

        assert not refused.promotion.promoted
        failed = {check.name for check in refused.promotion.verdict.checks if not check.passed}
        assert failed >= {"better", "general"}
        with pytest.raises(GateFailed, match="retriever@2 is not promoted: it is not shown to be better, but worse"):
            stages.check(refused, world.project().limits)
        assert (active(), stages_of()) == ("v2", [Stage.PRODUCTION, Stage.STAGING])

        # The index alone: what is asked is what it was made with, and no candidate is compared with a former model.
        maintenance.rollback(world.project().of(FeatureConfig))
        assert followed(searcher, "v1")
        assert searcher.manifest().model.name == str(world.base)
        with asked_version(world.project().of(PromotionConfig), Workspace(), "v1") as asked:
            assert asked.subject["model"] == str(world.base)
        world.register(ignorant_model(tmp_path / "third", seed=2))
        with pytest.raises(UsageError, match=r"shows version v1, .* but retriever@1 is in production"):
            world.promote()
        with Workspace().store(Load(collection="world")) as store:
            assert "v4" not in store.versions()  # known before anything is embedded
        maintenance.activate(world.project().of(FeatureConfig), "v2")

        back = rolled_back()

        assert (back.model, back.index, active()) == (stages.BASE, "v1", "v1")
        assert stages_of() == [Stage.ARCHIVED, Stage.ARCHIVED, Stage.STAGING]
        assert followed(searcher, "v1")
    logger.remove(sink)
    assert not [message for message in messages if "another" in message]
    again = world.run()
    assert (again.index_version, again.embedded, again.written, active()) == ("v1", 0, 0, "v1")
    with pytest.raises(UsageError, match="nothing to roll back"):
        rolled_back()
    verdicts = open_registry(Workspace()).verdicts(NAME)
    assert len(verdicts) == 2
    assert "better" in verdicts[0].read_text()


def followed(searcher: FollowingSearcher, version: str) -> bool:
    """Return whether the service answers from a version, within half a minute."""
    until = perf_counter() + 30
    while (found := searcher.search("clouds of ice", access=ALL).version) != version and perf_counter() < until:
        sleep(0.05)
    return found == version
