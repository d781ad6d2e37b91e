"""A loader of your own: a Python function that yields documents."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator

from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.errors import LLMEngineeringError, SourceError
from llm_engineering.domain.functions import FunctionName, function_named
from llm_engineering.domain.secrets import redacted
from llm_engineering.domain.value import Scalar, Value
from llm_engineering.infrastructure.environment import filled
from llm_engineering.infrastructure.sources.context import SourceContext
from llm_engineering.infrastructure.sources.naming import SourceName
from llm_engineering.infrastructure.sources.tenancy import Tenant

_FORMATS = ("markdown", "text", "code", "record")
_FIELDS = ("uri", "text", "title", "key", "format", "metadata")


class PythonLoader(Value):
    """A function of your own, `def load(**options)`, which yields a mapping for each document.

    A mapping has `uri` and `text`, and may have `title`, `key`, `format` (markdown, text, code or record) and
    `metadata`. What concerns the source as a whole is raised; nothing is then taken as deleted.
    """

    kind: Literal["python"] = "python"
    function: FunctionName = Field(description="package.module:name, importable from the working folder")
    options: Mapping[str, Scalar] = Field(
        default_factory=dict, description="arguments of the function by name; secrets as ${env:NAME}"
    )
    name: SourceName = Field(
        default_factory=lambda data: f"python:{data.get('function', '')}",
        description="what the documents are kept under; python:FUNCTION by default. Another name is another source",
    )
    tenant: Tenant = None

    @field_validator("options")
    @classmethod
    def _hold_no_secrets(cls, options: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        hidden = redacted(dict(options))
        for name in options:
            if hidden[name] != options[name]:
                raise ValueError(f"options.{name} would be stored with every run; write ${{env:NAME}} for its value")
        return options

    def open(self, context: SourceContext) -> "PythonSource":
        """Open the source: the function is imported, and not called yet.

        Raises:
            UsageError: there is no such function.
        """
        return PythonSource(self.name, self, context, function_named(self.function))


@dataclass
class PythonSource:
    """Yields what the function yields, in its order."""

    name: str
    spec: PythonLoader
    context: SourceContext
    function: Callable[..., Iterable[Any]]
    kind: str = "python"

    def read(self) -> Iterator[Item]:
        options = {name: filled(v) if isinstance(v, str) else v for name, v in self.spec.options.items()}
        seen: set[tuple[str, str]] = set()
        try:
            for number, given in enumerate(self.function(**options), start=1):
                item = self._item(given, number)
                if (item.uri, item.key) in seen:
                    item = self._rejected(
                        item.uri, f"{item.key}#{number}", "duplicate", "its uri and key are there twice"
                    )
                seen.add((item.uri, item.key))
                yield item
        except (LLMEngineeringError, GeneratorExit):
            raise
        # It is not our code: whatever it raises is the failure of this source, and it may not end the run either.
        except (Exception, SystemExit) as error:
            detail = f"{self.spec.function} raised {type(error).__name__}: {str(error)[:500]}"
            raise SourceError("loader", detail) from error

    def _item(self, given: Any, number: int) -> Item:
        place = f"{self.spec.function}#{number}"
        if isinstance(given, Document | Rejection):
            given = {name: getattr(given, name) for name in _FIELDS} if isinstance(given, Document) else given
        if isinstance(given, Rejection):
            return self._rejected(given.uri, given.key, given.reason, given.detail)
        if not isinstance(given, Mapping):
            return self._rejected(place, "", "wrong_shape", f"expected a mapping, found {type(given).__name__}")
        if unknown := sorted(set(map(str, given)) - set(_FIELDS)):
            return self._rejected(place, "", "wrong_shape", f"unknown {unknown[0]!r}; known: {', '.join(_FIELDS)}")
        uri, text, key = given.get("uri"), given.get("text"), str(given.get("key") or "")
        text_format: Any = given.get("format") or "markdown"
        if not isinstance(uri, str) or not uri or not isinstance(text, str) or text_format not in _FORMATS:
            detail = f"`uri` and `text` must be texts, and `format` one of {', '.join(_FORMATS)}"
            return self._rejected(uri if isinstance(uri, str) and uri else place, key, "wrong_shape", detail)
        if not text.strip():
            return self._rejected(uri, key, "empty", "there is nothing but white space in it")
        said = given.get("metadata") or {}
        if not isinstance(said, Mapping) or not all(isinstance(value, Scalar) for value in said.values()):
            return self._rejected(uri, key, "wrong_shape", "`metadata` maps names to texts, numbers, true or false")
        return Document(
            uri=uri,
            source=self.name,
            format=text_format,
            text=text,
            title=str(given.get("title") or uri.rpartition("/")[2] or uri),
            key=key,
            user_id=self.context.user_id,
            metadata={**self.context.authorship, **{str(name): value for name, value in said.items()}},
        )

    def _rejected(self, uri: str, key: str, reason: str, detail: str) -> Rejection:
        return Rejection(uri, self.name, reason, detail, key=key)
