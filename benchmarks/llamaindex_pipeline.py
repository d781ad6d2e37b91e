"""LlamaIndex's ingestion pipeline as its documentation shows it: one run over a folder, all its state in another.

    python llamaindex_pipeline.py DOCUMENTS STATE MODEL

It runs in a process and a Python environment of its own, and imports nothing of this project. Document store and vector
store are loaded if they are there and persisted afterwards; `UPSERTS_AND_DELETE` skips what is unchanged, embeds what
changed and removes what is gone.
"""

import sys
from pathlib import Path

from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

TOKENS = 256


def main() -> None:
    documents, state, model = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    vectors = state / "vector_store.json"
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0),
            HuggingFaceEmbedding(model_name=model, device="cpu", embed_batch_size=32),
        ],
        docstore=SimpleDocumentStore(),
        vector_store=SimpleVectorStore.from_persist_path(str(vectors)) if vectors.exists() else SimpleVectorStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    if (state / "pipeline").exists():
        pipeline.load(str(state / "pipeline"))
    read = SimpleDirectoryReader(str(documents), recursive=True, filename_as_id=True).load_data()
    nodes = pipeline.run(documents=read)
    pipeline.persist(str(state / "pipeline"))
    pipeline.vector_store.persist(str(vectors))
    print(f"{len(read)} documents, {len(nodes)} chunks embedded")


if __name__ == "__main__":
    main()
