"""Artifacts that try to run code: model folders, data sets, databases, stores, configurations. None ever does.

Each would create a file named `canary` if it ran. Whether it is refused or read as the harmless thing that it also is
does not matter, as long as what is raised is one of our own errors.
"""

import json
import os
import pickle
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from command_lines import ROOT, config_file, python, tool

from llm_engineering import plain, stages
from llm_engineering.config import FeatureConfig, read_config
from llm_engineering.domain.documents import Document
from llm_engineering.domain.errors import LLMEngineeringError, UsageError
from llm_engineering.infrastructure.embedders import SentenceTransformers
from llm_engineering.infrastructure.embedders.model_source import packaged
from llm_engineering.infrastructure.parquet import read_dataset, write_dataset

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
Trap = Callable[[Path, Path], None]


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.command = f"touch {canary}"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def pickled(canary: Path) -> bytes:
    return pickle.dumps(Bomb(canary))


def python_code(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()\nclass Evil:\n    load = classmethod(lambda cls, *a, **k: cls())\n"


def change(path: Path, **more: object) -> None:
    """Add settings to a JSON file."""
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**known, **more}))


# Models ---------------------------------------------------------------------------------------------------------------


def _module(kind: str, path: str = "") -> Trap:
    def trap(folder: Path, canary: Path) -> None:
        (folder / "modeling_evil.py").write_text(python_code(canary))
        modules = json.loads((folder / "modules.json").read_text())
        modules.append({"idx": 9, "name": "9", "path": path, "type": kind})
        (folder / "modules.json").write_text(json.dumps(modules))

    return trap


def _auto_map(folder: Path, canary: Path) -> None:
    (folder / "modeling_evil.py").write_text(python_code(canary))
    evil = "modeling_evil.Evil"
    change(folder / "config.json", auto_map={"AutoModel": evil, "AutoConfig": evil}, trust_remote_code=True)


def _remote_auto_map(folder: Path, canary: Path) -> None:
    change(folder / "config.json", auto_map={"AutoModel": "nobody/nothing--modeling_evil.Evil"})
    change(folder / "sentence_bert_config.json", model_args={"trust_remote_code": True})


def _own_type(folder: Path, canary: Path) -> None:
    (folder / "configuration_evil.py").write_text(python_code(canary))
    change(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "configuration_evil.Evil"})


def _tokenizer_map(folder: Path, canary: Path) -> None:
    (folder / "tokenization_evil.py").write_text(python_code(canary))
    change(
        folder / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["tokenization_evil.Evil", "tokenization_evil.Evil"]},
        tokenizer_class="Evil",
    )


def _chat_template(folder: Path, canary: Path) -> None:
    escape = "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}".replace("CANARY", str(canary))
    change(folder / "tokenizer_config.json", chat_template=escape)
    (folder / "chat_template.jinja").write_text(escape)


def _pickles_beside(folder: Path, canary: Path) -> None:
    for name in ("pytorch_model.bin", "model.pt", "model.ckpt", "training_args.bin", "optimizer.pkl", "scaler.joblib"):
        (folder / name).write_bytes(pickled(canary))


def _pickles_only(folder: Path, canary: Path) -> None:
    _pickles_beside(folder, canary)
    (folder / "model.safetensors").unlink()


def _pickle_as_safetensors(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(pickled(canary))


def _header_bomb(folder: Path, canary: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{" * 100)


def _deep_header(folder: Path, canary: Path) -> None:
    header = b'{"a":' * 50_000
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def _index_elsewhere(folder: Path, canary: Path) -> None:
    (folder / "evil.bin").write_bytes(pickled(canary))
    change(folder / "model.safetensors.index.json", weight_map={"a": "evil.bin", "b": "../evil.bin"}, metadata={})


def _adapter(folder: Path, canary: Path) -> None:
    change(folder / "adapter_config.json", base_model_name_or_path="nobody/nothing", peft_type="LORA")


def _activation(folder: Path, canary: Path) -> None:
    (folder / "evil.py").write_text(python_code(canary))
    dense = folder / "2_Dense"
    dense.mkdir()
    change(dense / "config.json", in_features=384, out_features=8, bias=True, activation_function="evil.Evil")
    (dense / "pytorch_model.bin").write_bytes(pickled(canary))
    _module("sentence_transformers.models.Dense", "2_Dense")(folder, canary)


def _deep_settings(folder: Path, canary: Path) -> None:
    (folder / "config.json").write_text("[" * 200_000)


def _start_files(folder: Path, canary: Path) -> None:
    for name in ("__init__.py", "conftest.py", "sitecustomize.py", "setup.py", "evil.pth"):
        (folder / name).write_text(python_code(canary))


MODELS: dict[str, Trap] = {
    "auto_map": _auto_map,
    "auto_map of the hub": _remote_auto_map,
    "a type of its own": _own_type,
    "tokenizer auto_map": _tokenizer_map,
    "chat template": _chat_template,
    "foreign module": _module("modeling_evil.Evil"),
    "module of the standard library": _module("os.system"),
    "a function of the library": _module("sentence_transformers.util.misc.import_from_string"),
    "module outside": _module("sentence_transformers.models.Pooling", "../.."),
    "pickles beside": _pickles_beside,
    "pickles only": _pickles_only,
    "a pickle as safetensors": _pickle_as_safetensors,
    "header bomb": _header_bomb,
    "deep header": _deep_header,
    "index to a pickle": _index_elsewhere,
    "adapter": _adapter,
    "activation function": _activation,
    "deep settings": _deep_settings,
    "files that Python starts": _start_files,
}


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("trap", MODELS.values(), ids=MODELS.keys())
def test_a_model_folder_runs_nothing(trap: Trap, tmp_path: Path) -> None:
    source = packaged(MINILM)
    assert source is not None
    folder, canary = tmp_path / "model", tmp_path / "canary"
    shutil.copytree(source, folder, copy_function=os.symlink)  # 90 MB: traps replace the files
    for file in folder.rglob("*.json"):
        text = file.read_bytes()
        file.unlink()
        file.write_bytes(text)
    trap(folder, canary)
    with suppress(LLMEngineeringError):  # to refuse it is right, and so is to load the plain model that it also is
        embedder = SentenceTransformers(model=str(folder), precision="fp32").open(tmp_path)
        list(embedder.embed(["a text"]))
    assert not canary.exists()
    assert "modeling_evil" not in sys.modules


def test_other_weights_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 8}')
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    with pytest.raises(UsageError, match="They are not loaded"):
        SentenceTransformers(model=str(tmp_path), digest="0" * 64).open(tmp_path)


# Data sets and stores -------------------------------------------------------------------------------------------------


def _pandas(canary: Path) -> pa.Table:
    bomb = pickled(canary).decode("latin-1")
    table = pa.table({"text": ["x"], "pickled": [pickled(canary)]})
    return table.replace_schema_metadata({b"pandas": json.dumps({"index_columns": [bomb], "columns": []}).encode()})


def _extension(canary: Path) -> pa.Table:
    field = pa.field(
        "text",
        pa.binary(),
        metadata={
            b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": pickled(canary),
        },
    )
    return pa.table([pa.array([b"x"])], schema=pa.schema([field]))


def _as_ours(canary: Path) -> pa.Table:
    named = {b"llm_engineering.rows": b"os.system", b"llm_engineering.encoding": b"1"}
    return _extension(canary).replace_schema_metadata(named)


@pytest.mark.parametrize("table", [_pandas, _extension, _as_ours])
def test_a_data_set_runs_nothing(table: Callable[[Path], pa.Table], tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "set").mkdir()
    pq.write_table(table(canary), tmp_path / "set" / "rows.parquet")
    with pytest.raises(LLMEngineeringError):
        list(read_dataset(tmp_path / "set"))
    assert not canary.exists()


def test_a_pickle_in_place_of_a_data_set_or_beside_it_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    kept = write_dataset([Document("file:///a", "s", "text", "x")], Document, tmp_path / "set")
    (tmp_path / "set" / "artifact.pkl").write_bytes(pickled(canary))
    assert len(list(read_dataset(tmp_path / "set"))) == len(kept) == 1
    (tmp_path / "set" / "rows.parquet").write_bytes(pickled(canary))
    with pytest.raises(LLMEngineeringError):
        read_dataset(tmp_path / "set")
    assert not canary.exists()


def feature(tmp_path: Path, **documents: str) -> FeatureConfig:
    sources = [{"kind": "memory", "name": "m", "documents": documents or {"a.md": "some words"}}]
    return FeatureConfig.model_validate({"ingest": {"sources": sources}, "embedding": {"kind": "hashing"}})


@pytest.mark.parametrize(
    "plant",
    [
        "CREATE TRIGGER t AFTER INSERT ON documents BEGIN SELECT load_extension('{evil}'); END",
        "CREATE TRIGGER t AFTER UPDATE ON runs BEGIN SELECT writefile('{canary}', 'x'); END",
        "CREATE VIEW v AS SELECT load_extension('{evil}') AS x",
        "CREATE TRIGGER t BEFORE INSERT ON runs BEGIN SELECT fts3_tokenizer('x', x'0000000000000000'); END",
    ],
)
def test_a_planted_trigger_or_view_in_the_warehouse_runs_nothing(plant: str, home: Path, tmp_path: Path) -> None:
    config, canary = feature(tmp_path), tmp_path / "canary"
    plain.feature(config)
    with closing(sqlite3.connect(home / "warehouse.db")) as database:
        database.execute(plant.format(evil=tmp_path / "evil.so", canary=canary))
        database.commit()
    with suppress(LLMEngineeringError):  # the database refuses the function, or never comes to call it
        plain.feature(feature(tmp_path, **{"b.md": "other words"}))
    assert not canary.exists()


def test_files_planted_in_the_home_run_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, canary = feature(tmp_path), tmp_path / "canary"
    plain.feature(config)
    folders = [home, *(folder for folder in home.rglob("*") if folder.is_dir())]
    for folder in folders:
        for name in ("a.pkl", "artifact.pkl", "cache.joblib", "model.pt", "storage.sqlite"):
            (folder / name).write_bytes(pickled(canary))
        for name in ("conftest.py", "sitecustomize.py", "__init__.py", "evil.pth", "qdrant_edge.py"):
            (folder / name).write_text(python_code(canary))
    again = plain.feature(feature(tmp_path, **{"a.md": "some words", "b.md": "other words"}))
    assert (again.new, again.points) == (1, 2)
    assert stages.search(config, ["other words"], {}, 2)[0][0].uri == "b.md"
    assert not canary.exists()


@pytest.mark.parametrize("content", ['{"!python/object": 1}', "[" * 100_000, '"__reduce__"', "null"])
def test_a_foreign_manifest_of_an_index_is_an_error_of_ours(content: str, home: Path, tmp_path: Path) -> None:
    config = feature(tmp_path)
    plain.feature(config)
    for manifest in home.rglob("manifest.json"):
        manifest.write_text(content)
    with pytest.raises(LLMEngineeringError):
        stages.search(config, ["words"], {}, 1)


def test_settings_of_matplotlib_run_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = tmp_path / "matplotlib"
    folder.mkdir()
    (folder / "evil.py").write_text(python_code(canary))
    (folder / "matplotlibrc").write_text("backend: module://evil\naxes.prop_cycle: __import__('evil')\n")
    code = "from llm_engineering.infrastructure.observability.pictures import histogram\nhistogram([1, 2], 'a', 'b')"
    environment = {"MPLCONFIGDIR": str(folder), "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    drawn = python(tmp_path / "home", ["-c", code], tmp_path, **environment)
    assert drawn.code == 0, drawn.err
    assert not canary.exists()


# Configurations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch {canary}']",
        "!!python/object/new:os.system ['touch {canary}']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!env {canary}",
        "&a [*a]",
    ],
)
def test_tags_in_a_configuration_run_nothing(value: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "config.yaml"
    path.write_text(f"ingest:\n  sources: {value.format(canary=canary)}\n")
    with pytest.raises(UsageError):
        read_config(FeatureConfig, path)
    with pytest.raises(UsageError):
        read_config(FeatureConfig, None, [f"ingest.sources={value.format(canary=canary)}"])
    assert not canary.exists()


@pytest.mark.parametrize(
    "template",
    [
        "{x.__class__.__init__.__globals__}",
        "{x[0]}",
        "{x!r}",
        "{x:>9999999999}",
        "{x:{y}}",
        "{}",
        "{x",
    ],
)
def test_a_template_reaches_nothing_but_fields(template: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    source = {"kind": "json", "url": "x.json", "template": template}
    path.write_text(yaml.safe_dump({"ingest": {"sources": [source]}}))
    with pytest.raises(UsageError, match=r"template|field|expected"):
        read_config(FeatureConfig, path)


@pytest.mark.parametrize("kind", ["os", "os.system", "builtins:exec", "__main__", "../evil"])
@pytest.mark.parametrize("section", ["chunking", "embedding", "ingest.sources"])
def test_a_kind_is_never_imported(kind: str, section: str) -> None:
    value = f"[{{kind: '{kind}'}}]" if section == "ingest.sources" else f"{{kind: '{kind}', function: 'os:system'}}"
    with pytest.raises(UsageError, match="unknown kind"):
        read_config(FeatureConfig, None, [f"{section}={value}"])


@pytest.mark.parametrize("section", ["chunking", "cleaning.cleaners", "ingest.sources"])
def test_a_function_of_ones_own_is_not_imported_by_reading_its_configuration(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "loaders_of_mine.py").write_text(python_code(canary))
    monkeypatch.syspath_prepend(tmp_path)
    value = "{kind: python, function: 'loaders_of_mine:run'}"
    read_config(FeatureConfig, None, [f"{section}={value if section == 'chunking' else f'[{value}]'}"])
    assert "loaders_of_mine" not in sys.modules
    assert not canary.exists()


def test_an_environment_file_and_code_in_the_ingested_folder_run_nothing(tmp_path: Path) -> None:
    folder, canary = tmp_path / "documents", tmp_path / "canary"
    folder.mkdir()
    (folder / ".env").write_text(f"LLM_ENGINEERING_HOME=$(touch {canary})`touch {canary}`\n")
    for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "setup.py", "evil.pth", "__init__.py"):
        (folder / name).write_text(python_code(canary))
    (folder / "a.md").write_text("harmless words")
    (tmp_path / ".env").write_text(f"OTHER=$(touch {canary})\n")
    config = config_file(tmp_path, f"{{kind: files, name: d, root: {folder}, include: ['*'], exclude: []}}")
    ran = tool(tmp_path / "home", "run", "feature", "--plain", "--json", "--config", str(config))
    assert ran.last_line["new"] == 8
    assert not canary.exists()


def test_a_repository_with_commands_in_its_configuration_runs_nothing(tmp_path: Path) -> None:
    folder, canary = tmp_path / "repository", tmp_path / "canary"
    folder.mkdir()
    (folder / "a.md").write_text("words of a repository")
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "filter.evil.smudge", "diff.evil.textconv"):
        subprocess.run(["git", "-C", str(folder), "config", key, f"touch {canary}"], check=True)
    for hook in ("post-checkout", "pre-commit", "reference-transaction"):
        path = folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {canary}\n")
        path.chmod(0o755)
    config = config_file(tmp_path, f"{{kind: git, name: g, url: {folder}}}")
    ran = tool(tmp_path / "home", "run", "feature", "--plain", "--json", "--config", str(config))
    assert ran.last_line["new"] == 1
    assert not canary.exists()


def test_the_parser_runs_no_program_and_reaches_no_network(home: Path) -> None:
    """Even code that gets hold of the parser's process can start nothing, write nothing and call nobody."""
    attempts = {
        "system": "import os; os.system('true')",
        "program": "import subprocess; subprocess.run(['true'])",
        "connect": "import socket; socket.create_connection(('127.0.0.1', 9))",
        "resolve": "import socket; socket.getaddrinfo('example.org', 80)",
        "write": f"open({str(home) + '-canary'!r}, 'w')",
        "remove": "import os; os.remove('/nowhere')",
        "memory": "bytearray(4 * 1024**3)",
    }
    for name, attempt in attempts.items():
        code = f"from llm_engineering.infrastructure.parsers.confinement import confine\nconfine(512)\n{attempt}"
        ran = python(home, ["-c", code])
        assert ran.code == 1, name
        assert "PermissionError" in ran.err or "MemoryError" in ran.err, (name, ran.err[-300:])
