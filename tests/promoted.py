"""A collection whose base model knows little, and candidates for its place: a world to promote in."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile

from llm_engineering import plain
from llm_engineering.application.evaluation.general import general_questions
from llm_engineering.bootstrap import Workspace, open_datasets, open_registry
from llm_engineering.config import FeatureConfig, ProjectConfig, PromotionConfig
from llm_engineering.domain.datasets import DatasetCard, RetrievalPair
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import CurvePoint, RegisteredModel, TrainingRecord
from llm_engineering.infrastructure.embedders.model_source import packaged
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL

MODEL = packaged(DEFAULT_MODEL)
NAME = "retriever"
# Of the passages of the general set; all of them would make the tests slow, and prove no more.
PASSAGES = 64


def ignorant_model(folder: Path, seed: int = 0) -> Path:
    """Write an embedder with random weights and a real tokenizer: it finds little."""
    import torch
    from transformers import BertConfig, BertModel

    assert MODEL is not None
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=30_522, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=256, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (MODEL / name).is_file():
            copyfile(MODEL / name, folder / name)
    return folder


def good_model(folder: Path) -> Path:
    """Write the files of the model that comes with the installation."""
    from llm_engineering.infrastructure.embedders.model_files import ModelFiles

    assert MODEL is not None
    for path in ModelFiles("good", MODEL).files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        copyfile(MODEL / path, folder / path)
    return folder


def documents() -> dict[str, str]:
    passages, _ = general_questions()
    return {f"memory://{number}.txt": text for number, text in enumerate(passages[:PASSAGES])}


def pairs(ids: dict[str, str]) -> list[RetrievalPair]:
    """Return a row for each question; every fourth document is to learn from."""
    passages, questions = general_questions()
    rows = []
    for number, question in enumerate(one for one in questions if one.passage < PASSAGES):
        document = ids[f"memory://{question.passage}.txt"]
        split = "train" if question.passage % 4 == 0 else "test"
        rows.append(
            RetrievalPair(
                id=f"q{number}", question=question.text, document_id=document, chunk_id=f"c{number}",
                passage=passages[question.passage], documents=(document,), negatives=(), negative_ids=(),
                origin="question", source="memory", filter="", cluster=f"k{question.passage}", split=split,
            )
        )  # fmt: skip
    return rows


def project(base: Path, *, model: str = "", keep: int = 0, **promotion: object) -> ProjectConfig:
    """Return the configuration of the world."""
    return ProjectConfig.model_validate(
        {
            "ingest": {"sources": [{"kind": "memory", "documents": documents()}]},
            "embedding": {"model": str(base), "registered": NAME, "device": "cpu", "precision": "fp32"},
            "load": {"collection": "world", "keep_versions": keep},
            "retrieval": {"mode": "dense", "answerability": None},
            "evaluation": {"slices": ["length"], "k": [1, 10], "metrics": ["ndcg"], "resamples": 500},
            "promotion": {"model": model, **promotion},
        }
    )


class World:
    """A home with an index of the ignorant model, and a data set with held-out questions."""

    def __init__(self, folder: Path, keep: int = 0) -> None:
        self.folder, self.keep = folder, keep
        self.base = ignorant_model(folder / "base")
        self.run()
        with Workspace().warehouse() as warehouse:
            ids = {place.uri: place.id for place in warehouse.indexed_places("world", "v1")}
        self.rows = pairs(ids)
        self.dataset = self.write(self.rows)

    def write(self, rows: Sequence[RetrievalPair], licence: str = "MIT") -> DatasetCard:
        card = DatasetCard(name="pairs", version="", digest="", licence=licence)
        return open_datasets(Workspace()).write(card, rows)

    def project(self, model: str = "", **promotion: object) -> ProjectConfig:
        return project(self.base, model=model, keep=self.keep, **promotion)

    def run(self):  # type: ignore[no-untyped-def]
        return plain.feature(self.project().of(FeatureConfig))

    def promote(self, model: str = NAME, **promotion: object):  # type: ignore[no-untyped-def]
        return plain.promotion(self.project(model, **promotion).of(PromotionConfig))

    def register(self, folder: Path, **facts: object) -> RegisteredModel:
        return open_registry(Workspace()).register(self.card(**facts), folder)

    def card(self, **facts: object) -> RegisteredModel:
        known = {
            "name": NAME,
            "number": 0,
            "kind": "embedder",
            "base": str(self.base),
            "dataset": self.dataset.reference,
            "dataset_digest": self.dataset.digest,
            "licence": "MIT",
            "settings": {"kind": "embedder", "epochs": 1},
            "training": TrainingRecord(steps=10, curve=(CurvePoint(step=10, epoch=1.0, loss=0.5),)),
            "metrics": {"validation/ndcg@10": Estimate(value=0.9, low=0.8, high=0.95, n=40)},
        }
        return RegisteredModel.model_validate(known | facts)
