"""Section `batch`: the table of questions, and the table of answers that is made of it."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator

from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.value import Value

FORMATS = (".csv", ".jsonl", ".ndjson", ".parquet")


class BatchSettings(Value):
    """Where questions come from, where answers go, and how many are asked at once."""

    input: Path | None = Field(None, description="table of questions: .csv, .jsonl, .ndjson or .parquet")
    output: Path | None = Field(
        None, description="table of answers, the same formats; null: beside the input, NAME.answers.csv for NAME.csv"
    )
    question: str = Field("question", min_length=1, description="column that holds the question")
    id: str | None = Field(None, min_length=1, description="column that names a row in reports; null: its number")
    filters: tuple[str, ...] = Field((), description="columns to limit the search by, for example [course]")
    prefix: str = Field("", description="put before the names of the columns of answers, for example model_")
    encoding: str = Field("utf-8", description="encoding of a CSV or JSONL input; a byte order mark is understood")
    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="what separates the cells of a CSV input; \\t: tabs"
    )
    concurrency: int = Field(4, ge=1, le=256, description="questions that are asked at once")
    llm: str | None = Field(None, description="one of the configured models, or extractive; null: the default")
    k: int | None = Field(None, ge=1, le=100, description="passages to retrieve; null: retrieval.k")
    access: Access = Field(ALL, description="the tenants and sources that answers may be made from")
    fresh: bool = Field(False, description="ask everything again, also what was answered by a run before")

    @field_validator("delimiter", mode="before")
    @classmethod
    def _as_a_character(cls, delimiter: object) -> object:
        return "\t" if delimiter == "\\t" else delimiter

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError:
            raise ValueError("Python knows no such encoding; use for example utf-8, utf-16, cp1252") from None
        return name

    @property
    def files(self) -> tuple[Path, Path]:
        """The input and the output.

        Raises:
            UsageError: no input is named, a format is unknown, or the answers would overwrite the questions.
        """
        if self.input is None:
            raise UsageError("the configuration names no questions; set batch.input, for example questions.csv")
        output = self.output or self.input.with_name(f"{self.input.stem}.answers{self.input.suffix}")
        for key, path in (("input", self.input), ("output", output)):
            if path.suffix.lower() not in FORMATS:
                raise UsageError(f"batch.{key} is {path}; a table ends in one of {', '.join(FORMATS)}")
        source, target = self.input.expanduser().absolute(), output.expanduser().absolute()
        if source.resolve() == target.resolve():
            raise UsageError(f"batch.output is {output}, which holds the questions; name another file")
        return source, target

    def checked(self) -> Self:
        """Return these settings if they name questions."""
        _ = self.files
        return self
