"""Python environments for other frameworks: beside this one, with its torch and sentence-transformers.

They are made on first use under `~/.cache/llm-engineering/benchmarks` and see this environment's packages, so that what
computes is the very same on all sides; the framework's own pinned packages are installed on top. That needs a package
index once.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

CACHE = Path("~/.cache/llm-engineering/benchmarks").expanduser()


def environment(name: str, packages: Sequence[str], cache: Path = CACHE) -> Path:
    """Return the Python of the environment of this name, made on first use."""
    folder = cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python, complete = folder / "bin" / "python", folder / "complete"
    wanted = "\n".join(packages)
    if complete.exists() and complete.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    inside = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    Path(inside, "installed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *packages]
    subprocess.run(pip, check=True)
    complete.write_text(wanted, encoding="utf-8")
    return python
