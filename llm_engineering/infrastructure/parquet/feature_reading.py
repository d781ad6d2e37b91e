"""Read an export back: every file is proved by its hash before a row of it is used, and nothing in it is ever run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.features import FeatureChunk, FeatureDocument, FeatureFile, FeatureManifest
from llm_engineering.domain.raw_documents import DocumentManifest, RawDocument
from llm_engineering.infrastructure.parquet.feature_layout import MANIFEST, PATH, parts, strangers
from llm_engineering.infrastructure.parquet.layout import Layout, layout_of, layout_with_vectors_of

if TYPE_CHECKING:
    import pyarrow.dataset as ds

T = TypeVar("T")
M = TypeVar("M", FeatureManifest, DocumentManifest)

# A manifest is some hundred bytes for each source. What is larger is none.
LARGEST_MANIFEST = 256 * 1024 * 1024
_AGAIN = "export it again, or get a fresh copy"


class FeatureDataset(Generic[T]):
    """The port `Dataset` over the files of one kind. `arrow` gives the same rows to pyarrow, pandas, DuckDB, torch."""

    def __init__(self, folder: Path, files: Sequence[FeatureFile], layout: Layout) -> None:
        self.folder = folder
        self.paths = [folder / file.path for file in files]
        self._files = files
        self._layout = layout

    def __len__(self) -> int:
        return sum(file.count for file in self._files)

    def __iter__(self) -> Iterator[T]:
        for path, file in zip(self.paths, self._files, strict=True):
            for group in self._row_groups(path):
                with damage(path):
                    rows = list(self._layout.decode(group))
                _check_sources(rows, file, path)
                yield from rows

    def arrow(self) -> "ds.Dataset":
        """Return the files as one data set of Arrow columns, to be read in batches, filtered and joined."""
        import pyarrow.dataset as ds

        return ds.dataset([str(path) for path in self.paths], schema=self._layout.schema, format="parquet")

    def check(self) -> None:
        """Compare schema and number of rows of each file with what they must be.

        Raises:
            UsageError: a file holds other columns, or another number of rows.
        """
        for path, file in zip(self.paths, self._files, strict=True):
            with damage(path), pq.ParquetFile(path) as parquet:
                if not parquet.schema_arrow.equals(self._layout.schema, check_metadata=False):
                    raise UsageError(f"{path} has the columns {', '.join(parquet.schema_arrow.names)}; {_AGAIN}")
                if parquet.metadata.num_rows != file.count:
                    raise UsageError(f"{path} has {parquet.metadata.num_rows} rows, not {file.count}; {_AGAIN}")

    @staticmethod
    def _row_groups(path: Path) -> Iterator[pa.Table]:
        with damage(path):
            parquet = pq.ParquetFile(path, page_checksum_verification=True)
        with parquet:
            for number in range(parquet.num_row_groups):
                with damage(path):
                    group = parquet.read_row_group(number)
                yield group


@dataclass(frozen=True)
class Features:
    """The port `FeatureVersion` over an exported folder: the manifest, and two data sets that stream from disk."""

    manifest: FeatureManifest
    documents: FeatureDataset[FeatureDocument]
    chunks: FeatureDataset[FeatureChunk]


def read_features(folder: Path, *, verify: bool = True) -> Features:
    """Open an export.

    Args:
        folder: Where it was exported to.
        verify: Compare every file with its hash first; without it, only sizes, columns and numbers of rows.

    Raises:
        UsageError: there is no finished export, or a file is missing, damaged, changed, or not of the export. The
            message names the file.
    """
    manifest = read_manifest(folder)
    with damage(folder):
        _refuse_strangers(folder, manifest)
        for file in manifest.files:
            _check_file(folder / file.path, file, verify=verify)
    dimension = manifest.model.dimension
    documents = FeatureDataset[FeatureDocument](folder, manifest.files_of("documents"), layout_of(FeatureDocument))
    chunks = FeatureDataset[FeatureChunk](folder, manifest.files_of("chunks"), layout_with_vectors_of(dimension))
    for name, dataset, count in (("documents", documents, manifest.documents), ("chunks", chunks, manifest.chunks)):
        dataset.check()
        if len(dataset) != count:
            raise UsageError(f"{folder / MANIFEST} counts {count} {name}, and its files {len(dataset)}; {_AGAIN}")
    return Features(manifest, documents, chunks)


def read_manifest(folder: Path) -> FeatureManifest:
    """Read the manifest of an export, and prove it by its digest.

    Raises:
        UsageError: there is none, or it was changed.
    """
    return _manifest(folder, FeatureManifest)


def _manifest(folder: Path, kind: type[M]) -> M:
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_MANIFEST)
        manifest = kind.model_validate_json(text)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{folder} holds no finished export: {MANIFEST} is missing; {_AGAIN}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise UsageError(
            f"{path} is no manifest of an export that this version reads ({where}: {first['msg']}); {_AGAIN}"
        ) from error
    if manifest.sealed().digest != manifest.digest:
        raise UsageError(f"{path} was changed or damaged: it does not have the digest that it names; {_AGAIN}")
    return manifest


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what Arrow and the file system say about a damaged file into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename or path} is missing from the export; {_AGAIN}") from error
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise UsageError(f"{path} is damaged or no file of an export ({error}); {_AGAIN}") from error


def read_documents(folder: Path) -> tuple[DocumentManifest, FeatureDataset[RawDocument]]:
    """Open an export of documents: its manifest, and its rows, which stream from disk. Every file is proved first.

    Raises:
        UsageError: there is no finished export, or a file is missing, damaged, changed, or not of the export. The
            message names the file.
    """
    manifest = _manifest(folder, DocumentManifest)
    with damage(folder):
        _refuse_strangers(folder, manifest)
        for file in manifest.files:
            _check_file(folder / file.path, file, verify=True)
    rows = FeatureDataset[RawDocument](folder, manifest.files, layout_of(RawDocument))
    rows.check()
    if len(rows) != manifest.documents:
        raise UsageError(
            f"{folder / MANIFEST} counts {manifest.documents} documents, and its files {len(rows)}; {_AGAIN}"
        )
    return manifest, rows


def _refuse_strangers(folder: Path, manifest: FeatureManifest | DocumentManifest) -> None:
    """Refuse files that are not in the manifest: other programs would read them as part of the data set."""
    paths = [file.path for file in manifest.files]
    if wrong := next((path for path in paths if not PATH.fullmatch(path)), None):
        raise UsageError(f"{folder / MANIFEST} names {wrong!r}, which is no path of an export; {_AGAIN}")
    known = set(paths)
    if len(known) < len(paths):
        raise UsageError(f"{folder / MANIFEST} names a file twice; {_AGAIN}")
    unknown = (path for path in parts(folder) if path not in known)
    if (stranger := next(chain(strangers(folder), unknown), None)) is not None:
        raise UsageError(f"{folder / stranger} is not part of the export; take it away, or {_AGAIN}")


def _check_file(path: Path, file: FeatureFile, *, verify: bool) -> None:
    size = path.stat().st_size
    if size != file.bytes:
        raise UsageError(f"{path} has {size} bytes, not {file.bytes}: it was changed or cut off; {_AGAIN}")
    if not file.path.startswith(f"{file.rows}/"):
        raise UsageError(f"{path} is named as a file of {file.rows}, and lies elsewhere; {_AGAIN}")
    if verify:
        with path.open("rb") as content:
            if file_digest(content, "sha256").hexdigest() != file.sha256:
                raise UsageError(f"{path} was changed or damaged: its SHA-256 is another one; {_AGAIN}")


def _check_sources(rows: Sequence[FeatureDocument | FeatureChunk | RawDocument], file: FeatureFile, path: Path) -> None:
    if other := {row.source_name for row in rows} - {file.source}:
        raise UsageError(f"{path} holds rows of source {other.pop()!r} among those of {file.source!r}; {_AGAIN}")
