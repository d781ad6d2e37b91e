"""A model of the Hugging Face kind in this process: from a folder, also one that was trained here, or from the hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.llms.prices import card_of
from llm_engineering.infrastructure.llms.settings import CallLimits, LlmSettings
from llm_engineering.infrastructure.registries import FileRegistry
from llm_engineering.infrastructure.registries.references import SCHEME

if TYPE_CHECKING:
    from llm_engineering.infrastructure.llms.local_model import HuggingFaceLlm

# What is linked into the folder that is loaded: weights, settings, vocabularies, the chat template (which is rendered
# in a sandbox). An adapter names another model, which would be fetched unchecked.
_HARMLESS = {".safetensors", ".json", ".txt", ".model", ".jinja"}
_REFUSED = {"adapter_config.json"}


class HuggingFace(LlmSettings):
    """Kind `hugging_face`: a causal language model in this process. Safetensors only; no code of a model is run."""

    kind: Literal["hugging_face"] = "hugging_face"
    model: str = Field(min_length=1, description="a local folder, a name on the Hugging Face hub, or registry:NAME")
    revision: str | None = Field(None, description="commit on the hub; null: the newest")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto = a GPU where there is one")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="auto = as the weights are")
    limits: CallLimits = Field(default_factory=lambda: CallLimits(concurrency=1))

    def open(self, home: Path | None = None) -> "HuggingFaceLlm":
        """Load the model.

        Raises:
            UsageError: it is not here and cannot be fetched, or it is no causal language model.
        """
        from llm_engineering.infrastructure.llms.transport import require

        require("torch", self.kind)
        require("transformers", self.kind)
        from llm_engineering.infrastructure.llms.generation import Generator
        from llm_engineering.infrastructure.llms.local_model import HuggingFaceLlm

        folder = _found(self.model, self.revision, home or Path(".llm-engineering"))
        try:
            with staged(self.model, folder) as harmless:
                generator = Generator.load(harmless, self.device, self.dtype)
        except Exception as error:
            raise UsageError(
                f"model {self.model!r} in {folder} cannot be loaded as a causal language model: "
                f"{type(error).__name__}: {error}"
            ) from error
        card = card_of(self, "hugging_face", self.model, is_free=True, is_listed=False)
        window = self.context_window or generator.window
        return HuggingFaceLlm(card.model_copy(update={"context_window": window}), generator)


def _found(name: str, revision: str | None, home: Path) -> Path:
    """Return the folder of a model. One of the registry is served with the template that it was trained with.

    Raises:
        UsageError: it is not here, is no language model, or its folder holds another template.
    """
    from llm_engineering.infrastructure.embedders.model_source import find_model
    from llm_engineering.infrastructure.llms.templates import check_template, noted_template

    if not name.startswith(SCHEME):
        folder = find_model(name, revision, home)
        if expected := noted_template(folder):
            check_template(folder, expected, name)
        return folder

    registry = FileRegistry(home)
    model = registry.find(name)
    if model.kind != "llm":
        raise UsageError(f"{name!r} is a model of kind {model.kind}; a language model (kind llm) is needed")
    folder = registry.folder(model)
    if model.template:
        check_template(folder, model.template, model.reference)
    return folder


@contextmanager
def staged(name: str, folder: Path) -> Iterator[Path]:
    """Yield a temporary folder with the harmless files alone.

    Raises:
        UsageError: there are no safetensors among them.
    """
    files = [path for path in sorted(folder.iterdir()) if path.suffix in _HARMLESS and path.name not in _REFUSED]
    if not any(path.suffix == ".safetensors" for path in files):
        raise UsageError(
            f"model {name!r} in {folder} has no *.safetensors file; pickled weights can run code and are never loaded. "
            "Convert it, or choose a model that has one. A LoRA adapter is merged into its model first"
        )
    with TemporaryDirectory(prefix="model-", ignore_cleanup_errors=True) as staging:
        for path in files:
            (Path(staging) / path.name).symlink_to(path.resolve())
        yield Path(staging)
