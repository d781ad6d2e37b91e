"""Queries on a real PostgreSQL server."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from postgresql_server import new_database, postgresql_server

from llm_engineering.domain.documents import Document
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources import SourceContext, Sql

pytestmark = pytest.mark.slow

ROWS = 20_000


@pytest.fixture(scope="module")
def fish() -> Iterator[str]:
    import psycopg

    with postgresql_server() as server:
        url = new_database(server)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE fish (id int, name text, seen timestamptz, tags text[], data jsonb)")
            connection.execute(
                "INSERT INTO fish SELECT n, 'cod ' || n || ' 100%', '2024-01-01T00:00Z', '{a,b}', '{\"kg\": 3}' "
                f"FROM generate_series(1, {ROWS}) n"
            )
            connection.execute("CREATE SEQUENCE numbers")
        yield url


def read(url: str, query: str, tmp_path: Path, **settings: object) -> list[Document]:
    source = Sql(url=url, query=query, **settings).open(SourceContext(tmp_path))
    return [item for item in source.read() if isinstance(item, Document)]


def test_every_row_is_a_document_and_values_of_all_types_fit_the_template(fish: str, tmp_path: Path) -> None:
    template = "{{ name }} {{ seen[:10] }} {{ tags|join('+') }} {{ data.kg }}"
    query = "SELECT * FROM fish WHERE name LIKE 'cod %' AND name NOT LIKE ':x%' ORDER BY id"
    found = read(fish, query, tmp_path, template=template)
    assert len(found) == ROWS
    assert (found[6].text, found[6].key) == ("cod 7 100% 2024-01-01 a+b 3", "7")
    assert found[6].uri.startswith("postgresql+psycopg:///w")


@pytest.mark.parametrize(
    "query",
    ["WITH gone AS (DELETE FROM fish RETURNING *) SELECT * FROM gone", "SELECT nextval('numbers') AS n"],
)
def test_nothing_can_be_written_through_a_query(fish: str, tmp_path: Path, query: str) -> None:
    with pytest.raises(SourceError, match=r"read-only transaction|data-modifying") as raised:
        read(fish, query, tmp_path)
    assert raised.value.reason == "sql_error"


def test_a_statement_that_takes_too_long_is_ended_by_the_database(fish: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="statement timeout"):
        read(fish, "SELECT pg_sleep(60)", tmp_path, timeout_seconds=0.3)


def test_rows_are_streamed(fish: str, tmp_path: Path) -> None:
    endless = "SELECT n AS id, repeat('x', 1000) AS name FROM generate_series(1, 100000000) n"
    source = Sql(url=fish, query=endless).open(SourceContext(tmp_path))
    items = source.read()
    assert len(list(islice(items, 1000))) == 1000
    items.close()  # type: ignore[attr-defined]


def test_a_date_that_has_no_end_or_lies_before_christ_costs_no_row(fish: str, tmp_path: Path) -> None:
    dates = "(1, date '2024-01-02'), (2, 'infinity'), (3, '0044-03-15 BC')"
    query = f"SELECT id, d, d::timestamp AS t, d::timestamptz AS z FROM (VALUES {dates}) AS x (id, d) ORDER BY id"
    texts = [item.text.split("\n")[1] for item in read(fish, query, tmp_path)]
    assert texts == ["d: 2024-01-02", "d: infinity", "d: 0044-03-15 BC"]
