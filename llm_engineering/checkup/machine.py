"""The machine: Python, git, what computes, and the folder of all state."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from llm_engineering.checkup.subject import Subject
from llm_engineering.domain.checkup import Check, broken, fine, missing, optional
from llm_engineering.infrastructure.vector_stores.locks import FileLock, Held

OLDEST, BEFORE = (3, 11), (3, 13)
ENOUGH_BYTES = 2 * 1024**3
_GIB = 1024**3
# What the kernel calls the units of a processor that multiply bf16; the faster one first.
_BF16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX512"}
_ELSEWHERE = "export LLM_ENGINEERING_HOME=/a/folder/on/this/machine"
# File systems of other machines; the beginning of their names in /proc/mounts.
_NETWORK = ("nfs", "cifs", "smb", "afs", "fuse.sshfs", "ncpfs", "lustre", "glusterfs", "fuse.gluster", "ceph")


def python(subject: Subject, version: tuple[int, int] = sys.version_info[:2]) -> Check:  # noqa: ARG001
    """Look at the version of Python."""
    found = f"Python {version[0]}.{version[1]}"
    if OLDEST <= version < BEFORE:
        return fine("python", f"{found} ({sys.executable})")
    wanted = f"from {OLDEST[0]}.{OLDEST[1]} on, before {BEFORE[0]}.{BEFORE[1]}"
    return broken("python", f"{found}; this project needs one {wanted}", "poetry env use 3.11 && poetry install")


def git(subject: Subject) -> Check:
    """Look for git, which sources of kind `git` need."""
    program = shutil.which("git")
    if program is None:
        needed = any(source.kind == "git" for source in subject.config.ingest.sources)
        say = "git is not installed; sources of kind git need it"
        return missing("git", say, "apt install git") if needed else optional("git", say, "apt install git")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=4, check=False)  # noqa: S603
    return fine("git", done.stdout.strip() or program)


def computing(subject: Subject, devices: Path = Path("/dev"), cpu: Path = Path("/proc/cpuinfo")) -> Check:
    """Say what embedding and training will compute with, without asking torch."""
    wanted = getattr(subject.config.embedding, "device", "cpu")
    cards = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    if cards:
        what = f"{len(cards)} NVIDIA GPU" if wanted in ("auto", "cuda") else "the CPU, as `embedding.device` says"
        return fine("computing", f"{what} ({', '.join(cards)} there)")
    if wanted == "cuda":
        return missing("computing", "embedding.device is cuda, and there is no GPU", "--set embedding.device=auto")
    try:
        features = cpu.read_text(encoding="utf-8", errors="replace")
    except OSError:
        features = ""
    how = next((f"bf16 with {name}" for flag, name in _BF16.items() if flag in features), "fp32; no bf16 in hardware")
    return fine("computing", f"{os.cpu_count() or 1} CPU cores, {how}; no GPU")


def home(subject: Subject) -> Check:
    """Look whether the home can be written to. One that is not there is created by the first run."""
    place = subject.home
    above = _existing(place)
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        return broken(
            "home", f"LLM_ENGINEERING_HOME is {place}: {above} cannot be written to ({error.strerror})", _ELSEWHERE
        )
    return fine("home", f"{place}{'' if place.is_dir() else ' (created by the first run)'}")


def space(subject: Subject, enough: int = ENOUGH_BYTES) -> Check:
    """Look at the free space of the disk that the home is on."""
    free = shutil.disk_usage(_existing(subject.home)).free
    said = f"{free / _GIB:.1f} GiB free for {subject.home}"
    if free >= enough:
        return fine("space", said)
    return missing("space", f"{said}; {enough / _GIB:.1f} GiB are wanted", f"df -h; {_ELSEWHERE}")


def file_locks(subject: Subject, mounts: Path = Path("/proc/mounts")) -> Check:
    """Look whether the home's file system has locks: without them, two runs could write to one index."""
    place = _existing(subject.home)
    kind = file_system_of(place, mounts)
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".doctor-") as folder, FileLock(Path(folder) / "lock"):
            try:
                with FileLock(Path(folder) / "lock"):
                    works = False
            except Held:
                works = True
    except OSError as error:
        return broken(
            "file locks", f"{place} ({kind or 'file system'}): no file can be locked ({error.strerror})", _ELSEWHERE
        )
    if not works:
        return broken("file locks", f"{place} ({kind or 'file system'}): locks do not exclude each other", _ELSEWHERE)
    if kind.startswith(_NETWORK):
        say = f"the home is on a network file system ({kind}); its locks work here, and SQLite is not safe on all"
        return optional("file locks", say, _ELSEWHERE)
    return fine("file locks", f"they work ({kind})" if kind else "they work")


def file_system_of(place: Path, mounts: Path) -> str:
    """Return the kind of the file system that a folder is on, or an empty text where that cannot be told."""
    path = str(place.resolve())
    found = ("", "")
    for point, kind in _mounts(mounts):
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def _mounts(mounts: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 2:
            yield fields[1].replace("\\040", " "), fields[2]


def _existing(place: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next((path for path in (place, *place.parents) if path.exists()), Path("/"))
