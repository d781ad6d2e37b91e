"""Haystack: a folder of Markdown pages into Qdrant in process.

python haystack_ingestion.py DOCUMENTS STATE MODEL
"""

import sys
from pathlib import Path

from haystack import Pipeline
from haystack.components.converters import TextFileToDocument
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

WORDS = 170  # about 256 tokens of these texts, the same number of chunks as the others make
DIMENSION = 384


def main() -> None:
    documents, state, model = sys.argv[1:]
    store = QdrantDocumentStore(path=state, index="pages", embedding_dim=DIMENSION)
    pipeline = Pipeline()
    pipeline.add_component("read", TextFileToDocument())
    pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=WORDS, split_overlap=0))
    embedder = SentenceTransformersDocumentEmbedder(
        model=model, device=ComponentDevice.from_str("cpu"), progress_bar=False
    )
    pipeline.add_component("embed", embedder)
    pipeline.add_component("write", DocumentWriter(store))
    for source, target in (("read.documents", "split"), ("split", "embed"), ("embed", "write")):
        pipeline.connect(source, target)
    files = sorted(Path(documents).rglob("*.md"))
    written = pipeline.run({"read": {"sources": files}})["write"]["documents_written"]
    print(f"{len(files)} documents, {written} chunks")


if __name__ == "__main__":
    main()
