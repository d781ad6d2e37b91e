"""RAG services of LangChain and Haystack over the same vectors, model and load as ours, as their manuals build them.

    python -m benchmarks.service --home FOLDER                    # makes the index
    python -m benchmarks.service_others export --home FOLDER      # writes its passages and vectors to FOLDER/exported
    python -m benchmarks.service_others langchain --home FOLDER   # serves until it is ended; or langchain-hybrid,
    python -m benchmarks.service_others haystack --home FOLDER    # haystack-hybrid
    python -m benchmarks.load http://127.0.0.1:8701 /search query --clients 8

The services run in an environment of their own with fastapi, uvicorn, sentence-transformers and
`pip install langchain-huggingface langchain-community langchain-classic faiss-cpu rank-bm25 haystack-ai faiss-haystack
sentence-transformers-haystack`. Each keeps its index in its own process, in the fastest store that the framework
documents for that (FAISS, flat or HNSW). Searches by meaning alone do less than ours, which fuses them with BM25; the
hybrid ones do the same, with the frameworks' own BM25.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

PORT = 8701
HITS = 5
# Passages that each method of a hybrid search finds.
POOL = 50


def main() -> None:
    """Export or serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_others", description=__doc__)
    parser.add_argument("what", choices=["export", *SERVICES])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--model", help="folder of all-MiniLM-L6-v2; empty = the one that is installed")
    parser.add_argument("--index", choices=["flat", "hnsw"], default="hnsw")
    parser.add_argument("--port", type=int, default=PORT)
    arguments = parser.parse_args()
    folder = arguments.home / "exported"
    if arguments.what == "export":
        export(arguments.home, folder)
        return
    import uvicorn

    model = arguments.model or (folder / "model").read_text(encoding="utf-8")
    search = SERVICES[arguments.what](folder, model, arguments.index)
    search("warm")
    uvicorn.run(application(search), port=arguments.port, log_level="warning")


def export(home: Path, folder: Path) -> None:
    """Write what the published index holds."""
    from benchmarks.service import COLLECTION
    from llm_engineering.bootstrap import Workspace
    from llm_engineering.config import FeatureConfig
    from llm_engineering.infrastructure.embedders.model_source import find_model

    os.environ["LLM_ENGINEERING_HOME"] = str(home)
    config, workspace = FeatureConfig(), Workspace()
    folder.mkdir(exist_ok=True)
    vectors = []
    load = config.load.model_copy(update={"collection": COLLECTION})
    with (
        workspace.store(load) as store,
        store.read() as index,
        (folder / "passages.jsonl").open("w", encoding="utf-8") as lines,
    ):
        for point in index.scan():
            vectors.append(np.frombuffer(point.dense, dtype=np.float32))
            lines.write(json.dumps({"id": point.id, **point.payload}) + "\n")
    np.save(folder / "vectors.npy", np.stack(vectors))
    name = "sentence-transformers/all-MiniLM-L6-v2"
    (folder / "model").write_text(str(find_model(name, None, home)), encoding="utf-8")


def application(search: Callable[[str], list[dict[str, Any]]]) -> Any:
    """Return a service of one route."""
    from fastapi import Body, FastAPI

    app = FastAPI()

    @app.post("/search")
    def answer(query: str = Body(embed=True)) -> dict[str, Any]:
        return {"query": query, "hits": search(query)}

    return app


def exported(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield id, text and metadata of each passage."""
    with (folder / "passages.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            payload = json.loads(line)
            yield payload.pop("id"), payload.pop("text"), payload


def faiss_index(folder: Path, kind: str) -> Any:
    """Return the vectors in FAISS, by inner product; HNSW with Qdrant's 16 links and 100 candidates."""
    import faiss

    vectors = np.load(folder / "vectors.npy")
    if kind == "flat":
        index = faiss.IndexFlatIP(vectors.shape[1])
    else:
        index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = index.hnsw.efSearch = 100
    kept = folder / f"{kind}.faiss"
    if kept.is_file():
        return faiss.read_index(str(kept))
    index.add(vectors)
    faiss.write_index(index, str(kept))
    return index


def langchain(folder: Path, model: str, kind: str, hybrid: bool = False) -> Callable[[str], list[dict[str, Any]]]:
    """Return the search of a LangChain retriever."""
    from langchain_classic.retrievers import EnsembleRetriever
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.retrievers import BM25Retriever
    from langchain_community.vectorstores import FAISS
    from langchain_core.documents import Document
    from langchain_huggingface import HuggingFaceEmbeddings

    documents = [Document(id=key, page_content=text, metadata=rest) for key, text, rest in exported(folder)]
    store = FAISS(
        HuggingFaceEmbeddings(model_name=model),
        faiss_index(folder, kind),
        InMemoryDocstore({str(document.id): document for document in documents}),
        {place: str(document.id) for place, document in enumerate(documents)},
    )
    retriever: Any = store.as_retriever(search_kwargs={"k": POOL if hybrid else HITS})
    if hybrid:
        words = BM25Retriever.from_documents(documents, k=POOL)
        retriever = EnsembleRetriever(retrievers=[words, retriever], weights=[0.5, 0.5])

    def search(query: str) -> list[dict[str, Any]]:
        found = retriever.invoke(query)[:HITS]
        return [{"id": one.id, "text": one.page_content, "metadata": one.metadata} for one in found]

    return search


def haystack(folder: Path, model: str, kind: str, hybrid: bool = False) -> Callable[[str], list[dict[str, Any]]]:
    """Return the search of a Haystack pipeline."""
    from haystack import Document, Pipeline
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersTextEmbedder
    from haystack_integrations.components.retrievers.faiss import FAISSEmbeddingRetriever
    from haystack_integrations.document_stores.faiss import FAISSDocumentStore

    vectors = np.load(folder / "vectors.npy")
    documents = [Document(id=key, content=text, meta=rest) for key, text, rest in exported(folder)]
    store = FAISSDocumentStore(index_string="HNSW16" if kind == "hnsw" else "Flat", embedding_dim=vectors.shape[1])
    for document, vector in zip(documents, vectors, strict=True):
        document.embedding = vector.tolist()
    store.write_documents(documents)
    pipeline = Pipeline()
    pipeline.add_component("embedder", SentenceTransformersTextEmbedder(model=model, progress_bar=False))
    pipeline.add_component("meaning", FAISSEmbeddingRetriever(document_store=store, top_k=POOL if hybrid else HITS))
    pipeline.connect("embedder.embedding", "meaning.query_embedding")
    if hybrid:
        words = InMemoryDocumentStore()
        words.write_documents([Document(id=one.id, content=one.content, meta=one.meta) for one in documents])
        pipeline.add_component("words", InMemoryBM25Retriever(words, top_k=POOL))
        pipeline.add_component("last", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=HITS))
        pipeline.connect("meaning", "last")
        pipeline.connect("words", "last")
    last = "last" if hybrid else "meaning"

    def search(query: str) -> list[dict[str, Any]]:
        wanted: dict[str, Any] = {"embedder": {"text": query}} | ({"words": {"query": query}} if hybrid else {})
        found = pipeline.run(wanted)[last]["documents"]
        return [{"id": one.id, "text": one.content, "score": one.score, "metadata": one.meta} for one in found]

    return search


SERVICES: dict[str, Callable[[Path, str, str], Callable[[str], list[dict[str, Any]]]]] = {
    "langchain": langchain,
    "langchain-hybrid": lambda folder, model, kind: langchain(folder, model, kind, hybrid=True),
    "haystack": haystack,
    "haystack-hybrid": lambda folder, model, kind: haystack(folder, model, kind, hybrid=True),
}


if __name__ == "__main__":
    main()
