"""The connection of this process to a Ray cluster: made once, used by all steps of a run."""

import atexit
import ipaddress
import os
import socket
import warnings
from pathlib import Path
from typing import Any

from loguru import logger

import llm_engineering
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.infrastructure.executors.ray import Ray
from llm_engineering.infrastructure.executors.ray_door import check_door, token
from llm_engineering.infrastructure.executors.ray_pool import RayPool

# Ray knows one cluster for each process.
_open: dict[Ray, RayPool] = {}
_LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def session(spec: Ray) -> RayPool:
    """Return the pool of workers on the cluster that the settings name, connected.

    Raises:
        UsageError: the cluster cannot be used as it is; see `Ray.check`.
        BackendError: it cannot be joined.
    """
    if spec not in _open:
        release()
        _open[spec] = _connected(spec)
        atexit.register(release)
    return _open[spec]


def release() -> None:
    """End the workers and let go of the cluster."""
    while _open:
        _, pool = _open.popitem()
        pool.close()
    atexit.unregister(release)


def _connected(spec: Ray) -> RayPool:
    spec.check()
    address = spec.meant
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to its makers
    if address == "local" or _is_on_loopback_alone(address):
        os.environ[_LOOPBACK_ONLY] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own and its libraries' futures
        import ray
        from ray._private import ray_constants
        from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

        # Ray reads the variables while it is imported, which somebody else may have done before.
        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()
        ray_constants.ENABLE_RAY_CLUSTER = os.environ.get(_LOOPBACK_ONLY) != "0"
        if ray.is_initialized():  # by a notebook, say: it stays as it is
            check_door(ray.get_runtime_context().gcs_address, token())
            return RayPool(ray, spec, owned=False)
        _join(ray, address, spec)
    pool = RayPool(ray, spec, owned=True)
    if address == "auto":
        try:
            check_door(ray.get_runtime_context().gcs_address, token())
        except UsageError:
            pool.close()
            raise
    logger.info("Ray at {}: {}", ray.get_runtime_context().gcs_address, pool.resources())
    return pool


def _join(ray: Any, address: str, spec: Ray) -> None:
    package = Path(llm_engineering.__file__).parent
    modules = [str(package), *(str(folder.absolute()) for folder in spec.modules)]
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(
            address=address,
            runtime_env={"py_modules": modules},
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
            **options,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise BackendError(f"the Ray cluster {address!r} cannot be joined ({type(error).__name__}): {error}") from error


def _is_on_loopback_alone(address: str) -> bool:
    """Return whether a cluster listens on the loopback interface, and nowhere else.

    Ray takes 127.0.0.1 for the address of this machine in its network, where such a cluster is not.
    """
    host, _, port = address.rpartition(":")
    try:
        if not port.isdigit() or not ipaddress.ip_address(socket.gethostbyname(host.strip("[]"))).is_loopback:
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent; it only says which interface would be taken
            mine = probe.getsockname()[0]
        except OSError:
            return True
    try:
        socket.create_connection((mine, int(port)), timeout=2).close()
    except OSError:
        return True
    return ipaddress.ip_address(mine).is_loopback
