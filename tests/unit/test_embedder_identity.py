"""What of an embedder makes another index, what is only recorded with it, and what is checked before any work."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file
from tiny_bert import tiny_bert

from llm_engineering.application.retrieval.candidates import fitting
from llm_engineering.bootstrap.features import manifest_of
from llm_engineering.bootstrap.registered import as_made, fitting_spec
from llm_engineering.config import FeatureConfig, FeatureEngineeringConfig, read_config
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.indexes import IndexManifest, ModelCard
from llm_engineering.domain.models import RegisteredModel, Stage
from llm_engineering.domain.value import digest
from llm_engineering.infrastructure.embedders import Hashing, OpenAIEmbeddings, SentenceTransformers
from llm_engineering.infrastructure.registries import FileRegistry

SERVER: dict[str, Any] = {"kind": "openai", "model": "m", "dimension": 8, "base_url": "http://127.0.0.1:9/v1"}
MINILM: dict[str, Any] = {"kind": "sentence_transformers"}


def fingerprint(**embedding: Any) -> str:
    return manifest_of(FeatureEngineeringConfig.model_validate({"embedding": embedding}), Path("/nowhere")).fingerprint


OTHERS = [
    (SERVER, {"model": "n"}),
    (SERVER, {"dimension": 9}),
    (SERVER, {"revision": "2"}),
    (SERVER, {"passage_prompt": "passage: "}),
    (SERVER, {"max_tokens": 100}),
    pytest.param(SERVER, {"tokenizer": "sentence-transformers/all-MiniLM-L6-v2"}, marks=pytest.mark.model),
    pytest.param(MINILM, {"passage_prompt": "passage: "}, marks=pytest.mark.model),
    pytest.param(MINILM, {"max_tokens": 100}, marks=pytest.mark.model),
    ({"kind": "hashing"}, {"dimension": 64}),
]
SAME = [
    (SERVER, {"base_url": "http://127.0.0.1:10/v1", "batch": 1, "timeout": 1, "encoding": "float"}),
    (SERVER, {"query_prompt": "query: "}),
    pytest.param(MINILM, {"query_prompt": "query: "}, marks=pytest.mark.model),
    pytest.param(
        MINILM, {"queries": "torch", "passages": "onnx", "onnx_up_to": 9, "token_budget": 64}, marks=pytest.mark.model
    ),
]


@pytest.mark.parametrize(("settings", "changes"), OTHERS, ids=str)
def test_what_decides_the_vectors_makes_another_index(settings: dict[str, Any], changes: dict[str, Any]) -> None:
    assert fingerprint(**settings) != fingerprint(**{**settings, **changes})


@pytest.mark.parametrize(("settings", "changes"), SAME, ids=str)
def test_how_it_is_computed_and_asked_does_not(settings: dict[str, Any], changes: dict[str, Any]) -> None:
    assert fingerprint(**settings) == fingerprint(**{**settings, **changes})


def test_an_index_keeps_the_fingerprint_that_it_had() -> None:
    """Cards have more in them than they had: indexes that were made before stay what they are."""
    manifest = manifest_of(
        FeatureEngineeringConfig.model_validate({"embedding": {"kind": "hashing"}}), Path("/nowhere")
    )
    former = {name: getattr(manifest.model, name) for name in ("name", "digest", "dimension", "max_tokens")}
    content = manifest.settings | {"embedding": former, "payload_indexes": manifest.payload_indexes}
    assert manifest.fingerprint == digest(content)


def test_prompts_are_recorded_with_the_index() -> None:
    config = {"embedding": {**SERVER, "query_prompt": "query: ", "passage_prompt": "passage: "}}
    manifest = manifest_of(FeatureEngineeringConfig.model_validate(config), Path("/nowhere"))
    assert (manifest.model.query_prompt, manifest.model.passage_prompt) == ("query: ", "passage: ")
    assert manifest.settings["embedding"]["query_prompt"] == "query: "  # type: ignore[index]


def test_a_card_of_a_former_version_is_read() -> None:
    card = ModelCard.model_validate({"name": "m", "digest": "d", "dimension": 8, "max_tokens": 256})
    assert (card.query_prompt, card.passage_prompt, card.tokenizer) == ("", "", "")


def test_an_index_refuses_another_prompt_and_names_both() -> None:
    made = OpenAIEmbeddings(**SERVER, passage_prompt="passage: ").card(Path())
    embedder = OpenAIEmbeddings(**SERVER).open(Path())
    with pytest.raises(UsageError, match="passage prompt 'passage: ' there, '' here"):
        fitting(embedder, made)
    with pytest.raises(UsageError, match="cannot be compared"):
        fitting(Hashing().open(Path()), made)


def test_what_is_missing_is_said_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = tmp_path / "feature.yaml"
    sources = "ingest: {sources: [{kind: files, name: here, root: .}]}\n"
    path.write_text(sources + "embedding: {kind: openai, model: text-embedding-3-small, dimension: 1536}\n")
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        read_config(FeatureConfig, path).resolved()
    path.write_text(sources + "embedding: {kind: spacy, pipeline: xx_nowhere}\n")
    with pytest.raises(UsageError, match="xx_nowhere"):
        read_config(FeatureConfig, path).resolved()


@pytest.mark.parametrize(
    ("embedding", "says"),
    [
        ("{kind: onnx}", "Valid kinds: hashing, openai, sentence_transformers, spacy"),
        ("{kind: openai, model: m}", "dimension"),
        ("{queries: fast}", r"queries.*auto.*onnx.*torch"),
        ("{kind: openai, model: m, dimension: 8, api_key: sk-plain}", "must be a reference to an environment variable"),
        ("{kind: spacy}", "pipeline"),
    ],
)
def test_mistakes_in_the_file_are_answered_with_what_is_valid(tmp_path: Path, embedding: str, says: str) -> None:
    path = tmp_path / "feature.yaml"
    path.write_text(f"embedding: {embedding}\n")
    with pytest.raises(UsageError, match=says) as refused:
        read_config(FeatureConfig, path)
    assert "sk-plain" not in str(refused.value)


def test_an_index_of_the_base_model_is_asked_with_it_whatever_is_in_production_by_now(
    tmp_path: Path, home: Path
) -> None:
    base, trained = tiny_bert(tmp_path / "base"), tiny_bert(tmp_path / "trained")
    weights = load_file(trained / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in weights.items()}, trained / "model.safetensors", {"format": "pt"})
    configured = SentenceTransformers(model=str(base), registered="retriever")
    made_with = configured.card(home)
    manifest = IndexManifest(
        version="v1", fingerprint="f", model=made_with, settings={"embedding": configured.model_dump(mode="json")}
    )
    registry = FileRegistry(home)
    promoted = registry.register(RegisteredModel(name="retriever", number=0, kind="embedder"), trained)
    registry.set_stage(promoted, Stage.PRODUCTION)

    assert configured.card(home).digest == promoted.weights
    assert as_made(manifest).card(home) == fitting_spec(manifest, configured, home).card(home) == made_with
    now = manifest.model_copy(update={"model": configured.card(home)})
    assert fitting_spec(now, configured, home) == configured
