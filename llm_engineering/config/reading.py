"""Read a YAML file into a configuration; every mistake is answered with file, line, key and the nearest valid one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from llm_engineering.config.lines import Lines, load_with_lines
from llm_engineering.config.mistakes import describe, follows
from llm_engineering.config.pipelines import C
from llm_engineering.config.project import ProjectConfig
from llm_engineering.domain.errors import UsageError


def read_config(model: type[C], path: Path | None, overrides: Sequence[str] = ()) -> C:
    """Return the configuration in the file, with the overrides applied; without a file, the defaults.

    One file may serve all pipelines: it is read as a whole, and the part that the
    asked pipeline knows is returned.

    Args:
        model: The configuration of the pipeline that is to run.
        path: A YAML file.
        overrides: Settings such as `embedding.precision=fp32` or `ingest.sources.0.root=docs`; values are YAML.

    Raises:
        UsageError: the file is missing or no YAML, a key is unknown or twice there, or a value is not valid. The
            message names file, line, key, and what is valid.
    """
    data, lines = load_with_lines(path) if path else ({}, Lines("defaults"))
    for override in overrides:
        _apply(override, data, lines)
    try:
        whole = ProjectConfig.model_validate(data)
    except ValidationError as error:
        mistakes = [describe(one, ProjectConfig, data, lines) for one in error.errors() if not follows(one)]
        raise UsageError("\n".join(dict.fromkeys(mistakes))) from None
    return whole.of(model)


def _apply(override: str, data: dict[str, Any], lines: Lines) -> None:
    """Set one `section.key=value` in the data, creating the sections on the way."""
    name, separator, text = override.partition("=")
    path = name.strip().split(".")
    if not separator or not all(path):
        raise UsageError(f"--set {override!r}: write it as section.key=value, for example embedding.precision=fp32")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {override!r}: the value is not valid YAML: {error}") from None
    node: Any = data
    for depth, part in enumerate(path):
        here = ".".join(path[:depth]) or "the file"
        key: Any = _position(part, node, here, override) if isinstance(node, list) else part
        if not isinstance(node, dict | list):
            raise UsageError(f"--set {override!r}: {here} is {node!r}, which has no keys")
        if depth == len(path) - 1:
            node[key] = value
        elif isinstance(node, dict):
            # `null` in the file means "the defaults", so a setting below it starts a new section.
            node[key] = {} if node.get(key) is None else node[key]
        node = node[key]
    lines.note(tuple(int(part) if part.isdigit() else part for part in path), f"--set {override}")


def _position(part: str, items: list[Any], here: str, override: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise UsageError(
            f"--set {override!r}: {here} is a list of {len(items)}; use a position from 0 on, not {part!r}"
        )
    return int(part)
