"""Chroma, embedded or as a server."""
