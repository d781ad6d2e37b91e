from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from llm_engineering.application.answering.numbered import numbered
from llm_engineering.application.answering.prompt_passages import estimated_tokens, prompt_passages
from llm_engineering.application.chunking import ParentChild
from llm_engineering.application.retrieval.parents import Parents
from llm_engineering.domain.chunks import PARENT, Chunk
from llm_engineering.domain.documents import CleanedDocument
from llm_engineering.domain.queries import Hit
from llm_engineering.infrastructure.embedders import Hashing

TEXT = "\n\n".join(
    f"# Part {part}\n\n"
    + " ".join(f"Sentence {number} of part {part} speaks of owls and of mice." for number in range(12))
    for part in range(6)
)
DOCUMENT = CleanedDocument("id", "file:///a", "s", "markdown", TEXT, "Owls", "hash", {"course": "birds"})
CHUNKS = list(ParentChild(parent_tokens=200, child_tokens=48).chunk(DOCUMENT, Hashing().open_tokenizer(Path())))


def hit(chunk: Chunk, score: float = 1.0) -> Hit:
    place = (chunk.document_id, chunk.uri, chunk.title, chunk.start, chunk.end, chunk.text)
    return Hit(chunk.id, score, *place, chunk.metadata)


def documents(ids: Collection[str]) -> Mapping[str, CleanedDocument]:
    return {"id": DOCUMENT}


def test_chunks_are_small_and_their_parents_wide() -> None:
    assert all(chunk.tokens <= 48 for chunk in CHUNKS)
    assert len({chunk.metadata[PARENT] for chunk in CHUNKS}) == 6
    assert all(chunk.metadata["course"] == "birds" for chunk in CHUNKS)
    assert any(chunk.context == "Owls > Part 3" for chunk in CHUNKS)


def test_a_hit_gets_the_very_text_of_its_parent() -> None:
    (found,) = Parents().widen([hit(CHUNKS[7])], 1, documents)
    start, end = map(int, str(CHUNKS[7].metadata[PARENT]).split("-"))
    assert found.parent is not None
    assert (found.parent.start, found.parent.end, found.parent.text) == (start, end, TEXT[start:end])


def test_no_parent_is_given_twice_and_the_next_hits_take_the_places() -> None:
    found = Parents().widen([hit(chunk) for chunk in CHUNKS], 4, documents)
    assert [one.parent.text.splitlines()[0] for one in found if one.parent] == [f"# Part {part}" for part in range(4)]


def test_the_order_after_reranking_decides_who_brings_the_parent() -> None:
    of_one = [chunk for chunk in CHUNKS if chunk.metadata[PARENT] == CHUNKS[0].metadata[PARENT]]
    found = Parents().widen([hit(of_one[-1]), hit(of_one[0]), hit(CHUNKS[-1])], 3, documents)
    assert [one.chunk_id for one in found] == [of_one[-1].id, CHUNKS[-1].id]


def test_parents_in_a_prompt_keep_to_its_budget() -> None:
    found = Parents().widen([hit(chunk) for chunk in CHUNKS], 6, documents)
    passages = numbered(found, 6)
    assert [passage.start for passage in passages] == [one.parent.start for one in found if one.parent]
    told = prompt_passages(passages, 300, neutralise=True)
    assert 1 < len(told) < 6
    assert sum(estimated_tokens(passage.text) for passage in told) <= 300


def test_a_parent_that_does_not_hold_its_hit_is_not_believed() -> None:
    for wrong in ("0-5", "5-900000", "x", "", "-1-5", "9" * 99 + "-1"):
        lying = replace(hit(CHUNKS[9]), metadata={PARENT: wrong})
        (found,) = Parents().widen([lying], 1, documents)
        assert found.parent is not None
        assert found.parent.start <= lying.start < lying.end <= found.parent.end
