"""Watch experiments with Comet: sent to it, or written to archives of this home that can be sent later."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.ports import Tracker
from llm_engineering.domain.secrets import REFERENCE
from llm_engineering.domain.value import Value
from llm_engineering.infrastructure.environment import with_secrets
from llm_engineering.infrastructure.trackers.background import Background
from llm_engineering.infrastructure.trackers.events import Event, Writer

if TYPE_CHECKING:
    from comet_ml import CometExperiment

# Comet would hook into torch and other libraries, and report its own errors to its makers.
QUIET = {
    "COMET_DISABLE_AUTO_LOGGING": "1",
    "COMET_ERROR_TRACKING_ENABLE": "0",
    "COMET_LOGGING_CONSOLE": "ERROR",
}
# Nothing is collected but what it is told: no code, no git patch, no command line, no environment, no output.
NOTHING_ELSE: dict[str, Any] = dict.fromkeys(
    (
        "log_code", "log_graph", "log_env_details", "log_env_gpu", "log_env_cpu", "log_env_network", "log_env_disk",
        "log_env_host", "log_git_metadata", "log_git_patch", "parse_args", "auto_param_logging", "auto_metric_logging",
        "auto_output_logging", "auto_log_co2", "auto_histogram_weight_logging", "auto_histogram_gradient_logging",
        "auto_histogram_activation_logging", "auto_histogram_tensorboard_logging",
    ),
    False,
)  # fmt: skip


class Comet(Value):
    """Watch experiments with Comet.

    Offline, which is the default, each run becomes an archive in `comet/` of this home and nothing is sent; send it
    with `comet upload ARCHIVE`. Online it needs a key.
    """

    kind: Literal["comet"] = "comet"
    offline: bool = Field(True, description="write archives instead of sending")
    project: str = Field("llm-engineering", min_length=1, max_length=200)
    workspace: str = Field("", description="empty: the one of the key")
    api_key: str = Field("", description="${env:NAME}; empty: ${env:COMET_API_KEY}; not needed offline")
    patience: float = Field(15.0, gt=0, le=600, description="seconds that the end of a run waits for it")

    @model_validator(mode="after")
    def _holds_no_secrets(self) -> Self:
        if self.api_key and not REFERENCE.fullmatch(self.api_key):
            raise ValueError("api_key must be a reference to an environment variable, such as ${env:COMET_API_KEY}")
        return self

    def open(self, home: Path) -> Tracker:
        """Return the tracker. Nothing is sent or written before a run is opened.

        Raises:
            UsageError: the extra is not installed, or the variable of the key is not set.
        """
        if find_spec("comet_ml") is None:
            raise UsageError("tracking with Comet needs the extra 'comet'; type: poetry install --extras comet")
        key = "" if self.offline else with_secrets(self.api_key or "${env:COMET_API_KEY}")
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        import comet_ml  # noqa: F401 - here, not in the thread of the tracker: imports of two threads can meet

        return Background(_Backend(self, key, home / "comet"), self.patience)


class _Backend:
    name = "Comet"

    def __init__(self, spec: Comet, key: str, folder: Path) -> None:
        self._spec = spec
        self._key = key
        self._folder = folder

    def open(self, name: str, tags: dict[str, str]) -> Writer:
        import comet_ml

        place: dict[str, Any] = {"project_name": self._spec.project, "workspace": self._spec.workspace or None}
        experiment: CometExperiment
        if self._spec.offline:
            self._folder.mkdir(parents=True, exist_ok=True)
            experiment = comet_ml.OfflineExperiment(
                **place, **NOTHING_ELSE, offline_directory=str(self._folder), display_summary_level=0
            )
        else:
            experiment = comet_ml.Experiment(api_key=self._key, **place, **NOTHING_ELSE, display_summary_level=0)
        experiment.set_name(name)
        experiment.log_others(tags)
        return _Writer(experiment)


class _Writer:
    def __init__(self, experiment: "CometExperiment") -> None:
        self._experiment = experiment

    def write(self, event: Event) -> None:
        if event.parameters:
            self._experiment.log_parameters(event.parameters)
        if event.metrics:
            self._experiment.log_metrics(event.metrics, step=event.step)
        if event.file:
            self._experiment.log_asset_data(event.content, name=event.file)

    def close(self, failed: bool) -> None:
        self._experiment.log_other("status", "failed" if failed else "finished")
        self._experiment.end()
