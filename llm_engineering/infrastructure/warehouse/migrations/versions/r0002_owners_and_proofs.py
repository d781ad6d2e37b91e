"""Runs get owners and holds, ledgers get digests; activations, erasure and derivatives get tables."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_identifier = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_time = sa.String(32)


def upgrade() -> None:
    """Add what is new. Ledgers start empty: the next run writes them again, from the vectors that are there."""
    _give_runs_an_owner()
    _create_readings()
    _prove_ledgers()
    _create_activations()
    _create_rates()
    _create_erasure()


def _give_runs_an_owner() -> None:
    op.add_column("runs", sa.Column("key", sa.String(32), nullable=False, server_default=""))
    op.add_column("runs", sa.Column("host", sa.Text, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("process", sa.Integer, nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("process_started", sa.String(32), nullable=False, server_default=""))
    op.add_column("runs", sa.Column("beat_at", _time, nullable=False, server_default=""))
    op.create_table(
        "holds",
        sa.Column("resource", _identifier, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("resource", name="pk_holds"),
        sa.ForeignKeyConstraint(["run"], ["runs.run"], name="fk_holds_runs", ondelete="CASCADE"),
    )


def _create_readings() -> None:
    op.create_table(
        "readings",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("documents", sa.Integer, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_readings"),
    )


def _prove_ledgers() -> None:
    op.execute("DELETE FROM indexed_chunks")
    op.execute("DELETE FROM indexed_documents")
    op.add_column("indexed_documents", sa.Column("chunks", sa.Integer, nullable=False, server_default="0"))
    op.add_column("indexed_chunks", sa.Column("text_hash", _identifier, nullable=False, server_default=""))
    op.add_column("indexed_chunks", sa.Column("digest", sa.String(32), nullable=False, server_default=""))
    op.create_index("ix_indexed_chunks_chunk_id", "indexed_chunks", ["chunk_id"])


def _create_activations() -> None:
    op.create_table(
        "activations",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("version", _identifier, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("left_version", _identifier, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_activations"),
    )


def _create_rates() -> None:
    op.create_table(
        "embedding_rates",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("model_digest", _identifier, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("opening", sa.Float, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_embedding_rates"),
    )
    op.create_index("ix_embedding_rates_model_digest_number", "embedding_rates", ["model_digest", "number"])


def _create_erasure() -> None:
    op.create_table(
        "forgotten",
        sa.Column("digest", _identifier, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_forgotten"),
    )
    op.create_table(
        "derivatives",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_derivatives"),
    )
    op.create_table(
        "derived_documents",
        sa.Column("derivative_id", _identifier, nullable=False),
        sa.Column("document_id", _identifier, nullable=False),
        sa.PrimaryKeyConstraint("derivative_id", "document_id", name="pk_derived_documents"),
        sa.ForeignKeyConstraint(
            ["derivative_id"], ["derivatives.id"], name="fk_derived_documents_derivatives", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_derived_documents_document_id", "derived_documents", ["document_id"])
