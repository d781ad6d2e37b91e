"""A run that is killed while it embeds, and the run after it: the same vectors, bit for bit, few computed twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from command_lines import ROOT
from embedding_worker import chunk

from llm_engineering.infrastructure.embedders import Hashing, SentenceTransformers
from llm_engineering.infrastructure.warehouse import open_warehouse

WORKER = ROOT / "tests" / "embedding_worker.py"
VOCABULARY = ("install", "the", "database", "on", "your", "machine", "and", "run", "all", "commands", "in", "it")


def written(folder: Path, count: int) -> Path:
    """Write texts of many lengths, some of them twice."""
    chance = random.Random(5)
    texts = [f"{number} " + " ".join(chance.choices(VOCABULARY, k=chance.randint(1, 90))) for number in range(count)]
    path = folder / "texts.txt"
    path.write_text("\n".join(texts + texts[:20]), encoding="utf-8")
    return path


def started(home: Path, texts: Path, kind: str) -> "subprocess.Popen[bytes]":
    home.mkdir(exist_ok=True)
    arguments = [sys.executable, str(WORKER), str(home), str(texts), str(home / "log"), kind]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})


def batches(home: Path) -> list[list[str]]:
    log = home / "log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def vectors(home: Path, texts: Path, kind: str) -> dict[str, bytes]:
    spec = Hashing() if kind == "hashing" else SentenceTransformers()
    warehouse = open_warehouse(f"sqlite:///{home / 'warehouse.db'}")
    try:
        keys = {chunk(line).text_hash for line in texts.read_text(encoding="utf-8").splitlines()}
        return {key: vector.tobytes() for key, vector in warehouse.vectors(spec.card(home).digest, keys).items()}
    finally:
        warehouse.close()


def killed_after(home: Path, texts: Path, kind: str, count: int) -> None:
    """Run until the log shows a number of batches in all, then kill."""
    process = started(home, texts, kind)
    give_up = time.monotonic() + 120
    while len(batches(home)) < count and process.poll() is None:
        assert time.monotonic() < give_up
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count", "kills"),
    [
        pytest.param("hashing", 6_000, 2, id="hashing"),
        pytest.param("torch", 200, 1, id="torch", marks=pytest.mark.model),
        pytest.param("onnx", 200, 1, id="onnx", marks=pytest.mark.model),
        pytest.param("openvino", 200, 1, id="openvino", marks=pytest.mark.model),
    ],
)
def test_a_killed_run_and_the_next_one_make_the_vectors_of_an_uninterrupted_one(
    tmp_path: Path, kind: str, count: int, kills: int
) -> None:
    texts = written(tmp_path, count)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert started(whole, texts, kind).wait() == 0
    total = len(batches(whole))
    assert total > 10
    for stop in sorted(random.sample(range(1, total - 1), kills)):
        before = len(batches(killed))
        killed_after(killed, texts, kind, max(stop, before + 1))
    assert started(killed, texts, kind).wait() == 0
    assert vectors(killed, texts, kind) == vectors(whole, texts, kind)
    computed = Counter(key for batch in batches(killed) for key in batch)
    twice = sum(times - 1 for times in computed.values())
    assert twice <= kills * max(map(len, batches(whole)))
    assert {tuple(batch) for batch in batches(killed)} == {tuple(batch) for batch in batches(whole)}
