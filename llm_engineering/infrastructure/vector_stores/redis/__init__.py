"""Redis with its query engine."""
