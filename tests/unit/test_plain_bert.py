"""Models that are loaded in torch alone, and those that are left to the library."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_engineering.infrastructure.embedders.model_files import ModelFiles
from llm_engineering.infrastructure.embedders.model_source import packaged

pytestmark = pytest.mark.model
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def files_with(folder: Path, name: str = "config.json", **changes: Any) -> ModelFiles:
    """Copy the packaged model's settings, changed, beside a link to its weights."""
    source = packaged(MINILM)
    assert source is not None
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").symlink_to(source / "model.safetensors")
    settings = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**settings, **changes}))
    return ModelFiles("copy", folder)


def test_the_default_model_is_a_plain_bert(tmp_path: Path) -> None:
    from llm_engineering.infrastructure.embedders.plain_bert import is_plain_bert

    assert is_plain_bert(files_with(tmp_path / "model"))


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"name": "1_Pooling/config.json", "pooling_mode_cls_token": True},
        {"name": "1_Pooling/config.json", "pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True},
    ],
    ids=str,
)
def test_what_computes_otherwise_is_left_to_the_library(tmp_path: Path, changes: dict[str, Any]) -> None:
    from llm_engineering.infrastructure.embedders.plain_bert import is_plain_bert

    assert not is_plain_bert(files_with(tmp_path / "model", **changes))


@pytest.mark.parametrize("changes", [{"hidden_size": 128}, {"num_hidden_layers": 7}, {"vocab_size": "many"}], ids=str)
def test_weights_that_the_settings_do_not_describe_are_a_clear_error(tmp_path: Path, changes: dict[str, Any]) -> None:
    from llm_engineering.domain.errors import UsageError
    from llm_engineering.infrastructure.embedders.bert import Bert

    with pytest.raises(UsageError, match="cannot be loaded"):
        Bert.load(files_with(tmp_path / "model", **changes))


@pytest.mark.slow
def test_embedding_with_it_imports_neither_transformers_nor_sentence_transformers(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from llm_engineering.infrastructure.embedders import *\n"
        f"vector = SentenceTransformers().open(Path({str(tmp_path)!r})).embed_query('a question')\n"
        "heavy = {'transformers', 'sentence_transformers', 'sklearn', 'torch._dynamo'}\n"
        "assert len(vector) == 384; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
