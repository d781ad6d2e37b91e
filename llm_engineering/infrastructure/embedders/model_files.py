"""The files of a model: what they say about it, whether they are the expected ones, and which of them are harmless."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from loguru import logger
from pydantic import BaseModel, TypeAdapter, ValidationError

from llm_engineering.domain.errors import UsageError

_MODULE = re.compile(r"sentence_transformers\.(?:\w+\.)*(?:models|modules)\.(?:\w+\.)*[A-Z]\w*")
HARMLESS = {".safetensors", ".json", ".txt", ".model"}
# It names another model that would be fetched without any check.
REFUSED = {"adapter_config.json"}


class Module(BaseModel):
    """One entry of modules.json."""

    path: str
    type: str


@dataclass(frozen=True)
class ModelFiles:
    """A folder in the sentence-transformers format, or a plain transformers model (then mean pooling is assumed)."""

    name: str
    folder: Path

    @cached_property
    def files(self) -> list[Path]:
        """The files that may be loaded, relative to the folder: weights, settings and vocabularies of each module."""
        parts = sorted({Path(module.path) for module in self.modules} | {Path()})
        found = [
            path.relative_to(self.folder)
            for part in parts
            for path in sorted((self.folder / part).glob("*"))
            if path.suffix in HARMLESS and path.name not in REFUSED and path.is_file()
        ]
        if not any(path.suffix == ".safetensors" for path in found):
            raise UsageError(
                f"model {self.name!r} in {self.folder} has no *.safetensors file; pickled weights can run code and are "
                "never loaded. Convert it, or choose a model that has one"
            )
        return found

    @property
    def tokenizer(self) -> Path:
        """The file of the fast tokenizer."""
        path = self.folder / "tokenizer.json"
        if not path.is_file():
            raise UsageError(f"model {self.name!r} in {self.folder} has no tokenizer.json; choose a model that has one")
        return path

    @cached_property
    def modules(self) -> list[Module]:
        """The modules of the model as modules.json lists them; only the library's own kinds are accepted."""
        try:
            modules = TypeAdapter(list[Module]).validate_python(self._read("modules.json", []))
        except ValidationError as error:
            raise UsageError(
                f"modules.json of model {self.name!r} in {self.folder} lists no modules: {error}"
            ) from error
        for module in modules:
            inside = (self.folder / module.path).resolve().is_relative_to(self.folder.resolve())
            if not inside or not _MODULE.fullmatch(module.type):
                raise UsageError(
                    f"model {self.name!r} asks for module {module.type!r} in {module.path!r}; only modules of "
                    "sentence_transformers inside its own folder are loaded, code of a model never is"
                )
        return modules

    @cached_property
    def dimension(self) -> int:
        """How many components the vectors have, from the last module that says so."""
        sizes = [self._size(module.path) for module in self.modules if module.path]
        found = [size for size in sizes if size] or [self._config.get("hidden_size", self._config.get("dim", 0))]
        if not found[-1]:
            raise UsageError(
                f"the settings of model {self.name!r} in {self.folder} do not say how long its vectors are"
            )
        return int(found[-1])

    def window(self, wanted: int | None) -> int:
        """Return the window in tokens: the wanted one, or what the model was made for."""
        tokenizer = self._read("tokenizer_config.json", {}).get("model_max_length", 512)
        # RoBERTa's family keeps two positions for itself; its tokenizer knows.
        positions = min(self._config.get("max_position_embeddings", 512), max(tokenizer, 1))
        own = min(self._read("sentence_bert_config.json", {}).get("max_seq_length") or positions, positions)
        if wanted is not None and wanted > positions:
            raise UsageError(f"max_tokens is {wanted}, but model {self.name!r} has {positions} positions")
        return int(wanted or own)

    def verified_digest(self, expected: str | None) -> str:
        """Return the SHA-256 of the weights, if it is the expected one.

        One file has the digest that `sha256sum` shows; of several, the digests with their names are hashed again.
        """
        weights = [path for path in self.files if path.suffix == ".safetensors"]
        each = {path.as_posix(): sha256_of(self.folder / path) for path in weights}
        listing = "".join(f"{each[name]}  {name}\n" for name in each)
        found = next(iter(each.values())) if len(each) == 1 else hashlib.sha256(listing.encode()).hexdigest()
        if expected is None:
            logger.info("the weights of model {} are not pinned; set `digest: {}` to pin them", self.name, found)
        elif found != expected:
            raise UsageError(
                f"the weights of model {self.name!r} in {self.folder} have the digest {found}, expected is {expected}. "
                "They are not loaded. If you trust them, set `digest` of the embedder to the former"
            )
        return found

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Yield a temporary folder with the harmless files alone.

        sentence-transformers runs `modeling_*.py` from a model's folder even without `trust_remote_code`
        (CVE-2026-68770), so no such file may be in reach while a model is loaded.
        """
        with TemporaryDirectory(prefix="model-", ignore_cleanup_errors=True) as name:
            for path in self.files:
                target = Path(name) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    target.symlink_to((self.folder / path).resolve())
                except OSError:  # Windows without the privilege
                    copyfile(self.folder / path, target)
            yield Path(name)

    def settings(self, name: str) -> dict[str, Any]:
        """Return a file of settings, such as `config.json`; none if it is not there."""
        found: dict[str, Any] = self._read(name, {})
        return found

    @cached_property
    def _config(self) -> Any:
        return self._read("config.json", {})

    def _size(self, module: str) -> int:
        settings = self._read(f"{module}/config.json", {})
        return int(
            settings.get("out_features")
            or settings.get("embedding_dimension")
            or settings.get("word_embedding_dimension")
            or 0
        )

    def _read(self, name: str, default: object) -> Any:
        path = self.folder / name
        if not path.is_file():
            return default
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is no JSON ({error}); get the files of model {self.name!r} again") from error
        if not isinstance(found, type(default)):
            raise UsageError(f"{path} holds something else than settings; get the files of model {self.name!r} again")
        return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file. A process that asks again reads it again only if it was written meanwhile."""
    found = path.stat()
    return _sha256_of(path.resolve(), (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=64)
def _sha256_of(path: Path, _state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
