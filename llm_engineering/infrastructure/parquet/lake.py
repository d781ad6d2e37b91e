"""Exports on S3 and its like: written on this machine and copied there, or copied here and read. The manifest is last.

Credentials come from the environment alone (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE …), and so does the
address of a store that is not Amazon's: AWS_ENDPOINT_URL, for example http://127.0.0.1:9000 of MinIO.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.features import FeatureFile, FeatureManifest
from llm_engineering.domain.raw_documents import DocumentManifest
from llm_engineering.domain.secrets import redact
from llm_engineering.infrastructure.parquet.feature_layout import MANIFEST, PATH, UNFINISHED
from llm_engineering.infrastructure.settings import STATE_FOLDERS

SCHEME = "s3://"
_PLACE = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,62}(/[^\s?#*\\]+)*/?")
_LARGEST_MANIFEST = 256 * 1024 * 1024
# For the client of S3: who does not answer is given up in seconds, not in minutes.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 2}}


def is_remote(place: str | Path) -> bool:
    """Return whether a place is one of an object store."""
    return "://" in str(place)


class Lake:
    """A prefix of a bucket that holds one export, or will."""

    def __init__(self, place: str) -> None:
        if not _PLACE.fullmatch(place) or ".." in place.split("/"):
            raise UsageError(f"{redact(place)!r} is no place for an export; write s3://BUCKET/PREFIX, or a folder")
        self.place = place.rstrip("/")
        self._root = self.place.removeprefix(SCHEME)
        try:
            import s3fs
        except ImportError as error:
            raise UsageError(f"{SCHEME} needs the extra 's3'; type: poetry install --extras s3") from error
        with self._translated():
            self._store: Any = s3fs.S3FileSystem(
                use_listings_cache=False, skip_instance_cache=True, config_kwargs=_PATIENCE
            )

    def check_free(self, *, force: bool) -> None:
        """Refuse a prefix that an export would do harm to.

        Raises:
            UsageError: it holds objects that no export made, or an export that is not to be replaced.
        """
        found = self._sizes()
        if stranger := next((path for path in found if not _is_ours(path)), None):
            raise UsageError(f"{self.place} holds {stranger!r}, which no export made; name another prefix")
        if MANIFEST in found and not force:
            raise UsageError(f"{self.place} holds an export already; name another prefix, or replace it with --force")
        if found and MANIFEST not in found and UNFINISHED not in found:
            raise UsageError(f"{self.place} is not empty, and has no {MANIFEST}; name another prefix")

    def put(self, folder: Path, *, force: bool) -> None:
        """Copy a finished export here. Before the last object is there, nobody can read any of it.

        Raises:
            UsageError: see `check_free`.
            BackendError: the store failed; what was copied is removed, or taken away by the next export.
        """
        self.check_free(force=force)
        with self._translated():
            self._store.pipe_file(self._key(UNFINISHED), b"")
        self._clear()
        try:
            with self._translated():
                for path in sorted(path for path in folder.rglob("*.parquet") if path.is_file()):
                    self._store.put_file(str(path), self._key(path.relative_to(folder).as_posix()))
                self._store.put_file(str(folder / MANIFEST), self._key(MANIFEST))
        except BaseException:
            self._clear()
            raise
        with self._translated():
            self._store.rm_file(self._key(UNFINISHED))

    def get(self, folder: Path) -> None:
        """Copy the export into an empty folder; whoever reads it there proves it by its digests.

        Raises:
            UsageError: there is no finished export, its manifest names what no export has, or an object is missing,
                of another size, or not of the export.
        """
        found = self._sizes()
        if MANIFEST not in found:
            raise UsageError(f"{self.place} holds no finished export: {MANIFEST} is missing; export it again")
        if found[MANIFEST] > _LARGEST_MANIFEST:
            raise UsageError(f"{self.place}/{MANIFEST} has {found[MANIFEST]} bytes; it is no manifest of an export")
        with self._translated():
            text = bytes(self._store.cat_file(self._key(MANIFEST)))
        files = _files(text, f"{self.place}/{MANIFEST}")
        self._compare(files, found)
        (folder / MANIFEST).write_bytes(text)
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with self._translated():
                self._store.get_file(self._key(path), str(folder / path))

    def _compare(self, files: Mapping[str, FeatureFile], found: Mapping[str, int]) -> None:
        for path, file in files.items():
            if found.get(path) != file.bytes:
                size = "is missing" if path not in found else f"has {found[path]} bytes, not {file.bytes}"
                raise UsageError(f"{self.place}/{path} {size}; export it again, or get a fresh copy")
        if stranger := next((path for path in found if path not in (*files, MANIFEST, UNFINISHED)), None):
            raise UsageError(f"{self.place}/{stranger} is not part of the export; take it away")

    def _sizes(self) -> dict[str, int]:
        """Return the objects below the prefix, by their path from it, with their sizes in bytes."""
        with self._translated():
            found = self._store.find(self._root, detail=True)
        start = len(self._root) + 1
        return {key[start:]: int(info["size"]) for key, info in found.items() if key.startswith(f"{self._root}/")}

    def _clear(self) -> None:
        """Remove an export, whole or half: first what makes it one. The mark that it is not finished stays."""
        with self._translated():
            for path in sorted(self._sizes(), key=lambda path: path != MANIFEST):
                if path != UNFINISHED:
                    self._store.rm_file(self._key(path))

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of the client, which has trees of its own, into ours."""
        try:
            yield
        except (UsageError, BackendError):
            raise
        except FileNotFoundError as error:
            raise UsageError(f"{self.place}: there is no such bucket or object; check the name") from error
        except PermissionError as error:
            raise UsageError(
                f"{self.place} may not be read or written ({redact(str(error))}); check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, and AWS_ENDPOINT_URL if the store is not Amazon's"
            ) from error
        except Exception as error:
            kind, detail = type(error).__name__, redact(" ".join(str(error).split())[:300])
            if kind in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
                raise UsageError(
                    f"{self.place}: {detail}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                ) from error
            raise BackendError(f"{self.place} failed ({kind}): {detail}", transient=True) from error


def _is_ours(path: str) -> bool:
    return path in (MANIFEST, UNFINISHED) or PATH.fullmatch(path) is not None


def _files(text: bytes, name: str) -> dict[str, FeatureFile]:
    """Return the files that a manifest names; what it says otherwise is proved when it is read."""
    kinds = (FeatureManifest, DocumentManifest)
    for kind in kinds:
        try:
            files = kind.model_validate_json(text).files
        except ValidationError:
            continue
        if wrong := next((file.path for file in files if not PATH.fullmatch(file.path)), None):
            raise UsageError(f"{name} names {wrong!r}, which is no path of an export; export it again")
        return {file.path: file for file in files}
    raise UsageError(f"{name} is no manifest of an export that this version reads; export it again")


@contextmanager
def outgoing(place: str | Path, spool: Path, *, force: bool) -> Iterator[Path]:
    """Yield the folder to write an export to; for a place on S3, what is in it at the end is copied there.

    Raises:
        UsageError: the folder lies in one that runs fill themselves, where no erasure would look for an export.
    """
    if not is_remote(place):
        target, home = Path(place).absolute(), spool.parent
        if any(target.resolve().is_relative_to(home / name) for name in STATE_FOLDERS):
            example = home / "exports" / target.name
            raise UsageError(f"{target} lies where runs keep their own files; name another folder, such as {example}")
        yield target
        return
    lake = Lake(str(place))
    lake.check_free(force=force)
    with _folder(spool) as folder:
        yield folder / "export"
        lake.put(folder / "export", force=force)


@contextmanager
def incoming(place: str | Path, spool: Path) -> Iterator[Path]:
    """Yield the folder of an export; one on S3 is copied to this machine meanwhile."""
    if not is_remote(place):
        yield Path(place)
        return
    lake = Lake(str(place))
    with _folder(spool) as folder:
        lake.get(folder)
        yield folder


@contextmanager
def _folder(spool: Path) -> Iterator[Path]:
    """Yield a folder among the spools, which are swept after a kill."""

    spool.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-lake-", dir=spool))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
