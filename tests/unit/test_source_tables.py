import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from llm_engineering.application.ingestion import NamedSource, ingest
from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.errors import SourceError, UsageError
from llm_engineering.infrastructure.observability.progress import bar
from llm_engineering.infrastructure.sources import SourceContext, Sql, Table
from llm_engineering.infrastructure.warehouse import open_warehouse


def read(tmp_path: Path, content: bytes | str, name: str = "fish.csv", **settings: object) -> list[Item]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(Table(url=str(path), **settings).open(SourceContext(tmp_path)).read())


def texts(items: list[Item]) -> list[str]:
    return [item.text for item in items if isinstance(item, Document)]


def reasons(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.reason, item.key) for item in items if isinstance(item, Rejection)]


def test_a_row_is_filled_into_the_template_and_keeps_its_place(tmp_path: Path) -> None:
    items = read(
        tmp_path, "id,name,weight\n7,cod,3\n8,eel,2\n", template="{{ name|upper }}: {{ weight }} kg", title="{{ name }}"
    )
    first = items[0]
    assert isinstance(first, Document)
    assert (first.text, first.title, first.key, first.format) == ("COD: 3 kg", "cod", "7", "record")
    assert (first.metadata["weight"], first.provenance["row"]) == ("3", 1)
    assert texts(items)[1] == "EEL: 2 kg"


def test_without_a_template_every_column_is_a_line(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "name,weight,note\ncod,3,\n")) == ["name: cod\nweight: 3"]


def test_ragged_rows_are_rejected_with_their_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    items = read(tmp_path, "a,b\n1,2\n3\n4,5,6\n\n7,8\n", template="{{ a }}{{ b }}")
    assert texts(items) == ["12", "78"]
    assert reasons(items) == [("ragged", "line 3"), ("ragged", "line 4")]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path) -> None:
    items = read(tmp_path, 'a,b\n1,"two\nlines"\n2,"open\n' + "3,x\n" * 50, template="{{ a }}{{ b }}")
    assert texts(items) == ["1two\nlines", *["3x"] * 50]
    assert reasons(items) == [("wrong_shape", "line 4")]


def test_a_line_of_50_megabytes_is_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n" + b"x" * 50_000_000 + b"\n3,4\n"
    items = read(tmp_path, content, template="{{ a }}{{ b }}")
    assert texts(items) == ["12", "34"]
    assert reasons(items) == [("too_large", "line 3")]
    lines = b'{"a": 1}\n{"a": "' + b"x" * 50_000_000 + b'"}\n{"a": 2}\n'
    items = read(tmp_path, lines, "fish.jsonl", template="{{ a }}")
    assert texts(items) == ["1", "2"]
    assert reasons(items) == [("too_large", "line 2")]


def test_each_line_is_decoded_by_itself(tmp_path: Path) -> None:
    content = "name\nkøl\n".encode() + "Zürich\n".encode("cp1252") + "naïve\n".encode()
    assert texts(read(tmp_path, content, template="{{ name }}")) == ["køl", "Zürich", "naïve"]
    assert texts(read(tmp_path, "name\nŁódź\n".encode("cp1250"), template="{{ name }}", encoding="cp1250")) == ["Łódź"]
    wide = "name;n\nœuf;1\n"
    assert texts(read(tmp_path, wide.encode("utf-16"), template="{{ name }}{{ n }}")) == ["œuf1"]
    assert texts(read(tmp_path, wide.encode("utf-8-sig"), template="{{ name }}{{ n }}")) == ["œuf1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_head(tmp_path: Path, delimiter: str) -> None:
    content = "\n".join(delimiter.join(row) for row in (("a", "b"), ("1", "2")))
    assert texts(read(tmp_path, content, template="{{ a }}{{ b }}")) == ["12"]


def test_json_lines_that_are_none_are_rejected_with_their_line(tmp_path: Path) -> None:
    items = read(tmp_path, '{"a": 1}\n{]\n[2]\n{"a": 1, "a": 2}\n{"a": 3}', "x.jsonl", template="{{ a }}")
    assert texts(items) == ["1", "3"]
    assert reasons(items) == [("invalid_json", "line 2"), ("wrong_shape", "line 3"), ("wrong_shape", "line 4")]


def test_parquet_keeps_numbers_and_dates_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "fish.parquet"
    table = pa.table({"name": ["cod", "eel"], "weight": [3.5, None], "tags": [["a", "b"], []]})
    pq.write_table(table, path)
    template = "{{ name }} {{ weight }} {{ tags|join('+') }}"
    items = list(Table(url=str(path), template=template).open(SourceContext(tmp_path)).read())
    assert texts(items) == ["cod 3.5 a+b", "eel  "]
    assert [item.metadata.get("weight") for item in items if isinstance(item, Document)] == [3.5, None]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="no readable Parquet"):
        list(Table(url=str(path)).open(SourceContext(tmp_path)).read())


def test_rows_that_are_equal_or_share_a_key_stay_apart(tmp_path: Path) -> None:
    items = read(tmp_path, "id,a\n1,x\n1,y\n1#2,z\n,w\n,w\n", template="{{ a }}")
    keys = [item.key for item in items if isinstance(item, Document)]
    assert keys[:3] == ["1", "1#2", "1#2#2"]
    assert len(set(keys)) == 5


def test_a_row_put_in_above_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    before = read(tmp_path, "a\nx\ny\n")
    after = read(tmp_path, "a\nnew\nx\ny\n")
    assert {item.content_hash for item in before if isinstance(item, Document)} < {
        item.content_hash for item in after if isinstance(item, Document)
    }


def test_a_row_that_cannot_be_read_costs_no_stored_one(tmp_path: Path) -> None:
    path = tmp_path / "fish.csv"
    source = Table(url=str(path), name="fish", key=("name",)).open(SourceContext(tmp_path))
    warehouse = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    for content, left in (("cod,1\neel,2", 2), ("cod,1\neel,2,3", 2), ("cod,1", 1)):
        path.write_text(f"name,kg\n{content}\n")
        run = warehouse.start_run("test", {})
        report = ingest([NamedSource("fish", "table", lambda: source)], warehouse, run, bar)
        assert len(warehouse.states("fish")) == left, report
    warehouse.close()


def test_a_template_reaches_nothing_but_the_row(tmp_path: Path) -> None:
    hostile = "{{ row.__class__.__mro__[1].__subclasses__() }}"
    items = read(tmp_path, "a\n1\n", template=hostile)
    assert [item.reason for item in items if isinstance(item, Rejection)] in (["template"], ["missing_field"])
    with pytest.raises(ValidationError, match="no Jinja2"):
        Table(url="x.csv", template="{{ a")


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (item,) = read(tmp_path, "a,b\n1,2\n", template="{{ wieght }}")
    assert isinstance(item, Rejection)
    assert item.reason == "missing_field"
    assert "the columns are: a, b" in item.detail


def base(tmp_path: Path) -> str:
    path = tmp_path / "fish.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE fish (id INTEGER, name TEXT, caught DATE)")
    connection.executemany("INSERT INTO fish VALUES (?, ?, ?)", [(n, f"cod {n}", "2024-01-01") for n in range(1200)])
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def test_a_query_makes_a_document_of_each_row(tmp_path: Path) -> None:
    spec = Sql(url=base(tmp_path), query="SELECT * FROM fish ORDER BY id;", template="{{ name }}, {{ caught }}")
    items = list(spec.open(SourceContext(tmp_path)).read())
    assert len(texts(items)) == 1200
    assert texts(items)[7] == "cod 7, 2024-01-01"
    assert [item.key for item in items if isinstance(item, Document)][:2] == ["0", "1"]


@pytest.mark.parametrize(
    "query", ["DELETE FROM fish", "SELECT 1; DROP TABLE fish", "/* SELECT */ UPDATE fish SET id = 1", "PRAGMA x"]
)
def test_a_query_that_writes_is_refused_before_it_runs(tmp_path: Path, query: str) -> None:
    with pytest.raises(ValidationError, match="only reads"):
        Sql(url=base(tmp_path), query=query)


def test_the_database_itself_refuses_to_write(tmp_path: Path) -> None:
    spec = Sql(url=base(tmp_path), query="WITH x AS (SELECT 1) INSERT INTO fish SELECT 1, 'a', 'b' FROM x")
    with pytest.raises(SourceError, match=r"readonly|read-only|failed"):
        list(spec.open(SourceContext(tmp_path)).read())
    count = Sql(url=spec.url, query="SELECT count(*) AS n FROM fish", template="{{ n }}")
    assert texts(list(count.open(SourceContext(tmp_path)).read())) == ["1200"]


def test_an_error_in_the_query_says_what_the_database_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such table: none") as raised:
        list(Sql(url=base(tmp_path), query="SELECT * FROM none").open(SourceContext(tmp_path)).read())
    assert raised.value.reason == "sql_error"


def test_a_password_is_in_no_message_and_no_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FISH_DB", "postgresql+psycopg://ann:hunter2xyz@127.0.0.1:1/fish?connect_timeout=2")
    spec = Sql(url="${env:FISH_DB}", query="SELECT 1")
    with pytest.raises(SourceError) as raised:
        list(spec.open(SourceContext(tmp_path)).read())
    assert raised.value.reason == "unreachable"
    assert "hunter2xyz" not in str(raised.value) + spec.name
    assert "127.0.0.1" in str(raised.value)


def test_a_missing_driver_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pip install 'oracledb'"):
        list(Sql(url="oracle+oracledb://h/b", query="SELECT 1").open(SourceContext(tmp_path)).read())


def test_a_database_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        list(Sql(url=f"sqlite:///{tmp_path}/none.db", query="SELECT 1").open(SourceContext(tmp_path)).read())
    assert not (tmp_path / "none.db").exists()
