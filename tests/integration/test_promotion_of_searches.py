"""What no index is made with is promoted too: tuned settings of the search, and a model that reorders its hits."""

from contextlib import closing
from pathlib import Path

import pytest
from promoted import MODEL, World, project

from llm_engineering import plain, promotions
from llm_engineering.bootstrap import Workspace, open_evaluations, open_registry, open_searcher
from llm_engineering.config import FeatureConfig, ProjectConfig, PromotionConfig
from llm_engineering.domain.access import ALL
from llm_engineering.domain.datasets import RetrievalPair
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.training import TrainingData
from llm_engineering.infrastructure.trainers import RerankerTrainer

pytestmark = [
    pytest.mark.training,
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(MODEL is None, reason="the package with the default embedding model is not installed"),
]


def with_search(world: World, candidate: str = "", **retrieval: object) -> ProjectConfig:
    """Return the world's configuration with another section `retrieval`."""
    made = project(world.base, model=candidate, max_general_loss=None)
    return made.model_copy(update={"retrieval": made.retrieval.model_validate(retrieval | {"answerability": None})})


def stages_of(name: str) -> list[Stage]:
    return [model.stage for model in open_registry(Workspace()).versions(name)]


def methods(searcher) -> set[str]:  # type: ignore[no-untyped-def]
    return set(searcher.search("clouds of ice", access=ALL).hits[0].scores)


def test_tuned_settings_serve_without_a_restart_and_are_rolled_back(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path)
    search = {"mode": "dense", "registered": "search"}

    def register(settings: dict[str, object]) -> RegisteredModel:
        card = world.card(name="search", kind="retrieval", base="", settings={"retrieval": settings})
        return open_registry(Workspace()).register(card, None)

    def promote():  # type: ignore[no-untyped-def]
        return plain.promotion(with_search(world, "search", **search).of(PromotionConfig)).promotion

    register({"mode": "sparse"})
    with closing(open_searcher(with_search(world, **search).of(FeatureConfig), every=None)) as searcher:
        assert methods(searcher) == {"dense"}
        report = promote()
        assert report.promoted, report.verdict
        assert (report.index, stages_of("search")) == ("", [Stage.PRODUCTION])
        searcher.look()
        assert methods(searcher) == {"sparse"}

        register({"mode": "dense"})
        refused = promote()
        assert not refused.promoted
        assert "better" in {check.name for check in refused.verdict.checks if not check.passed}
        assert stages_of("search") == [Stage.PRODUCTION, Stage.STAGING]

        back = promotions.rollback("search")
        assert (back.model, back.index) == ("the configured base model", "")
        searcher.look()
        assert methods(searcher) == {"dense"}
    assert stages_of("search")[0] is Stage.ARCHIVED


def test_a_trained_reranker_serves_without_a_restart_and_is_rolled_back(tmp_path: Path, home: Path) -> None:
    world = World(tmp_path)
    rerank = {"kind": "cross_encoder", "registered": "reader", "candidates": 64}
    search = {"mode": "dense", "rerank": rerank}
    open_registry(Workspace()).register(world.card(name="mute", kind="reranker", base=str(world.base)), world.base)
    with pytest.raises(UsageError, match="is no cross-encoder"):
        plain.promotion(with_search(world, "mute", **search).of(PromotionConfig))
    assert open_evaluations(Workspace()).all() == []  # nobody was asked for nothing
    folder = tmp_path / "reader"
    trainer = RerankerTrainer(epochs=4, batch=4, learning_rate=1e-4, max_tokens=96, device="cpu", precision="fp32")
    rows = with_negatives(world.rows)
    trained = trainer.train(TrainingData(world.dataset.reference, world.dataset.digest, rows), folder, home)
    open_registry(Workspace()).register(
        world.card(name="reader", kind="reranker", base=trained.base, training=trained.record), folder / "model"
    )

    with closing(open_searcher(with_search(world, **search).of(FeatureConfig), every=None)) as searcher:
        before = searcher.search("clouds of ice", access=ALL)
        assert "rerank" not in {stage.stage for stage in before.stages}
        report = plain.promotion(with_search(world, "reader", **search).of(PromotionConfig)).promotion
        assert report is not None
        assert report.promoted, report.verdict
        assert (report.index, stages_of("reader")) == ("", [Stage.PRODUCTION])
        searcher.look()
        after = searcher.search("clouds of ice", access=ALL)
        assert "rerank" in {stage.stage for stage in after.stages}
        assert after.version == before.version
        promotions.rollback("reader")
        searcher.look()
        assert "rerank" not in {stage.stage for stage in searcher.search("clouds of ice", access=ALL).stages}
    assert stages_of("reader") == [Stage.ARCHIVED]


def with_negatives(rows: list[RetrievalPair]) -> tuple[RetrievalPair, ...]:
    """Return the rows to learn from, each with passages of others."""
    from dataclasses import replace

    learnt = [row for row in rows if row.split == "train"]
    passages = list(dict.fromkeys((row.document_id, row.passage) for row in learnt))
    found = []
    for number, row in enumerate(learnt):
        others = [one for one in passages[number % len(passages) :] + passages if one[0] != row.document_id][:6]
        found.append(
            replace(
                row,
                negatives=tuple(text for _, text in others),
                negative_ids=tuple(f"n{document}" for document, _ in others),
                negative_documents=tuple(document for document, _ in others),
            )
        )
    return tuple(found)
