"""Trackers, opened."""

from collections.abc import Sequence

from llm_engineering.bootstrap.workspace import Workspace
from llm_engineering.domain.ports import Tracker
from llm_engineering.infrastructure.trackers import TrackerSpec
from llm_engineering.infrastructure.trackers.together import Together


def open_trackers(specs: Sequence[TrackerSpec], workspace: Workspace) -> Tracker:
    """Return one tracker that tells all of them; of none, one that tells nobody.

    Raises:
        UsageError: an extra is missing, or a variable that is named is not set.
    """
    return Together([spec.open(workspace.home) for spec in specs])
