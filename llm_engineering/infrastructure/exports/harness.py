"""The command that measures a model with EleutherAI's lm-evaluation-harness, which is no part of this project."""

import re
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import RegisteredModel

INSTALL = 'pip install "lm-eval[hf]"'
_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}")


def harness_command(
    model: RegisteredModel, folder: Path, tasks: str, *, limit: int | None = None, output: str = ""
) -> list[str]:
    """Return the command for tasks of the harness: with the model's own chat template, and no code of the model.

    Args:
        model: A language model of the registry.
        folder: Its verified files.
        tasks: Names of tasks, separated by commas.
        limit: Examples of a task at most.
        output: Folder for the results; empty: they are printed alone.

    Raises:
        UsageError: the harness is not installed, a name is no task's, or the model is none that it can be given.
    """
    if model.kind != "llm":
        raise UsageError(f"{model.reference} is a model of kind {model.kind}; the harness measures language models")
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    wrong = [name for name in names if not _TASK.fullmatch(name)]
    if wrong or not names:
        shown = repr(wrong[0]) if wrong else "an empty list"
        raise UsageError(f"{shown} names no task of the harness; write names with commas: --tasks hellaswag,arc_easy")
    if find_spec("lm_eval") is None:
        raise UsageError(
            f"the lm-evaluation-harness is not installed beside {sys.executable}; type: {INSTALL}. It is an optional "
            "extra of its own: this project neither needs nor locks it"
        )
    if set(str(folder)) & set(",="):
        raise UsageError(f"the harness cannot be given the folder {folder}: a comma or an equals sign is in its path")
    command = [
        sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args",
        f"pretrained={folder},trust_remote_code=False", "--tasks", ",".join(names), "--apply_chat_template",
        "--batch_size", "auto",
    ]  # fmt: skip
    command += ["--limit", str(limit)] if limit is not None else []
    return command + (["--output_path", output] if output else [])


def as_typed(command: Sequence[str]) -> str:
    """Return a command as it is typed into a shell."""
    return shlex.join(command)
