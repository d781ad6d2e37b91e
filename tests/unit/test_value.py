"""The building blocks of the domain."""

import pytest

from llm_engineering.domain.value import digest, digest_of_rows


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
def test_the_digest_of_rows_is_that_of_their_list(count: int) -> None:
    rows = [(f'id {number} é " ]', {"b": number, "a": [None, 1.5]}) for number in range(count)]
    assert digest_of_rows(iter(rows)) == digest(rows)
