import tomllib
from collections import Counter
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[2]

LINUX = {"platform_system": "Linux", "sys_platform": "linux", "platform_machine": "x86_64", "os_name": "posix"}
MACOS = {"platform_system": "Darwin", "sys_platform": "darwin", "platform_machine": "arm64", "os_name": "posix"}


def installed(platform: dict[str, str], python: str) -> Counter[str]:
    """Count how many versions of each package `poetry install` would put on a platform."""
    environment = platform | {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    environment |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    lock = tomllib.loads((ROOT / "poetry.lock").read_text())
    names = []
    for package in lock["package"]:
        marker = package.get("markers")
        text = " or ".join(f"({part})" for part in marker.values()) if isinstance(marker, dict) else marker
        if not text or Marker(text).evaluate(environment):
            names.append(package["name"])
    return Counter(names)


def test_no_package_is_locked_in_two_versions_for_the_same_platform() -> None:
    # Two versions would be installed into the same files; with CUDA libraries that crashes `import torch`.
    for platform in (LINUX, MACOS):
        for python in ("3.11", "3.12"):
            twice = {name: count for name, count in installed(platform, python).items() if count > 1}
            assert not twice, f"{platform['platform_system']}, Python {python}: {twice}"


def test_the_lock_names_no_package_registry() -> None:
    text = (ROOT / "poetry.lock").read_text()
    assert "[package.source]" not in text
