"""Whatever a source yields, the warehouse gives back the same content: else it would be taken for damaged for ever."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_engineering.domain.documents import Document, storable
from llm_engineering.domain.ports import Warehouse
from llm_engineering.infrastructure.warehouse import open_warehouse

# Among them what JSON, databases and UTF-8 have their troubles with.
TEXTS = st.text(max_size=30) | st.text(
    st.sampled_from("a\x00\ud800\udc00\ud83d\ude00\r\n\u2028é\ufeff\ufffe"), max_size=9
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    opened = open_warehouse("sqlite://")
    opened.start_run("feature", {})
    yield opened
    opened.close()


@settings(deadline=None)
@given(text=TEXTS, title=TEXTS, metadata=st.dictionaries(TEXTS, VALUES, max_size=4))
@example(text="", title="", metadata={"\ud801": None, "\ud800\udc00": None})
def test_what_is_stored_has_the_hash_of_what_was_read(
    warehouse: Warehouse, text: str, title: str, metadata: dict[str, bool | int | float | str | None]
) -> None:
    document = storable(Document(uri="u", source="docs", format="text", text=text, title=title, metadata=metadata))
    warehouse.put([document], run=1)
    [found] = warehouse.documents([document.id])
    assert found.content_hash == document.content_hash
    assert storable(document) == document
