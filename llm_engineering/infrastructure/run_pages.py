"""The pages of feature runs in the home, `reports/COLLECTION/run-N.html`, and what the next page needs of the last."""

import re
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.vector_stores.folders import replace_file

# Pages of older runs go: each is some hundred kilobytes at most.
KEPT = 50
_NAME = re.compile(r"run-(\d+)\.html")


@dataclass(frozen=True)
class RunPages:
    """The pages of a collection."""

    home: Path
    collection: str

    @property
    def folder(self) -> Path:
        return self.home / "reports" / self.collection

    def all(self) -> dict[int, Path]:
        """Return run → page, the newest first."""
        found = {int(name[1]): path for path in self.folder.glob("run-*.html") if (name := _NAME.fullmatch(path.name))}
        return dict(sorted(found.items(), reverse=True))

    def path(self, run: int) -> Path:
        return self.folder / f"run-{run}.html"

    def write(self, run: int, page: str) -> Path:
        """Write the page of a run, and remove those that are too old.

        Raises:
            BackendError: the disk is full, or the folder cannot be written.
        """
        path = self.path(run)
        self._write(path, page)
        for old in list(self.all().values())[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def read_corpus(self, version: str) -> str:
        """Return what was kept of an index version, as JSON; an empty text if there is nothing."""
        try:
            return (self.folder / f"corpus-{version}.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""  # it is made again

    def write_corpus(self, version: str, content: str) -> None:
        """Keep a description of an index version."""
        self._write(self.folder / f"corpus-{version}.json", content)

    def _write(self, path: Path, content: str) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            raise BackendError(f"the report {path} cannot be written: {error}") from error


def all_pages(home: Path) -> dict[int, Path]:
    """Return run → page of all collections, the newest first."""
    folders = (path for path in (home / "reports").glob("*") if path.is_dir())
    found = {run: page for folder in folders for run, page in RunPages(home, folder.name).all().items()}
    return dict(sorted(found.items(), reverse=True))
