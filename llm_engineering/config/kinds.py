"""Sections that have a `kind`, and how little of it has to be written."""

from typing import Any

from pydantic import BeforeValidator


def kind_or(default: str) -> BeforeValidator:
    """Let a section leave its `kind` out: it then means the default kind with other settings."""

    def fill(section: Any) -> Any:
        return {"kind": default, **section} if isinstance(section, dict) and "kind" not in section else section

    return BeforeValidator(fill)


def kind_alone(default: str) -> BeforeValidator:
    """Let a section be the name of its kind alone (`executor: ray`), or leave the kind out."""

    def fill(section: Any) -> Any:
        if isinstance(section, str):
            return {"kind": section}
        return {"kind": default, **section} if isinstance(section, dict) and "kind" not in section else section

    return BeforeValidator(fill)
