"""Exports on S3, spoken by moto's server; left out where s3fs or moto is missing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_engineering import plain
from llm_engineering.application.cleaning import Cleaning
from llm_engineering.bootstrap import Workspace
from llm_engineering.config import FeatureConfig, FeatureEngineeringConfig
from llm_engineering.domain.chunks import Point
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.feature_versions import export_features, read_features
from llm_engineering.infrastructure.parquet.lake import Lake
from llm_engineering.lake import take_in
from llm_engineering.raw_documents import export_documents, import_documents, read_documents

pytestmark = [
    pytest.mark.slow,
    # The libraries of the cloud warn of their own futures and leave connections open; this is no test of theirs.
    pytest.mark.filterwarnings("ignore"),
]
LAKE = "s3://lake/faq/2024"
TEXT = "# Cod\n\n" + "The cod is a fish of cold seas, and it is eaten.  \n\n\n\n" * 40


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    pytest.importorskip("s3fs", reason="needs the extra 's3'; type: poetry install --extras s3")
    server_module = pytest.importorskip(
        "moto.server", reason="needs a stand-in for S3; type: pip install 'moto[server]'"
    )
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import s3fs

    for name, value in {
        "AWS_ACCESS_KEY_ID": "a-key-of-ann",
        "AWS_SECRET_ACCESS_KEY": "hunter2xyz",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    store = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    store.mkdir("lake")
    yield store
    store.rm("lake", recursive=True)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureConfig:
    """Fill warehouse and index of a home."""
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "first"))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number in range(3):
        (corpus / f"{number}.md").write_text(TEXT + f"Nr {number}.\n", encoding="utf-8")
    source = {"kind": "files", "root": str(corpus), "name": "fish & co/1"}
    config = FeatureConfig.model_validate(
        {"ingest": {"sources": [source]}, "embedding": {"kind": "hashing", "max_tokens": 64}}
    )
    plain.feature(config)
    return config


def points(config: FeatureConfig | FeatureEngineeringConfig) -> dict[str, Point]:
    with Workspace().store(config.load) as store, store.read() as index:
        return {point.id: point for point in index.scan()}


def test_documents_go_to_s3_and_a_run_in_another_home_starts_from_them(
    store: Any, config: FeatureConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = points(config)
    raw = export_documents(LAKE)
    cleaned = export_documents("s3://lake/cleaned", cleaning=Cleaning())
    assert sorted(key.removeprefix("lake/faq/2024/") for key in store.find("lake/faq")) == [
        "documents/source=fish%20%26%20co%2F1/part-00000.parquet",
        "manifest.json",
    ]
    assert (raw.cleaning, cleaned.cleaning) == (None, Cleaning().model_dump(mode="json"))
    texts = [[row.text for row in read_documents(place)[1]] for place in (LAKE, "s3://lake/cleaned")]
    assert texts[0] != texts[1] == [Cleaning().clean_text(text, "markdown") for text in texts[0]]
    for place in (LAKE, "s3://lake/cleaned"):
        monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / place.rpartition("/")[2]))
        assert take_in(place, config.load) is None
        plain.feature_engineering(config.of(FeatureEngineeringConfig))
        assert points(config) == made
        assert not list((tmp_path / place.rpartition("/")[2] / "spool").glob("*-lake-*"))


def test_features_go_to_s3_and_become_an_index_without_a_model(
    store: Any, config: FeatureConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, made = export_features(config.load, LAKE), points(config)
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "second"))
    report = take_in(LAKE, config.load)
    assert report is not None
    assert (report.points, report.embedded) == (manifest.chunks, 0)
    assert points(config) == made
    assert len(list(read_features(LAKE).chunks)) == manifest.chunks
    assert not list((tmp_path / "second" / "spool").glob("*-lake-*"))
    assert store.exists("lake/faq/2024/manifest.json")


def test_an_export_is_all_or_nothing(store: Any, config: FeatureConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        put, key = Lake._key, Lake._key

        def no_manifest(lake: Lake, path: str) -> str:
            if path == "manifest.json":
                raise OSError("the line is down")
            return put(lake, path)

        broken.setattr(Lake, "_key", no_manifest)
        with pytest.raises(BackendError, match="the line is down"):
            export_documents(LAKE)
        assert Lake._key is not key
    with pytest.raises(UsageError, match="no finished export"):
        read_documents(LAKE)
    export_documents(LAKE)  # what is left of the failed one is taken away
    assert read_documents(LAKE)[0].documents == 3
    with pytest.raises(UsageError, match=r"holds an export already.*--force"):
        export_documents(LAKE)
    export_documents(LAKE, force=True)
    assert not store.exists("lake/faq/2024/unfinished")


def test_what_was_changed_on_s3_is_refused_and_nothing_is_stored(
    store: Any, config: FeatureConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_documents(LAKE)
    (part,) = (key for key in store.find("lake/faq") if key.endswith(".parquet"))
    manifest = "lake/faq/2024/manifest.json"
    good, text = store.cat_file(part), store.cat_file(manifest)
    monkeypatch.setenv("LLM_ENGINEERING_HOME", str(tmp_path / "second"))
    forged = json.loads(text)
    forged["files"][0]["path"] = "../../../evil.parquet"
    for key, content, expected in (
        (part, good[:-1] + bytes([good[-1] ^ 1]), "SHA-256 is another one"),
        (part, good[:-9], "bytes, not"),
        (manifest, json.dumps(forged).encode(), "no path of an export"),
        (manifest, text.replace(b'"documents": 3', b'"documents": 4'), "does not have the digest"),
        (manifest, b"{}", "no manifest of an export"),
        ("lake/faq/2024/documents/more.parquet", b"x", "not part of the export"),
    ):
        store.pipe_file(key, content)
        with pytest.raises(UsageError, match=expected):
            import_documents(LAKE)
        store.pipe_file(part, good)
        store.pipe_file(manifest, text)
    with Workspace().warehouse() as warehouse:
        assert not list(warehouse.source_counts())


def test_places_that_are_none_and_buckets_that_are_not_there_are_named(store: Any, config: FeatureConfig) -> None:
    with pytest.raises(UsageError, match="no such bucket"):
        export_documents("s3://no-such-bucket/x")
    for place in ("s3://key:hunter2xyz@lake/x", "http://lake/x", "s3://lake/../other", "s3://", "gs://lake/x"):
        with pytest.raises(UsageError, match="is no place for an export") as refused:
            export_documents(place)
        assert "hunter2xyz" not in str(refused.value)
    store.pipe_file("lake/photos/cat.png", b"x")
    with pytest.raises(UsageError, match="which no export made"):
        export_documents("s3://lake/photos")
