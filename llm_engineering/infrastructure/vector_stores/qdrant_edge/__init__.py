"""Qdrant Edge, the embedded default: versions are folders, published by a pointer."""
