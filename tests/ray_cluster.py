"""A real Ray cluster of two nodes on the loopback interface, which demands a token."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llm_engineering.domain.errors import UsageError

TOKEN = "a-token-of-the-tests-0123456789"
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
STORE = 78 * 2**20  # the least that Ray takes


@contextmanager
def two_nodes(**head: Any) -> Iterator[Any]:
    """Start the cluster, and end all its processes."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled
    from ray.cluster_utils import Cluster

    Config.initialize("")  # it was read while Ray was imported, perhaps by another test
    AuthenticationTokenLoader.instance().reset_cache()
    node: dict[str, Any] = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": STORE}
    cluster: Any = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False, **head})
    try:
        cluster.add_node(**node)
        yield cluster
    finally:
        cluster.shutdown()


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers, slowly. It fails at `bad`, and ends its worker at `deadly`."""

    seconds: float = 0.0
    bad: int = -1
    deadly: int = -1

    def open(self) -> Callable[[Sequence[int]], list[int]]:
        def double(numbers: Sequence[int]) -> list[int]:
            time.sleep(self.seconds)
            if self.bad in numbers:
                raise UsageError(f"{self.bad} cannot be doubled")
            if self.deadly in numbers:
                os._exit(1)
            return [2 * number for number in numbers]

        return double
