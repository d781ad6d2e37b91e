"""Templates of what models are asked to write: refused before anything is asked if they cannot say what they must."""

from collections.abc import Mapping
from pathlib import Path

from llm_engineering.application.answering.prompting import Prompt
from llm_engineering.domain.errors import UsageError

_MARK = "a1b2c3 this is only a test"


def open_template(file: Path, variables: Mapping[str, object], shown: str) -> Prompt:
    """Return the template of a file.

    Args:
        file: The template, with the blocks system and user.
        variables: What it may use, each with a value of its type.
        shown: The variable that has to reach the model. A published data set had no word of its corpus, because a brace
            was missing in its prompt.

    Raises:
        UsageError: the file cannot be read, is no template, uses a variable that is not there (also where a condition
            hides it), or does not show what it must.
    """
    from jinja2 import TemplateError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        text = file.expanduser().read_text(encoding="utf-8")
        unknown = meta.find_undeclared_variables(ImmutableSandboxedEnvironment().parse(text)) - variables.keys()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the prompt {file}: {error}") from error
    except TemplateError as error:
        raise UsageError(f"prompt {file}: {error}; mend the template") from error
    known = ", ".join(sorted(variables))
    if unknown:
        raise UsageError(
            f"prompt {file}: {', '.join(map(repr, sorted(unknown)))} is undefined; it knows {known}. Nothing was asked"
        )
    prompt = Prompt(file.stem, text)
    said = "\n".join(message.content for message in prompt.render(**{**variables, shown: _MARK}))
    if _MARK not in said:
        raise UsageError(
            f"prompt {file}: the variable {shown!r} does not reach the model; write {{{{ {shown} }}}} where it is to "
            f"stand, with two braces on each side. It knows {known}. Nothing was asked"
        )
    return prompt
