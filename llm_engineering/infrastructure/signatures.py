"""The signatures of documents, and the near-duplicates that were found last, in the home: `duplicates/COLLECTION/`.

What is lost or damaged is made again: it costs time and nothing else. No text is kept, only ids and hashes.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from loguru import logger

from llm_engineering.domain.errors import BackendError

# Raise it when the files change their meaning; what an older version wrote is then made again.
FORMAT = 1
OUTCOME, SIGNATURES = "outcome.json", "signatures.npz"


@dataclass(frozen=True)
class SignatureFiles:
    """The two files of a collection under certain settings; other settings have others, and the old ones go."""

    home: Path
    collection: str
    settings: str

    @property
    def folder(self) -> Path:
        return self.home / "duplicates" / self.collection / self.settings

    def read_outcome(self) -> str:
        """Return the last outcome as JSON; an empty text if there is none."""
        try:
            return (self.folder / OUTCOME).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            logger.warning("{} cannot be read and is made again: {}", self.folder / OUTCOME, error)
            return ""

    def read_signatures(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the lists (`ids`, `hashes`, `likenesses`) and the arrays (`groups`, `rows`), or None."""
        import zipfile

        import numpy as np

        path = self.folder / SIGNATURES
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                lists = json.loads(bytes(file["lists"]).decode())
                arrays = {"groups": file["groups"], "rows": file["rows"]}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("{} cannot be read and is made again: {}", path, error)
            return None
        return (lists, arrays) if lists.get("format") == FORMAT else None

    def write(self, outcome: str, lists: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Write both files: the signatures first, so that an outcome never comes before what it was found with.

        Raises:
            BackendError: the disk is full, or the folder cannot be written.
        """
        import numpy as np

        content = json.dumps({**lists, "format": FORMAT}).encode()
        try:
            for other in self.folder.parent.glob("*"):
                if other != self.folder:
                    shutil.rmtree(other, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"{uuid4().hex}.part"
            with part.open("wb") as file:
                np.savez(file, lists=np.frombuffer(content, dtype=np.uint8), **arrays)
            part.replace(self.folder / SIGNATURES)
            part.write_text(outcome, encoding="utf-8")
            part.replace(self.folder / OUTCOME)
        except OSError as error:
            raise BackendError(f"the signatures in {self.folder} cannot be written: {error}") from error
        finally:
            for left in self.folder.glob("*.part"):
                left.unlink(missing_ok=True)
