import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llm_engineering.domain.documents import Document, Item, Rejection
from llm_engineering.domain.errors import SourceError
from llm_engineering.infrastructure.sources import JsonEndpoint, SourceContext
from llm_engineering.infrastructure.sources.templates import fill

COURSES = [
    {
        "course": "fishing",
        "year": 2024,
        "documents": [{"question": "When?", "text": "At dawn."}, {"question": "Where?", "text": "At sea."}],
    },
    {"course": "cooking", "year": 2025, "documents": [{"question": "When?", "text": "At noon.", "course": "own"}]},
]


def read(tmp_path: Path, content: object, **settings: object) -> list[Item]:
    path = tmp_path / "data.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    spec = JsonEndpoint(**({"url": str(path), "template": "{text}"} | settings))
    return list(spec.open(SourceContext(tmp_path)).read())


def documents(items: Sequence[Item]) -> list[Document]:
    return [item for item in items if isinstance(item, Document)]


def reason_of(tmp_path: Path, content: object, match: str | None = None, **settings: object) -> str:
    with pytest.raises(SourceError, match=match) as raised:
        read(tmp_path, content, **settings)
    return raised.value.reason


def test_a_flat_list_makes_a_document_per_record(tmp_path: Path) -> None:
    items = documents(read(tmp_path, [{"id": 7, "question": "Why?", "text": "So."}], template="{question} {text}"))
    assert [(item.text, item.title, item.key, item.format) for item in items] == [("Why? So.", "Why?", "7", "record")]
    assert items[0].uri == (tmp_path / "data.json").resolve().as_uri()


def test_nested_records_inherit_the_plain_fields_of_their_parents(tmp_path: Path) -> None:
    items = documents(read(tmp_path, COURSES, records="documents", template="{course} {year}: {question} {text}"))
    assert [item.text for item in items] == [
        "fishing 2024: When? At dawn.",
        "fishing 2024: Where? At sea.",
        "own 2025: When? At noon.",
    ]
    assert dict(items[0].metadata) == {"course": "fishing", "year": 2024, "question": "When?"}


def test_deeper_paths_and_single_objects_work(tmp_path: Path) -> None:
    content = {"site": "a", "data": {"page": 1, "items": [{"text": "one"}, {"text": "two"}]}}
    items = documents(read(tmp_path, content, records="data.items", template="{site} {page} {text}"))
    assert [item.text for item in items] == ["a 1 one", "a 1 two"]


@pytest.mark.parametrize(
    ("content", "records", "match"),
    [
        ({"a": 1, "rows": []}, "", "try `records: rows`"),
        ("text", "", "found a text"),
        (None, "", "found null"),
        ([{"b": 1}], "documents", r"expected the key 'documents' at \[0\], found an object with the keys 'b'"),
        ([1], "documents", "found a number"),
        ([{"documents": {"x": []}}], "documents", "try `records: documents.x`"),
        ({"data": {"items": 5}}, "data.items", "found a number"),
    ],
)
def test_a_wrong_shape_says_what_was_found(tmp_path: Path, content: object, records: str, match: str) -> None:
    assert reason_of(tmp_path, json.dumps(content), match, records=records) == "wrong_shape"


def test_a_bad_parent_does_not_hide_the_good_ones_nor_itself(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps([*COURSES, {"course": "broken"}]), encoding="utf-8")
    source = JsonEndpoint(url=str(path), records="documents", template="{text}").open(SourceContext(tmp_path))
    items = []
    with pytest.raises(SourceError, match=r"\[2\]"):
        items.extend(source.read())
    assert len(items) == 3


@pytest.mark.parametrize(
    "content", ["", "  ", "{", "[1,]", "<!doctype html>", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"]
)
def test_what_is_no_json_says_where(tmp_path: Path, content: str) -> None:
    assert reason_of(tmp_path, content) in ("invalid_json", "empty")


def test_json_lines_say_which_kind_reads_them(tmp_path: Path) -> None:
    assert reason_of(tmp_path, '{"a": 1}\n{"a": 2}\n', "kind: table with format: jsonl") == "invalid_json"


@pytest.mark.parametrize(
    ("content", "records"), [([], ""), ([{"documents": []}], "documents"), ([{"documents": None}], "documents")]
)
def test_no_records_at_all_is_an_error(tmp_path: Path, content: object, records: str) -> None:
    assert reason_of(tmp_path, content, records=records) == "empty_source"


def test_a_missing_file_says_where_was_looked(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist") as raised:
        list(JsonEndpoint(url=str(tmp_path / "none.json"), template="{a}").open(SourceContext(tmp_path)).read())
    assert raised.value.reason == "missing"


def test_bad_records_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = [
        {"id": 1, "text": "good"},
        {"id": 2},
        5,
        None,
        {"id": 3, "text": {"a": 1}},
        {"id": 4, "text": " "},
        {"id": 5, "text": "end"},
    ]
    items = read(tmp_path, content)
    assert [item.text for item in documents(items)] == ["good", "end"]
    problems = [(item.key, item.reason) for item in items if isinstance(item, Rejection)]
    assert problems == [
        ("2", "missing_field"),
        ("[2]", "wrong_shape"),
        ("[3]", "wrong_shape"),
        ("3", "missing_field"),
        ("4", "empty"),
    ]
    assert next(item.detail for item in items if isinstance(item, Rejection)).endswith("the record's fields are: id")


def test_plain_values_become_text(tmp_path: Path) -> None:
    record = {"a": None, "b": True, "c": 1.5, "d": ["x", 2], "e": "{a} %s \\n"}
    assert (
        documents(read(tmp_path, [record], template="{a}|{b}|{c}|{d}|{e}|{{}}"))[0].text
        == "|true|1.5|x, 2|{a} %s \\n|{}"
    )


@pytest.mark.parametrize(
    "template", ["{a.__class__}", "{a[0]}", "{a!r}", "{a:>10}", "{}", "{0:{1}}", "{", "}", "{a:{b}}", "{ }"]
)
def test_templates_can_reach_nothing_but_fields(template: str) -> None:
    with pytest.raises(ValidationError):
        JsonEndpoint(url="x.json", template=template)
    with pytest.raises(ValidationError):
        JsonEndpoint(url="x.json", template="{a}", title=template)


@given(st.text())
def test_braces_in_the_data_mean_nothing(value: str) -> None:
    assert fill("<{a}>", {"a": value}) == f"<{value}>"


def test_without_an_id_the_key_is_all_but_the_longest_text(tmp_path: Path) -> None:
    before = documents(read(tmp_path, COURSES, records="documents", template="{text}"))
    changed = json.loads(json.dumps(COURSES))
    changed[0]["documents"][0]["text"] = "At dawn, or a little later."
    after = documents(read(tmp_path, changed, records="documents", template="{text}"))
    assert [item.id for item in before] == [item.id for item in after]
    assert before[0].key == '["fishing", 2024, "When?"]'


def test_the_id_of_a_parent_is_not_the_id_of_its_records(tmp_path: Path) -> None:
    content = [{"id": "p", "items": [{"name": "a", "text": "long enough"}, {"name": "b", "text": "long enough"}]}]
    assert [item.key for item in documents(read(tmp_path, content, records="items"))] == ['["p", "a"]', '["p", "b"]']


def test_named_key_and_metadata_fields_are_used(tmp_path: Path) -> None:
    content = [{"id": 1, "slug": "cod", "text": "fish", "price": 3, "note": "n" * 500}, {"id": 2, "text": "no slug"}]
    items = read(tmp_path, content, key=["slug"], metadata=["price", "note", "none"])
    assert (documents(items)[0].key, dict(documents(items)[0].metadata)) == (
        "cod",
        {"price": 3, "note": "n" * 500},
    )
    assert [item.reason for item in items if isinstance(item, Rejection)] == ["missing_field"]


def test_a_key_that_occurs_twice_loses_nothing(tmp_path: Path) -> None:
    content = [{"id": "a", "text": "1"}, {"id": "a", "text": "2"}, {"id": "a#2", "text": "3"}, {"id": "a", "text": "4"}]
    keys = [item.key for item in documents(read(tmp_path, content))]
    assert keys == ["a", "a#2", "a#2#2", "a#3"]


def test_records_of_one_text_are_told_apart_by_it(tmp_path: Path) -> None:
    items = documents(read(tmp_path, [{"text": "one"}, {"text": "two"}, {"text": "one"}]))
    assert len({item.id for item in items}) == 3


def test_halves_of_surrogate_pairs_can_be_stored(tmp_path: Path) -> None:
    document = documents(read(tmp_path, '[{"id": "\\ud800", "text": "x \\udfff y", "n": NaN}]'))[0]
    assert document.text == "x \ufffd y"
    assert document.id
    assert document.content_hash
    assert "n" not in document.metadata


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "a", "b", "text"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=5)
            | st.lists(st.integers(), max_size=2),
        )
        | st.integers(),
        min_size=1,
        max_size=12,
    )
)
def test_every_record_is_accounted_for_once(tmp_path_factory: pytest.TempPathFactory, content: list[object]) -> None:
    items = read(tmp_path_factory.mktemp("json"), content, template="{a}{text}")
    assert len(items) == len(content)
    assert len({item.id if isinstance(item, Document) else item.document_id for item in items}) == len(items)


def test_the_faq_as_served_and_as_a_flat_file_give_the_same_texts(faq: Path, tmp_path: Path) -> None:
    template = "{course} {section} {question} {text}"
    nested = JsonEndpoint(url=str(faq / "documents.json"), records="documents", template=template)
    flat = JsonEndpoint(url=str(faq / "documents-with-ids.json"), template=template)
    served, filed = (documents(list(spec.open(SourceContext(tmp_path)).read())) for spec in (nested, flat))
    assert len(served) == len(filed) == 948
    assert Counter(item.text for item in served) == Counter(item.text for item in filed)
    assert {item.metadata["course"] for item in served} == {item.metadata["course"] for item in filed}
    assert [item.key for item in filed if "#" in item.key] == ["593f7569#2"]


def test_the_name_holds_no_credentials() -> None:
    assert (
        JsonEndpoint(url="https://user:pw@example.org/a.json?x=1#y", template="{a}").name
        == "json:https://example.org/a.json?x=1"
    )


HOSTILE = {
    "nested too deep": ("[" * 200_000, "invalid_json"),
    "objects nested too deep": ('{"a":' * 200_000, "invalid_json"),
    "a number of thousands of digits": ('[{"t": "x", "n": ' + "9" * 5_000 + "}]", "invalid_json"),
    "a bomb of objects": ("[" + "{}," * 5_000_001 + "{}]", "too_large"),
    "a scalar": ("5", "wrong_shape"),
    "something after the end": ("[] x", "invalid_json"),
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_json_is_a_failure_with_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SourceError) as failed:
        list(JsonEndpoint(url=str(path), template="{t}").open(SourceContext(tmp_path)).read())
    assert failed.value.reason == reason


def test_a_record_with_a_key_twice_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"t": "one", "t": "two"}, {"t": "three"}]')
    first, second = JsonEndpoint(url=str(path), template="{t}").open(SourceContext(tmp_path)).read()
    assert isinstance(first, Rejection)
    assert (first.reason, "'t' is there twice" in first.detail) == ("wrong_shape", True)
    assert isinstance(second, Document)


def test_numbers_that_json_does_not_know_are_null_and_unstorable_characters_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        r'[{"t": "a\u0000b\ud800c", "n": NaN, "m": -Infinity, "k\u0000": 1e400, "i": 36893488147419103232}]'
    )
    (item,) = JsonEndpoint(url=str(path), template="{t}{n}{m}").open(SourceContext(tmp_path)).read()
    assert isinstance(item, Document)
    assert item.text == "a\ufffdb\ufffdc"
    assert dict(item.metadata) == {"i": 2**65}


def test_a_pipe_in_place_of_a_json_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(SourceError, match="no regular file"):
        list(JsonEndpoint(url=str(tmp_path / "x.json"), template="{t}").open(SourceContext(tmp_path)).read())


@pytest.mark.parametrize("damaged", ['{"id": 2, "id": 3, "text": "b"}', '"b"', "null"])
def test_what_is_no_record_may_be_a_stored_one_so_none_is_deleted(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "data.json"
    source = JsonEndpoint(url=str(path), template="{text}").open(SourceContext(tmp_path))
    path.write_text(f'[{{"id": 1, "text": "a"}}, {damaged}]', encoding="utf-8")
    assert [type(item) for item in source.read()] == [Document, Rejection]
    assert source.keeps_unshown
    path.write_text('[{"id": 1, "text": "a"}]', encoding="utf-8")
    assert len(list(source.read())) == 1
    assert not source.keeps_unshown
