"""The contract of every embedder, then what concerns real models."""

import hashlib
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from embedding_server import EmbeddingServer
from pydantic import ValidationError

from llm_engineering.domain.chunks import Vector
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.ports import Embedder
from llm_engineering.infrastructure.embedders import (
    EmbedderSpec,
    Hashing,
    OpenAIEmbeddings,
    SentenceTransformers,
    Spacy,
)
from llm_engineering.infrastructure.embedders.model_source import packaged

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
ODD = [
    "",
    " \n\t",
    "a",
    "Grüße aus Zürich 🦜",
    "日本語のテキスト",
    "‮⁦bidi",
    "x" * 5_000,
    "null\x00byte",
    "lone \ud800 surrogate",
]
TEXTS = [
    "How do I install the database on my machine?",
    "The installation of a database on a computer.",
    "My cat sleeps in the sun all day.",
    *ODD,
    *("word " * length for length in (1, 7, 50, 200)),
]


def spacy_pipeline(folder: Path) -> Path:
    """Make a pipeline that knows a few words."""
    import numpy as np
    import spacy

    pipeline = spacy.blank("en")
    topics = {
        0: "how install database machine installation computer",
        1: "cat sleeps sun day",
        2: "word the my of on in",
    }
    chance = np.random.default_rng(0)
    for topic, words in topics.items():
        for word in words.split():
            pipeline.vocab.set_vector(word, np.eye(6)[topic] * 3 + chance.normal(0, 0.3, 6))
    pipeline.add_pipe("sentencizer")
    pipeline.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingServer]:
    found = EmbeddingServer(dimension=256)
    yield found
    found.close()


SPECS = [
    pytest.param(Hashing(), id="hashing"),
    pytest.param(SentenceTransformers(precision="fp32"), id="fp32", marks=pytest.mark.model),
    pytest.param(SentenceTransformers(precision="bf16", token_budget=128), id="bf16", marks=pytest.mark.model),
    pytest.param(SentenceTransformers(passages="onnx", token_budget=512), id="onnx", marks=pytest.mark.model),
    pytest.param(SentenceTransformers(passages="torch", precision="fp32"), id="torch", marks=pytest.mark.model),
    pytest.param("openai", id="openai"),
    pytest.param("openai float", id="openai-float"),
    pytest.param("openai tokenizer", id="openai-tokenizer", marks=pytest.mark.model),
    pytest.param("spacy", id="spacy"),
]
opened: dict[EmbedderSpec, Embedder] = {}


@pytest.fixture(scope="module", params=SPECS)
def spec(
    request: pytest.FixtureRequest, server: EmbeddingServer, tmp_path_factory: pytest.TempPathFactory
) -> EmbedderSpec:
    if request.param == "spacy":
        return Spacy(pipeline=str(spacy_pipeline(tmp_path_factory.mktemp("spacy") / "words")))
    if isinstance(request.param, str):
        _, _, variant = request.param.partition(" ")
        return OpenAIEmbeddings(
            model="some-model", base_url=server.url, dimension=256, batch=5,
            max_tokens=256 if variant == "tokenizer" else 2_048,
            encoding="float" if variant == "float" else "base64", tokenizer=MINILM if variant == "tokenizer" else "",
        )  # fmt: skip
    chosen: EmbedderSpec = request.param
    return chosen


@pytest.fixture
def embedder(spec: EmbedderSpec, tmp_path: Path) -> Embedder:
    """Loading a model takes seconds: each one is loaded once."""
    if spec not in opened:
        opened[spec] = spec.open_run(tmp_path, 1)
    return opened[spec]


def embedded(embedder: Embedder, texts: Sequence[str]) -> list[Vector]:
    found = [pair for batch in embedder.embed(texts) for pair in batch]
    assert sorted(position for position, _ in found) == list(range(len(texts)))
    return [vector for _, vector in sorted(found, key=lambda pair: pair[0])]


def cosine(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_every_text_gets_one_unit_vector(embedder: Embedder) -> None:
    for vector in embedded(embedder, TEXTS):
        assert vector.typecode == "f"
        assert len(vector) == embedder.card.dimension
        assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert list(embedder.embed([])) == []


def test_vectors_do_not_depend_on_neighbours_or_order(embedder: Embedder) -> None:
    together = embedded(embedder, TEXTS)
    backwards = embedded(embedder, TEXTS[::-1])[::-1]
    alone = [embedded(embedder, [text])[0] for text in TEXTS]
    assert min(map(cosine, together, backwards)) > 0.9999
    assert min(map(cosine, together, alone)) > 0.9999


def test_texts_with_a_common_topic_are_nearer_than_others(embedder: Embedder) -> None:
    question, answer, cat = embedded(embedder, TEXTS[:3])
    assert cosine(question, answer) > cosine(question, cat) + 0.1


def test_a_query_lies_where_the_same_passage_lies(embedder: Embedder) -> None:
    assert cosine(embedder.embed_query(TEXTS[0]), embedded(embedder, TEXTS[:1])[0]) > 0.9999


def test_a_text_over_the_window_is_refused_and_one_that_fills_it_is_not(
    spec: EmbedderSpec, embedder: Embedder, tmp_path: Path
) -> None:
    room = embedder.card.max_tokens - spec.open_tokenizer(tmp_path).special_tokens
    assert len(embedded(embedder, ["word " * room])) == 1
    with pytest.raises(
        BackendError, match=f"text 1 takes {embedder.card.max_tokens + 1} tokens.*window is {embedder.card.max_tokens}"
    ):
        list(embedder.embed(["short", "word " * (room + 1)]))


def test_a_query_over_the_window_still_gets_a_vector(embedder: Embedder) -> None:
    assert math.hypot(*embedder.embed_query("word " * 10_000)) == pytest.approx(1.0, abs=1e-5)


def test_the_card_is_known_without_opening(spec: EmbedderSpec, embedder: Embedder, tmp_path: Path) -> None:
    assert spec.card(tmp_path) == embedder.card


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokenizer_counts_what_its_spans_show(spec: EmbedderSpec, tmp_path: Path, text: str) -> None:
    tokenizer = spec.open_tokenizer(tmp_path)
    spans = tokenizer.spans(text)
    assert tokenizer.count(text) == len(spans) + tokenizer.special_tokens
    assert list(spans) == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_the_tokenizer_never_truncates(spec: EmbedderSpec, tmp_path: Path) -> None:
    tokenizer = spec.open_tokenizer(tmp_path)
    assert tokenizer.count("word " * 3_000) == 3_000 + tokenizer.special_tokens
    assert tokenizer.max_tokens == spec.card(tmp_path).max_tokens


# Hashing


def test_hashing_is_the_same_in_every_process() -> None:
    program = (
        "from pathlib import Path; from llm_engineering.infrastructure.embedders import Hashing;"
        "print(Hashing(dimension=16).open(Path()).embed_query('same everywhere').tobytes().hex())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert runs == {f"{Hashing(dimension=16).open(Path()).embed_query('same everywhere').tobytes().hex()}\n".encode()}


def test_hashing_cards_differ_when_vectors_do() -> None:
    assert Hashing(dimension=64).card(Path()).digest != Hashing(dimension=128).card(Path()).digest
    assert Hashing(max_tokens=64).card(Path()).digest == Hashing(max_tokens=128).card(Path()).digest


# Real models


def minilm(tmp_path: Path) -> Path:
    """Return a copy of the packaged model that a test may change."""
    source = packaged(MINILM)
    if source is None:
        pytest.skip("the package with the model's weights is not installed")
    return Path(shutil.copytree(source, tmp_path / "model"))


@pytest.mark.model
@pytest.mark.parametrize(("precision", "nearness"), [("fp32", 0.99999), ("bf16", 0.9999), ("onnx", 0.99999)])
def test_vectors_equal_those_of_sentence_transformers(tmp_path: Path, precision: Any, nearness: float) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [text for text in TEXTS if "\ud800" not in text]
    if precision == "onnx":
        spec = SentenceTransformers(passages="onnx", token_budget=512)
    else:
        spec = SentenceTransformers(precision=precision, token_budget=128 if precision == "bf16" else 4096)
    embedder = opened[spec] if spec in opened else opened.setdefault(spec, spec.open_run(tmp_path, 1))
    reference = SentenceTransformer(str(packaged(MINILM)), device="cpu").encode(
        texts, normalize_embeddings=True, show_progress_bar=False
    )
    assert min(map(cosine, embedded(embedder, texts), reference.tolist())) >= nearness
    long = "the end of a long query is cut off " * 100
    expected = SentenceTransformer(str(packaged(MINILM)), device="cpu").encode(long, normalize_embeddings=True)
    assert cosine(embedder.embed_query(long), expected.tolist()) >= nearness


@pytest.mark.model
def test_other_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = minilm(tmp_path)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    pinned = SentenceTransformers(
        model=str(folder), digest="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )
    for attempt in (pinned.card, pinned.open):
        with pytest.raises(UsageError, match=rf"{found}.*53aa5117.*`digest`"):
            attempt(tmp_path)
    assert SentenceTransformers(model=str(folder)).card(tmp_path).digest == found


@pytest.mark.model
def test_code_in_a_model_folder_is_never_run(tmp_path: Path) -> None:
    folder = minilm(tmp_path)
    proof = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(proof)!r}).touch()\nclass Evil: pass\n"
    (folder / "modeling_evil.py").write_text(code)
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_evil.Evil", "AutoConfig": "modeling_evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    with suppress(UsageError):  # loading it as the plain model that it also is, or refusing it, are both right
        SentenceTransformers(model=str(folder)).open(tmp_path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("module", "path"),
    [("modeling_evil.Evil", ""), ("os.system", ""), ("sentence_transformers.models.Pooling", "../..")],
)
def test_a_model_that_asks_for_foreign_modules_is_refused(tmp_path: Path, module: str, path: str) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": path, "type": module}]))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UsageError, match="code of a model never is"):
        SentenceTransformers(model=str(tmp_path)).card(tmp_path)


INCOMPLETE = [
    pytest.param({"config.json": "{}", "pytorch_model.bin": ""}, "safetensors", id="pickled weights"),
    pytest.param({"config.json": "{}", "model.safetensors": ""}, "how long its vectors", id="no dimension"),
    pytest.param({"config.json": "{", "model.safetensors": ""}, "no JSON", id="broken settings"),
    pytest.param({"modules.json": '[{"a": 1}]', "model.safetensors": ""}, "lists no modules", id="broken modules"),
    pytest.param({"model.safetensors": "", "config.json": '{"hidden_size": 8}'}, "tokenizer.json", id="no tokenizer"),
]


@pytest.mark.parametrize(("files", "says"), INCOMPLETE)
def test_an_incomplete_model_is_refused_with_what_is_missing(tmp_path: Path, files: dict[str, str], says: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=says):
        SentenceTransformers(model=str(tmp_path)).open(tmp_path)


def test_a_model_that_is_nowhere_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no model folder '\./missing'"):
        SentenceTransformers(model="./missing").card(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"not on this machine and could not be downloaded.*`model` to its folder"):
        SentenceTransformers(model="nobody/nothing").card(tmp_path)
    with pytest.raises(UsageError, match="neither a folder nor a name"):
        SentenceTransformers(model="a/b/c d").card(tmp_path)


@pytest.mark.model
def test_a_passage_prompt_takes_room_and_makes_another_model(tmp_path: Path) -> None:
    plain, prompted = SentenceTransformers(), SentenceTransformers(passage_prompt="passage: ")
    assert prompted.card(tmp_path).digest != plain.card(tmp_path).digest
    assert prompted.open_tokenizer(tmp_path).special_tokens == plain.open_tokenizer(tmp_path).special_tokens + 2


@pytest.mark.model
def test_the_window_can_be_set_within_what_the_model_has(tmp_path: Path) -> None:
    assert SentenceTransformers(max_tokens=512).card(tmp_path).max_tokens == 512
    with pytest.raises(UsageError, match="512 positions"):
        SentenceTransformers(max_tokens=513).card(tmp_path)


def test_settings_refuse_what_cannot_work() -> None:
    for wrong in ({"token_budget": 1}, {"digest": "abc"}, {"device": "tpu"}, {"trust_remote_code": True}):
        with pytest.raises(ValidationError):
            SentenceTransformers(**wrong)


def test_sizing_chunks_and_reading_the_card_load_no_torch() -> None:
    program = (
        "import sys; from pathlib import Path; from llm_engineering.infrastructure.embedders import *\n"
        "assert 'numpy' not in sys.modules and 'tokenizers' not in sys.modules\n"
        "spec = SentenceTransformers(); spec.card(Path()); spec.open_tokenizer(Path()).count('text')\n"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
