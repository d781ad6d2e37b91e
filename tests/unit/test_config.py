from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from llm_engineering.config import (
    BatchInferenceConfig,
    DigitalDataEtlConfig,
    EvaluationConfig,
    FeatureConfig,
    FeatureEngineeringConfig,
    InstructDatasetConfig,
    LlmEvaluationConfig,
    PreferenceDatasetConfig,
    TrainingConfig,
    read_config,
)
from llm_engineering.domain.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]

Write = Callable[[str], Path]

GOOD = """\
ingest:
  sources:
    - kind: files
      name: docs
      root: docs
embedding:
  kind: sentence_transformers
  precision: fp32
load:
  collection: mine
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def to_file(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return to_file


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_config(FeatureConfig, path, overrides)
    return str(caught.value)


def test_a_file_sets_what_it_names_and_leaves_the_rest_at_its_defaults(write: Write) -> None:
    config = read_config(FeatureConfig, write(GOOD))
    assert config.load.collection == "mine"
    assert config.embedding.model_dump()["precision"] == "fp32"
    assert config.retrieval == FeatureConfig().retrieval
    assert config.source_names == ("docs",)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_all_defaults(write: Write, text: str) -> None:
    assert read_config(FeatureConfig, write(text)) == FeatureConfig()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lod:\n  collection: x\n", "line 1: unknown key 'lod' at the top level; did you mean 'load'?"),
        ("load:\n  colection: x\n", "line 2: unknown key 'colection' in load; did you mean 'collection'?"),
        ("load:\n  store:\n    kind: qdrant_edge\n    thread: 2\n", "line 4: unknown key 'thread' in load.store"),
        (
            "ingest:\n  sources:\n    - kind: files\n      root: docs\n    - kind: files\n      rot: docs\n",
            "line 6: unknown key 'rot' in ingest.sources.1; did you mean 'root'?",
        ),
        (
            "embedding:\n  kind: sentence_transformer\n",
            "line 1: unknown kind 'sentence_transformer' in embedding; did you mean 'sentence_transformers'?",
        ),
        (
            "ingest:\n  sources:\n    - root: docs\n",
            "ingest.sources.0 needs a `kind`; valid kinds: feed, files, git, json,",
        ),
        (
            "retrieval:\n  fusion:\n    weight: 1\n",
            "retrieval.fusion needs a `kind`; valid kinds: convex, interpolation, rrf, zscore",
        ),
        ("chunking:\n  kind: by_format\n  x: 1\n", "line 3: unknown key 'x' in chunking"),
        (
            "cleaning:\n  cleaners:\n    - kind: unicod\n",
            "unknown kind 'unicod' in cleaning.cleaners.0; did you mean 'unicode'",
        ),
        (
            "retrieval:\n  mode: fuzzy\n",
            "line 2: retrieval.mode: Input should be 'dense', 'sparse' or 'hybrid', not 'fuzzy'",
        ),
        ("retrieval:\n  k: many\n", "line 2: retrieval.k"),
        ("load: 3\n", "line 1: load"),
        ("load:\n  collection: ../escape\n", "line 2: load.collection: use up to 63 letters"),
        ("author:\n  user_full_name: ' '\n  links: [a]\n", "line 2: author.user_full_name: give at least one word"),
        ("author:\n  links: [a]\n", "author.user_full_name is missing"),
        ("load:\n  collection: a\nload:\n  collection: b\n", "line 3: 'load' is there twice; first on line 1"),
        ("- a\n- b\n", "expected sections"),
        ("load: [\n", "line 2 is not valid YAML"),
        (
            "load:\n\tcollection: a\n",
            "line 2 is not valid YAML: while scanning for the next token found character '\\t'",
        ),
        ("load:\n\tcollection: a\n", "; indent with spaces, not with tabs"),
        ("load: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_every_mistake_names_its_place_and_what_is_valid(write: Write, text: str, expected: str) -> None:
    path = write(text)
    message = refusal(path)
    assert expected in message
    assert str(path) in message


def test_all_mistakes_are_reported_at_once(write: Write) -> None:
    message = refusal(write("lod: {}\nretrieval:\n  k: 0\n"))
    assert len(message.splitlines()) == 2


def test_two_sources_of_one_name_are_refused(write: Write) -> None:
    source = "    - {kind: files, name: docs, root: docs}\n"
    assert "two sources have the name 'docs'" in refusal(write(f"ingest:\n  sources:\n{source}{source}"))


def test_one_file_serves_all_pipelines_and_a_typo_is_refused_by_all(write: Write) -> None:
    path = write(GOOD)
    assert read_config(DigitalDataEtlConfig, path).ingest.sources[0].name == "docs"
    engineering = read_config(FeatureEngineeringConfig, path)
    assert engineering.load.collection == "mine"
    assert engineering.select.sources == ("docs",)
    for model in (FeatureConfig, DigitalDataEtlConfig, FeatureEngineeringConfig):
        with pytest.raises(UsageError, match="did you mean 'collection'"):
            read_config(model, path, ["load.colection=x"])


def test_without_sources_the_index_holds_what_the_warehouse_has(write: Write) -> None:
    assert read_config(FeatureEngineeringConfig, write("")).select.sources is None


@pytest.mark.parametrize("model", [FeatureConfig, DigitalDataEtlConfig])
def test_a_configuration_without_a_source_is_refused_before_it_can_empty_an_index(
    write: Write, model: type[DigitalDataEtlConfig]
) -> None:
    with pytest.raises(UsageError, match="names no source"):
        read_config(model, write("limits: {failures: 3}\n")).resolved()


def test_a_section_that_contains_itself_is_refused(write: Write) -> None:
    assert "contains itself" in refusal(write("load: &a\n  collection: *a\n"))


def test_a_wrong_value_that_others_depend_on_is_one_mistake(write: Write) -> None:
    message = refusal(write("ingest:\n  sources:\n    - {kind: json, url: x, template: '{a.b}'}\n"))
    assert len(message.splitlines()) == 1
    assert "template" in message


def test_a_wrong_item_of_a_list_is_one_mistake(write: Write) -> None:
    lines = refusal(write("evaluation:\n  k: [0]\nload:\n  collection: x\ndataset:\n  pairs: []\n")).splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == ["dataset.pairs", "evaluation.k.0"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot read the configuration" in refusal(tmp_path / "absent.yaml")


def test_overrides_change_values_in_sections_lists_and_new_places(write: Write) -> None:
    overrides = ["load.collection=other", "ingest.sources.0.root=elsewhere", "retrieval.k=7", "limits.rejections=null"]
    config = read_config(FeatureConfig, write(GOOD), overrides)
    assert config.load.collection == "other"
    assert str(config.ingest.sources[0].model_dump()["root"]) == "elsewhere"
    assert config.retrieval.k == 7
    assert config.limits.rejections is None


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("load.colection=x", "--set load.colection=x: unknown key 'colection' in load"),
        ("nonsense", "write it as section.key=value"),
        ("=x", "write it as section.key=value"),
        ("load..x=1", "write it as section.key=value"),
        ("ingest.sources.7.root=x", "use a position from 0 on"),
        ("ingest.sources.first.root=x", "use a position from 0 on"),
        ("load.collection.deep=x", "which has no keys"),
        ("retrieval.k=[", "not valid YAML"),
    ],
)
def test_a_wrong_override_is_refused(write: Write, override: str, expected: str) -> None:
    assert expected in refusal(write(GOOD), override)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_of_the_project_is_valid(path: Path) -> None:
    sections = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = read_config(FeatureConfig, path)
    others = {"batch", "evaluation", "training", "instructions", "preferences", "llm_evaluation", "pretraining"}
    assert config.source_names or sections.keys() & others
    if "batch" in sections:
        assert read_config(BatchInferenceConfig, path).resolved().batch.input
    if "evaluation" in sections:
        settings = read_config(EvaluationConfig, path).evaluation
        assert settings.questions or settings.dataset
    if "training" in sections:
        assert read_config(TrainingConfig, path).training.dataset
    if "instructions" in sections:
        assert read_config(InstructDatasetConfig, path).resolved().instructions.pairs
    if "llm_evaluation" in sections:
        assert read_config(LlmEvaluationConfig, path).resolved().llm_evaluation.models
    if "preferences" in sections:
        assert read_config(PreferenceDatasetConfig, path).resolved().preferences.pairs


def test_a_resolved_configuration_says_everything_and_means_the_same(write: Write) -> None:
    config = read_config(FeatureConfig, write(GOOD))
    resolved = config.resolved()
    assert resolved == config
    assert resolved.model_dump(exclude_unset=True) == config.model_dump()


def test_a_section_without_a_kind_means_the_default_kind(write: Write) -> None:
    config = read_config(FeatureConfig, write("embedding:\n  precision: fp32\n"), ["chunking.markdown.kind=markdown"])
    assert config.embedding.kind == "sentence_transformers"
    assert config.chunking.kind == "by_format"
