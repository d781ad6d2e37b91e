"""ClickHouse and MyScaleDB, over HTTP."""
