from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from llm_engineering.application.ingestion import NamedSource, ingest
from llm_engineering.domain.documents import Document, Failure, Item, NotModified, Rejection, document_id
from llm_engineering.domain.errors import SourceError
from llm_engineering.domain.ports import Warehouse
from llm_engineering.domain.reports import IngestReport, SourceReport
from llm_engineering.infrastructure.observability.progress import silent


class Listed:
    """A source that shows what it is given, and then fails if it is given an error."""

    kind = "listed"

    def __init__(self, name: str, items: Sequence[Item], error: Exception | None = None) -> None:
        self.name = name
        self._items = items
        self._error = error

    def read(self) -> Iterator[Item]:
        yield from self._items
        if self._error:
            raise self._error


def page(uri: str, text: str = "text", source: str = "s") -> Document:
    return Document(uri=uri, source=source, format="text", text=text)


def run(
    warehouse: Warehouse, *items: Item, error: Exception | None = None, allow_mass_delete: bool = False
) -> SourceReport:
    return run_all(warehouse, Listed("s", items, error), allow_mass_delete=allow_mass_delete).sources[0]


def run_all(warehouse: Warehouse, *sources: Listed, allow_mass_delete: bool = False) -> IngestReport:
    named = [NamedSource(source.name, source.kind, lambda source=source: source) for source in sources]  # type: ignore[misc]
    number = warehouse.start_run("test", {})
    return ingest(named, warehouse, number, silent, allow_mass_delete=allow_mass_delete)


def live(warehouse: Warehouse) -> set[str]:
    return set(warehouse.states("s"))


def counters(report: SourceReport) -> dict[str, int]:
    names = ("found", "new", "changed", "unchanged", "deleted", "rejected", "failed")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def test_a_first_run_finds_everything_new(warehouse: Warehouse) -> None:
    assert counters(run(warehouse, page("a"), page("b"))) == {"found": 2, "new": 2}


def test_the_same_documents_again_are_unchanged(warehouse: Warehouse) -> None:
    run(warehouse, page("a"), page("b"))
    assert counters(run(warehouse, page("a"), page("b"))) == {"found": 2, "unchanged": 2}


def test_an_edited_document_is_changed_and_its_new_text_is_stored(warehouse: Warehouse) -> None:
    run(warehouse, page("a", "before"))
    assert counters(run(warehouse, page("a", "after"))) == {"found": 1, "changed": 1}
    assert [document.text for document in warehouse.documents(live(warehouse))] == ["after"]


def test_a_change_of_metadata_is_a_change_and_one_of_provenance_is_not(warehouse: Warehouse) -> None:
    run(warehouse, Document("a", "s", "text", "t", metadata={"n": 1}, provenance={"etag": "1"}))
    again = run(warehouse, Document("a", "s", "text", "t", metadata={"n": 1}, provenance={"etag": "2"}))
    assert counters(again) == {"found": 1, "unchanged": 1}
    assert warehouse.provenance(document_id("s", "a")) == {"etag": "2"}
    changed = run(warehouse, Document("a", "s", "text", "t", metadata={"n": 2}, provenance={"etag": "2"}))
    assert counters(changed) == {"found": 1, "changed": 1}


def test_numbers_that_no_store_holds_are_stored_as_text_or_left_out(warehouse: Warehouse) -> None:
    odd = replace(
        page("a"), metadata={"id": 2**63, "least": -(2**63), "far": 10**400, "nan": float("nan"), "yes": True}
    )
    assert counters(run(warehouse, odd))["new"] == 1
    assert counters(run(warehouse, odd))["unchanged"] == 1
    (stored,) = warehouse.documents(list(live(warehouse)))
    assert stored.metadata == {"id": str(2**63), "least": -(2**63), "far": "1" + 400 * "0", "yes": True}


def test_a_document_that_the_source_no_longer_shows_is_deleted(warehouse: Warehouse) -> None:
    run(warehouse, page("a"), page("b"))
    assert counters(run(warehouse, page("a"))) == {"found": 2, "unchanged": 1, "deleted": 1}
    assert live(warehouse) == {document_id("s", "a")}


def test_a_source_that_fails_midway_deletes_nothing(warehouse: Warehouse) -> None:
    run(warehouse, page("a"), page("b"))
    report = run(warehouse, page("a"), error=SourceError("unreachable", "connection lost"))
    assert counters(report) == {"found": 2, "unchanged": 1, "failed": 1}
    assert not report.complete
    assert len(live(warehouse)) == 2


def test_what_a_failing_source_showed_before_it_failed_is_kept(warehouse: Warehouse) -> None:
    run(warehouse, page("a"), error=SourceError("unreachable", "connection lost"))
    assert live(warehouse) == {document_id("s", "a")}


def test_a_defect_of_an_adapter_fails_its_source_alone(warehouse: Warehouse) -> None:
    run(warehouse, page("a"), page("b"))
    other = page("o", source="other")
    report = run_all(warehouse, Listed("s", [page("a")], KeyError("x")), Listed("other", [other]))
    assert [source.failed for source in report.sources] == [1, 0]
    assert [(failure.reason, "KeyError: 'x'" in failure.detail) for failure in report.failures] == [("defect", True)]
    assert len(live(warehouse)) == 2
    assert set(warehouse.states("other")) == {other.id}


def test_a_source_that_cannot_be_opened_does_not_stop_the_others(warehouse: Warehouse) -> None:
    def refuse() -> Listed:
        raise SourceError("missing", "no such folder")

    good = Listed("s", [page("a")])
    sources = [NamedSource("broken", "listed", refuse), NamedSource("s", "listed", lambda: good)]
    report = ingest(sources, warehouse, warehouse.start_run("test", {}), silent)
    assert [source.failed for source in report.sources] == [1, 0]
    assert [failure.reason for failure in report.failures] == ["missing"]
    assert live(warehouse) == {document_id("s", "a")}


def test_a_page_that_is_gone_is_deleted(warehouse: Warehouse) -> None:
    run(warehouse, page("a"))
    report = run(warehouse, Rejection("a", "s", "http_404", "not found"))
    assert counters(report) == {"found": 1, "deleted": 1}
    assert live(warehouse) == set()


def test_a_page_that_is_hidden_keeps_its_last_good_version(warehouse: Warehouse) -> None:
    run(warehouse, page("a", "the article"))
    report = run(warehouse, Rejection("a", "s", "blocked", "verify you are human"))
    assert counters(report) == {"found": 1, "rejected": 1}
    assert [document.text for document in warehouse.documents(live(warehouse))] == ["the article"]


def test_a_failed_document_keeps_its_last_good_version_and_is_tried_again(warehouse: Warehouse) -> None:
    run(warehouse, page("a", "one"))
    assert counters(run(warehouse, Failure("a", "s", "timeout", "no answer"))) == {"found": 1, "failed": 1}
    assert counters(run(warehouse, page("a", "two"))) == {"found": 1, "changed": 1}


def test_not_modified_counts_as_unchanged(warehouse: Warehouse) -> None:
    run(warehouse, page("a"))
    assert counters(run(warehouse, NotModified("a", "s"))) == {"found": 1, "unchanged": 1}
    assert live(warehouse) == {document_id("s", "a")}


def test_a_document_shown_twice_is_stored_once_and_the_second_is_reported(warehouse: Warehouse) -> None:
    report = run_all(warehouse, Listed("s", [page("a", "one"), page("a", "two")]))
    assert counters(report.sources[0]) == {"found": 2, "new": 1, "rejected": 1}
    assert [rejection.reason for rejection in report.rejections] == ["duplicate"]


def test_rejections_are_kept_with_their_reasons(warehouse: Warehouse) -> None:
    number = warehouse.start_run("test", {})
    source = Listed("s", [Rejection("a", "s", "binary", "not text")])
    ingest([NamedSource("s", "listed", lambda: source)], warehouse, number, silent)
    assert [rejection.reason for rejection in warehouse.rejections(number)] == ["binary"]


def test_a_deleted_document_that_comes_back_is_new_again(warehouse: Warehouse) -> None:
    run(warehouse, page("a"), page("b"))
    run(warehouse, page("a"))
    assert counters(run(warehouse, page("a"), page("b"))) == {"found": 2, "unchanged": 1, "new": 1}


def test_the_same_uri_in_two_sources_is_two_documents(warehouse: Warehouse) -> None:
    report = run_all(warehouse, Listed("s", [page("a")]), Listed("t", [page(uri, source="t") for uri in "ab"]))
    assert [source.new for source in report.sources] == [1, 2]
    again = run_all(warehouse, Listed("s", [page("a")]), Listed("t", [page("b", source="t")]))
    assert [source.deleted for source in again.sources] == [0, 1]
    assert live(warehouse) == {document_id("s", "a")}


def test_credentials_are_in_no_incident(warehouse: Warehouse) -> None:
    failed = SourceError("unreachable", "cannot reach http://me:hunter2@example.org/?token=abc")
    report = run_all(warehouse, Listed("s", [], failed))
    assert "hunter2" not in report.model_dump_json()
    assert "abc" not in report.model_dump_json()


def pages(count: int, first: int = 0) -> list[Document]:
    return [page(f"p{number}") for number in range(first, first + count)]


@pytest.mark.parametrize(("before", "after"), [(10, 7), (10, 0), (100, 79), (3, 1), (1, 0)])
def test_a_list_shorter_by_over_a_fifth_deletes_nothing_without_leave(
    warehouse: Warehouse, before: int, after: int
) -> None:
    run(warehouse, *pages(before))
    report = run_all(warehouse, Listed("s", tuple(pages(after))))
    assert counters(report.sources[0]) == {"found": after + 1, "failed": 1} | ({"unchanged": after} if after else {})
    assert report.failures[0].reason == "mass_delete"
    assert "--allow-mass-delete" in report.failures[0].detail
    assert len(live(warehouse)) == before
    lost = before - after
    assert run(warehouse, *pages(after), allow_mass_delete=True).deleted == lost
    assert len(live(warehouse)) == after


@pytest.mark.parametrize(("before", "after"), [(10, 8), (100, 80), (2, 1), (3, 2), (5, 5)])
def test_a_list_shorter_by_a_fifth_or_one_document_deletes(warehouse: Warehouse, before: int, after: int) -> None:
    run(warehouse, *pages(before))
    assert run(warehouse, *pages(after)).deleted == before - after


def test_a_source_whose_documents_all_moved_is_believed(warehouse: Warehouse) -> None:
    run(warehouse, *pages(10))
    assert counters(run(warehouse, *pages(10, first=10))) == {"found": 20, "new": 10, "deleted": 10}


def test_pages_that_all_answer_gone_delete_nothing_without_leave(warehouse: Warehouse) -> None:
    run(warehouse, *pages(10))
    gone = [Rejection(f"p{number}", "s", "http_404", "not there") for number in range(10)]
    assert counters(run(warehouse, *gone)) == {"found": 11, "rejected": 10, "failed": 1}
    assert len(live(warehouse)) == 10
    assert counters(run(warehouse, *gone, allow_mass_delete=True)) == {"found": 10, "deleted": 10}


def test_an_empty_source_is_emptied_only_with_leave(warehouse: Warehouse) -> None:
    run(warehouse, *pages(3))
    nothing = SourceError("empty_source", "no file")
    assert counters(run(warehouse, error=nothing)) == {"found": 1, "failed": 1}
    assert counters(run(warehouse, error=nothing, allow_mass_delete=True)) == {"found": 3, "deleted": 3}


def test_an_unchanged_document_is_written_only_if_its_provenance_differs(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    put = warehouse.put

    def counting(documents: Sequence[Document], run: int) -> None:
        written.extend(document.uri for document in documents)
        put(documents, run)

    monkeypatch.setattr(warehouse, "put", counting)
    run(warehouse, Document("a", "s", "text", "t", provenance={"etag": "1", "size": 3}), page("b"))
    run(warehouse, Document("a", "s", "text", "t", provenance={"size": 3, "etag": "1"}), page("b"))
    assert written == ["a", "b"]
    run(warehouse, Document("a", "s", "text", "t", provenance={"etag": "2", "size": 3}), page("b"))
    assert written == ["a", "b", "a"]
    assert warehouse.provenances([document_id("s", "a"), "none"]) == {document_id("s", "a"): {"etag": "2", "size": 3}}


def test_a_run_that_was_killed_before_it_deleted_does_not_make_its_deletions_look_like_many(
    warehouse: Warehouse,
) -> None:
    pages = [page(f"p{number}") for number in range(10)]
    run(warehouse, *pages)
    new, left = [page(f"n{number}") for number in range(4)], pages[4:]
    # Killed after its documents were put, before those that are gone were buried.
    warehouse.put(new, warehouse.start_run("test", {}))
    report = run(warehouse, *left, *new)
    assert counters(report) == {"found": 14, "unchanged": 10, "deleted": 4}
    assert live(warehouse) == {document.id for document in [*left, *new]}


def test_a_list_that_is_much_shorter_after_a_kill_deletes_nothing(warehouse: Warehouse) -> None:
    pages = [page(f"p{number}") for number in range(10)]
    run(warehouse, *pages)
    warehouse.put([page("new")], warehouse.start_run("test", {}))
    assert [run(warehouse, *pages[:5]).failed for _ in range(2)] == [1, 1]
    assert len(live(warehouse)) == 11


def test_a_first_run_that_was_killed_does_not_let_a_later_one_delete_everything(warehouse: Warehouse) -> None:
    pages = [page(f"p{number}") for number in range(10)]
    warehouse.put(pages, warehouse.start_run("test", {}))
    assert run(warehouse, pages[0]).failed == 1
    assert len(live(warehouse)) == 10
