"""Watch experiments with Comet."""

from typing import Literal

from llm_engineering.domain.value import Value


class Comet(Value):
    """Watch experiments with Comet."""

    kind: Literal["comet"] = "comet"
