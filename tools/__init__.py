"""Command lines. `python -m tools.run --help` lists the pipelines."""
