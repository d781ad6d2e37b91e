"""Checkpoints that survive `kill -9`: a whole one has a list of its files, a torn one is passed over.

The time that training took is kept beside them, so that a resumed training knows of its former parts.
"""

import json
import os
import re
import shutil
import time
from pathlib import Path
from types import TracebackType

from loguru import logger

from llm_engineering.domain import failpoints

LIST = "files.json"
CLOCK = "clock.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def seal(folder: Path) -> None:
    """Say which files a checkpoint has and how large they are; from now on it counts."""
    failpoints.reach("training.before_seal")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LIST]
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    write_whole(folder / LIST, json.dumps({path.relative_to(folder).as_posix(): path.stat().st_size for path in files}))
    failpoints.reach("training.after_seal")


def is_whole(folder: Path) -> bool:
    """Tell whether a checkpoint has all its files in full."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        return bool(listed) and all((folder / name).stat().st_size == size for name, size in listed.items())
    except (OSError, ValueError, AttributeError):
        return False


def newest_whole(folder: Path) -> Path | None:
    """Return the checkpoint of the most steps that is whole, after removing those that are not."""
    found = sorted(
        (int(match[1]), path) for path in folder.glob("checkpoint-*") if (match := _NAME.fullmatch(path.name))
    )
    for _, path in found:
        if not is_whole(path):
            logger.warning("checkpoint {} is not whole, as its process was killed; it is passed over", path)
            shutil.rmtree(path, ignore_errors=True)
    return next((path for _, path in reversed(found) if path.is_dir()), None)


def write_whole(path: Path, text: str) -> None:
    """Write a small file at once: readers see the former one or the new one."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Clock:
    """Wall time and processor time of a training, its former parts included. It is kept when it ticks."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CLOCK
        folder.mkdir(parents=True, exist_ok=True)
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._seconds, self._cpu = float(kept["seconds"]), float(kept["cpu_seconds"])
            self.resumed = int(kept["parts"])
        except (OSError, ValueError, KeyError, TypeError):
            self._seconds = self._cpu = 0.0
            self.resumed = 0
        self._started, self._cpu_started = time.perf_counter(), time.process_time()

    def __enter__(self) -> "Clock":
        self.tick()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tick()

    @property
    def seconds(self) -> float:
        return self._seconds + time.perf_counter() - self._started

    @property
    def cpu_seconds(self) -> float:
        return self._cpu + time.process_time() - self._cpu_started

    def tick(self) -> None:
        """Keep the time up to now."""
        kept = {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "parts": self.resumed + 1}
        write_whole(self._path, json.dumps(kept))
