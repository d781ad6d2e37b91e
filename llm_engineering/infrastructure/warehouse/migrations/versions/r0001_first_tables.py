"""Create the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_identifier = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_time = sa.String(32)


def upgrade() -> None:
    """Create all tables."""
    _create_runs_and_users()
    _create_documents()
    _create_rejections()
    _create_ledgers()
    _create_vectors()


def _create_runs_and_users() -> None:
    op.create_table(
        "runs",
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("report", sa.Text),
        sa.Column("started_at", _time, nullable=False),
        sa.Column("finished_at", _time),
        sa.PrimaryKeyConstraint("run", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("first_name", sa.Text, nullable=False),
        sa.Column("last_name", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )


def _create_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("content_hash", _identifier, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("provenance", sa.Text, nullable=False),
        sa.Column("first_run", sa.Integer, nullable=False),
        sa.Column("last_run", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
    )
    op.create_index("ix_documents_source_id", "documents", ["source", "id"])
    op.create_table(
        "document_versions",
        sa.Column("document_id", _identifier, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content_hash", _identifier, nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("user_id", _identifier, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("characters", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("document_id", "version", name="pk_document_versions"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_document_versions_documents", ondelete="CASCADE"
        ),
    )


def _create_rejections() -> None:
    op.create_table(
        "rejections",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("document_id", _identifier, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_rejections"),
        sa.UniqueConstraint("run", "document_id", name="uq_rejections_run_document_id"),
    )


def _create_ledgers() -> None:
    op.create_table(
        "index_versions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("collection", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("fingerprint", _identifier, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_index_versions"),
        sa.UniqueConstraint("collection", "number", name="uq_index_versions_collection_number"),
        sa.UniqueConstraint("collection", "fingerprint", name="uq_index_versions_collection_fingerprint"),
    )
    op.create_table(
        "indexed_documents",
        sa.Column("index_id", sa.Integer, nullable=False),
        sa.Column("document_id", _identifier, nullable=False),
        sa.Column("content_hash", _identifier, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("index_id", "document_id", name="pk_indexed_documents"),
        sa.ForeignKeyConstraint(
            ["index_id"], ["index_versions.id"], name="fk_indexed_documents_index_versions", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "indexed_chunks",
        sa.Column("index_id", sa.Integer, nullable=False),
        sa.Column("document_id", _identifier, nullable=False),
        sa.Column("chunk_id", _identifier, nullable=False),
        sa.PrimaryKeyConstraint("index_id", "document_id", "chunk_id", name="pk_indexed_chunks"),
        sa.ForeignKeyConstraint(
            ["index_id", "document_id"],
            ["indexed_documents.index_id", "indexed_documents.document_id"],
            name="fk_indexed_chunks_indexed_documents",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )


def _create_vectors() -> None:
    op.create_table(
        "vectors",
        sa.Column("model_digest", _identifier, nullable=False),
        sa.Column("text_hash", _identifier, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("model_digest", "text_hash", name="pk_vectors"),
    )
