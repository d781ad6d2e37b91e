"""A cleaner of your own."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from llm_engineering.domain.documents import Format
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.functions import FunctionName, called
from llm_engineering.domain.value import Scalar, Value


class PythonCleaner(Value):
    """Clean a text with `def clean(text, format, **options)`, which returns a text.

    What is clean must stay as it is: all cleaners are repeated until nothing changes any more.
    """

    kind: Literal["python"] = "python"
    function: FunctionName = Field(description="package.module:name, importable from the working folder")
    options: Mapping[str, Scalar] = Field(default_factory=dict, description="arguments of the function by name")
    version: str = Field("", description="change it when the function changes: the index is then built anew")

    def clean(self, text: str, format: Format) -> str:
        cleaned = called(self.function, text, format, **self.options)
        if not isinstance(cleaned, str):
            raise UsageError(f"{self.function} returned {type(cleaned).__name__}; a cleaner returns a text")
        return cleaned
