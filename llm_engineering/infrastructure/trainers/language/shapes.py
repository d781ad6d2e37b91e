"""How large a language model is, from its config.json or from its name. No weight is loaded."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loguru import logger

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.embedders.model_source import find_model, network_error

# Of Llamas and Qwens of about so many billions: layers, width, width of the MLP, heads, key heads, vocabulary.
KNOWN: dict[float, tuple[int, int, int, int, int, int]] = {
    0.135: (30, 576, 1_536, 9, 3, 49_152),
    0.5: (24, 896, 4_864, 14, 2, 151_936),
    1.2: (16, 2_048, 8_192, 32, 8, 128_256),
    1.5: (28, 1_536, 8_960, 12, 2, 151_936),
    3.2: (28, 3_072, 8_192, 24, 8, 128_256),
    7.0: (32, 4_096, 11_008, 32, 32, 32_000),
    8.0: (32, 4_096, 14_336, 32, 8, 128_256),
    14.0: (48, 5_120, 13_824, 40, 8, 152_064),
    32.0: (64, 5_120, 27_648, 40, 8, 152_064),
    70.0: (80, 8_192, 28_672, 64, 8, 128_256),
}
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
SECONDS = 5.0


@dataclass(frozen=True)
class Shape:
    """The size of a model. `linear` are the inputs and outputs of each layer that adapters may stand beside, by name.

    `source` says where it is known from. `floats` is how many numbers of a token a layer keeps for the way back.
    """

    parameters: int
    layers: int
    width: int
    vocabulary: int
    window: int
    floats: int
    linear: tuple[tuple[str, int, int], ...]
    source: str

    def adapters(self, rank: int, targets: tuple[str, ...]) -> int:
        """Return the parameters of adapters of a rank beside the targets; no targets are all of them."""
        return sum(
            rank * (inputs + outputs)
            for name, inputs, outputs in self.linear
            if not targets or name.rpartition(".")[2] in targets
        )


def shape_of(name: str, revision: str | None, home: Path) -> Shape | None:
    """Return the shape of a model, or None where neither a file nor its name tells.

    Raises:
        UsageError: it is in the registry or a local folder, and has no configuration of a causal language model.
    """
    path = _configuration(name, revision, home)
    if path is not None:
        return _by_file(path, f"its {path.name}")
    with TemporaryDirectory(prefix="model-") as folder:
        fetched = _fetched(name, revision, Path(folder) / "config.json")
        return _by_file(fetched, "its config.json on the hub") if fetched else _by_name(name)


def _configuration(name: str, revision: str | None, home: Path) -> Path | None:
    """Return the config.json of a model, if it is on this machine."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if name.startswith(("registry:", ".", "/", "~")) or Path(name).is_dir():
        folder = find_model(name, revision, home)
        if not (folder / "config.json").is_file():
            raise UsageError(f"{name!r} in {folder} has no config.json; it is no model")
        return folder / "config.json"
    try:
        known = try_to_load_from_cache(name, "config.json", cache_dir=home / "models", revision=revision)
    except HFValidationError as error:
        raise UsageError(f"{name!r} is neither a folder nor a name on the hub ('owner/name'): {error}") from error
    return Path(known) if isinstance(known, str) else None


def _fetched(name: str, revision: str | None, path: Path) -> Path | None:
    """Fetch the config.json of a model on the hub, if the hub answers at once. One try: a dry run is not to wait."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]  # its own list of names is incomplete

    url = hf_hub_url(name, "config.json", revision=revision)
    try:
        answer = get_session().get(url, headers=build_hf_headers(), timeout=SECONDS, follow_redirects=True)
        answer.raise_for_status()
    except (OSError, ValueError, network_error()) as error:
        logger.info("the configuration of {} is out of reach: {}", name, type(error).__name__)
        return None
    path.write_bytes(answer.content)
    return path


def _by_file(path: Path, source: str) -> Shape:
    from transformers import AutoConfig

    try:
        return _shape(AutoConfig.from_pretrained(path, trust_remote_code=False, local_files_only=True), source)
    except Exception as error:  # what a foreign configuration makes the library raise can be anything
        raise UsageError(f"{path} is no configuration of a causal language model: {error}") from error


def _by_name(name: str) -> Shape | None:
    """Return the shape of a usual model of the size that a name tells, such as 8B.

    >>> _by_name("meta-llama/Llama-3.1-8B-Instruct").parameters
    8030261248
    """
    found = _SIZE.search(name.rpartition("/")[2])
    if found is None:
        return None
    experts, number, unit = found.groups()
    billions = float(number) * int(experts or 1) / (1 if unit.lower() == "b" else 1_000)
    if billions <= 0:
        return None
    nearest = min(KNOWN, key=lambda size: abs(math.log(size / billions)))
    layers, width, inner, heads, key_heads, vocabulary = KNOWN[nearest]
    from transformers import LlamaConfig

    config = LlamaConfig(
        num_hidden_layers=layers, hidden_size=width, intermediate_size=inner, num_attention_heads=heads,
        num_key_value_heads=key_heads, vocab_size=vocabulary, max_position_embeddings=131_072,
    )  # fmt: skip
    shape = _shape(config, f"its name says {found[0]}, and the hub is out of reach; the layout of a usual {nearest:g}B")
    if abs(math.log(nearest / billions)) < 0.1:
        return shape
    return Shape(**{**vars(shape), "parameters": round(billions * 1e9)})


def _shape(config: Any, source: str) -> Shape:
    """Return the shape of a model, which is built without its weights."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    automatic: Any = AutoModelForCausalLM
    with torch.device("meta"):
        model = automatic.from_config(config, trust_remote_code=False)
    text = config.get_text_config()
    head = model.get_output_embeddings()
    linear = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head:
            rows, columns = module.weight.shape
            linear.append((name, int(columns), int(rows)))
    layers = int(text.num_hidden_layers)
    # Inputs and outputs of each product, and of norms, activation and residuals.
    outputs = sum(outputs for _, _, outputs in linear) // max(1, layers)
    inner = max((outputs for _, _, outputs in linear), default=0)
    return Shape(
        parameters=sum(weight.numel() for weight in model.parameters()),
        layers=layers,
        width=int(text.hidden_size),
        vocabulary=int(text.vocab_size),
        window=int(getattr(text, "max_position_embeddings", 0) or 2_048),
        floats=6 * int(text.hidden_size) + outputs + 2 * inner,
        linear=tuple(linear),
        source=source,
    )
