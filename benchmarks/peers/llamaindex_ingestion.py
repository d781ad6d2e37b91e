"""LlamaIndex: a folder of Markdown pages into Qdrant in process.

python llamaindex_ingestion.py DOCUMENTS STATE MODEL
"""

import sys

from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

TOKENS = 256


def main() -> None:
    documents, state, model = sys.argv[1:]
    read = SimpleDirectoryReader(documents, recursive=True).load_data()
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0),
            HuggingFaceEmbedding(model_name=model, device="cpu", embed_batch_size=32),
        ],
        vector_store=QdrantVectorStore(client=QdrantClient(path=state), collection_name="pages"),
    )
    chunks = pipeline.run(documents=read)
    print(f"{len(read)} documents, {len(chunks)} chunks")


if __name__ == "__main__":
    main()
