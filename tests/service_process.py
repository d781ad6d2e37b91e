"""The service over fakes, as a process of its own: `python tests/service_process.py SETTINGS PAUSE SECONDS`.

It prints its address once it answers. PAUSE is between two words of the model `writer`, SECONDS what a search takes.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


class ServiceProcess:
    """A running service."""

    def __init__(self, settings: dict[str, Any], pause: float, seconds: float) -> None:
        environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}
        command = [sys.executable, str(Path(__file__)), json.dumps(settings), str(pause), str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        if not self.url:
            raise AssertionError(self.process.communicate()[1].decode())

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float = 60) -> tuple[int, str]:
        """Return exit code and log."""
        log = self.process.communicate(timeout=seconds)[1].decode()
        return self.process.returncode, log


@contextmanager
def running_service(
    settings: dict[str, Any] | None = None, pause: float = 0.0, seconds: float = 0.0
) -> Iterator[ServiceProcess]:
    service = ServiceProcess({"port": 0} | (settings or {}), pause, seconds)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.communicate()


def main() -> None:
    from assistant_fakes import DOCUMENTS, FakeAssistant, FakeSearcher, FakeState, a_document

    from llm_engineering.config import Serving
    from llm_engineering.serving.app import create_app
    from llm_engineering.serving.server import listening, serve

    settings = Serving.model_validate_json(sys.argv[1])
    # What the query "huge" finds is more than sockets hold.
    huge = a_document("huge:1", "Huge. " + "x" * 16_000_000, source="manual")
    searcher, state = FakeSearcher((*DOCUMENTS, huge), seconds=float(sys.argv[3])), FakeState()
    assistant = FakeAssistant(searcher, state, pause=float(sys.argv[2]))
    app = create_app(assistant, searcher, state, settings)
    serve(app, listening(settings), lambda url: print(url, flush=True))  # noqa: T201 - a command line
    print(f"running {assistant.running} cancelled {assistant.cancelled}", file=sys.stderr)  # noqa: T201 - same


if __name__ == "__main__":
    main()
