"""What ZenML is kept from doing at each start, and what it still does where somebody needs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tools.zenml_home import _installed, _where_loaded

ROOT = Path(__file__).parents[2]


def test_an_integration_is_activated_where_its_library_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    activated: list[str] = []
    for name in ("one", "other"):
        _where_loaded({f"{name}_library", "none"}, lambda name=name: activated.append(name))()  # type: ignore[misc]
    assert activated == []
    monkeypatch.setitem(sys.modules, "other_library", sys)
    for name in ("one", "other"):
        _where_loaded({f"{name}_library", "none"}, lambda name=name: activated.append(name))()  # type: ignore[misc]
    assert activated == ["other"]


def canonical(line: str) -> str:
    name, _, version = line.partition("==")
    return f"{canonicalize_name(name)}=={version}"


def test_the_installed_packages_are_those_of_pip() -> None:
    frozen = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True
    )
    lines = [line for line in frozen.stdout.splitlines() if "==" in line and line[0] != "#"]
    assert len(lines) > 100
    assert {canonical(line) for line in lines} <= set(_installed())


@pytest.mark.slow
def test_zenml_imports_no_library_for_its_materializers_and_has_them_where_it_is_loaded(tmp_path: Path) -> None:
    code = """
import sys
from tools.zenml_home import prepare_zenml
prepare_zenml()
from zenml.environment import get_run_environment_dict
from zenml.integrations.registry import integration_registry
from zenml.materializers.materializer_registry import materializer_registry
integration_registry.activate_integrations()
heavy = {"torch", "sklearn", "scipy", "datasets", "pandas", "PIL"} & set(sys.modules)
import pandas
integration_registry.activate_integrations()
print(sorted(heavy), materializer_registry[pandas.DataFrame].__name__)
print("zenml==" in get_run_environment_dict()["python_packages"])
"""
    environment = {"LLM_ENGINEERING_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert ran.stdout.split("\n")[-3:-1] == ["[] PandasMaterializer", "True"]
