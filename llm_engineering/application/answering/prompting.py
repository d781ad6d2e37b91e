"""Prompts: versioned Jinja templates, rendered in a sandbox where a missing variable is an error."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.llms import Message

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).parent / "prompts"
_PARTS = ("system", "user")


@dataclass(frozen=True)
class Prompt:
    """A template with the blocks `system` and `user`. `digest` is the SHA-256 of its text."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def _template(self) -> "Template":
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # A prompt is plain text for a model; escaping it as HTML would change what the passages say.
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        try:
            template = environment.from_string(self.text)
        except TemplateError as error:
            raise UsageError(f"prompt {self.name}: {error}; mend the template") from error
        if missing := [part for part in _PARTS if part not in template.blocks]:
            raise UsageError(
                f"prompt {self.name} lacks the block {missing[0]!r}; it needs {{% block system %}} … {{% endblock %}} "
                "and {% block user %} … {% endblock %}"
            )
        return template

    def render(self, **variables: object) -> tuple[Message, Message]:
        """Return the system's and the user's message.

        Raises:
            UsageError: the template uses a variable that is not there, or does what the sandbox forbids.
        """
        from jinja2 import TemplateError

        template = self._template
        try:
            system, user = ("".join(template.blocks[part](template.new_context(variables))).strip() for part in _PARTS)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise UsageError(f"prompt {self.name}: {error}; it knows {', '.join(sorted(variables))}") from error
        return Message(role="system", content=system), Message(role="user", content=user)


def open_prompt(name: str, file: Path | None = None) -> Prompt:
    """Return the prompt `name/version` that comes along, or the one in a file.

    Raises:
        UsageError: there is no such prompt, the file cannot be read, or the template is wrong.
    """
    if file is None:
        known = sorted(path.relative_to(_FOLDER).with_suffix("").as_posix() for path in _FOLDER.glob("*/*.jinja"))
        if name not in known:
            raise UsageError(f"there is no prompt {name!r}; there are {', '.join(known)}, or set answering.prompt_file")
        file = _FOLDER / f"{name}.jinja"
    else:
        name = file.name
    try:
        prompt = Prompt(name, file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the prompt {file}: {error}") from error
    _ = prompt._template  # a wrong template is refused when it is opened, not with the first question
    return prompt
