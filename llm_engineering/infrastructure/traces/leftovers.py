"""What runs leave in the home beside the stores: spools, clones of repositories, exports, logs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.lineage import Derivative
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.traces import Traces
from llm_engineering.infrastructure.settings import STATE_FOLDERS
from llm_engineering.infrastructure.traces.files import mentions, remove


@dataclass(frozen=True)
class Spools:
    """The data sets between the steps of runs. What a process spooled goes together: tokens name no document."""

    home: Path
    place: str = "spools"

    def find(self, traces: Traces) -> Found:
        folders = sorted((self.home / "spool").glob("*"))
        named = {_process(folder) for folder in folders if any(mentions(path, traces) for path in _files(folder))}
        items = tuple(folder.name for folder in folders if _process(folder) in named)
        return Found(place=self.place, what="data sets").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - one signature for all places
        for item in items:
            remove(self.home / "spool" / item)


@dataclass(frozen=True)
class Clones:
    """Bare clones of git repositories. They are compressed, and the next run fetches them again: all of them go."""

    home: Path
    place: str = "git clones"

    def find(self, traces: Traces) -> Found:
        from_git = traces.target.kind != "uri" or any("#" in uri for uri in traces.uris)
        items = tuple(path.name for path in sorted((self.home / "git").glob("*"))) if from_git else ()
        return Found(place=self.place, what="clones, fetched again when they are needed").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - one signature for all places
        for item in items:
            remove(self.home / "git" / item)


@dataclass(frozen=True)
class Exports:
    """What was made from the documents and lies in the home. It goes as a whole: it can be made again without them."""

    home: Path
    warehouse: Warehouse
    place: str = "exports in the home"

    def find(self, traces: Traces) -> Found:
        made = self.warehouse.derivatives_of(traces.document_ids)
        items = tuple(derivative.id for derivative in made if self._is_here(derivative))
        return Found(place=self.place, what="exports, data sets or models").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:  # noqa: ARG002 - one signature for all places
        for derivative in self.warehouse.derivatives():
            if derivative.id in items and self._is_here(derivative):
                remove(_path(derivative))
        self.warehouse.drop_derivatives(items)

    def _is_here(self, derivative: Derivative) -> bool:
        if derivative.kind in KEPT_ELSEWHERE or derivative.place.startswith("s3://"):
            return False
        path = _path(derivative).resolve()
        # Only what has a folder or file of its own; never a store, and never the home itself.
        return path.is_relative_to(self.home) and path != self.home and is_ours(path.relative_to(self.home).parts[0])


@dataclass(frozen=True)
class Strays:
    """What killed processes left of exports, and logs, which lose the lines that mention the target."""

    home: Path
    place: str = "logs and half-made exports"

    def find(self, traces: Traces) -> Found:
        entries = [*sorted(self.home.glob("*.log")), self.home / EXPORTS]
        items = tuple(named for entry in entries for named in _named(entry, self.home, traces))
        return Found(place=self.place, what="files").with_items(items)

    def remove(self, items: Collection[str], traces: Traces) -> None:
        for item in items:
            path = self.home / item
            if path.suffix != ".log":
                remove(path)
            elif path.exists():
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
                # In place: whoever has it open goes on writing to it.
                path.write_text("".join(line for line in lines if not traces.are_in(line)), encoding="utf-8")


EXPORTS = "exports"
# Data sets lose the rows that have to go. A model that learnt from documents is named, so that people can decide.
KEPT_ELSEWHERE = frozenset({"dataset", "model"})
# What has no place of its own among those that are searched: the card of a model may mention the target.
_NOT_SEARCHED = frozenset({"registry", "training"})


def is_ours(entry: str, stores: Collection[str] = STATE_FOLDERS) -> bool:
    """Return whether an entry of the home may be removed: it is no store and no database."""
    return entry not in stores and not entry.startswith(("warehouse.db", "assistant.db"))


def others_in(home: Path, traces: Traces, going: Collection[Derivative]) -> Iterator[str]:
    """Yield the files of the home that mention the target, were put there by somebody else, and are not going."""
    gone = [_path(made).resolve() for made in going]
    for entry in sorted(home.glob("*")):
        if is_ours(entry.name, STATE_FOLDERS - _NOT_SEARCHED) and entry.name != EXPORTS and entry.suffix != ".log":
            for found in _named(entry, home, traces):
                if not any((home / found).is_relative_to(place) for place in gone):
                    yield found


def _named(entry: Path, home: Path, traces: Traces) -> Iterator[str]:
    return (path.relative_to(home).as_posix() for path in _files(entry) if mentions(path, traces))


def _path(derivative: Derivative) -> Path:
    """Return the place of a derivative as a path; an address elsewhere becomes a path that is in no home."""
    place = derivative.place
    return Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)


def _files(entry: Path) -> Iterator[Path]:
    if entry.is_file():
        yield entry
    elif entry.is_dir():
        yield from (path for path in sorted(entry.rglob("*")) if path.is_file())


def _process(spool: Path) -> str:
    return spool.name.partition("-")[0]
