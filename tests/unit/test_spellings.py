import pytest

from llm_engineering.infrastructure.traces.spellings import uris_meant


@pytest.mark.parametrize("text", ["~$*", "~nobody-has-this-name/notes"])
def test_a_tilde_that_is_nobodys_home_is_a_name_like_others(text: str) -> None:
    first, *others = uris_meant(text)
    assert first == text
    assert all(uri.startswith("file:///") for uri in others)
