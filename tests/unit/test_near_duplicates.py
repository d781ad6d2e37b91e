"""Near-duplicates: found by their words, the same whatever the order of arrival, and never across tenants."""

import random
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from llm_engineering.application import near_duplicates
from llm_engineering.application.near_duplicates import Found, NearDuplicates
from llm_engineering.bootstrap.duplicates import duplicates_finder
from llm_engineering.domain.access import TENANT
from llm_engineering.domain.documents import Document
from llm_engineering.domain.ports import Warehouse
from llm_engineering.infrastructure.warehouse import open_warehouse

VOCABULARY = [f"word{number}" for number in range(2_000)]
KEEP = NearDuplicates(action="keep_first")


def prose(seed: int, words: int = 300) -> str:
    return " ".join(random.Random(seed).choices(VOCABULARY, k=words))


def edited(text: str, words: int) -> str:
    changed = text.split()
    for place in range(words):
        changed[place * 7] = f"edited{place}"
    return " ".join(changed)


def document(uri: str, text: str, source: str = "s", **metadata: str) -> Document:
    return Document(uri=uri, source=source, format="text", text=text, metadata=metadata)


def put(warehouse: Warehouse, *documents: Document) -> None:
    warehouse.put(documents, warehouse.start_run("etl", {}))


def found_in(
    warehouse: Warehouse, home: Path, settings: NearDuplicates = KEEP, sources: Sequence[str] | None = None
) -> Found:
    find = duplicates_finder(settings, home, "test", sources, warehouse)
    assert find is not None
    return find({state.document_id: state.content_hash for state in warehouse.live(sources)})


def test_a_document_that_nearly_repeats_another_names_it_and_says_how_alike_they_are(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    text = prose(1)
    first, second, other = document("a", text), document("b", edited(text, 2)), document("c", prose(2))
    put(warehouse, second, first, other)
    found = found_in(warehouse, tmp_path)
    kept, similarity = found.duplicates[second.id]
    assert (set(found.duplicates), kept) == ({second.id}, first.id)
    words = [text.split(), edited(text, 2).split()]
    left, right = ({tuple(one[at : at + 5]) for at in range(len(one) - 4)} for one in words)
    assert similarity == pytest.approx(len(left & right) / len(left | right), abs=1e-4)
    report = found.report
    assert (report.documents, report.duplicates, report.repeated, report.left_out) == (3, 1, 1, 1)
    assert [(one.uri, one.kept_uri) for one in report.examples] == [("b", "a")]


def test_below_the_threshold_nothing_is_a_duplicate(warehouse: Warehouse, tmp_path: Path) -> None:
    text = prose(1)
    put(warehouse, document("a", text), document("b", edited(text, 12)))
    assert found_in(warehouse, tmp_path).duplicates == {}
    assert len(found_in(warehouse, tmp_path, NearDuplicates(action="report", threshold=0.5)).duplicates) == 1


def test_the_order_of_arrival_and_the_way_there_make_no_difference(tmp_path: Path) -> None:
    documents = [
        document(f"{group}/{copy}", edited(prose(group, 600), copy))
        for group in range(20)
        for copy in range(group % 5 + 1)
    ]
    outcomes = []
    for seed in range(3):
        shuffled = random.Random(seed).sample(documents, len(documents))
        warehouse = open_warehouse("sqlite://")
        for start in range(0, len(shuffled), 17):  # in several runs, each brought up to date from the last
            put(warehouse, *shuffled[start : start + 17])
            found = found_in(warehouse, tmp_path / str(seed))
        outcomes.append(found.duplicates)
        warehouse.close()
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0]) == 40  # each group's first, and nothing else, is kept
    kept = {one for one, _ in outcomes[0].values()}
    assert kept.isdisjoint(outcomes[0])


def test_a_chain_of_small_edits_does_not_make_its_ends_alike(warehouse: Warehouse, tmp_path: Path) -> None:
    steps = [prose(3)]
    for step in range(1, 12):
        words = steps[-1].split()
        words[step * 20] = f"edited{step}"
        steps.append(" ".join(words))
    chain = [document(f"{number:02}", text) for number, text in enumerate(steps)]
    put(warehouse, *chain)
    found = found_in(warehouse, tmp_path)
    assert 0 < len(found.duplicates) < 11
    assert all(kept not in found.duplicates and alike >= 0.9 for kept, alike in found.duplicates.values())


def test_an_unchanged_corpus_is_not_read_again_and_a_changed_one_only_where_it_changed(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(warehouse, *(document(str(number), prose(number % 5)) for number in range(10)))
    first = found_in(warehouse, tmp_path)
    read: list[str] = []
    documents = type(warehouse).documents

    def watched(self: Warehouse, ids: Collection[str]) -> Iterator[Document]:
        read.extend(ids)
        return documents(self, ids)

    monkeypatch.setattr(type(warehouse), "documents", watched)
    assert found_in(warehouse, tmp_path) == first
    assert read == []
    new = document("new", prose(77))
    put(warehouse, new)
    assert found_in(warehouse, tmp_path).duplicates == first.duplicates
    assert read == [new.id]


def test_what_was_a_duplicate_is_one_no_longer_when_the_first_is_gone(warehouse: Warehouse, tmp_path: Path) -> None:
    first, second = document("a", prose(1)), document("b", prose(1))
    put(warehouse, first, second)
    assert set(found_in(warehouse, tmp_path).duplicates) == {second.id}
    warehouse.bury([first.id], warehouse.start_run("etl", {}))
    assert found_in(warehouse, tmp_path).duplicates == {}


def test_the_sources_of_the_configuration_come_in_their_order(warehouse: Warehouse, tmp_path: Path) -> None:
    here, there = document("a", prose(1), source="aside"), document("z", prose(1), source="first")
    put(warehouse, here, there)
    assert set(found_in(warehouse, tmp_path, sources=["first", "aside"]).duplicates) == {here.id}
    assert set(found_in(warehouse, tmp_path).duplicates) == {there.id}


def test_tenants_never_share_a_document_nor_do_values_that_must_be_the_same(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    put(
        warehouse,
        *(document(f"t/{name}", prose(1), **{TENANT: name}) for name in "ab"),
        *(document(f"c/{name}", prose(2), course=name) for name in "ab"),
    )
    assert len(found_in(warehouse, tmp_path).duplicates) == 1
    assert found_in(warehouse, tmp_path, NearDuplicates(action="keep_first", within=("course",))).duplicates == {}


def test_short_empty_and_wordless_documents_and_scripts_without_blanks(warehouse: Warehouse, tmp_path: Path) -> None:
    chinese = "向量数据库保存每个段落的向量,查询时按余弦相似度排序并返回最接近的段落。" * 4
    put(
        warehouse,
        document("empty1", ""),
        document("empty2", ""),
        document("signs1", "!!!"),
        document("signs2", "!!!"),
        document("short1", "Yes, it is."),
        document("short2", "yes it IS"),
        document("short3", "No."),
        document("zh1", chinese),
        document("zh2", chinese.replace("余弦", "点积", 1) + "完"),
    )
    found = found_in(warehouse, tmp_path, NearDuplicates(action="report", threshold=0.6))
    assert {one.uri for one in found.report.examples} == {"short2", "zh2"}


@pytest.mark.parametrize("name", ["outcome.json", "signatures.npz"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"PK\x03\x04 nonsense"])
def test_a_damaged_file_costs_time_only(warehouse: Warehouse, tmp_path: Path, name: str, content: bytes) -> None:
    put(warehouse, document("a", prose(1)), document("b", prose(1)))
    first = found_in(warehouse, tmp_path)
    [file] = tmp_path.rglob(name)
    file.write_bytes(content)
    put(warehouse, document("c", prose(1)))
    assert len(found_in(warehouse, tmp_path).duplicates) == len(first.duplicates) + 1


def test_thousands_of_copies_are_compared_with_the_first_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    text = prose(1, 40)
    put(warehouse, *(document(f"{number:05}", text) for number in range(2_000)))
    found = found_in(warehouse, tmp_path)
    assert len(found.duplicates) == 1_999
    assert len(found.report.examples) == near_duplicates.EXAMPLES
    assert len({kept for kept, _ in found.duplicates.values()}) == 1


def test_wrong_settings_are_refused_with_what_is_valid() -> None:
    with pytest.raises(ValidationError, match="'off', 'report' or 'keep_first'"):
        NearDuplicates.model_validate({"action": "drop"})
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.5"):
        NearDuplicates.model_validate({"threshold": 0.1})
