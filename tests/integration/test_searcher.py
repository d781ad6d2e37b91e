"""The searcher on a real index: it follows what is published, and shows documents as the index has them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from owl_index import run, searcher, texts

from llm_engineering import plain
from llm_engineering.application.retrieval.searcher import FollowingSearcher, OpenedVersion
from llm_engineering.application.retrieval.texts import Cleaned, Texts
from llm_engineering.bootstrap import Workspace, asking, open_searcher
from llm_engineering.config import AssistantConfig, FeatureConfig, read_config
from llm_engineering.domain.access import ALL, Access
from llm_engineering.domain.errors import BackendError, UsageError
from llm_engineering.domain.llms import Completion, LlmCard, LlmRequest, Message
from llm_engineering.domain.ports import Warehouse
from llm_engineering.infrastructure.vector_stores.qdrant_edge.index import EdgeIndex

WAIT = 60.0


def uri_and_id(found: FollowingSearcher, uri: str) -> str:
    return next(hit.document_id for hit in found.search("owl", access=ALL, k=50).hits if hit.uri == uri)


def test_a_searcher_waits_for_the_first_publication() -> None:
    with searcher() as found:
        with pytest.raises(UsageError, match="run the feature pipeline first"):
            found.search("owl", access=ALL)
        run(texts(1))
        assert len(found.search("owl", access=ALL).hits) == 3


def test_what_is_found_is_judged_by_the_size_of_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    run(texts(1))
    with searcher("retrieval.answerability={model: null}") as found:
        of_three = found.search("the owl sleeps", access=ALL).confidence
        assert found.search("the owl sleeps", access=ALL, filter={"source": "notes"}).confidence == of_three
    monkeypatch.setattr(OpenedVersion, "passages", 1_000)
    with searcher("retrieval.answerability={model: null}") as found:
        of_many = found.search("the owl sleeps", access=ALL).confidence
    assert of_three is not None
    assert of_many is not None
    assert of_three > of_many


def test_searches_in_four_threads_never_fail_or_mix_versions_during_switches() -> None:
    run(texts(1))
    problems: list[object] = []
    seen: set[str] = set()
    stop = threading.Event()
    with searcher("retrieval.parents={}", "retrieval.self_query={kind: rules}") as found:

        def ask() -> None:
            while not stop.is_set():
                try:
                    hits = found.search("owl sleeps", access=ALL, k=3).hits
                    runs = {hit.text.split("run ")[1].split()[0] for hit in hits}
                    if len(runs) != 1 or len(hits) != 3 or any(hit.parent is None for hit in hits):
                        problems.append((runs, len(hits)))
                    seen.update(runs)
                    found.facets(ALL)
                except Exception as error:  # noqa: BLE001 - whatever it is, the test is to show it
                    problems.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(2, 6):  # the last two with other settings: another index version
            run(texts(number), f"tokenizing.k1={1.5 if number < 4 else 1.2}")
            deadline = time.monotonic() + WAIT
            while str(number) not in seen and not problems and time.monotonic() < deadline:
                time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join()
        assert problems == []
        assert seen == {"1", "2", "3", "4", "5"}
        assert found.manifest().version == "v2"


def test_a_document_is_the_one_that_the_index_has() -> None:
    long = "# Owls\u200b\n\nThe owl sleeps.   \n\n\n\n" + "\n\n".join(
        f"Owl {number} hunts at night." for number in range(200)
    )
    run({"owls.md": long, "elm.md": "The elm."})
    with searcher(every=None) as found:
        hits = [hit for hit in found.search("owl", access=ALL, k=50).hits if hit.uri == "owls.md"]
        document = found.document(hits[0].document_id, ALL)
        assert document is not None
        assert len(hits) > 2
        assert all(document.text[hit.start : hit.end] == hit.text for hit in hits)
        assert (document.title, document.source) == ("owls.md", "notes")
        assert found.document(hits[0].document_id, ALL) is document
        # The warehouse goes on; what this searcher holds open is the version of before.
        run({"owls.md": "The owl is gone.", "elm.md": "The elm."})
        again = found.document(hits[0].document_id, ALL)
        assert again == document
    with searcher(every=None) as found:
        document = found.document(hits[0].document_id, ALL)
        assert document is not None
        assert document.text.strip() == "The owl is gone."
        for odd in ("", "no such id", "' OR 1=1", "*", "\x00", "x" * 10_000):
            assert found.document(odd, ALL) is None
        assert found.documents([], ALL) == {}


def test_the_documents_of_an_index_version_are_read_from_the_warehouse_once() -> None:
    run(texts(1))
    opened: list[object] = []
    workspace, config = Workspace(), read_config(AssistantConfig, None, ["embedding.kind=hashing"])

    @contextmanager
    def warehouse() -> Iterator[Warehouse | None]:
        opened.append(None)
        with workspace.existing_warehouse() as there:
            yield there

    with workspace.store(config.load) as store, store.read() as index:
        settings = index.manifest.settings["cleaning"]
        of_index, cleaned = Texts(warehouse, settings, Cleaned()), Cleaned(characters=1)
        ids = {str(payload["document_id"]) for payload in index.payloads(["document_id"])}
        assert of_index.known(ids) == {}
        found = of_index.of(index, ids, ALL)
        assert of_index.known([*ids, "no such id"]) == found
        assert (len(found), len(opened)) == (3, 1)
        forgetful = Texts(warehouse, settings, cleaned)
        assert forgetful.of(index, ids, ALL) == found
        assert forgetful.known(ids) == {}


def test_a_tenant_finds_and_reads_its_own() -> None:
    sources = [
        {"kind": "memory", "name": f"of {tenant}", "tenant": tenant, "documents": {"a.md": f"The owl of {tenant}."}}
        for tenant in ("ann", "bob")
    ]
    sources.append({"kind": "memory", "name": "nobody's", "documents": {"a.md": "The owl of nobody."}})
    config = read_config(FeatureConfig, None, [f"ingest.sources={json.dumps(sources)}", "embedding.kind=hashing"])
    plain.feature(config)
    with searcher(every=None) as found:
        ann, bob = Access(tenants=("ann",)), Access(tenants=("bob",))
        [mine] = found.search("owl", access=ann).hits
        [theirs] = found.search("owl", access=bob).hits
        assert (mine.text.strip(), mine.metadata["tenant"]) == ("The owl of ann.", "ann")
        assert found.document(mine.document_id, ann) is not None
        assert found.document(theirs.document_id, ann) is None
        assert set(found.documents([mine.document_id, theirs.document_id], ann)) == {mine.document_id}
        assert found.facets(ann) == {"source": {"of ann": 1}, "tenant": {"ann": 1}}
        assert len(found.search("owl", access=ALL).hits) == 3
        assert found.search("owl", access=Access(tenants=("ann",), sources=("of bob",))).hits == ()
        assert found.manifest().payload_indexes == ("metadata.tenant",)
        assert found.search("owl", access=ann, filter={"tenant": "bob"}).warnings == ()


def test_a_source_says_whose_documents_are_over_what_its_records_say(tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    records.write_text(json.dumps([{"id": 1, "text": "The owl.", "tenant": "victim", "salary": 7}]))
    source = {"kind": "json", "name": "records", "url": str(records), "template": "{text}", "tenant": "mallory"}
    other = {"kind": "memory", "tenant": "ann", "documents": {"a.md": "A swan."}}
    plain.feature(
        read_config(FeatureConfig, None, [f"ingest.sources={json.dumps([source, other])}", "embedding.kind=hashing"])
    )
    with searcher(every=None) as found:
        assert found.search("owl", access=Access(tenants=("victim",))).hits == ()
        assert len(found.search("owl", access=Access(tenants=("mallory",))).hits) == 1
        # Which fields there are is told of what the caller may see, and of nothing else.
        told = {
            name: found.search("owl", access=Access(tenants=(name,)), filter={"salery": 7}).warnings
            for name in ("mallory", "ann", "victim")
        }
        assert "did you mean 'salary'?" in told["mallory"][0]
        assert "salary" not in told["ann"][0]
        assert told["victim"] == ()


def test_documents_that_go_to_another_tenant_leave_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("The owl sleeps.")
    for tenant in ("ann", "bob", None):
        source = {"kind": "files", "name": "docs", "root": str(tmp_path), "tenant": tenant}
        settings = [f"ingest.sources={json.dumps([source])}", "embedding.kind=hashing"]
        plain.feature(read_config(FeatureConfig, None, settings))  # the files themselves never change
        with searcher(every=None) as found:
            for who in ("ann", "bob"):
                assert len(found.search("owl", access=Access(tenants=(who,))).hits) == (1 if who == tenant else 0)
            assert len(found.search("owl", access=ALL).hits) == 1


def test_a_new_version_of_another_model_is_searched_with_its_own() -> None:
    run(texts(1))
    with searcher() as found:
        assert len(found.search("owl", access=ALL).hits) == 3
        run(texts(2), "embedding.dimension=64")
        deadline = time.monotonic() + WAIT
        while found.manifest().model.dimension != 64 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "run 2" in found.search("owl", access=ALL).hits[0].text
    with searcher() as found, pytest.raises(UsageError, match="the index was made with"):
        found.search("owl", access=ALL)


def test_an_erasure_does_not_wait_for_a_searcher_at_rest() -> None:
    run(texts(1))
    with searcher() as found:
        gone = uri_and_id(found, "oak.md")
        with Workspace().store(read_config(AssistantConfig, None).load) as store:
            assert store.purge([gone]) >= 1
        deadline = time.monotonic() + WAIT
        while len(found.search("owl", access=ALL).hits) > 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found.document(gone, ALL) is None


class Slow:
    card = LlmCard(name="slow", provider="test")

    async def complete(self, request: LlmRequest) -> Completion:
        import asyncio

        await asyncio.sleep(float(request.messages[-1].content))
        return Completion(text="done", model="slow")

    def stream(self, request: LlmRequest) -> Any:
        raise NotImplementedError

    async def close(self) -> None: ...


def test_a_model_is_asked_from_any_thread_and_given_up_in_time() -> None:
    def request(seconds: str) -> LlmRequest:
        return LlmRequest(messages=(Message(role="user", content=seconds),))

    with asking(Slow(), seconds=1.0) as ask:
        assert ask(request("0")).text == "done"
        started = time.monotonic()
        with pytest.raises(BackendError, match="did not answer within 1 s"):
            ask(request("600"))
        assert time.monotonic() - started < WAIT
        assert ask(request("0")).text == "done"


@pytest.mark.parametrize("lasting", [True, False])
def test_only_a_searcher_that_stays_reads_ahead(monkeypatch: pytest.MonkeyPatch, *, lasting: bool) -> None:
    run(texts(1))
    begun: list[EdgeIndex] = []
    monkeypatch.setattr(EdgeIndex, "read_ahead", lambda index: begun.append(index))
    config = read_config(AssistantConfig, None, ["embedding.kind=hashing"])
    with closing(open_searcher(config, lasting=lasting)) as found:
        for _ in range(2):
            found.search("owl", access=ALL)
    assert len(begun) == lasting
