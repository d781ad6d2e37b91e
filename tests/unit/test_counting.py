import pytest

from llm_engineering.domain.counting import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 chunks"), (1, "1 chunk"), (2, "2 chunks"), (12_345, "12,345 chunks")]
)
def test_one_is_no_plural(number: int, text: str) -> None:
    assert counted(number, "chunk") == text
