"""The contract of every reranker. The cross-encoder is a tiny one, made on the spot."""

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copyfile

import pytest

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Reranker
from llm_engineering.infrastructure.embedders import Hashing, SentenceTransformers
from llm_engineering.infrastructure.embedders.model_source import packaged
from llm_engineering.infrastructure.embedders.sentence_transformers import DEFAULT_MODEL
from llm_engineering.infrastructure.rerankers import CrossEncoder, LateInteraction

MODEL = packaged(DEFAULT_MODEL)
needs_model = pytest.mark.skipif(MODEL is None, reason="the package with the default embedding model is not installed")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with random weights and a real tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    assert MODEL is not None
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30_522, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=128, num_labels=1,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (MODEL / name).is_file():
            copyfile(MODEL / name, folder / name)
    return folder


@pytest.fixture(
    scope="module",
    params=["hashing", pytest.param("minilm", marks=needs_model), pytest.param("cross_encoder", marks=needs_model)],
)
def reranker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reranker]:
    home = tmp_path_factory.mktemp("home")
    if request.param == "cross_encoder":
        yield CrossEncoder(model=str(request.getfixturevalue("tiny")), device="cpu").open(home, None)
    else:
        embedder = Hashing() if request.param == "hashing" else SentenceTransformers(device="cpu", precision="fp32")
        yield LateInteraction(remembered=10).open(home, embedder.open(home))


TEXTS = ["how to install docker", "", "x" * 20_000, "word " * 2_000, "🙂 中文 \ud800 \x00", "how to install docker"]


def test_every_text_gets_one_number_also_odd_ones(reranker: Reranker) -> None:
    scores = reranker.scores("install docker", TEXTS)
    assert len(scores) == len(TEXTS)
    assert all(map(math.isfinite, scores))
    assert scores[0] == pytest.approx(scores[-1], abs=1e-4)
    assert list(reranker.scores("anything", [])) == []


@pytest.mark.parametrize("query", ["", "?", "long " * 1_000, "🙂"])
def test_any_query_is_scored(reranker: Reranker, query: str) -> None:
    assert all(map(math.isfinite, reranker.scores(query, ["a passage", "another"])))


def test_scores_do_not_depend_on_the_company_or_the_order(reranker: Reranker) -> None:
    texts = [f"passage {number} " + "and more " * number for number in range(12)]
    together = reranker.scores("passage 3", texts)
    alone = [reranker.scores("passage 3", [text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-3)
    assert list(reversed(reranker.scores("passage 3", texts[::-1]))) == pytest.approx(together, abs=1e-3)


def test_several_threads_get_the_same_scores(reranker: Reranker) -> None:
    texts = [f"text number {number}" for number in range(15)]
    wanted = [list(reranker.scores(f"number {number}", texts)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: list(reranker.scores(f"number {number}", texts)), range(4)))
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=1e-3)


@pytest.mark.parametrize("kind", ["hashing", pytest.param("minilm", marks=needs_model)])
def test_late_interaction_prefers_the_passage_with_the_words(kind: str, tmp_path: Path) -> None:
    embedder = Hashing() if kind == "hashing" else SentenceTransformers(device="cpu")
    reranker = LateInteraction().open(tmp_path, embedder.open(tmp_path))
    good, bad = reranker.scores(
        "install docker", ["you can install docker with apt", "the certificate is sent by mail"]
    )
    assert good > bad


def test_late_interaction_needs_an_embedder_with_tokens(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the embedder"):
        LateInteraction().open(tmp_path, None)


@needs_model
def test_a_model_that_is_no_cross_encoder_is_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(UsageError, match="is no cross-encoder"):
        CrossEncoder(model=str(MODEL)).open(tmp_path, None)
    folder = tmp_path / "two labels"
    folder.mkdir()
    for file in tiny.iterdir():
        copyfile(file, folder / file.name)
    settings = json.loads((folder / "config.json").read_text())
    settings["id2label"] = {"0": "no", "1": "yes"}
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="labels: 2"):
        CrossEncoder(model=str(folder)).open(tmp_path, None)


@needs_model
def test_other_weights_than_the_pinned_ones_are_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(UsageError, match="expected is 0000"):
        CrossEncoder(model=str(tiny), digest="0" * 64).open(tmp_path, None)
