"""Which of three engines computes: torch, or one that starts in half a second and knows fewer models.

These are ONNX Runtime, in fp32, and OpenVINO, in bf16 where the processor multiplies that in hardware.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from llm_engineering.infrastructure.embedders.sentence_transformers import SentenceTransformers

Engine = Literal["onnx", "openvino", "torch"]
GPUS = ("cuda", "mps")
# Questions that one process embeds at the same time; each place takes OpenVINO 25 MB.
MOST_CALLERS = 4


def engine_of_queries(spec: "SentenceTransformers", *, lasting: bool) -> Engine:
    """Return what computes the vectors of queries.

    By itself it is torch where a GPU is asked for, or may be there and the process lasts: there torch has to be loaded
    only once. Else it is what starts soonest.
    """
    if spec.queries != "auto":
        return spec.queries
    if spec.device in GPUS or (lasting and _may_have_gpu(spec)):
        return "torch"
    return "openvino" if _in_bf16(spec) else "onnx"


def engine_of_run(spec: "SentenceTransformers", chunks: int) -> Engine:
    """Return what embeds a run of so many chunks.

    By itself it is torch on a GPU alone: on the processor the others are as fast or faster, and without torch a run
    starts two seconds earlier and takes half the memory.
    """
    if spec.onnx_up_to is not None and chunks <= spec.onnx_up_to and spec.device not in GPUS:
        return "onnx"
    if spec.passages != "auto":
        return spec.passages
    if on_gpu(spec):
        return "torch"
    if _in_bf16(spec):
        return "openvino"
    return "onnx" if spec.onnx_up_to is None else "torch"


def on_gpu(spec: "SentenceTransformers") -> bool:
    """Whether torch would compute on a GPU, as far as can be told without it."""
    return spec.device in GPUS or _may_have_gpu(spec)


def engine_threads(spec: "SentenceTransformers") -> int:
    """Return how many threads of ONNX Runtime or OpenVINO embed a run; 0 = one for each core.

    OMP_NUM_THREADS counts, as it does for torch: Ray says with it what share of a machine a worker has.
    """
    allowed = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return spec.threads or (int(allowed) if allowed.isdecimal() else 0)


def _may_have_gpu(spec: "SentenceTransformers") -> bool:
    """Whether a GPU that torch knows may be here; only torch could say for certain."""
    return spec.device == "auto" and (sys.platform == "darwin" or Path("/dev/nvidiactl").exists())


def _in_bf16(spec: "SentenceTransformers") -> bool:
    return spec.precision == "bf16" or (spec.precision == "auto" and has_bf16())


def has_bf16() -> bool:
    """Return whether the CPU multiplies bf16 in hardware (AMX, AVX512-BF16); known on Linux only."""
    return has_amx() or "avx512_bf16" in _features()


def has_amx() -> bool:
    """Return whether the CPU multiplies bf16 matrices in hardware (Intel AMX); known on Linux only."""
    return "amx_bf16" in _features()


def _features() -> str:
    if sys.platform != "linux":
        return ""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
