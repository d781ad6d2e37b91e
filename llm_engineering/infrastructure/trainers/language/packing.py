"""Whether rows that share a sequence are kept apart, which not every architecture of the library does."""

from typing import Any

import torch

from llm_engineering.domain.errors import UsageError
from llm_engineering.infrastructure.trainers.language.measuring import LOGITS

_ROW = 8  # tokens of a row
_SAME = 1e-4  # of the change that a row makes to itself; what it makes to another row is rounding below that


def check_packing(model: Any, longest: int, name: str) -> None:
    """Let the model read rows in one sequence, more than `longest` tokens; change the first row, and look at the last.

    Raises:
        UsageError: the last row saw the first one, or the model cannot read so.
    """
    vocabulary = model.config.get_text_config().vocab_size
    count = max(2, min(longest, LOGITS // vocabulary) // _ROW + 1)
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, count * _ROW), generator=random)  # [1, rows · 8]
    changed = ids.clone()
    changed[:, :_ROW] = (changed[:, :_ROW] + 1) % vocabulary
    refused = f"rows cannot share a sequence in {name!r} ({type(model).__name__}): %s. Set packing: false"
    try:
        one, other = (_read(model, rows) for rows in (ids, changed))
    except (RuntimeError, IndexError, TypeError) as error:
        if "out of memory" in str(error).lower():
            raise
        raise UsageError(refused % f"it cannot read them so ({type(error).__name__}: {error})") from error
    moved = (one - other).abs().amax(-1)[0]  # [rows · 8]
    if float(moved[-_ROW:].max()) > _SAME * float(moved[:_ROW].max()):
        raise UsageError(refused % "each would see those before it")


@torch.inference_mode()
def _read(model: Any, ids: torch.Tensor) -> torch.Tensor:
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    places = torch.arange(_ROW).repeat(ids.shape[1] // _ROW)[None]  # [1, rows · 8]
    try:
        logits: torch.Tensor = model(input_ids=ids.to(device), position_ids=places.to(device), use_cache=False).logits
    finally:
        model.train(was_training)
    return logits.float().cpu()
