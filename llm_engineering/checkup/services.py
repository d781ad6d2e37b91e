"""What runs beside: secrets that the configuration refers to, ZenML's database, the dashboard, the service's port."""

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.error import URLError
from urllib.request import urlopen

from llm_engineering.checkup.subject import Subject
from llm_engineering.domain.checkup import Check, broken, fine, missing, optional
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.secrets import REFERENCE
from llm_engineering.infrastructure.environment import with_secrets

DASHBOARD_PORT = 8237


def secrets(subject: Subject) -> Check:
    """Look whether the environment has what the configuration refers to. Values are never shown."""
    names = sorted(dict.fromkeys(_references(subject.config.model_dump(mode="json"))))
    absent = [name for name in names if not _is_set(name)]
    if absent:
        said = f"the configuration refers to {', '.join(absent)}, which the environment does not have"
        return missing("secrets", said, " ".join(f"export {name}=…" for name in absent))
    return fine("secrets", f"set: {', '.join(names)}" if names else "the configuration refers to none")


def zenml(subject: Subject) -> Check:
    """Look whether ZenML is installed and its database can be read, without importing it."""
    if find_spec("zenml") is None:
        return missing("zenml", "ZenML is not installed; `--plain` runs without it", "poetry install")
    database = subject.home / "zenml" / "local_stores" / "default_zen_store" / "zenml.db"
    if not database.exists():
        return optional("zenml", "no database yet; the first run makes it", "poetry poe run-feature-pipeline")
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            runs = connection.execute("SELECT count(*) FROM pipeline_run").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        said = f"{database} cannot be read ({error}); ZenML's records are made anew without it"
        return broken("zenml", said, f"mv {subject.home / 'zenml'} {subject.home / 'zenml.damaged'}")
    return fine("zenml", f"{runs} runs in {database}")


def dashboard(subject: Subject) -> Check:
    """Look whether the dashboard runs, and whether its port is free for it."""
    start = "poetry poe dashboard"
    record = subject.home / "dashboard.json"
    if record.is_file():
        try:
            started = json.loads(record.read_text(encoding="utf-8"))
            address, process = str(started["address"]), int(started["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return broken("dashboard", f"{record} is damaged", f"rm {record} && {start}")
        if _answers(address):
            return fine("dashboard", f"at {address} (process {process})")
        return broken("dashboard", f"it was started at {address} and does not answer", f"{start} --stop && {start}")
    if _is_taken("127.0.0.1", DASHBOARD_PORT):
        return optional("dashboard", f"not running; port {DASHBOARD_PORT} is taken, so it takes the next one", start)
    return optional("dashboard", "not running", start)


def service_port(subject: Subject) -> Check:
    """Look whether the port of the assistant's service is free."""
    serving = subject.config.serving
    where = f"{serving.host}:{serving.port}"
    if serving.port and _is_taken(serving.host, serving.port):
        said = f"{where} is taken: the service runs already, or another program does"
        return optional("service port", said, f"poetry poe serve --set serving.port={serving.port + 1}")
    return fine("service port", f"{where} is free")


def _references(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


def _is_set(name: str) -> bool:
    if os.environ.get(name):
        return True
    try:
        return bool(with_secrets(f"${{env:{name}}}"))  # a .env file in the working folder
    except UsageError:
        return False


def _is_taken(host: str, port: int) -> bool:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where a service on all listens, too
    try:
        with socket.create_connection((own, port), timeout=1):
            return True
    except OSError:
        return False


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=2) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except (URLError, OSError, ValueError):
        return False
