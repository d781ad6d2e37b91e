"""An erasure that is killed anywhere is completed by the same command; the command line, and a real ZenML run."""

import json
import re
from pathlib import Path

import pytest
from byte_scan import places_of
from command_lines import config_file, indexed, python, tool

pytestmark = pytest.mark.slow

CANARIES = ("Zwitschern", "Piepmatz", "Vogelname")

# Forgets again and again, and ends each as `kill -9` would, before the n-th thing that it does to a file or a database;
# n grows by a step until one comes to its end. All are forked from a process that has imported everything.
KILLED = """
import os, sys
sys.path.insert(0, "tests")
import chaos.child
from llm_engineering import erasure
from tools.forget import main
sys.argv[1:] = {arguments}
def count(event, arguments):
    global left
    is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if is_write or event in ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree", "sqlite3.connect"):
        left -= 1
        if left == 0:
            os._exit(9)
kills = 0
for place in range({first}, {last}, {step}):
    child = os.fork()
    if child == 0:
        left = place
        sys.addaudithook(count)
        sys.exit(main())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, 9):
        sys.exit(code)
    if code == 0:
        break
    kills += 1
print(kills)
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "Piepmatz.md").write_text("# Zwitschern\n\nThe secret word is Zwitschern.\n")
    (folder / "kept.md").write_text("# Kept\n\nThis one stays.\n")
    return config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}")


def kills(home: Path, arguments: list[str], first: int, last: int = 10_000, step: int = 23) -> int:
    """Forget, and kill it at its events from `first` on until it ends; return how often it was killed."""
    ended = python(home, ["-c", KILLED.format(arguments=arguments, first=first, last=last, step=step)])
    assert ended.code == 0, ended.err
    return int(ended.last_line)


def test_killed_anywhere_it_is_completed_by_the_next_one(config: Path, home: Path, tmp_path: Path) -> None:
    indexed(config)
    # Each kill comes later than the one before, and all work on the same home: they add up to a worst case.
    assert kills(home, [str(tmp_path / "documents" / "Piepmatz.md")], 3) >= 5
    assert places_of(home, CANARIES) == []
    again = indexed(config)
    assert (again.unchanged, again.rejected, again.points) == (1, 1, 1)
    assert places_of(home, CANARIES) == []


def test_a_kill_that_nobody_completes_still_keeps_it_out(config: Path, home: Path, tmp_path: Path) -> None:
    indexed(config)
    assert kills(home, [str(tmp_path / "documents" / "Piepmatz.md")], 25, 26) == 1
    again = indexed(config)
    assert (again.rejected + again.deleted, again.points) == (1, 1)


def test_the_commands_say_what_they_did_and_refuse_what_they_do_not_know(config: Path, home: Path) -> None:
    indexed(config)
    unknown = tool(home, "forget", "Piepmats.md")
    assert unknown.code == 2
    assert "Piepmatz.md" in unknown.err
    assert tool(home, "forget").code == 2
    assert tool(home, "lineage", "nothing-at-all").code == 2
    uri = config.parent / "documents" / "Piepmatz.md"
    document = json.loads(tool(home, "lineage", str(uri), "--json").out)
    (chunk_id,) = document["into"]["indexes"][0]["chunk_ids"]
    chunk = json.loads(tool(home, "lineage", chunk_id, "--json").out)
    assert chunk["from"]["document"]["uri"] == uri.as_uri()
    dry = tool(home, "forget", str(uri), "--dry-run")
    assert (dry.code, dry.out.splitlines()[0]) == (0, f"would forget uri {uri.as_uri()}: 1 document")
    done = tool(home, "forget", str(uri), "--json").last_line
    assert done["documents"] == 1


def test_nothing_of_a_zenml_run_stays(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "Piepmatz.md").write_text("# Zwitschern\n\nThe secret word is Zwitschern, spelt Ütterlü.\n")
    (folder / "kept.md").write_text("# Kept\n\nThis one stays.\n")
    author = f"author: {{user_full_name: Vogelname Ütterlü, links: [{folder / 'Piepmatz.md'}]}}\n"
    config = config_file(tmp_path, f"{{kind: files, name: docs, root: {folder}}}", more=author)
    assert tool(home, "run", "feature", "--config", str(config)).code == 0
    assert [place for place in places_of(home, CANARIES) if "zenml" in place]
    done = tool(home, "forget", "--user", "Vogelname Ütterlü")
    assert done.code == 0, done.err
    # The file is also one of the source `docs`, which has no author: it stays until it is forgotten as well.
    assert places_of(home, ["Vogelname"]) == []
    assert tool(home, "forget", str(folder / "Piepmatz.md")).code == 0
    assert places_of(home, [*CANARIES, "Ütterlü"]) == []
    again = tool(home, "run", "feature", "--config", str(config), "--json")
    assert again.code == 0, again.err
    assert (again.last_line["unchanged"], again.last_line["rejected"], again.last_line["points"]) == (1, 1, 1)
    assert places_of(home, [*CANARIES, "Ütterlü"]) == []
    assert not re.search("traceback", again.err, re.IGNORECASE)
