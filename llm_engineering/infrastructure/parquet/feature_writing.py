"""Write an export: one Parquet file for each source and kind of rows, the manifest last."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow.parquet as pq

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.features import FeatureChunk, FeatureDocument, FeatureFile, FeatureManifest
from llm_engineering.domain.raw_documents import DocumentManifest, RawDocument
from llm_engineering.infrastructure.parquet.dataset import translated
from llm_engineering.infrastructure.parquet.feature_layout import (
    MANIFEST,
    PART,
    TABLES,
    UNFINISHED,
    partitions,
    strangers,
)
from llm_engineering.infrastructure.parquet.layout import Layout, layout_of, layout_with_vectors_of
from llm_engineering.infrastructure.parquet.writing import batches
from llm_engineering.infrastructure.vector_stores.folders import replace_file, sync
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held

T = TypeVar("T")

EXPORTED_ROWS = 4_096  # in a row group: exports of one version have the same bytes for ever


class FeatureFolder:
    """The ports `FeatureWriter` and `DocumentWriter` over a folder that `new_export` has claimed."""

    def __init__(self, folder: Path, sources: Sequence[str]) -> None:
        self._folder = folder
        self._partitions: Mapping[str, str] = partitions(sources)

    def write_documents(self, source: str, rows: Iterable[FeatureDocument]) -> FeatureFile:
        return self._write("documents", source, rows, layout_of(FeatureDocument))

    def write_raw(self, source: str, rows: Iterable[RawDocument]) -> FeatureFile:
        return self._write("documents", source, rows, layout_of(RawDocument))

    def write_chunks(self, source: str, rows: Iterable[FeatureChunk], dimension: int) -> FeatureFile:
        return self._write("chunks", source, rows, layout_with_vectors_of(dimension))

    def seal(self, manifest: FeatureManifest | DocumentManifest) -> None:
        # ASCII, so that a name with half a character in it does not stop the file from being written.
        text = manifest.model_dump_json(indent=2, ensure_ascii=True)
        with translated(self._folder / MANIFEST):
            replace_file(self._folder / MANIFEST, text + "\n")

    def _write(
        self, kind: Literal["documents", "chunks"], source: str, rows: Iterable[T], layout: Layout
    ) -> FeatureFile:
        path = self._folder / kind / self._partitions[source] / PART
        count = 0
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = pq.ParquetWriter(path, layout.schema, compression="zstd", write_page_checksum=True)
        try:
            for batch in batches(rows, layout, EXPORTED_ROWS):
                encoded = layout.encode(batch)
                with translated(path):
                    writer.write_batch(encoded)
                count += len(batch)
        finally:
            with translated(path):
                writer.close()
        with translated(path):
            sync(path)
            sync(path.parent)
            with path.open("rb") as file:
                sha256 = file_digest(file, "sha256").hexdigest()
            size = path.stat().st_size
        name = path.relative_to(self._folder).as_posix()
        return FeatureFile(path=name, rows=kind, source=source, count=count, bytes=size, sha256=sha256)


@contextmanager
def new_export(folder: Path, sources: Sequence[str], *, force: bool = False) -> Iterator[FeatureFolder]:
    """Claim a folder for an export of these sources; what was written is removed again if the block fails.

    The folder is new or empty, or holds the rest of an export that was killed; with `force`, also an older export,
    which is gone from this moment on.

    Raises:
        UsageError: the folder holds something else, or another process is exporting to it.
        BackendError: the folder cannot be written.
    """
    check_free(folder, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made a folder ({error.strerror}); name another one") from error
    with _alone(folder):
        # Once more: since the first look, another process may have finished an export here.
        check_free(folder, force=force)
        _clear(folder)
        try:
            yield FeatureFolder(folder, sources)
        except BaseException:
            _clear(folder)
            raise


def check_free(folder: Path, *, force: bool) -> None:
    """Refuse a folder that an export would do harm to.

    Raises:
        UsageError: it holds files that no export made, or an export that is not to be replaced.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is no folder; name a new or an empty one")
    stranger = next(strangers(folder), None)
    if stranger is not None:
        raise UsageError(f"{folder} holds {stranger!r}, which no export made; name a new or an empty folder")
    if (folder / MANIFEST).exists():
        if not force:
            raise UsageError(f"{folder} holds an export already; name another folder, or replace it with --force")
    elif not (folder / UNFINISHED).exists() and any(folder.glob("*")):
        raise UsageError(f"{folder} is not empty, and has no {MANIFEST}; name a new or an empty folder")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a mark in the folder that says that an export is being written; it stays if this process is killed."""
    mark = folder / UNFINISHED
    try:
        with translated(mark), FileLock(mark):
            try:
                yield
            finally:
                mark.unlink(missing_ok=True)
                sync(folder)
    except Held as held:
        raise UsageError(f"{held} is exporting to {folder}; wait until it is done, or name another folder") from held


def _clear(folder: Path) -> None:
    """Remove an export, whole or half: first what makes it one."""
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
        sync(folder)
        for table in TABLES:
            if (folder / table).exists():
                shutil.rmtree(folder / table)
    except OSError as error:
        raise BackendError(f"the old export in {folder} cannot be removed: {error}") from error
