"""YAML with the line of every key, and without the two traps of YAML: keys given twice, and objects made from tags."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from llm_engineering.domain.errors import UsageError

# A key in the file as the keys and positions that lead to it: ("ingest", "sources", 0, "root").
Key = tuple[str | int, ...]


@dataclass
class Lines:
    """Where each key of a file stands."""

    file: str
    places: dict[Key, str] = field(default_factory=dict)

    def note(self, key: Key, place: str) -> None:
        """Remember where a key stands."""
        self.places[key] = place

    def of(self, key: Key) -> str:
        """Return `file, line N` of the key, or of the nearest section around it that the file has."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, self.file)


def load_with_lines(path: Path) -> tuple[dict[str, Any], Lines]:
    """Parse a YAML file safely into plain Python, with the place of each key.

    Raises:
        UsageError: the file cannot be read, is no YAML, is not a mapping, or has a key twice.
    """
    lines = Lines(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except yaml.YAMLError as error:
        raise UsageError(_mistake(path, error)) from None
    if data is None:
        return {}, lines
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path}: expected sections such as `ingest:` and `load:`, found {type(data).__name__}")
    for key, line in _walk(root, (), str(path), ()):
        lines.note(key, f"{path}, line {line}")
    return data, lines


def _mistake(path: Path, error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{path} is not valid YAML: {error}"
    hint = "; indent with spaces, not with tabs" if r"'\t'" in str(error.problem) else ""
    what = " ".join(filter(None, (error.context, error.problem)))
    return f"{path}, line {error.problem_mark.line + 1} is not valid YAML: {what}{hint}"


def _walk(node: yaml.Node, prefix: Key, file: str, above: tuple[yaml.Node, ...]) -> Iterator[tuple[Key, int]]:
    """Yield (key, line) for every key and list item below a node; `above` are the nodes that it is in."""
    if node in above:
        raise UsageError(f"{file}, line {node.start_mark.line + 1}: this section contains itself (*alias of its own)")
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        seen: dict[Any, int] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if name.value in seen:
                raise UsageError(
                    f"{file}, line {line}: {name.value!r} is there twice; first on line {seen[name.value]}"
                )
            seen[name.value] = line
            yield (*prefix, name.value), line
            yield from _walk(value, (*prefix, name.value), file, above)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield (*prefix, position), item.start_mark.line + 1
            yield from _walk(item, (*prefix, position), file, above)
