"""Start ZenML's dashboard on this machine and print its address: `python -m tools.dashboard`.

The server reads the same database as the pipelines, in the background, on loopback only. `--stop` ends it.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.settings import Settings
from tools.command_line import OK, guarded
from tools.zenml_home import prepare_zenml, zenml_environment

HOST = "127.0.0.1"
ZENML_SERVER = "zenml.zen_server.zen_server_api:app"
PATIENCE_SECONDS = 90


def main() -> int:
    """Start the dashboard, or stop it."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard", description=__doc__)
    parser.add_argument("--port", type=int, default=8237, help="the next free one is taken if it is in use")
    parser.add_argument("--stop", action="store_true", help="stop the dashboard")
    arguments = parser.parse_args()
    record = Settings().root / "dashboard.json"
    if arguments.stop:
        print(_stop(record))
        return OK
    address = _running(record) or _start(record, arguments.port)
    print(f"The dashboard is at {address}\nStop it with: poetry poe dashboard --stop")
    return OK


def _running(record: Path) -> str:
    """Return the address of this home's dashboard if it is alive and answers, else nothing."""
    if not record.is_file():
        return ""
    started = json.loads(record.read_text())
    try:
        os.kill(started["pid"], 0)
    except ProcessLookupError:
        return ""
    return str(started["address"]) if _answers(started["address"]) else ""


def _start(record: Path, port: int) -> str:
    _welcome()
    port = _free_port(port)
    address = f"http://{HOST}:{port}"
    log = record.with_suffix(".log")
    with log.open("ab") as output:
        server = subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments
            [sys.executable, "-m", "uvicorn", ZENML_SERVER, "--host", HOST, "--port", str(port)],
            env={**os.environ, **zenml_environment(), **_server_environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    record.write_text(json.dumps({"address": address, "pid": server.pid}))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if _answers(address):
            return address
        time.sleep(0.3)
    server.terminate()
    record.unlink(missing_ok=True)
    raise BackendError(f"the dashboard did not come up in {PATIENCE_SECONDS} s; its log is {log}")


def _server_environment() -> dict[str, str]:
    """Return what makes ZenML's server a local one: no login, this machine's files, the database as it is."""
    return {
        "ZENML_SERVER": "true",
        "ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS": "true",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_DEPLOYMENT_TYPE": "local",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "DISABLE_DATABASE_MIGRATION": "true",
    }


def _welcome() -> None:
    """Create ZenML's database if this is the first use, and answer the form that would hide every page.

    The form asks for a name and an e-mail address. It is shown until the user has said yes or no to e-mails; `no` is
    said here, through the store, because `Client.update_user` leaves a False out.
    """
    prepare_zenml()
    from zenml.client import Client
    from zenml.models import UserUpdate

    client = Client()
    if client.active_user.email_opted_in is None:
        update = UserUpdate(
            full_name="llm-engineering",
            email_opted_in=False,
            user_metadata={"awareness_channels": ["other"], "finished_onboarding_survey": True},
        )
        client.zen_store.update_user(client.active_user.id, update)


def _stop(record: Path) -> str:
    if not _running(record):
        record.unlink(missing_ok=True)
        return "The dashboard is not running."
    os.kill(int(json.loads(record.read_text())["pid"]), signal.SIGTERM)
    record.unlink()
    return "The dashboard is stopped."


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=2) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False


def _free_port(wanted: int) -> int:
    """Return the wanted port, or the next one that is free."""
    for port in range(wanted, wanted + 50):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return port
    raise BackendError(f"no free port from {wanted} to {wanted + 49}; choose another with --port")


if __name__ == "__main__":
    sys.exit(guarded(main))
