"""FAISS over files of this machine."""
