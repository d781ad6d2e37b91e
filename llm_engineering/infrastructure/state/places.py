"""Where a home keeps, or kept, the assistant's state: one small file for each place, so that erasure finds them all."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from llm_engineering.domain.errors import BackendError
from llm_engineering.infrastructure.state import MemoryState, SqlState, StateSpec
from llm_engineering.infrastructure.state.sql import FILE
from llm_engineering.infrastructure.state.writing import hashed

FOLDER = "states"


def remember(home: Path, spec: StateSpec) -> None:
    """Write down where the state is, unless it is in the home itself or in no lasting place at all."""
    if isinstance(spec, MemoryState) or spec == SqlState() or not spec.url:
        return
    where = spec.model_dump(include={"kind", "url", "prefix"})
    path = home / FOLDER / f"{hashed(repr(sorted(where.items())))[:32]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{uuid4()}.part")  # several processes may start at once
        part.write_text(spec.model_dump_json(), encoding="utf-8")
        part.replace(path)


def known(home: Path) -> Iterator[tuple[str, StateSpec]]:
    """Yield a name and the specification of each store that this home has used.

    Raises:
        BackendError: one of the files is damaged.
    """
    if (home / FILE).exists():
        yield FILE, SqlState()
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            spec: StateSpec = TypeAdapter(StateSpec).validate_json(path.read_bytes())
        except ValidationError as error:
            raise BackendError(
                f"{path} is damaged; it says where the assistant's state is. Remove the file, and start the assistant "
                "once with the configuration that it was for"
            ) from error
        yield path.stem, spec
