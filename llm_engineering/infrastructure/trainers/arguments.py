"""The settings of a training in the words of the library."""

import math
from pathlib import Path
from typing import Any

from llm_engineering.infrastructure.trainers.optimising import Optimising


def loop_arguments(
    spec: Optimising, batches: int, folder: Path, metric: str, *, higher: bool, chosen: bool
) -> dict[str, Any]:
    """Return what all trainings share. `batches` are those of an epoch.

    `chosen` says whether the best checkpoint is taken, by a metric of which more is better if `higher`.
    """
    each, total = spec.steps(batches)
    every = max(1, math.ceil(each / spec.evaluations))
    return {
        "output_dir": str(folder),
        "num_train_epochs": spec.epochs,
        "per_device_train_batch_size": spec.batch,
        "gradient_accumulation_steps": spec.accumulation,
        "learning_rate": spec.learning_rate,
        "warmup_steps": round(spec.warmup * total),
        "lr_scheduler_type": "constant_with_warmup" if spec.schedule == "constant" else spec.schedule,
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.max_grad_norm,
        "optim": "adamw_torch_fused",
        "seed": spec.seed,
        "data_seed": spec.seed,
        "eval_strategy": "steps" if chosen else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        # The best, the newest whole one, and the one that is being written.
        "save_total_limit": 3,
        "load_best_model_at_end": chosen,
        "metric_for_best_model": metric,
        "greater_is_better": higher,
        "logging_strategy": "steps",
        "logging_steps": max(1, every // 4),
        "logging_nan_inf_filter": False,
        "restore_callback_states_from_checkpoint": True,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "use_cpu": spec.device == "cpu",
    }
