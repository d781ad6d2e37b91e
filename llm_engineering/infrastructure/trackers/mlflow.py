"""Watch experiments with Mlflow."""

from typing import Literal

from llm_engineering.domain.value import Value


class Mlflow(Value):
    """Watch experiments with Mlflow."""

    kind: Literal["mlflow"] = "mlflow"
