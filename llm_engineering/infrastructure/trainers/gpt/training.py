"""The training loop: read a batch, look how wrong the model is, change every weight a little, again.

Everything that a step does follows from the settings, the texts and the number of the step. So a training that was
killed and goes on from a checkpoint comes to the very same weights, and notes the very same losses.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.models import CurvePoint
from llm_engineering.infrastructure.trainers.gpt.checkpoints import Progress, keep, newest, weights_of
from llm_engineering.infrastructure.trainers.gpt.model import Gpt
from llm_engineering.infrastructure.trainers.gpt.windows import Windows

Watch = Callable[[CurvePoint], None]


@dataclass(frozen=True)
class Training:
    """How weights are changed. `warmup` is a share of the steps, `least` one of the learning rate."""

    steps: int = 1_000
    batch: int = 16
    accumulation: int = 1
    learning_rate: float = 3e-3
    least: float = 0.1
    warmup: float = 0.05
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    evaluate_every: int = 100
    patience: int = 0
    precision: str = "fp32"
    seed: int = 0


@dataclass
class Reader:
    """What is read: the batches to learn from, and the windows to be tested on."""

    train: Windows
    validation: Windows | None = None
    described: dict[str, object] = field(default_factory=dict)


def learning_rate(step: int, training: Training) -> float:
    """Return the learning rate of a step: it rises to the full one, then falls to the least along a cosine.

    >>> [round(learning_rate(step, Training(steps=10, warmup=0.2, learning_rate=1.0)), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.55, 0.134]
    """
    rising = round(training.warmup * training.steps)
    if step < rising:
        return training.learning_rate * (step + 1) / rising
    done = (step - rising) / max(1, training.steps - rising)
    share = training.least + (1 - training.least) * (1 + math.cos(math.pi * done)) / 2
    return training.learning_rate * share


def train(model: Gpt, reader: Reader, training: Training, folder: Path, watch: Watch) -> Progress:
    """Train a model in place, from the newest checkpoint in the folder if there is one.

    It ends with the weights of the evaluation that was best, or the last ones where there is no validation.

    Raises:
        UsageError: the checkpoint is of another configuration, there is not one window to read, or the loss is no
            number.
    """
    _check(reader, training)
    device = model.tokens.weight.device
    model.compute = torch.bfloat16 if training.precision == "bf16" else torch.float32
    optimiser = optimiser_of(model, training)
    described = {"model": asdict(model.settings), "training": asdict(training), **reader.described}
    progress = newest(folder, described, model, optimiser) or Progress()
    with _drawing(device):
        while progress.step < training.steps and not _is_patient_no_more(progress, training):
            until = min(training.steps, (progress.step // training.evaluate_every + 1) * training.evaluate_every)
            loss = take_steps(model, optimiser, reader.train, training, progress.step, until)
            progress = _note(progress, until, loss, evaluate(model, reader.validation), training, reader.train)
            keep(folder, described, progress, model, optimiser)
            watch(progress.curve[-1])
    if progress.best_step != progress.step:
        model.load_state_dict(weights_of(folder, progress.best_step))
    return progress


def optimiser_of(model: Gpt, training: Training) -> torch.optim.AdamW:
    """Return AdamW over all weights; only matrices decay, for biases and norms have no size to be kept small."""
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() != 2]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    betas = (training.beta1, training.beta2)
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=betas, eps=1e-8, fused=True)


def train_step(model: Gpt, optimiser: torch.optim.AdamW, windows: Windows, training: Training, step: int) -> Tensor:
    """Take one step, and return the mean loss of its batches, a scalar that is still on the device."""
    device = model.tokens.weight.device
    torch.manual_seed(training.seed * 1_000_003 + step)  # what drops out follows from the step, too
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(step, training)
    total = torch.zeros((), device=device)
    for part in range(training.accumulation):
        number = step * training.accumulation + part
        inputs, targets = windows.of_step(number, training.batch, training.seed)  # both [B, T]
        loss = model.loss(inputs.to(device), targets.to(device)) / training.accumulation
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        total += loss.detach()
    if training.clip:
        nn.utils.clip_grad_norm_(model.parameters(), training.clip)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return total


@torch.no_grad()
def window_losses(model: Gpt, windows: Windows, batch: int = 16) -> Tensor:
    """Return the mean loss of each window, [windows], in nats a token. The model is left in the mode it was in."""
    device, was_training = model.tokens.weight.device, model.training
    model.train(mode=False)
    found = []
    for start in range(0, len(windows), batch):
        inputs, targets = windows.batch(range(start, min(start + batch, len(windows))))
        logits = model(inputs.to(device))  # [B, T, V]
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten().to(device), reduction="none")
        found.append(losses.view(targets.shape).mean(1).cpu())  # [B · T] → [B, T] → [B]
    model.train(was_training)
    return torch.cat(found) if found else torch.empty(0)


def evaluate(model: Gpt, windows: Windows | None) -> float | None:
    """Return the mean loss over all validation windows, or None where there are none."""
    return float(window_losses(model, windows).double().mean()) if windows is not None and len(windows) else None


def take_steps(
    model: Gpt, optimiser: torch.optim.AdamW, windows: Windows, training: Training, first: int, until: int
) -> float:
    """Take steps, and return their mean loss."""
    model.train()
    losses = [train_step(model, optimiser, windows, training, step) for step in range(first, until)]
    mean = float(torch.stack(losses).double().mean())
    if not math.isfinite(mean):
        number = next(n for n, loss in enumerate(losses, start=first + 1) if not math.isfinite(float(loss)))
        raise UsageError(
            f"the loss became {float(losses[number - first - 1])} in step {number}, so the weights are lost; use a "
            f"lower learning_rate (it is {training.learning_rate:g}), a longer warmup, or precision fp32"
        )
    return mean


def _note(
    progress: Progress, step: int, loss: float, validation: float | None, training: Training, windows: Windows
) -> Progress:
    """Return the progress with a point more on its curve. `best` is the lowest loss on validation, if there is any."""
    epoch = step * training.accumulation * training.batch / len(windows)
    point = CurvePoint(
        step=step,
        epoch=round(epoch, 4),
        loss=loss,
        metric=validation,
        learning_rate=learning_rate(step - 1, training),
    )
    is_best = validation is None or validation < progress.best
    return replace(
        progress,
        step=step,
        curve=(*progress.curve, point),
        best=progress.best if validation is None or not is_best else validation,
        best_step=step if is_best else progress.best_step,
    )


def _is_patient_no_more(progress: Progress, training: Training) -> bool:
    since = (progress.step - progress.best_step) / training.evaluate_every
    return bool(training.patience) and since >= training.patience


def _check(reader: Reader, training: Training) -> None:
    if not len(reader.train):
        raise UsageError(
            f"the texts have {len(reader.train.ids):,} tokens, and one window takes {reader.train.width + 1:,}; give "
            "more texts, or choose a smaller width"
        )
    if training.precision not in ("fp32", "bf16"):
        raise UsageError(f"precision {training.precision!r} is not known; it is fp32 or bf16")


@contextmanager
def _drawing(device: torch.device) -> Iterator[None]:
    """Leave the random numbers of the program as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
