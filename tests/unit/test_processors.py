"""Searches that run side by side compute in one thread each, and pay for torch only where something needs it."""

import os
import subprocess
import sys

import pytest

ASKED = """
import sys
if "torch first" in sys.argv:
    import torch
from llm_engineering.serving.processors import few_threads
few_threads(2)
assert "torch first" in sys.argv or "torch" not in sys.modules
import torch
print(torch.get_num_threads())
"""


@pytest.mark.parametrize("when", ["", "torch first"])
def test_torch_gets_one_thread_a_search_whenever_it_is_imported(when: str) -> None:
    command = [sys.executable, "-c", ASKED, when]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["1"]), done.stderr[-2000:]
