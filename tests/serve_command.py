"""The service as a user starts it, in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command_lines import ROOT


@contextmanager
def served(home: Path, configuration: Path, *arguments: str, **environment: str) -> Iterator[str]:
    """Yield the address of `python -m tools.serve`; at the end it must stop in good order."""
    command = [sys.executable, "-m", "tools.serve", "--port", "0", "--config", str(configuration), *arguments]
    variables = {**os.environ, "LLM_ENGINEERING_HOME": str(home), **environment}
    # A log that nobody reads would fill a pipe and stop the service.
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=variables)

        def said() -> str:
            log.seek(0)
            return log.read()

        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                process.wait(60)
                raise AssertionError(said())
            yield line.split("answers at ")[1].split()[0]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, said()
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
