"""Checkpoints of a training: weights, what the optimiser remembers, the curve, and the configuration they belong to.

Two safetensors files and one of JSON: nothing in them can run. A checkpoint counts once it is sealed, so one that was
being written when the process was killed is passed over.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from loguru import logger
from safetensors.torch import load_file, save_file
from torch import Tensor

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import CurvePoint
from llm_engineering.domain.value import flattened
from llm_engineering.infrastructure.trainers.checkpoints import newest_whole, seal
from llm_engineering.infrastructure.trainers.gpt.model import Gpt

WEIGHTS, OPTIMISER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Progress:
    """How far a training has come. `best` is the lowest loss on validation, `best_step` where it was."""

    step: int = 0
    curve: tuple[CurvePoint, ...] = ()
    best: float = math.inf
    best_step: int = 0


def keep(
    folder: Path, described: Mapping[str, object], progress: Progress, model: Gpt, optimiser: torch.optim.AdamW
) -> None:
    """Write a checkpoint, and remove those that are neither the newest, nor the one before, nor the best."""
    place = folder / f"checkpoint-{progress.step}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    save_file(weights(model), place / WEIGHTS)
    save_file(_remembered(model, optimiser), place / OPTIMISER)
    state = {
        "configuration": described,
        "step": progress.step,
        "best": progress.best if math.isfinite(progress.best) else None,
        "best_step": progress.best_step,
        "curve": [point.model_dump(mode="json") for point in progress.curve],
    }
    (place / STATE).write_text(json.dumps(state), encoding="utf-8")
    seal(place)
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in found[:-2]:
        if path.name != f"checkpoint-{progress.best_step}":
            shutil.rmtree(path, ignore_errors=True)


def newest(folder: Path, described: Mapping[str, object], model: Gpt, optimiser: torch.optim.AdamW) -> Progress | None:
    """Put the newest whole checkpoint back into model and optimiser, and return how far it had come.

    Raises:
        UsageError: it is of another configuration; the message names what differs.
    """
    place = newest_whole(folder)
    if place is None:
        return None
    state = json.loads((place / STATE).read_text(encoding="utf-8"))
    _check_same(place, state["configuration"], json.loads(json.dumps(described)))
    model.load_state_dict(_tied(load_file(place / WEIGHTS), model))
    _put_back(load_file(place / OPTIMISER), model, optimiser)
    logger.info("training goes on from step {} ({})", state["step"], place)
    return Progress(
        step=state["step"],
        curve=tuple(CurvePoint.model_validate(point) for point in state["curve"]),
        best=math.inf if state["best"] is None else state["best"],
        best_step=state["best_step"],
    )


def weights(model: Gpt) -> dict[str, Tensor]:
    """Return the weights by name, shared ones once."""
    return {name: value.detach().cpu().contiguous() for name, value in model.named_parameters()}


def weights_of(folder: Path, step: int) -> dict[str, Tensor]:
    """Return the weights of the checkpoint of a step, under all their names."""
    found = load_file(folder / f"checkpoint-{step}" / WEIGHTS)
    return found if "head.weight" in found else {**found, "head.weight": found["tokens.weight"]}


def _tied(found: dict[str, Tensor], model: Gpt) -> dict[str, Tensor]:
    return {**found, "head.weight": found["tokens.weight"]} if model.settings.tied else found


def _remembered(model: Gpt, optimiser: torch.optim.AdamW) -> dict[str, Tensor]:
    return {
        f"{name}.{moment}": optimiser.state[weight][moment].detach().cpu().contiguous()
        for name, weight in model.named_parameters()
        if weight in optimiser.state
        for moment in _MOMENTS
    }


def _put_back(remembered: Mapping[str, Tensor], model: Gpt, optimiser: torch.optim.AdamW) -> None:
    for name, weight in model.named_parameters():
        if f"{name}.{_MOMENTS[0]}" in remembered:
            optimiser.state[weight] = {moment: remembered[f"{name}.{moment}"].to(weight.device) for moment in _MOMENTS}


def _check_same(place: Path, was: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    one, other = flattened(was), flattened(wanted)
    differs = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    if differs:
        told = "; ".join(f"{name} was {_short(one.get(name))} and is {_short(other.get(name))}" for name in differs[:5])
        raise UsageError(
            f"the checkpoint {place} is of another configuration: {told}. Go on with the settings that it was begun "
            "with, or train in another folder"
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
