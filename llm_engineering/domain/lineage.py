"""What was made from documents and lives outside the stores: needed to erase it, and to say where it came from."""

from llm_engineering.domain.value import Value


class Derivative(Value):
    """Something made from documents: an export, a data set, a model.

    `place` is where it lies (a folder, an address), `run` made it, and `at` is the warehouse's time of that.
    """

    id: str
    kind: str
    name: str
    place: str
    run: int = 0
    at: str = ""
