"""A finished training in its folder: whoever asks for it again gets it as it is."""

from pathlib import Path

from pydantic import ValidationError

from llm_engineering.domain import failpoints
from llm_engineering.domain.training import Trained
from llm_engineering.infrastructure.trainers.checkpoints import write_whole
from llm_engineering.infrastructure.trainers.optimising import work_folders

RESULT = "trained.json"


def finished(folder: Path) -> Trained | None:
    """Return the training that ended in this folder, if one did."""
    try:
        return Trained.model_validate_json((folder / RESULT).read_bytes()) if work_folders(folder)[1].is_dir() else None
    except (OSError, ValidationError):
        return None


def keep_finished(folder: Path, trained: Trained) -> Trained:
    """Keep how a training went, now that its model is whole; return it."""
    write_whole(folder / RESULT, trained.model_dump_json())
    failpoints.reach("training.after_result")
    return trained
