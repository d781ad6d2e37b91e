"""The model that training begins with, low-rank adapters in it, and the finished one as files."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from llm_engineering.domain import failpoints
from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.evaluation import Estimate
from llm_engineering.domain.models import TrainingRecord
from llm_engineering.domain.training import Trained
from llm_engineering.infrastructure.embedders.encoder import chosen_device, chosen_precision
from llm_engineering.infrastructure.embedders.library_model import quiet_transformers
from llm_engineering.infrastructure.embedders.model_files import HARMLESS, REFUSED, ModelFiles
from llm_engineering.infrastructure.embedders.model_source import find_model
from llm_engineering.infrastructure.embedders.sentence_transformers import PINNED
from llm_engineering.infrastructure.trainers.optimising import Optimising


@dataclass(frozen=True)
class Start:
    """What a training begins with: the files of the base, the SHA-256 of its weights, and what it computes with."""

    files: ModelFiles
    digest: str
    device: str
    precision: str

    def trained(self, record: TrainingRecord, metrics: Mapping[str, Estimate]) -> Trained:
        """Return how a training went that began so."""
        record = record.model_copy(update={"precision": self.precision, "device": self.device})
        return Trained(record=record, base=self.files.name, base_digest=self.digest, metrics=dict(metrics))


def start(spec: Optimising, base: str, home: Path) -> Start:
    """Find the model to begin with, and choose the device.

    Raises:
        UsageError: the model is not here and cannot be fetched, or has another digest; there is no such device.
    """
    device = chosen_device(spec.device)
    precision = chosen_precision(spec.precision, device)
    known = PINNED.get(base, (None, None))
    files = ModelFiles(base, find_model(base, spec.revision or known[0], home))
    return Start(files, files.verified_digest(spec.digest or known[1]), device, precision)


def set_dropout(model: nn.Module, share: float) -> None:
    """Let so large a share of the activations drop out in training, wherever the model has a place for it."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = share  # type: ignore[assignment]  # a number on the library's modules


def add_adapters(model: nn.Module, rank: int, alpha: float, seed: int) -> None:
    """Freeze the model and put low-rank adapters beside its attention (LoRA, Hu et al. 2021).

    Raises:
        UsageError: peft does not know where in a model of this kind they belong.
    """
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(seed)
    inner = next(
        (module for module in model.modules() if hasattr(module, "config") and hasattr(module, "dtype")), model
    )
    try:
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0), inner)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(
            f"lora_rank is {rank}, but peft knows no place for adapters: {error}. Set lora_rank 0"
        ) from error
    for name, value in model.named_parameters():
        value.requires_grad_("lora_" in name or name.startswith("classifier"))


def merge_adapters(model: nn.Module) -> None:
    """Add adapters to the weights that they stand beside, and take them out."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], module.get_base_layer())


@torch.no_grad()
def blend(model: nn.Module, before: Mapping[str, torch.Tensor], share: float) -> None:
    """Take the mean with the weights before training (Wortsman et al. 2022); `share` is that of the trained ones."""
    for name, value in model.named_parameters():
        if name in before:
            value.lerp_(before[name].to(value), 1 - share)


def save_model(model: Any, base: ModelFiles | None, folder: Path) -> None:
    """Write a finished model as safetensors and settings into a folder, which is there whole or not at all.

    Settings, vocabulary and layout are the base's own wherever its weights have the same places, so that whatever could
    read the base can read the model. No pickled file is among them.
    """
    failpoints.reach("training.before_result")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as name:
        written, chosen = Path(name) / "written", Path(name) / "chosen"
        with quiet_transformers():
            model.save_pretrained(str(written), create_model_card=False)
        _check_finite(written)
        _copy(written, chosen)
        if base is not None and _holds(written, base):
            shutil.rmtree(chosen)
            for path in base.files:
                _copy_like(written, base.folder, path, chosen)
        shutil.rmtree(folder, ignore_errors=True)
        chosen.rename(folder)


def _under(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def _holds(written: Path, base: ModelFiles) -> bool:
    """Tell whether all weights of the base are written, each in the same file under the same name."""
    weights = [path for path in base.files if path.suffix == ".safetensors"]
    return all(
        (written / path).is_file() and set(load_file(base.folder / path)) <= set(load_file(written / path))
        for path in weights
    )


def _copy_like(written: Path, base: Path, path: Path, chosen: Path) -> None:
    """Copy a file of the base; of weights the trained ones, without those that the library made up."""
    if path.suffix != ".safetensors":
        _copy_file(base / path, chosen / path)
        return
    (chosen / path).parent.mkdir(parents=True, exist_ok=True)
    trained = load_file(written / path)
    save_file({name: trained[name] for name in load_file(base / path)}, chosen / path, metadata={"format": "pt"})


def _copy(source: Path, target: Path) -> None:
    for path in _under(source):
        if path.suffix in HARMLESS and path.name not in REFUSED:
            _copy_file(source / path, target / path)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _check_finite(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        for name, tensor in load_file(path).items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise UsageError(f"weight {name!r} is not finite after training; use a lower learning_rate")
