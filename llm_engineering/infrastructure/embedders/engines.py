"""Which of two engines computes: torch, or ONNX Runtime, which starts in half a second and knows fewer models."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers


def asks_onnx(spec: "SentenceTransformers", *, lasting: bool) -> bool:
    """Whether ONNX Runtime computes the vectors of queries.

    By itself it does, but for two cases: a GPU is asked for, or a process that lasts has hardware that torch makes
    more of. There a query takes torch half the time, and torch has to be loaded only once.
    """
    if spec.queries != "auto":
        return spec.queries == "onnx"
    if spec.device in ("cuda", "mps"):
        return False
    return not (lasting and (_may_have_gpu(spec) or (spec.precision != "fp32" and has_amx())))


def embeds_with_onnx(spec: "SentenceTransformers", chunks: int) -> bool:
    """Whether ONNX Runtime embeds a run of so many chunks.

    By itself it embeds all runs where torch would compute in fp32 too: the vectors are the same then, it takes no
    longer, and without torch a run starts two seconds earlier and takes half the memory.
    """
    if spec.device in ("cuda", "mps"):
        return False
    if spec.onnx_up_to is not None:
        return chunks <= spec.onnx_up_to
    return computes_in_fp32(spec)


def computes_in_fp32(spec: "SentenceTransformers") -> bool:
    """Whether torch would compute in fp32, on the processor, as far as can be told without it."""
    in_fp32 = spec.precision == "fp32" or (spec.precision == "auto" and not has_amx())
    return in_fp32 and spec.device not in ("cuda", "mps") and not _may_have_gpu(spec)


def onnx_threads(spec: "SentenceTransformers") -> int:
    """Return how many threads of ONNX Runtime embed a run; 0 = one for each core.

    OMP_NUM_THREADS counts, as it does for torch: Ray says with it what share of a machine a worker has.
    """
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return spec.threads or (int(allowed) if allowed.isdecimal() else 0)


def _may_have_gpu(spec: "SentenceTransformers") -> bool:
    """Whether a GPU that torch knows may be here; only torch could say for certain."""
    return spec.device == "auto" and (sys.platform == "darwin" or Path("/dev/nvidiactl").exists())


def has_amx() -> bool:
    """Return whether the CPU multiplies bf16 matrices in hardware (Intel AMX); known on Linux only."""
    if sys.platform != "linux":
        return False
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
