"""Where in the home, beside the warehouse and the feature store, traces of a document can be."""

from pathlib import Path
from typing import Protocol

from llm_engineering.domain.erasure import Found
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.traces import Traces


class Place(Protocol):
    """A place that may hold traces. Finding changes nothing; removing can be repeated."""

    @property
    def place(self) -> str: ...

    def find(self, traces: Traces) -> Found:
        """Return what is there of the target."""
        ...

    def remove(self, items: frozenset[str], traces: Traces) -> None:
        """Remove the items of a finding; those that are gone already are no error."""
        ...


def places_in(home: Path, warehouse: Warehouse) -> list[Place]:
    """Return the places of a home, in the order in which they are to be emptied."""
    from llm_engineering.infrastructure.traces.answers import Answers
    from llm_engineering.infrastructure.traces.batches import Batches
    from llm_engineering.infrastructure.traces.datasets import Datasets, Replies
    from llm_engineering.infrastructure.traces.descriptions import Descriptions
    from llm_engineering.infrastructure.traces.evaluations import Evaluations, Trainings, Verdicts
    from llm_engineering.infrastructure.traces.leftovers import Clones, Exports, Spools, Strays
    from llm_engineering.infrastructure.traces.llm_evaluations import LlmEvaluations
    from llm_engineering.infrastructure.traces.zenml_records import ZenMLRecords

    return [
        Exports(home, warehouse),
        Datasets(home, warehouse),
        Replies(home),
        Evaluations(home),
        LlmEvaluations(home),
        Verdicts(home),
        Descriptions(home, warehouse),
        Trainings(home),
        ZenMLRecords(home),
        Spools(home),
        Clones(home),
        Strays(home),
        Batches(home),
        Answers(home),
    ]
