"""The files of the chat page hang together, and can be read by people."""

import re
from pathlib import Path

import pytest

import llm_engineering.serving

PAGE = Path(llm_engineering.serving.__file__).parent / "page"
CODE = sorted([*PAGE.glob("*.js"), *PAGE.glob("*.css")])


@pytest.mark.parametrize("file", CODE, ids=lambda file: file.name)
def test_lines_and_files_stay_short(file: Path) -> None:
    lines = file.read_text().splitlines()
    long = [f"{file.name}:{number}" for number, line in enumerate(lines, start=1) if len(line) > 120]
    assert not long
    assert len(lines) <= 250


def test_the_page_asks_for_files_that_are_there_and_for_all_of_them() -> None:
    asked = set(re.findall(r'"page/([\w.-]+)"', (PAGE / "index.html").read_text()))
    for file in PAGE.glob("*.js"):
        imported = set(re.findall(r'from "\./([\w.-]+)"', file.read_text()))
        assert all((PAGE / name).is_file() for name in imported), file.name
        asked |= imported
    assert asked == {file.name for file in PAGE.iterdir()} - {"index.html"}
