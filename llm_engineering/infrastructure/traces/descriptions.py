"""What describes a corpus as a whole: pages of runs, entity graphs, signatures. All of it can be made again."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.run_pages import RunPages
from llm_engineering.infrastructure.traces.files import mentions, remove


@dataclass(frozen=True)
class Descriptions:
    """Pages that name the documents go, and so do the graphs and signatures of collections that hold them.

    The next run makes graph and signatures again, without them.
    """

    home: Path
    warehouse: Warehouse
    place: str = "descriptions of the corpus"

    def find(self, traces: Traces) -> Found:
        shown = {page for run, page in self._pages() if self._may_show(run, traces)}
        concerned = (
            path for path in self._all() if path in shown or any(mentions(file, traces) for file in _files(path))
        )
        items = (path.relative_to(self.home).as_posix() for path in concerned)
        return Found(place=self.place, what="pages of runs, entity graphs and signatures").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - one signature for all places
        for item in items:
            remove(self.home / item)

    def _pages(self) -> Iterator[tuple[int, Path]]:
        for folder in sorted((self.home / "reports").glob("*")):
            yield from RunPages(self.home, folder.name).all().items()

    def _may_show(self, run: int, traces: Traces) -> bool:
        """Return whether the page of a run may show the target: it cuts and escapes names, its account does not.

        A page without an account, of a run that was killed or that nobody knows, counts as if it did.
        """
        try:
            report = self.warehouse.run_record(run)["report"]
        except UsageError:
            return True
        told = isinstance(report, dict) and bool(report.get("corpus"))
        return not told or traces.are_in(json.dumps(report, ensure_ascii=False))

    def _all(self) -> Iterator[Path]:
        yield from sorted((self.home / "reports").glob("*/*"))
        yield from sorted(path for path in (self.home / "graphs").glob("*/*") if path.is_dir())
        yield from sorted(path for path in (self.home / "duplicates").glob("*") if path.is_dir())


def _files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else iter((path,))
