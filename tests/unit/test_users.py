import pytest

from llm_engineering.domain.errors import UsageError
from llm_engineering.domain.users import split_user_full_name, user_named


@pytest.mark.parametrize(
    ("full_name", "expected"),
    [
        ("Ada Lovelace", ("Ada", "Lovelace")),
        ("Ada King Lovelace", ("Ada King", "Lovelace")),
        ("Plato", ("Plato", "Plato")),
        ("  Ada \t  Lovelace \n", ("Ada", "Lovelace")),
        ("Ada\u00a0Lovelace", ("Ada", "Lovelace")),
        ("李 小龍", ("李", "小龍")),
        ("Лев Николаевич Толстой", ("Лев Николаевич", "Толстой")),
        ("Jean-Paul Sartre", ("Jean-Paul", "Sartre")),
        ("O'Neill", ("O'Neill", "O'Neill")),
    ],
)
def test_a_full_name_is_split_before_its_last_word(full_name: str, expected: tuple[str, str]) -> None:
    assert split_user_full_name(full_name) == expected


@pytest.mark.parametrize("nothing", ["", "   ", "\n\t", "\u00a0", None])
def test_a_name_without_a_word_is_refused(nothing: str | None) -> None:
    with pytest.raises(UsageError, match="give at least one word"):
        split_user_full_name(nothing)


def test_the_same_name_in_other_case_is_the_same_user() -> None:
    assert user_named("Ada Lovelace").id == user_named("ada LOVELACE").id


def test_first_and_last_name_are_not_glued_together_in_the_identity() -> None:
    assert user_named("Ann Emarie").id != user_named("Anne Marie").id
