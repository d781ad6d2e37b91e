"""Exports into a folder, which is there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.models import RegisteredModel
from llm_engineering.domain.value import Value

if TYPE_CHECKING:
    from llm_engineering.infrastructure.llms.templates import ChatTemplate


class Exported(Value):
    """What was exported: where it is, which files, how to run it, and what is to be known of it."""

    model: str
    folder: str
    files: tuple[str, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.model} is in {self.folder}: {', '.join(self.files)}"]
        lines += [f"run it with: {command}" for command in self.commands]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def export_folder(model: RegisteredModel, source: Path, to: Path) -> Exported:
    """Export a language model as it is, for vLLM and transformers.

    Raises:
        UsageError: it is no language model, its template is another one, or the folder is not empty.
    """
    _template(model, source)
    with _whole(to) as place:
        shutil.copytree(source, place, dirs_exist_ok=True)
    return Exported(
        model=model.reference,
        folder=str(to),
        files=_files(to),
        commands=(f"vllm serve {to.resolve()} --served-model-name {model.name}",),
    )


def export_gguf(model: RegisteredModel, source: Path, to: Path, precision: str = "auto") -> Exported:
    """Export a language model as GGUF with its vocabulary and chat template, and a Modelfile for Ollama.

    Raises:
        UsageError: it is no language model, of another architecture, or the folder is not empty.
    """
    from llm_engineering.infrastructure.exports.gguf import write_gguf
    from llm_engineering.infrastructure.exports.ollama import modelfile

    template = _template(model, source)
    with _whole(to) as place:
        file = place / f"{model.name}-{model.number}.gguf"
        count, chosen = write_gguf(source, model.reference, template, precision, file)
        text, note = modelfile(template, file, model.licence)
        (place / "Modelfile").write_text(text, encoding="utf-8")
    notes = [f"{count} tensors in {chosen}, read back and compared with the weights"]
    return Exported(
        model=model.reference,
        folder=str(to),
        files=_files(to),
        commands=(
            f"ollama create {model.name.lower()} -f {to.resolve() / 'Modelfile'}",
            f"llama-server --jinja -m {to.resolve() / file.name}",
        ),
        notes=(*notes, *([note] if note else [])),
    )


def _template(model: RegisteredModel, source: Path) -> "ChatTemplate":
    """Return the template of a model, which is the one that it was trained with."""
    from transformers import AutoTokenizer

    from llm_engineering.infrastructure.llms.templates import ChatTemplate, check_template

    if model.kind != "llm":
        raise UsageError(f"{model.reference} is of kind {model.kind}; only language models (kind llm) are exported")
    if model.template:
        check_template(source, model.template, model.reference)
    try:
        return ChatTemplate.of(AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=True))
    except (OSError, ValueError) as error:
        raise UsageError(f"model {model.reference} has no tokenizer that can be read: {error}") from error


@contextmanager
def _whole(to: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes the wanted one in the end.

    Raises:
        UsageError: something is there already.
        BackendError: the disk is full, or the folder cannot be written.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} is not empty; export to a new folder")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as name:
            place = Path(name) / "export"
            place.mkdir()
            yield place
            if to.is_dir():
                to.rmdir()
            place.rename(to)
    except OSError as error:
        raise BackendError(f"the export cannot be written to {to}: {error}") from error


def _files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
