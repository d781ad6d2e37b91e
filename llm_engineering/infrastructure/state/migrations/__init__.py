"""Alembic migrations of the assistant's state, run by the warehouse's `schema.bring_up_to_date`."""
