"""Keep all of ZenML's state in the project's home, and what nobody asked for out of its start-up."""

import logging
import os
import sys
from collections.abc import Callable, Set
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

from packaging.utils import canonicalize_name

import pipelines
from llm_engineering.infrastructure.settings import Settings

V = TypeVar("V")

# ZenML imports every installed library that it has an integration for whenever it compiles a pipeline: with torch and
# scikit-learn that takes 5 seconds. It is for their materializers, which a step needs that names a type of the library,
# and to name it, it has loaded the library: integration → what any of its libraries is imported as.
_HEAVY = {
    "pytorch": {"torch"},
    "pytorch_lightning": {"lightning", "pytorch_lightning"},
    "sklearn": {"sklearn"},
    "scipy": {"scipy"},
    "huggingface": {"datasets", "transformers"},
    "pandas": {"pandas"},
    "pillow": {"PIL"},
}


def zenml_environment() -> dict[str, str]:
    """Return the environment variables that make ZenML live in the home, quietly and without sending usage data."""
    zenml = Settings().root / "zenml"
    return {
        "ZENML_CONFIG_PATH": str(zenml),
        "ZENML_LOCAL_STORES_PATH": str(zenml / "local_stores"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "MPLCONFIGDIR": str(Settings().root / "matplotlib"),
        "ZENML_AUTO_OPEN_DASHBOARD": "false",
        "ZENML_LOGGING_COLORS_DISABLED": str(not sys.stdout.isatty()).lower(),
        # Steps are found from the folder that holds `steps` and `pipelines`, wherever the command was started.
        "ZENML_CUSTOM_SOURCE_ROOT": str(Path(pipelines.__file__).resolve().parents[1]),
    }


def prepare_zenml() -> None:
    """Set ZenML up. Call it before `zenml` is imported for the first time."""
    os.environ.update(zenml_environment())
    # ZenML wraps this stream to store what steps write there; its own lines are stored already.
    stderr = SimpleNamespace(write=sys.stderr.write, flush=sys.stderr.flush)
    from zenml.environment import Environment
    from zenml.integrations.registry import integration_registry
    from zenml.logger import ZenMLConsoleHandler
    from zenml.steps.base_step import BaseStep
    from zenml.utils import env_utils

    for handler in logging.getLogger().handlers:
        if isinstance(handler, ZenMLConsoleHandler) and _is_meant not in handler.filters:
            handler.setStream(stderr)
            handler.addFilter(_is_meant)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of its cache of fonts

    # ZenML writes the value of an environment variable wherever a text of the configuration has ${NAME}, also in
    # documents, and stores the result. Our references, ${env:NAME}, are filled in when a source is opened.
    env_utils.substitute_env_variable_placeholders = _as_it_is

    for name, integration in integration_registry.integrations.items():
        if name in _HEAVY:
            integration.activate = _where_loaded(_HEAVY[name], integration.activate)  # type: ignore[method-assign]

    # It keeps the list of installed packages with a run, and starts pip twice for it.
    Environment.get_python_packages = staticmethod(_installed)  # type: ignore[method-assign]
    # It describes the parameters of each step for forms that start a run. Here runs are started from YAML.
    BaseStep._compute_parameter_schema = _no_schema  # type: ignore[method-assign, assignment]


def _is_meant(record: logging.LogRecord) -> bool:
    """Leave out a line of advice: `zenml login --local` shows the runs of another home."""
    return "zenml login --local" not in record.getMessage()


def _as_it_is(value: V, raise_when_missing: bool = True) -> V:  # noqa: ARG001 - ZenML's signature
    """Stand in for ZenML's substitution of environment variables."""
    return value


def _where_loaded(libraries: Set[str], activate: Callable[[], None]) -> Callable[[], None]:
    """Return an integration's activation, for the processes that have loaded one of its libraries."""

    def activated() -> None:
        if libraries & sys.modules.keys():
            activate()

    return activated


def _no_schema(step: object) -> None:
    """Stand in for the description of a step's parameters."""


@cache
def _installed() -> list[str]:
    """Return the installed packages as name==version, by the names of their folders: to read each takes long."""
    folders = {path.name for place in sys.path for path in Path(place or ".").glob("*.dist-info")}
    parts = (folder.removesuffix(".dist-info").rpartition("-") for folder in folders)
    return sorted(f"{canonicalize_name(name)}=={version}" for name, _, version in parts)
