"""What the training pipelines are made of: where data sets, evaluations and models are kept."""

from collections.abc import Sequence

from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.domain.ports import Tracker
from llm_engineering.infrastructure.datasets import DatasetFiles
from llm_engineering.infrastructure.registries import FileRegistry
from llm_engineering.infrastructure.trackers import TrackerSpec
from llm_engineering.infrastructure.trackers.together import Together


def open_datasets(workspace: Workspace) -> DatasetFiles:
    """Return the store of data sets of a home."""
    return DatasetFiles(workspace.home)


def open_registry(workspace: Workspace) -> FileRegistry:
    """Return the registry of models of a home."""
    return FileRegistry(workspace.home)


def open_trackers(specs: Sequence[TrackerSpec], workspace: Workspace) -> Tracker:
    """Return one tracker that tells all of them; of none, one that tells nobody.

    Raises:
        UsageError: an extra is missing, or a variable that is named is not set.
    """
    return Together([spec.open(workspace.home) for spec in specs])
