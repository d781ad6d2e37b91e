"""Named places in the code where a test may kill, stop, delay or fail this process. For tests only.

They do nothing unless the environment says so:

    LLM_ENGINEERING_FAILPOINT="load.after_ledger:3=kill"

does it at the third time that a run gets to this place. Without a number it is the first time, with `*` every time, and
several of these can be joined by semicolons. `*` in place of a name means all of them. What can be done:

    kill          end the process at once, as `kill -9` does
    kill:0.01     the same, a hundredth of a second later, wherever the process is by then, inside an engine too
    stop          stop the process, until somebody sends it SIGCONT
    raise         raise a BackendError
    sleep:5       wait for five seconds
    log           write the name and the count to standard error
"""

import os
import re
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from llm_engineering.domain.errors import BackendError, UsageError

VARIABLE = "LLM_ENGINEERING_FAILPOINT"

Failpoint = Literal[
    "warehouse.in_migration",
    "warehouse.before_commit",
    "warehouse.after_commit",
    "ingest.before_put",
    "ingest.after_put",
    "ingest.before_bury",
    "ingest.after_bury",
    "plan.after_register",
    "plan.after_reconcile",
    "mend.after_ledger",
    "mend.after_delete",
    "embed.before_keep",
    "load.before_upsert",
    "load.after_upsert",
    "load.after_flush",
    "load.after_ledger",
    "load.after_delete",
    "load.after_commit",
    "load.before_forget",
    "training.step",
    "training.before_seal",
    "training.after_seal",
    "training.before_result",
    "training.after_result",
    "load.after_forget",
    "edge.before_manifest",
    "edge.after_mark",
    "edge.between_batches",
    "edge.before_flush",
    "edge.after_flush",
    "edge.before_optimize",
    "edge.after_optimize",
    "edge.in_move",
    "edge.in_removal",
    "publish.before_copy",
    "publish.in_copy",
    "publish.after_copy",
    "publish.after_pointer",
    "publish.before_record",
    "publish.after_record",
    "prune.after_drop",
    "registry.after_copy",
    "registry.before_rename",
    "registry.after_rename",
    "registry.before_card",
    "registry.after_card",
    "promote.after_intent",
    "promote.after_index",
    "promote.after_record",
    "run.after_start",
    "run.before_finish",
    "run.after_finish",
]

NAMES: tuple[str, ...] = get_args(Failpoint)

_RULE = re.compile(
    r"(?P<name>[a-z_.]+|\*)(:(?P<hit>\d+|\*))?=(?P<act>kill|stop|raise|sleep|log)(:(?P<seconds>[\d.]+))?"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do at a failpoint. `hit` counts from 1; 0 means every time."""

    name: str
    hit: int
    act: str
    seconds: float


_armed = os.environ.get(VARIABLE, "")
_hits: Counter[str] = Counter()


def arm(rules: str) -> None:
    """Use other rules than those of the environment, and count anew; an empty text disarms all failpoints.

    Raises:
        UsageError: a rule cannot be read, or names no failpoint.
    """
    global _armed
    _parsed(rules)
    _armed = rules
    _hits.clear()


def reach(name: Failpoint) -> None:
    """Say that the process is at this place; see above what may happen to it.

    Raises:
        BackendError: a rule wants it.
        UsageError: a rule cannot be read, or names no failpoint.
    """
    if not _armed:
        return
    _hits[name] += 1
    for rule in _parsed(_armed):
        if rule.name in (name, "*") and rule.hit in (_hits[name], 0):
            _do(rule, f"{name}:{_hits[name]}")


def _parsed(rules: str) -> list[Rule]:
    return [_rule(text.strip()) for text in rules.split(";") if text.strip()]


def _rule(text: str) -> Rule:
    match = _RULE.fullmatch(text)
    if match is None:
        raise UsageError(f"{VARIABLE} holds {text!r}; write NAME[:COUNT]=kill|stop|raise|sleep|log[:SECONDS]")
    if match["name"] not in (*NAMES, "*"):
        raise UsageError(f"{VARIABLE} names {match['name']!r}, which is no failpoint; there are: {', '.join(NAMES)}")
    hit = match["hit"] or ("0" if match["act"] == "log" else "1")
    return Rule(match["name"], 0 if hit == "*" else int(hit), match["act"], float(match["seconds"] or 0))


def _do(rule: Rule, place: str) -> None:
    match rule.act:
        case "kill" if rule.seconds:
            # The default action of this signal ends the process, and the kernel takes it: no Python is needed, so it
            # also happens inside a long call of an engine.
            signal.setitimer(signal.ITIMER_REAL, rule.seconds)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(rule.seconds)
        case "raise":
            raise BackendError(f"failpoint {place} was reached, and {VARIABLE} wants an error there")
        case _:
            sys.stderr.write(f"failpoint {place}\n")
