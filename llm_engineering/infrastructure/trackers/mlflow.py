"""Watch experiments with MLflow: a server, or a database file of this home that needs none."""

import os
import re
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Tracker
from llm_engineering.domain.secrets import holds_secret
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.trackers.background import Background
from llm_engineering.infrastructure.trackers.events import Event, Writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# MLflow's own limits for one call, and for the text of a parameter.
BATCH = 100
LONGEST = 6_000


class Mlflow(Value):
    """Watch experiments with MLflow.

    Without `uri` runs are kept in `mlflow.db` of this home, files in `mlflow/` beside it; look at them with
    `mlflow ui --backend-store-uri sqlite:///…/mlflow.db`.
    """

    kind: Literal["mlflow"] = "mlflow"
    uri: str = Field("", description="tracking server or database; empty: a database file in this home")
    experiment: str = Field("llm-engineering", min_length=1, max_length=200)
    patience: float = Field(15.0, gt=0, le=600, description="seconds that the end of a run waits for it")

    @model_validator(mode="after")
    def _holds_no_secrets(self) -> Self:
        if holds_secret(self.uri):
            raise ValueError("uri holds a secret; put it into an environment variable and write ${env:NAME}")
        if self.uri.startswith("file:") or (self.uri and "://" not in self.uri and not self.uri.startswith("${env:")):
            raise ValueError(
                f"uri {self.uri!r} is a folder; MLflow 3 keeps runs in a database: sqlite:///PATH/mlflow.db"
            )
        return self

    def open(self, home: Path) -> Tracker:
        """Return the tracker. Nothing is connected before a run is opened.

        Raises:
            UsageError: the extra is not installed, or a variable that `uri` names is not set.
        """
        if find_spec("mlflow") is None:
            raise UsageError("tracking with MLflow needs the extra 'mlflow'; type: poetry install --extras mlflow")
        # Read while it is imported: it would report its use to its makers.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow.tracking  # noqa: F401 - here, not in the thread of the tracker: imports of two threads can meet

        return Background(_Backend(with_secrets(self.uri), self.experiment, home), self.patience)


class _Backend:
    name = "MLflow"

    def __init__(self, uri: str, experiment: str, home: Path) -> None:
        self._home = home
        self._uri = uri or f"sqlite:///{home / 'mlflow.db'}"
        self._is_local = not uri
        self._experiment = experiment

    def open(self, name: str, tags: dict[str, str]) -> Writer:
        from mlflow.tracking import MlflowClient

        if self._is_local:
            self._home.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=self._uri)
        run = client.create_run(self._experiment_id(client), run_name=name, tags=tags)
        return _Writer(client, run.info.run_id)

    def _experiment_id(self, client: "MlflowClient") -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(self._experiment)
        if found is None:
            place = (self._home / "mlflow").as_uri() if self._is_local else None
            try:
                return str(client.create_experiment(self._experiment, artifact_location=place))
            except MlflowException:
                found = client.get_experiment_by_name(self._experiment)  # another process made it meanwhile
                if found is None:
                    raise
        return str(found.experiment_id)


class _Writer:
    def __init__(self, client: "MlflowClient", run: str) -> None:
        self._client = client
        self._run = run

    def write(self, event: Event) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        parameters = [Param(named(key), str(value)[:LONGEST]) for key, value in event.parameters.items()]
        for start in range(0, len(parameters), BATCH):
            self._client.log_batch(self._run, params=parameters[start : start + BATCH])
        metrics = [Metric(named(key), value, now, event.step or 0) for key, value in event.metrics.items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._run, metrics=metrics[start : start + BATCH])
        if event.file:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / event.file
                path.write_bytes(event.content)
                self._client.log_artifact(self._run, str(path))

    def close(self, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


def named(key: str) -> str:
    """Return a key as MLflow takes it: letters, digits, and _ - . : / and blanks.

    >>> named("general/ndcg@10"), named("größe[0]")
    ('general/ndcg_at_10', 'gr__e_0_')
    """
    return re.sub(r"[^A-Za-z0-9_\-. :/]", "_", key.replace("@", "_at_"))[:250]
