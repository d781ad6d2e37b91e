import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.failpoints import NAMES, arm, reach

CODE = Path(failpoints.__file__).parents[1]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    arm("")
    yield
    arm("")


def test_nothing_happens_unless_the_environment_says_so() -> None:
    for name in NAMES:
        reach(name)  # type: ignore[arg-type]


def test_a_rule_counts_how_often_its_place_is_reached() -> None:
    arm("load.after_ledger:3=raise")
    reach("load.after_ledger")
    reach("load.after_delete")
    reach("load.after_ledger")
    with pytest.raises(BackendError, match=r"load\.after_ledger:3"):
        reach("load.after_ledger")
    reach("load.after_ledger")


def test_several_rules_and_all_places(capsys: pytest.CaptureFixture[str]) -> None:
    arm("*=log; ingest.after_put:*=sleep:0.01")
    started = time.monotonic()
    reach("ingest.after_put")
    reach("ingest.after_put")
    assert time.monotonic() - started >= 0.02
    assert capsys.readouterr().err.split() == ["failpoint", "ingest.after_put:1", "failpoint", "ingest.after_put:2"]


@pytest.mark.parametrize(
    "rule", ["load.after_leger=kill", "nonsense", "load.after_ledger:x=kill", "load.after_ledger="]
)
def test_a_rule_that_means_nothing_is_refused(rule: str) -> None:
    with pytest.raises(UsageError, match=failpoints.VARIABLE):
        arm(rule)


@pytest.mark.parametrize(("rule", "code"), [("run.after_start=kill", -9), ("run.after_start=kill:0.01", -14)])
def test_a_process_is_killed(rule: str, code: int) -> None:
    program = "import time\nfrom llm_engineering.domain import failpoints\nfailpoints.reach('run.after_start')\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "time.sleep(5)"], env={failpoints.VARIABLE: rule}, cwd=CODE.parent, check=False
    )
    assert done.returncode == code


def test_a_command_line_refuses_an_unknown_name() -> None:
    program = "from llm_engineering.domain import failpoints\nfailpoints.reach('run.after_start')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={failpoints.VARIABLE: "load.sometimes=kill"},
        cwd=CODE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "'load.sometimes', which is no failpoint; there are: warehouse.in_migration" in done.stderr


def test_every_failpoint_is_somewhere_and_no_other_is() -> None:
    found = {
        name
        for path in CODE.rglob("*.py")
        if path != Path(failpoints.__file__)
        for name in re.findall(r'failpoints\.reach\("([a-z_.]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert sorted(found) == sorted(NAMES)
