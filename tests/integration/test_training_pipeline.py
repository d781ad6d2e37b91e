"""The training pipeline: a data set into a registered model, whatever happens on the way."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos import scale

from llm_engineering import plain, stages
from llm_engineering.bootstrap import Workspace
from llm_engineering.bootstrap.training import open_datasets, open_registry
from llm_engineering.config import TrainingConfig
from llm_engineering.domain.datasets import DatasetCard, Split
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.training import GeneralQuestion, TrainingData, TrainingPlan
from llm_engineering.infrastructure.embedders import SentenceTransformers
from llm_engineering.infrastructure.rerankers import CrossEncoder
from llm_engineering.infrastructure.trackers import Mlflow
from llm_engineering.infrastructure.trainers import EmbedderTrainer, RerankerTrainer
from tests.tiny_bert import pair, pairs, tiny_bert

NO_ROWS = {"train": 0, "validation": 0, "general": 0}
SETTINGS = {"batch": 8, "epochs": 3, "threads": 1, "learning_rate": 1e-3, "device": "cpu", "evaluations": 2}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "home"))
    tiny_bert(tmp_path / "base")
    train, validation = pairs()
    open_datasets(Workspace()).write(
        DatasetCard(name="tiny", version="", digest="", licence="ours"), [*train, *validation]
    )
    return tmp_path


def config(home: Path, kind: str = "embedder", **settings: object) -> TrainingConfig:
    trainer = {"kind": kind, "base": str(home / "base"), **SETTINGS, **settings}
    return TrainingConfig.model_validate({"training": {"model": "tuned", "dataset": "tiny", "trainer": trainer}})


def data(**changes: object) -> TrainingData:
    train, validation = pairs()
    fields: dict[str, object] = {"reference": "tiny@1", "digest": "d", "train": train, "validation": validation}
    return TrainingData(**(fields | changes))  # type: ignore[arg-type]


def test_a_data_set_becomes_a_registered_model_that_embeds_as_the_library_does(home: Path) -> None:
    report = plain.training(config(home))
    registry = open_registry(Workspace())
    model = registry.find("tuned")
    assert report.training is not None
    assert report.training.model == model.reference == "tuned@1"
    assert (model.dataset, model.licence, model.base) == (report.training.dataset, "ours", str(home / "base"))
    assert model.training is not None
    assert model.training.steps == 15
    assert model.training.cpu_seconds > 0
    assert {point.step for point in model.training.curve if point.metric is not None} == {3, 6, 9, 12, 15}
    assert {"general/ndcg@10", "general/ndcg@10/before", "validation/ndcg@10"} <= set(model.metrics)
    folder = registry.folder(model)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".json", ".safetensors", ".txt"}
    assert not (home / "home" / "training" / "tuned").exists() or not any(
        (home / "home" / "training" / "tuned").iterdir()
    )
    from sentence_transformers import SentenceTransformer

    ours = SentenceTransformers(model=str(folder), precision="fp32").open(home).embed_query("what is mu?")
    theirs = SentenceTransformer(str(folder), device="cpu").encode("what is mu?", normalize_embeddings=True)
    assert np.allclose(np.array(ours), theirs, atol=1e-5)
    base = SentenceTransformers(model=str(home / "base"), precision="fp32").open(home).embed_query("what is mu?")
    assert not np.allclose(np.array(ours), np.array(base), atol=1e-3)


@pytest.mark.slow  # MLflow sets up a database
def test_mlflow_sees_settings_curve_and_figures_of_a_training(home: Path) -> None:
    from mlflow.tracking import MlflowClient

    watched = config(home).model_copy(update={"tracking": (Mlflow(patience=120.0),)})
    report = plain.training(watched).training
    assert report is not None
    client = MlflowClient(tracking_uri=f"sqlite:///{Workspace().home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("llm-engineering")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "tuned")
    assert {"kind": "embedder", "batch": "8", "dataset": report.dataset}.items() <= run.data.params.items()
    curve = client.get_metric_history(run.info.run_id, "metric")
    assert [point.step for point in curve] == [3, 6, 9, 12, 15]
    told = {point.step: point.metric for point in report.trained.record.curve if point.metric is not None}
    assert {point.step: point.value for point in curve} == pytest.approx(told)
    assert run.data.metrics["validation/ndcg_at_10"] == report.trained.metrics["validation/ndcg@10"].value


def test_a_reranker_is_made_of_an_encoder_and_serves(home: Path) -> None:
    plain.training(config(home, "reranker", epochs=1, max_tokens=64))
    registry = open_registry(Workspace())
    folder = registry.folder(registry.find("tuned"))
    model = CrossEncoder(model=str(folder), device="cpu").open(home, None)
    assert len(model.scores("what is mu?", ["mu is nu", "pi is rho"])) == 2


def test_the_same_run_gives_the_same_weights_and_another_seed_others(home: Path) -> None:
    def weights(place: str, **settings: object) -> bytes:
        trainer = EmbedderTrainer.model_validate({"base": str(home / "base"), **SETTINGS, "epochs": 1, **settings})
        trainer.train(data(), home / place, home)
        return (home / place / "model" / "model.safetensors").read_bytes()

    assert weights("first", dropout=0.1) == weights("second", dropout=0.1) != weights("third", dropout=0.1, seed=1)


# With CHAOS=1 all kinds of places, else one in the middle of the work, one in a checkpoint and one at the end.
PLACES = ["training.step:2", "training.before_seal:2", "training.before_result"]
PLACES += ["training.step:14", "training.after_seal:3", "training.after_result"] if scale.BIG else []
# Imports the libraries once; each training is a child of its own, which a failpoint kills as `kill -9` does.
CHILDREN = """
import json, os, sys
from pathlib import Path
from tests.tiny_bert import pairs
from llm_engineering.domain import failpoints
from llm_engineering.domain.training import TrainingData
from llm_engineering.infrastructure.embedders import library_model
from llm_engineering.infrastructure.trainers import EmbedderTrainer, loop, losses, measuring, pairs as tokens, starting
home, spec = Path(sys.argv[1]), EmbedderTrainer.model_validate_json(sys.argv[2])
def trained(folder, rules):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        failpoints.arm(rules)
        train, validation = pairs()
        done = spec.train(TrainingData("tiny@1", "d", train, validation), home / folder, home)
        (home / folder / "seen.json").write_text(done.record.model_dump_json())
    finally:
        os._exit(1 if sys.exc_info()[0] else 0)
codes = {folder: [trained(folder, rules) for rules in tries] for folder, tries in json.loads(sys.argv[3]).items()}
print(json.dumps(codes))
"""


@pytest.mark.slow
def test_a_training_that_is_killed_anywhere_goes_on_and_ends_as_if_nothing_had_been(home: Path) -> None:
    trainer = EmbedderTrainer.model_validate({"base": str(home / "base"), **SETTINGS, "dropout": 0.1, "patience": 0})
    tries = {"straight": [""]} | {place.replace(":", "-"): [f"{place}=kill", ""] for place in PLACES}
    command = [sys.executable, "-c", CHILDREN, str(home), trainer.model_dump_json(), json.dumps(tries)]
    environment = os.environ | {"PYTHONPATH": "."}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr
    codes = json.loads(ran.stdout.splitlines()[-1])
    assert codes.pop("straight") == [0], ran.stderr
    assert codes == {place.replace(":", "-"): [-9, 0] for place in PLACES}, ran.stderr

    def made(folder: str) -> tuple[int, object, bytes]:
        record = json.loads((home / folder / "seen.json").read_text())
        return record["steps"], record["curve"], (home / folder / "model" / "model.safetensors").read_bytes()

    straight = made("straight")
    assert straight[0] == 15
    assert {folder: made(folder) == straight for folder in codes} == dict.fromkeys(codes, True)


def test_held_out_rows_are_refused(home: Path) -> None:
    for trainer in (EmbedderTrainer(base=str(home / "base")), RerankerTrainer(base=str(home / "base"))):
        with pytest.raises(UsageError, match="held-out"):
            trainer.train(data(train=(*pairs()[0], pair(1, "test"))), home / "work", home)
        with pytest.raises(UsageError, match="held-out"):
            trainer.train(data(validation=(pair(1, "test"),)), home / "work", home)
    assert not (home / "work").exists()


def test_a_document_that_is_learned_is_not_chosen_by(home: Path) -> None:
    both = pair(1, "validation", document_id="train-1", documents=("train-1",))
    with pytest.raises(UsageError, match="train-1"):
        EmbedderTrainer(base=str(home / "base")).train(data(validation=(both,)), home / "work", home)


def test_a_loss_that_is_no_number_stops_the_training(home: Path) -> None:
    spec = EmbedderTrainer.model_validate({"base": str(home / "base"), **SETTINGS, "scale": 1e3, "learning_rate": 1.0})
    poisoned = home / "base" / "model.safetensors"
    from safetensors.torch import load_file, save_file

    weights = load_file(poisoned)
    weights["embeddings.LayerNorm.weight"][0] = float("nan")
    save_file(weights, poisoned, metadata={"format": "pt"})
    with pytest.raises(UsageError, match="learning_rate"):
        spec.train(data(validation=()), home / "work", home)
    assert not (home / "work" / "model").exists()


def test_it_stops_when_the_validation_split_gains_nothing(home: Path) -> None:
    settings = {**SETTINGS, "epochs": 20, "learning_rate": 1e-9, "patience": 2, "evaluations": 1}
    trained = EmbedderTrainer.model_validate({"base": str(home / "base"), **settings}).train(
        data(), home / "work", home
    )
    assert trained.record.stopped_early
    assert trained.record.steps == 15


def test_every_setting_of_the_yaml_reaches_the_trainer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Trainer

    seen: list[Any] = []
    inner = Trainer.train

    def noted(trainer: Trainer, *given: object, **named: object) -> object:
        seen.append(trainer.args)
        return inner(trainer, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "train", noted)
    spec = EmbedderTrainer.model_validate(
        {**SETTINGS, "base": str(home / "base"), "epochs": 1, "accumulation": 2, "warmup": 0.5, "schedule": "cosine"}
        | {"weight_decay": 0.3, "max_grad_norm": 0.7, "seed": 5}
    )
    spec.train(data(), home / "work", home)
    (arguments,) = seen
    assert arguments.gradient_accumulation_steps == 2
    assert arguments.warmup_steps == 2
    assert arguments.lr_scheduler_type == "cosine"
    assert (arguments.weight_decay, arguments.max_grad_norm, arguments.seed) == (0.3, 0.7, 5)
    assert (arguments.learning_rate, arguments.per_device_train_batch_size) == (1e-3, 8)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a base model, and what comes of it with the settings below and no change."""
    folder = tmp_path_factory.mktemp("world")
    tiny_bert(folder / "base")
    weights_of(folder, "plain")
    return folder


def weights_of(world: Path, place: str, **settings: object) -> bytes:
    path = world / place / "model" / "model.safetensors"
    if not path.exists():
        fields = {"base": str(world / "base"), **SETTINGS, "epochs": 1, "precision": "fp32", "learning_rate": 1e-2}
        EmbedderTrainer.model_validate(fields | settings).train(data(), world / place, world)
    return path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"scale": 5.0}, {"negatives": 0}, {"blend": 0.5}, {"distillation": 5.0}, {"matryoshka": (16, 32)},
     {"lora_rank": 2}, {"passage_tokens": 8}, {"query_prompt": "query: "}, {"dropout": 0.5}, {"weight_decay": 0.9}],
)  # fmt: skip
def test_every_setting_changes_what_comes_out(world: Path, change: dict[str, object]) -> None:
    assert weights_of(world, "plain") != weights_of(world, next(iter(change)), **change)


def test_vectors_that_stay_near_the_base_are_what_distillation_pays_for(home: Path) -> None:
    def moved(place: str, distillation: float) -> float:
        fields = {"base": str(home / "base"), **SETTINGS, "learning_rate": 1e-2, "distillation": distillation}
        EmbedderTrainer.model_validate(fields).train(data(), home / place, home)
        vectors = [
            np.array(SentenceTransformers(model=str(folder), precision="fp32").open(home).embed_query("what is mu?"))
            for folder in (home / "base", home / place / "model")
        ]
        return float(vectors[0] @ vectors[1])

    assert moved("near", 50.0) > moved("far", 0.0)


def test_general_questions_come_from_a_file_and_a_broken_line_is_named(home: Path) -> None:
    path = home / "general.jsonl"
    path.write_text('{"question": "what is pi?", "passage": "pi is three"}\n{"question": "?"}\n')
    asked = config(home)
    asked = asked.model_copy(update={"training": asked.training.model_copy(update={"general": path})})
    with pytest.raises(UsageError, match="line 2"):
        stages.plan_training(asked)
    path.write_text('{"question": "what is pi?", "passage": "pi is three"}\n')
    assert stages.plan_training(asked).general == 1


@pytest.mark.parametrize("kind", ["embedder", "reranker", "retrieval"])
def test_a_data_set_without_a_row_to_learn_from_is_refused_before_anything_is_opened(home: Path, kind: str) -> None:
    held = [replace(row, split=Split.TEST) for row in pairs()[1]]
    open_datasets(Workspace()).write(DatasetCard(name="tiny", version="", digest=""), [*held, *pairs()[1]])
    trainer = {"kind": kind} if kind == "retrieval" else {"kind": kind, "base": str(home / "no such base")}
    asked = TrainingConfig.model_validate({"training": {"model": "tuned", "dataset": "tiny", "trainer": trainer}})
    with pytest.raises(UsageError, match=r"no row to learn from: it has \d+ in split test, \d+ in split validation"):
        plain.training(asked)
    with pytest.raises(UsageError, match="lower `shares`"):
        stages.train_model(
            asked, TrainingPlan(model="tuned", kind=kind, dataset="tiny", dataset_digest="", work="w", **NO_ROWS)
        )


def test_a_torn_checkpoint_is_passed_over(home: Path) -> None:
    from llm_engineering.infrastructure.trainers.checkpoints import newest_whole, seal

    folder = home / "checkpoints"
    for step in (2, 10, 9):
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        (folder / f"checkpoint-{step}" / "optimizer.pt").write_bytes(b"x" * 100)
        seal(folder / f"checkpoint-{step}")
    (folder / "checkpoint-10" / "optimizer.pt").write_bytes(b"x" * 50)
    (folder / "checkpoint-11").mkdir()
    assert newest_whole(folder) == folder / "checkpoint-9"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-2", "checkpoint-9"]


def test_lost_general_knowledge_is_measured(home: Path) -> None:
    general = (GeneralQuestion("what is mu?", "mu is nu"), GeneralQuestion("what is pi?", "pi is three"))
    spec = EmbedderTrainer.model_validate({"base": str(home / "base"), **SETTINGS, "epochs": 1})
    metrics = spec.train(data(general=general), home / "work", home).metrics
    assert metrics["general/ndcg@10/before"].n == 2
    assert 0 < metrics["general/ndcg@10"].value <= 1
