"""LangChain: a folder of Markdown pages into Qdrant in process.

python langchain_ingestion.py DOCUMENTS STATE MODEL
"""

import sys

from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from transformers import AutoTokenizer

TOKENS = 254  # and two special ones


def main() -> None:
    documents, state, model = sys.argv[1:]
    read = DirectoryLoader(documents, glob="**/*.md", loader_cls=TextLoader).load()
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        AutoTokenizer.from_pretrained(model), chunk_size=TOKENS, chunk_overlap=0
    )
    chunks = splitter.split_documents(read)
    embedding = HuggingFaceEmbeddings(model_name=model, model_kwargs={"device": "cpu"})
    QdrantVectorStore.from_documents(chunks, embedding, path=state, collection_name="pages")
    print(f"{len(read)} documents, {len(chunks)} chunks")


if __name__ == "__main__":
    main()
