"""Run the migrations on the connection that `schema` passes in, inside its transaction."""

from alembic import context

from llm_engineering.infrastructure.warehouse.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
