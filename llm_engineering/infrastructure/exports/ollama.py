"""A Modelfile for Ollama: the model's chat template, turn by turn, in the language of Ollama's templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.exports.gguf import begins
from llm_engineering.infrastructure.llms.templates import ChatTemplate, Turns

_MARK = "\ue000"
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Turned:
    """What stands before and after the content of each role, and what an answer begins with."""

    around: dict[str, tuple[str, str]]
    answer: str

    def render(self, turns: Turns) -> str:
        """Return a conversation as Ollama will write it."""
        parts = [self.around[turn["role"]][0] + turn["content"] + self.around[turn["role"]][1] for turn in turns]
        return "".join(parts) + self.answer


def turned(template: ChatTemplate) -> Turned | None:
    """Return a template turn by turn, or None where it is none that puts one turn after the other."""
    start = template.tokenizer.bos_token if begins(template) else ""

    def rendered(turns: Sequence[tuple[str, str]], *, answers: bool = False) -> str:
        text = template.render([{"role": role, "content": content} for role, content in turns], answers=answers)
        return text.removeprefix(start)

    try:
        asked = rendered([("user", _MARK)])
        around = {"user": _split(asked)}
        answer = rendered([("user", _MARK)], answers=True).removeprefix(asked)
        around["assistant"] = _split(
            rendered([("user", "-"), ("assistant", _MARK)]).removeprefix(rendered([("user", "-")]))
        )
        around["system"] = _split(rendered([("system", _MARK), ("user", "-")]).removesuffix(rendered([("user", "-")])))
        found = Turned(around, answer)
        talk = [("system", "Be brief."), ("user", "Who?"), ("assistant", "Me."), ("user", "Why?")]
        turns = [{"role": role, "content": content} for role, content in talk]
        return found if found.render(turns) == rendered(talk, answers=True) else None
    except (UsageError, ValueError):
        return None


def _split(text: str) -> tuple[str, str]:
    before, after = text.split(_MARK)
    return before, after


def modelfile(template: ChatTemplate, file: Path, licence: str) -> tuple[str, str]:
    """Return the text of a Modelfile, and what is to be known of it; nothing, if all is well."""
    lines, note = [f"FROM ./{file.name}"], ""
    found = turned(template)
    if found is None:
        note = (
            "the chat template is none that puts one turn after the other, so the Modelfile has no TEMPLATE; ask "
            "Ollama with its raw mode, or serve the file with llama-server --jinja, which reads the template in it"
        )
    else:
        roles = "".join(
            f'{{{{ if eq .Role "{role}" }}}}{_text(found.around[role][0])}{{{{ .Content }}}}'
            f"{_text(found.around[role][1])}{{{{ end }}}}"
            for role in ROLES
        )
        lines.append(f'TEMPLATE """{{{{ range .Messages }}}}{roles}{{{{ end }}}}{_text(found.answer)}"""')
    lines.append(f'PARAMETER stop "{template.tokenizer.eos_token}"')
    if licence:
        lines.append(f'LICENSE """{licence}"""')
    return "\n".join(lines) + "\n", note


def _text(text: str) -> str:
    """Return text for Ollama's template language, in which only braces mean something."""
    return text.replace("{{", '{{ "{{" }}')
