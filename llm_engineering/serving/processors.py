"""How libraries share the processors with each other when several searches run at once."""

import os
import sys


def few_threads(searches: int) -> None:
    """Let each search compute in its own thread alone: more would only take processors away from the other searches.

    The interpreter passes its lock on every millisecond instead of every five, so that short replies wait less behind
    searches.
    """
    sys.setswitchinterval(0.001)
    if searches > 1:
        # torch heeds it when it is imported, which a service without a GPU and a reranker never does.
        os.environ["OMP_NUM_THREADS"] = "1"
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
