"""Alembic migrations of the warehouse, run by `schema.bring_up_to_date`. Each one is frozen once released."""
