"""Run the project's command lines as a user does: in a process of their own, with a home of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools.command_line import guarded

if TYPE_CHECKING:
    from llm_engineering.domain.reports import Report

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Finished:
    """A command that ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> Any:
        """Return the last line of standard output, parsed as JSON."""
        return json.loads(self.out.rstrip().splitlines()[-1])


def python(home: Path, arguments: Sequence[str], cwd: Path = ROOT, **environment: str) -> Finished:
    """Run this Python with arguments."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_ENGINEERING", "ZENML"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**inherited, "LLM_ENGINEERING_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def tool(home: Path, name: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> Finished:
    """Run `python -m tools.NAME`."""
    return python(home, ["-m", f"tools.{name}", *arguments], cwd, **environment)


def called(name: str, *arguments: str) -> Finished:
    """Call `tools.NAME` in this process, for what is refused before any work: a process costs more than the answer."""
    main = import_module(f"tools.{name}").main
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", [name, *arguments])
        try:
            code = guarded(main)
        except SystemExit as ended:  # the parser's
            code = int(ended.code or 0)
    return Finished(code, out.getvalue(), err.getvalue())


def indexed(config: Path) -> "Report":
    """Run the feature pipeline on this test's home, in this process: what a command under test finds there."""
    from llm_engineering import plain
    from llm_engineering.config import FeatureConfig, read_config

    return plain.feature(read_config(FeatureConfig, config))


def config_file(folder: Path, *sources: str, more: str = "") -> Path:
    """Write a configuration with the hashing embedder, which needs no weights; sources are YAML flow mappings."""
    listed = "".join(f"    - {source}\n" for source in sources) or "    []\n"
    path = folder / "config.yaml"
    path.write_text(f"ingest:\n  sources:\n{listed}embedding: {{kind: hashing}}\nload: {{collection: test}}\n{more}")
    return path
