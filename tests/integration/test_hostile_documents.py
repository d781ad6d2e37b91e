"""A corpus that means harm through the whole feature pipeline: all of it is accounted for, and nobody is hurt.

`HOSTILE_SCALE=1` makes the bombs five times as large as in the usual run.
"""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_lines import Finished, config_file, python, tool
from hostile_documents import INDEXED, Hostile, hostile_documents, write_corpus

from llm_engineering.bootstrap import Workspace
from llm_engineering.domain.documents import Document

pytestmark = pytest.mark.slow

SCALE = float(os.environ.get("HOSTILE_SCALE", "0.2"))
# Runs `tools.run` and says on the last line of standard error how much memory this process, not its children, took.
WITH_PEAK = """
import runpy, sys
from pathlib import Path
sys.argv = ["tools.run", *sys.argv[1:]]
try:
    runpy.run_module("tools.run", run_name="__main__")
finally:
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
"""
MOST_MEMORY_KB = 1_500_000


@dataclass
class Ran:
    manifest: dict[str, Hostile]
    first: Finished
    second: Finished
    stored: dict[str, Document]
    connections: list[Any]

    @property
    def report(self) -> Any:
        return self.first.last_line


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    base = tmp_path_factory.mktemp("hostile")
    (base / "corpus").mkdir()
    (base / "outside.md").write_text("not to be read")
    with _listener() as (address, connections):
        manifest = write_corpus(base / "corpus", hostile_documents(SCALE, address))
        source = f"{{kind: files, name: hostile, root: {base / 'corpus'}, include: ['*'], exclude: []}}"
        config = config_file(base, source, more="limits: {failures: null}\n")
        arguments = ["-c", WITH_PEAK, "feature", "--plain", "--json", "--config", str(config)]
        first, second = (python(base / "home", arguments) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENGINEERING_HOME", str(base / "home"))
        with Workspace().warehouse() as warehouse:
            ids = [state.document_id for state in warehouse.live(["hostile"])]
            stored = {document.uri: document for document in warehouse.documents(ids)}
    yield Ran(manifest, first, second, stored, connections)
    assert not [*base.rglob("canary"), *Path().glob("canary")]


@contextmanager
def _listener() -> Iterator[tuple[str, list[Any]]]:
    """Listen on loopback, and note who connects."""
    connections: list[Any] = []

    def accept() -> None:
        while True:
            try:
                connections.append(server.accept()[1])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", connections
        server.shutdown(socket.SHUT_RDWR)


def test_the_run_finishes_and_its_books_balance(ran: Ran) -> None:
    assert ran.first.code == 0, ran.first.err[-3000:]
    report = ran.report
    assert len(ran.manifest) >= 200
    assert report["found"] == len(ran.manifest)
    assert report["found"] == report["new"] + report["rejected"] + report["failed"]
    assert report["points"] == report["chunks"] == report["written"] > 0


def test_each_document_is_indexed_or_reported_exactly_once_with_an_allowed_outcome(ran: Ran) -> None:
    outcomes = defaultdict(list)
    for incident in (*ran.report["rejections"], *ran.report["failures"]):
        outcomes[incident["uri"]].append(incident["reason"])
    for uri in ran.stored:
        outcomes[uri].append(INDEXED)
    wrong = {
        uri: (outcomes.get(uri), sorted(document.outcomes))
        for uri, document in ran.manifest.items()
        if len(outcomes.get(uri, [])) != 1 or outcomes[uri][0] not in document.outcomes
    }
    assert not wrong
    assert outcomes.keys() == ran.manifest.keys()


def test_what_was_visible_is_in_what_is_stored(ran: Ran) -> None:
    lost = {
        uri: [mark for mark in ran.manifest[uri].marks if mark not in document.text]
        for uri, document in ran.stored.items()
    }
    assert not {uri: marks for uri, marks in lost.items() if marks}


def test_no_entity_is_expanded_no_file_read_and_nobody_called(ran: Ran) -> None:
    assert not ran.connections
    assert not [uri for uri, document in ran.stored.items() if "root:x:0" in document.text]
    laughs = [document for uri, document in ran.stored.items() if "/markup/laughs" in uri]
    assert len(laughs) == 4
    assert max(len(document.text) for document in laughs) < 3_000


def test_the_main_process_stays_small(ran: Ran) -> None:
    peak = int(ran.first.err.rstrip().splitlines()[-1])
    assert peak < MOST_MEMORY_KB


def test_the_second_run_changes_nothing(ran: Ran) -> None:
    assert ran.second.code == 0, ran.second.err[-3000:]
    report = ran.second.last_line
    assert (report["new"], report["changed"], report["deleted"]) == (0, 0, 0)
    assert (report["embedded"], report["written"], report["removed"]) == (0, 0, 0)
    assert report["unchanged"] == ran.report["new"]
    assert report["rejected"] == ran.report["rejected"]


def test_files_that_change_and_vanish_while_they_are_read_are_accounted_for(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    files = [folder / f"{number}.md" for number in range(300)]
    for file in files:
        file.write_text(f"# Page {file.stem}\n\n" + "some words. " * 50)
    over = threading.Event()

    def disturb() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            file = files[turn * 37 % len(files)]
            file.unlink(missing_ok=True)
            match turn % 5:
                case 0:
                    os.mkfifo(file)
                case 1:
                    file.symlink_to("/etc/passwd")
                case 2:
                    file.write_bytes(os.urandom(200))
                case 3:
                    file.write_text(f"other {turn}")
            time.sleep(0.001)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        home, config = tmp_path / "home", config_file(tmp_path, f"{{kind: files, name: moving, root: {folder}}}")
        ran = tool(home, "run", "feature", "--plain", "--json", "--config", str(config))
    finally:
        over.set()
        thread.join()
    report = ran.last_line
    assert "Traceback" not in ran.err
    assert report["found"] == report["new"] + report["rejected"] + report["failed"]
    # What can go wrong with a single file is no failure of the source, so nothing is missing from the books.
    assert report["sources"][0]["complete"]
