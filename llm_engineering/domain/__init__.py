"""Nouns and ports of the system. Standard library and pydantic only: nothing here touches the outside world."""
