"""The same model in ONNX Runtime and OpenVINO: the vectors of torch, without torch; what they do not know is its."""

import importlib.util
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
from llm_engineering.infrastructure.embedders import SentenceTransformers, engines
from llm_engineering.infrastructure.embedders.engines import engine_of_queries, engine_of_run, engine_threads, has_bf16
from llm_engineering.infrastructure.embedders.graph_encoder import GraphEncoder

ROOT = Path(__file__).parents[2]
openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not for this platform")
ENGINES = ["onnx", pytest.param("openvino", marks=openvino)]
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


@pytest.mark.parametrize("engine", ENGINES)
def test_passages_queries_and_tokens_have_the_vectors_of_torch(folder: Path, tmp_path: Path, engine: str) -> None:
    spec = spec_of(folder, passages=engine, query_prompt="what ", passage_prompt="a: ", token_budget=64)
    torch, other = spec.open(tmp_path), spec.open_run(tmp_path, 100)
    assert isinstance(other, GraphEncoder)
    assert "fp32" in other.how
    assert other.card == torch.card
    assert nearest(vectors(other, TEXTS), vectors(torch, TEXTS)) > 0.999999
    assert nearest(other.embed_queries(TEXTS), torch.embed_queries(TEXTS)) > 0.999999
    assert nearest([other.embed_query(text) for text in TEXTS], torch.embed_queries(TEXTS)) > 0.999999
    for one, two in zip(other.token_vectors(TEXTS), torch.token_vectors(TEXTS), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_that_share_a_row_have_the_vectors_that_they_have_alone(
    folder: Path, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = spec_of(folder, queries=engine).open_queries(tmp_path)
    assert isinstance(ours, GraphEncoder)
    texts = ["alpha", "alpha is beta " * 4, "gamma", "beta alpha", "zeta eta kappa " * 3, "gamma"]
    alone, alone_tokens = [ours.embed_query(text) for text in texts], [ours.token_vectors([text])[0] for text in texts]
    shapes: list[tuple[int, ...]] = []
    run = ours._session.run
    monkeypatch.setattr(ours._session, "run", lambda inputs: shapes.append(inputs["input_ids"].shape) or run(inputs))
    np.testing.assert_allclose(ours.embed_queries(texts), alone, atol=1e-6)
    for one, two in zip(ours.token_vectors(texts), alone_tokens, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert shapes == [(1, sum(map(len, alone_tokens)))] * 2


@openvino
def test_in_bf16_the_same_batch_has_the_same_vectors_in_every_thread_and_process(folder: Path, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    spec = spec_of(folder, threads=1).model_copy(update={"precision": "bf16"})
    ours = spec.open_run(tmp_path, 100)
    assert isinstance(ours, GraphEncoder)
    assert "bf16 in OpenVINO" in ours.how
    wanted = vectors(ours, TEXTS * 20)
    assert nearest(wanted, vectors(spec_of(folder).open(tmp_path), TEXTS * 20)) > 0.999
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: vectors(ours, TEXTS * 20), range(8)))
    assert all(one == wanted for one in found)
    assert vectors(spec.open_run(tmp_path, 100), TEXTS * 20) == wanted


def chosen(monkeypatch: pytest.MonkeyPatch, *, bf16: bool, gpu: bool, **settings: Any) -> tuple[str, str, str]:
    """Return what computes the questions of a command, those of a service, and a run of 100 chunks."""
    monkeypatch.setattr(engines, "has_bf16", lambda: bf16)
    monkeypatch.setattr(engines, "_may_have_gpu", lambda spec: gpu and spec.device == "auto")
    spec = SentenceTransformers(**settings)
    return (
        engine_of_queries(spec, lasting=False),
        engine_of_queries(spec, lasting=True),
        engine_of_run(spec, 100),
    )


@pytest.mark.parametrize(("settings", "bf16", "gpu", "engines_of"), [
    ({}, False, False, "onnx onnx onnx"),
    ({}, True, False, "openvino openvino openvino"),
    ({"precision": "fp32"}, True, False, "onnx onnx onnx"),
    ({"precision": "bf16"}, False, False, "openvino openvino openvino"),
    ({}, True, True, "openvino torch torch"),
    ({}, False, True, "onnx torch torch"),
    ({"device": "cpu"}, False, True, "onnx onnx onnx"),
    ({"device": "cuda"}, True, False, "torch torch torch"),
    ({"device": "cuda", "onnx_up_to": 100}, True, False, "torch torch torch"),
    ({"onnx_up_to": 100}, True, True, "openvino torch onnx"),
    ({"onnx_up_to": 99}, True, False, "openvino openvino openvino"),
    ({"onnx_up_to": 0}, False, False, "onnx onnx torch"),
    ({"queries": "torch"}, False, False, "torch torch onnx"),
    ({"queries": "onnx", "passages": "torch"}, True, True, "onnx onnx torch"),
    ({"passages": "openvino"}, False, True, "onnx torch openvino"),
])  # fmt: skip
def test_the_engine_follows_from_hardware_and_settings(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], engines_of: str, *, bf16: bool, gpu: bool
) -> None:
    assert " ".join(chosen(monkeypatch, bf16=bf16, gpu=gpu, **settings)) == engines_of


def test_what_is_told_of_the_hardware_is_what_the_kernel_says() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        assert not has_bf16()
        return
    named = {word for line in flags.read_text().splitlines() if line.startswith("flags") for word in line.split()}
    assert has_bf16() is bool(named & {"amx_bf16", "avx512_bf16"})


def test_threads_are_as_many_as_asked_for_or_as_a_worker_of_ray_may_have_and_change_no_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    alone = spec_of(folder, threads=1)
    assert (engine_threads(alone), engine_threads(spec_of(folder))) == (1, 0)
    for allowed in ("2", "3,1"):
        monkeypatch.setenv("OMP_NUM_THREADS", allowed)
        assert engine_threads(alone) == 1
        assert engine_threads(spec_of(folder)) == int(allowed[0])
        shared = spec_of(folder).open_run(tmp_path, 1)
        assert vectors(shared, TEXTS * 20) == vectors(alone.open_run(tmp_path, 1), TEXTS * 20)
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert engine_threads(spec_of(folder)) == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_weights_of_other_precisions_are_read_as_torch_reads_them(
    folder: Path, tmp_path: Path, kind: str, engine: str
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    copy = changed(folder, tmp_path / "model")
    weights = load_file(copy / "model.safetensors")
    stored = {name: values.to(getattr(torch, kind)) for name, values in weights.items()}
    save_file({**stored, "embeddings.position_ids": torch.arange(64)}, copy / "model.safetensors")
    spec = spec_of(copy, passages=engine)
    other = spec.open_run(tmp_path, 1)
    assert isinstance(other, GraphEncoder)
    assert nearest(vectors(other, TEXTS), vectors(spec.open(tmp_path), TEXTS)) > 0.999999


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu"},
        {"name": "1_Pooling/config.json", "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
    ],
    ids=str,
)
def test_a_model_that_it_does_not_know_is_left_to_torch(
    folder: Path, tmp_path: Path, changes: dict[str, Any], engine: str
) -> None:
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO", format="{message}")
    try:
        found = spec_of(changed(folder, tmp_path / "model", **changes), queries=engine).open_queries(tmp_path)
    finally:
        logger.remove(sink)
    assert not isinstance(found, GraphEncoder)
    assert any(f"computed in torch, not in {engine}: it is no BERT" in line for line in lines)
    assert len(found.embed_query("alpha")) == 32


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "changes", [{"num_hidden_layers": 3}, {"vocab_size": "many"}, {"intermediate_size": 65}], ids=str
)
def test_weights_that_the_settings_do_not_describe_are_a_clear_error(
    folder: Path, tmp_path: Path, changes: dict[str, Any], engine: str
) -> None:
    with pytest.raises(UsageError, match="cannot be loaded"):
        spec_of(changed(folder, tmp_path / "model", **changes), queries=engine).open_queries(tmp_path)


def test_weights_that_are_cut_short_are_a_clear_error(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "model")
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(UsageError, match="cannot be loaded"):
        spec_of(copy).open_queries(tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_token_that_the_model_does_not_know_is_a_clear_error(folder: Path, tmp_path: Path, engine: str) -> None:
    embedder = spec_of(folder, queries=engine).open_queries(tmp_path)
    assert isinstance(embedder, GraphEncoder)
    with pytest.raises(BackendError, match="failed on a batch of 1 texts of up to 3 tokens"):
        embedder._encode([[1, 10_000, 2]])


@openvino
def test_every_length_up_to_the_number_of_positions_has_the_vector_of_torch(folder: Path, tmp_path: Path) -> None:
    most = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
    spec = spec_of(folder, queries="openvino")
    ours, torch = spec.open_queries(tmp_path), spec.open(tmp_path)
    assert isinstance(ours, GraphEncoder)
    for length in {*range(1, 19), most - 9, most - 1, most}:
        ids = [[1 + place % 20 for place in range(length)]]
        assert nearest(ours._encode(ids), torch._encode(ids)) > 0.999999


@openvino
def test_a_longer_batch_than_there_are_positions_is_a_clear_error(folder: Path, tmp_path: Path) -> None:
    embedder = spec_of(folder, queries="openvino").open_queries(tmp_path)
    assert isinstance(embedder, GraphEncoder)
    with pytest.raises(BackendError, match="failed on a batch of 1 texts of up to 2000 tokens"):
        embedder._encode([[1] * 2_000])


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_not_installed_leaves_the_model_to_torch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setitem(sys.modules, {"onnx": "onnxruntime"}.get(engine, engine), None)
    found = spec_of(folder, queries=engine).open_queries(tmp_path)
    assert not isinstance(found, GraphEncoder)
    assert len(found.embed_query("alpha")) == 32


@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_is_embedded_without_torch_and_tells_nobody(folder: Path, tmp_path: Path, engine: str) -> None:
    program = (
        "import sys; from pathlib import Path; from llm_engineering.infrastructure.embedders import *\n"
        "import socket; socket.socket.connect = socket.getaddrinfo = None  # whoever calls them fails\n"
        f"spec = SentenceTransformers(model={str(folder)!r}, queries={engine!r})\n"
        f"embedder = spec.open_queries(Path({str(tmp_path)!r}))\n"
        "assert len(embedder.embed_query('alpha')) == 32\n"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
