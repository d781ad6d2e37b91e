"""How many processors there are."""

import os


def available_cores() -> int:
    """Return how many processors this process may use: a container or a scheduler may leave it fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
