import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

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


def test_values_with_parts_are_written_as_json(tmp_path: Path) -> None:
    raw = '{"id": 1, "tags": ["größe", null], "of": {"is": true}}'.encode()
    assert texts(read(tmp_path, raw, "fish.jsonl")) == ['id: 1\ntags: ["größe", null]\nof: {"is": true}']
    template = "{{ tags }} {{ of.is }} {{ tags | join('+') }}"
    assert texts(read(tmp_path, raw, "fish.jsonl", template=template)) == ['["größe", null] True größe+None']


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


def test_the_delimiter_is_the_one_under_which_the_rows_fit_the_head(tmp_path: Path) -> None:
    german = "name;price, EUR;size, in cm, wet\ncod;3,50;60\neel;4,20;80\n"
    assert texts(read(tmp_path, german)) == [
        "name: cod\nprice, EUR: 3,50\nsize, in cm, wet: 60",
        "name: eel\nprice, EUR: 4,20\nsize, in cm, wet: 80",
    ]
    assert texts(read(tmp_path, "name;price, EUR\ncod;3,50\n")) == ["name: cod\nprice, EUR: 3,50"]
    assert texts(read(tmp_path, '"a;b;c",d\n1,2\n')) == ["a;b;c: 1\nd: 2"]
    assert texts(read(tmp_path, "sep=|\na;b|c\n1|2\n")) == ["a;b: 1\nc: 2"]
    assert texts(read(tmp_path, "a\tb\n1\t2\n", delimiter="tab")) == ["a: 1\nb: 2"]
    (item,) = read(tmp_path, "a,b\n1;2\n")
    assert isinstance(item, Rejection)
    assert (item.reason, "set `delimiter`" in item.detail) == ("ragged", True)
    for settings, said in (({"delimiter": ";;"}, "one character"), ({"encoding": "cp99999"}, "cp1250")):
        with pytest.raises(ValidationError, match=said):
            Table(url="x.csv", **settings)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_lines_may_end_as_on_any_machine(tmp_path: Path, end: str, encoding: str) -> None:
    content = f'a;b{end}1;"two\rlines"{end}3;œ\n5;6'
    for number in range(3):  # so that pieces are read apart between the two characters of a line end
        blank = "\n" * (2**16 - len(f"a;b{end}1") + number)
        items = read(tmp_path, f"{blank}{content}".encode(encoding), template="{{ a }}{{ b }}")
        assert texts(items) == ["1two\rlines", "3œ", "56"]
    assert texts(read(tmp_path, f'{{"a": 1}}{end}{{"a": 2}}'.encode(encoding), "x.jsonl")) == ["a: 1", "a: 2"]


def test_a_head_may_have_blanks_line_ends_and_surplus_delimiters(tmp_path: Path) -> None:
    items = read(tmp_path, '"name\nof fish",,kg,\ncod,big,3,\neel,,2\n')
    assert texts(items) == ["name\nof fish: cod\ncolumn 2: big\nkg: 3"]
    assert reasons(items) == [("ragged", "line 4")]
    assert texts(read(tmp_path, ",a\n0,x\n")) == ["a: x"]
    assert texts(read(tmp_path, "a,b\n1,2,\n")) == ["a: 1\nb: 2"]
    for content, said in (("a,b,a\n1,2,3\n", "'a' is there twice"), ('a,"b\n1,2\n', "quotation mark")):
        with pytest.raises(SourceError, match=said):
            read(tmp_path, content)
    assert texts(read(tmp_path, 'a,b\n5" pipe,x\n2,y\n')) == ['a: 5" pipe\nb: x', "a: 2\nb: y"]


def test_a_hundred_thousand_columns_take_no_minutes(tmp_path: Path) -> None:
    head = ",".join(f"c{number}" for number in range(100_000))
    began = time.process_time()
    assert texts(read(tmp_path, f"{head}\n{',' * 99_998}x,y\n", template="{{ c99999 }}")) == ["y"]
    assert time.process_time() - began < 30


def test_what_is_no_table_says_what_to_do(tmp_path: Path) -> None:
    for content, name, said in (
        (b"\x1f\x8b\x08\x00", "x.csv", "unpack it first"),
        ("a,b\n1,2\n".encode("utf-16-le"), "x.csv", "utf-16-le"),
        (b"[]", "x.json", "kind: json"),
    ):
        with pytest.raises(SourceError, match=said):
            read(tmp_path, content, name)
    assert texts(read(tmp_path, "a,b\n1,œ\n".encode("utf-16-le"), encoding="utf-16-le")) == ["a: 1\nb: œ"]


def test_a_list_with_an_item_on_each_line_is_read_like_json_lines(tmp_path: Path) -> None:
    assert texts(read(tmp_path, '\ufeff[\n{"a": 1},\n{"a": 2}\n]\n', "x.jsonl")) == ["a: 1", "a: 2"]
    (item,) = read(tmp_path, '[{"a": 1}]', "x.jsonl")
    assert isinstance(item, Rejection)
    assert "kind: json" in item.detail


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


def test_a_value_that_cannot_be_read_from_parquet_costs_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "fish.parquet"
    seen = pa.array([0, 2**50, 1], pa.timestamp("ms"))
    pq.write_table(pa.table({"name": ["cod", "eel", "ray"], "seen": seen}), path)
    items = list(Table(url=str(path), template="{{ name }}").open(SourceContext(tmp_path)).read())
    assert texts(items) == ["cod", "ray"]
    assert reasons(items) == [("unparsable", "row 2")]
    assert "timestamp[ms] in column 'seen'" in next(i.detail for i in items if isinstance(i, Rejection))
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(SourceError, match="'a' is there twice"):
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
    url = base(tmp_path)
    with pytest.raises(SourceError, match="no such table: none") as raised:
        list(Sql(url=url, query="SELECT * FROM none").open(SourceContext(tmp_path)).read())
    assert raised.value.reason == "sql_error"
    half_way = "SELECT id, CASE WHEN id = 1100 THEN json('{' || id) ELSE 'fine' END AS text FROM fish"
    items: list[Item] = []
    with pytest.raises(SourceError, match="failed: malformed JSON") as raised:
        items.extend(Sql(url=url, query=half_way).open(SourceContext(tmp_path)).read())
    assert (raised.value.reason, bool(items)) == ("sql_error", True)


def test_a_password_is_in_no_message_and_no_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FISH_DB", "postgresql+psycopg://ann:hunter2xyz@127.0.0.1:1/fish?connect_timeout=2")
    spec = Sql(url="${env:FISH_DB}", query="SELECT 1")
    with pytest.raises(SourceError) as raised:
        list(spec.open(SourceContext(tmp_path)).read())
    assert raised.value.reason == "unreachable"
    assert "hunter2xyz" not in str(raised.value) + spec.name
    assert "127.0.0.1" in str(raised.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle+oracledb://h/b", "type: pip install 'oracledb'"),
        ("postgres://ann:hunter2xyz@h/b", r"write postgresql\+psycopg://"),
        ("mysql://h/b", r"write mysql\+pymysql://… and, if it is missing, type: pip install 'pymysql'"),
        ("fishbase://h/b", "fishbase is no database that SQLAlchemy knows"),
    ],
)
def test_a_missing_driver_says_what_to_type(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        list(Sql(url=url, query="SELECT 1").open(SourceContext(tmp_path)).read())
    assert "hunter2xyz" not in str(raised.value)


@pytest.mark.parametrize("name", ["a#b.db", "a%23b.db", "a b.db", "ü.db"])
def test_a_database_may_have_any_name_and_no_other_one_is_opened(tmp_path: Path, name: str) -> None:
    path = Path(base(tmp_path).removeprefix("sqlite:///")).rename(tmp_path / name)
    for url in (f"sqlite:///{path}", f"sqlite:///file:{quote(path.as_posix())}?uri=true"):
        (item,) = Sql(url=url, query="SELECT * FROM fish LIMIT 1").open(SourceContext(tmp_path)).read()
        assert isinstance(item, Document)
        assert item.uri == f"sqlite:///{path}"
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_bytes_are_read_if_they_are_text_and_left_out_if_not(tmp_path: Path) -> None:
    path = base(tmp_path).removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE blobs (image, text, old, padded, none)")
        row = (b"\x89PNG\r\n\x1a\n\x00\x01", "køl".encode(), "Zürich".encode("cp1252"), b"cod\x00\x00", b"\x01\x02\x03")
        connection.execute("INSERT INTO blobs VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
    (item,) = Sql(url=f"sqlite:///{path}", query="SELECT * FROM blobs").open(SourceContext(tmp_path)).read()
    assert isinstance(item, Document)
    assert item.text == "text: køl\nold: Zürich\npadded: cod\ufffd\ufffd"
    assert item.metadata.keys() == {"text", "old", "padded"}


def test_a_database_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        list(Sql(url=f"sqlite:///{tmp_path}/none.db", query="SELECT 1").open(SourceContext(tmp_path)).read())
    assert not (tmp_path / "none.db").exists()
