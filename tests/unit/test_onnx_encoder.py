"""The same model in ONNX Runtime: the vectors of torch, without torch; what it does not know is left to torch."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bert import tiny_bert

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.embedders import SentenceTransformers
from llm_engineering.infrastructure.embedders.engines import onnx_threads
from llm_engineering.infrastructure.embedders.onnx_encoder import OnnxEncoder

ROOT = Path(__file__).parents[2]
TEXTS = ["alpha is beta", "gamma", "delta epsilon zeta eta", "what is kappa 7?", "a: b"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights that is larger than they usually are, so that a wrong node shows."""
    from safetensors.numpy import load_file, save_file

    found = tiny_bert(tmp_path_factory.mktemp("tiny") / "model")
    weights = load_file(found / "model.safetensors")
    chance = np.random.default_rng(1)
    for name, values in weights.items():
        weights[name] = (values * 5 + chance.normal(0, 0.1, values.shape)).astype(values.dtype)
    save_file(weights, found / "model.safetensors", {"format": "pt"})
    return found


def spec_of(folder: Path, **settings: Any) -> SentenceTransformers:
    return SentenceTransformers(model=str(folder), precision="fp32", device="cpu", **settings)


def vectors(embedder: Any, texts: Sequence[str]) -> list[Vector]:
    return [vector for _, vector in sorted(pair for batch in embedder.embed(texts) for pair in batch)]


def nearest(one: Sequence[Vector], other: Sequence[Vector]) -> float:
    return float(min(np.sum(np.array(one) * np.array(other), axis=1)))


def changed(folder: Path, to: Path, name: str = "config.json", **changes: Any) -> Path:
    """Copy a model and change its settings."""
    import shutil

    copy = Path(shutil.copytree(folder, to))
    settings = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**settings, **changes}))
    return copy


def test_passages_queries_and_tokens_have_the_vectors_of_torch(folder: Path, tmp_path: Path) -> None:
    spec = spec_of(folder, onnx_up_to=100, query_prompt="what ", passage_prompt="a: ", token_budget=64)
    torch, onnx = spec.open(tmp_path), spec.open_run(tmp_path, 100)
    assert isinstance(onnx, OnnxEncoder)
    assert not isinstance(torch, OnnxEncoder)
    assert onnx.card == torch.card
    assert nearest(vectors(onnx, TEXTS), vectors(torch, TEXTS)) > 0.999999
    assert nearest(onnx.embed_queries(TEXTS), torch.embed_queries(TEXTS)) > 0.999999
    assert nearest([onnx.embed_query(text) for text in TEXTS], torch.embed_queries(TEXTS)) > 0.999999
    for one, other in zip(onnx.token_vectors(TEXTS), torch.token_vectors(TEXTS), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_run_is_small_by_all_of_its_chunks(folder: Path, tmp_path: Path) -> None:
    spec = spec_of(folder, onnx_up_to=10)
    assert isinstance(spec.open_run(tmp_path, 10), OnnxEncoder)
    assert not isinstance(spec.open_run(tmp_path, 11), OnnxEncoder)


@pytest.mark.parametrize(("settings", "with_onnx"), [
    ({"precision": "fp32"}, True), ({"precision": "bf16"}, False), ({"precision": "fp32", "onnx_up_to": 0}, False),
    ({"precision": "bf16", "onnx_up_to": 1}, True),
])  # fmt: skip
def test_by_itself_a_run_uses_onnx_where_torch_would_give_the_same_vectors(
    folder: Path, tmp_path: Path, settings: dict[str, object], *, with_onnx: bool
) -> None:
    spec = spec_of(folder).model_copy(update=settings)
    assert isinstance(spec.open_run(tmp_path, 1), OnnxEncoder) is with_onnx
    assert isinstance(spec.open_run(tmp_path, 100_000), OnnxEncoder) is (with_onnx and "onnx_up_to" not in settings)


def test_threads_are_as_many_as_asked_for_or_as_a_worker_of_ray_may_have_and_change_no_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    alone = spec_of(folder, threads=1)
    assert (onnx_threads(alone), onnx_threads(spec_of(folder))) == (1, 0)
    for allowed in ("2", "3,1"):
        monkeypatch.setenv("OMP_NUM_THREADS", allowed)
        assert onnx_threads(alone) == 1
        assert onnx_threads(spec_of(folder)) == int(allowed[0])
        shared = spec_of(folder).open_run(tmp_path, 1)
        assert vectors(shared, TEXTS * 20) == vectors(alone.open_run(tmp_path, 1), TEXTS * 20)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert onnx_threads(spec_of(folder)) == 0


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_weights_of_other_precisions_are_read_as_torch_reads_them(folder: Path, tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    copy = changed(folder, tmp_path / "model")
    weights = load_file(copy / "model.safetensors")
    stored = {name: values.to(getattr(torch, kind)) for name, values in weights.items()}
    save_file({**stored, "embeddings.position_ids": torch.arange(64)}, copy / "model.safetensors")
    spec = spec_of(copy, onnx_up_to=1)
    onnx = spec.open_run(tmp_path, 1)
    assert isinstance(onnx, OnnxEncoder)
    assert nearest(vectors(onnx, TEXTS), vectors(spec.open(tmp_path), TEXTS)) > 0.999999


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu"},
        {"name": "1_Pooling/config.json", "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
    ],
    ids=str,
)
def test_a_model_that_it_does_not_know_is_left_to_torch(folder: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO", format="{message}")
    try:
        found = spec_of(changed(folder, tmp_path / "model", **changes)).open_queries(tmp_path)
    finally:
        logger.remove(sink)
    assert not isinstance(found, OnnxEncoder)
    assert any("computed in torch, not in ONNX Runtime: it is no BERT" in line for line in lines)
    assert len(found.embed_query("alpha")) == 32


@pytest.mark.parametrize(
    "changes", [{"num_hidden_layers": 3}, {"vocab_size": "many"}, {"intermediate_size": 65}], ids=str
)
def test_weights_that_the_settings_do_not_describe_are_a_clear_error(
    folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="cannot be loaded"):
        spec_of(changed(folder, tmp_path / "model", **changes)).open_queries(tmp_path)


def test_weights_that_are_cut_short_are_a_clear_error(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "model")
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(UsageError, match="cannot be loaded"):
        spec_of(copy).open_queries(tmp_path)


def test_a_token_that_the_model_does_not_know_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    onnx = spec_of(folder).open_queries(tmp_path)
    assert isinstance(onnx, OnnxEncoder)
    with pytest.raises(BackendError, match="failed on a batch of 1 texts of up to 3 tokens"):
        onnx._encode([[1, 10_000, 2]])


def test_who_asks_decides_only_where_nothing_is_said(folder: Path, tmp_path: Path) -> None:
    assert isinstance(spec_of(folder).open_queries(tmp_path), OnnxEncoder)
    assert isinstance(spec_of(folder).open_queries(tmp_path, lasting=True), OnnxEncoder)
    assert isinstance(spec_of(folder, queries="onnx").open_queries(tmp_path, lasting=True), OnnxEncoder)
    assert not isinstance(spec_of(folder, queries="torch").open_queries(tmp_path), OnnxEncoder)


def test_a_query_is_embedded_without_torch(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from llm_engineering.infrastructure.embedders import *\n"
        f"spec = SentenceTransformers(model={str(folder)!r}); embedder = spec.open_queries(Path({str(tmp_path)!r}))\n"
        "assert len(embedder.embed_query('alpha')) == 32\n"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
