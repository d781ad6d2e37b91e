"""The documentation says what is true: links lead somewhere, examples are valid, commands exist."""

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import yaml

from llm_engineering.config import FeatureConfig, ProjectConfig, read_config
from llm_engineering.infrastructure.sources import SourceSpec

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TASKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["poe"]["tasks"]


def pages() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


@pages()
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{target} is not there"


@pages()
def test_yaml_examples_are_valid_configurations(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        sections = yaml.safe_load(block)
        if "how-to-add" in page.parts:  # those pages use kinds that the reader is about to write
            continue
        if isinstance(sections, dict) and set(sections) <= set(ProjectConfig.model_fields):
            path = tmp_path / "example.yaml"
            path.write_text(block)
            read_config(FeatureConfig, path)


@pages()
def test_python_examples_compile(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


@pages()
def test_tasks_and_configurations_that_commands_name_exist(page: Path) -> None:
    for words in commands(page):
        if words[:2] == ["poetry", "poe"] and len(words) > 2:
            assert words[2] in TASKS, f"there is no task {words[2]!r}"
        for word in words:
            if word.startswith("configs/"):
                assert (ROOT / word).is_file(), f"{word} is not there"


def test_the_readme_is_short_and_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) < 150
    assert "&& poetry poe run-feature-pipeline\n" in readme
    assert "&& poetry poe test\n" in readme


def test_ci_runs_the_readmes_test_command() -> None:
    command = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.endswith("poetry poe test"))
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_pipeline_has_a_task() -> None:
    from tools.run import PIPELINES

    for name in PIPELINES:
        task = TASKS[f"run-{name.replace('_', '-')}-pipeline"]
        assert task["cmd"] == f"python -m tools.run {name}"


def test_the_readme_tree_names_what_is_there() -> None:
    for name in ("domain", "application", "infrastructure", "config", "bootstrap", "stages", "plain.py"):
        assert (ROOT / "llm_engineering" / name).exists()
        assert name in (ROOT / "README.md").read_text()


def test_the_page_of_the_sources_names_every_setting_of_every_kind() -> None:
    page = (ROOT / "docs" / "sources.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    for spec in get_args(get_args(SourceSpec)[0]):
        kind = spec.model_fields["kind"].default
        assert f"kind: {kind}" in sections[kind]
        for name in set(spec.model_fields) - {"kind", "name", "tenant"}:
            assert f"| `{name}` |" in sections[kind], f"{kind}.{name} is not in docs/sources.md"
