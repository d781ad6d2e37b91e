"""The tables of the warehouse. A change here needs a migration: a test compares the two.

Runs are named by number without a foreign key, so that old runs can be deleted while their documents stay.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from llm_engineering.infrastructure.warehouse.column_types import ExactText, Identifier, Json, Time

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("run", Integer, primary_key=True),
    Column("key", String(32), nullable=False),  # tells an attempt to open a run that is repeated from another run
    Column("pipeline", ExactText, nullable=False),
    Column("status", String(16), nullable=False),
    Column("config", Json, nullable=False),
    Column("report", Json),
    Column("started_at", Time, nullable=False),
    Column("finished_at", Time),
    # The process that works for the run, and when it last said so.
    Column("host", ExactText, nullable=False),
    Column("process", Integer, nullable=False),
    Column("process_started", String(32), nullable=False),
    Column("beat_at", Time, nullable=False),
    sqlite_autoincrement=True,  # without it, SQLite gives the number of a deleted last run again
)

# What running runs have for themselves: a row for each source and each collection.
holds = Table(
    "holds",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("run", Integer, ForeignKey("runs.run", ondelete="CASCADE"), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("first_name", ExactText, nullable=False),
    Column("last_name", ExactText, nullable=False),
    Column("created_at", Time, nullable=False),
)

# The current state of each document; `version` is the run that last changed its content.
documents = Table(
    "documents",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("uri", ExactText, nullable=False),
    Column("key", ExactText, nullable=False),
    Column("source", ExactText, nullable=False),
    Column("content_hash", Identifier, nullable=False),
    Column("version", Integer, nullable=False),
    Column("live", Boolean, nullable=False),  # false: a tombstone
    Column("provenance", Json, nullable=False),
    Column("first_run", Integer, nullable=False),
    Column("last_run", Integer, nullable=False),
    Index(None, "source", "id"),
)

# Sources whose reading began to add documents and has not come to its end: how many live ones they had before.
readings = Table(
    "readings",
    metadata,
    Column("source", ExactText, primary_key=True),
    Column("documents", Integer, nullable=False),
    Column("run", Integer, nullable=False),
)

# Everything that the content hash covers. `characters` is the length of `text`, for reading in bounded memory.
document_versions = Table(
    "document_versions",
    metadata,
    Column("document_id", Identifier, ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", Identifier, nullable=False),
    Column("format", String(16), nullable=False),
    Column("user_id", Identifier, nullable=False),
    Column("title", ExactText, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("text", ExactText, nullable=False),
)

rejections = Table(
    "rejections",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("document_id", Identifier, nullable=False),
    Column("source", ExactText, nullable=False),
    Column("uri", ExactText, nullable=False),
    Column("key", ExactText, nullable=False),
    Column("reason", ExactText, nullable=False),
    Column("detail", ExactText, nullable=False),
    UniqueConstraint("run", "document_id"),
)

index_versions = Table(
    "index_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("collection", ExactText, nullable=False),
    Column("number", Integer, nullable=False),
    Column("fingerprint", Identifier, nullable=False),
    Column("manifest", Json, nullable=False),
    Column("run", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    UniqueConstraint("collection", "number"),
    UniqueConstraint("collection", "fingerprint"),
)

# Every switch of what readers see.
activations = Table(
    "activations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("collection", ExactText, nullable=False),
    Column("version", Identifier, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("left_version", Identifier, nullable=False),
    Column("run", Integer, nullable=False),
    Column("at", Time, nullable=False),
)

# The ledger of an index version: which documents it holds, at which content hash, and with which chunks. A document
# with fewer chunks in the second table than the first one counts is not believed.
indexed_documents = Table(
    "indexed_documents",
    metadata,
    Column("index_id", Integer, ForeignKey("index_versions.id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", Identifier, primary_key=True),
    Column("content_hash", Identifier, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("run", Integer, nullable=False),
    sqlite_with_rowid=False,
)

indexed_chunks = Table(
    "indexed_chunks",
    metadata,
    Column("index_id", Integer, primary_key=True),
    Column("document_id", Identifier, primary_key=True),
    Column("chunk_id", Identifier, primary_key=True),
    Column("text_hash", Identifier, nullable=False),
    Column("digest", String(32), nullable=False),
    Index(None, "chunk_id"),
    ForeignKeyConstraint(
        ["index_id", "document_id"],
        ["indexed_documents.index_id", "indexed_documents.document_id"],
        ondelete="CASCADE",
    ),
    sqlite_with_rowid=False,
)

# Dense vectors by content: little-endian float32, 4 bytes a component.
vectors = Table(
    "vectors",
    metadata,
    Column("model_digest", Identifier, primary_key=True),
    Column("text_hash", Identifier, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

# How fast a model embedded in a run: `seconds` for `tokens`, after `opening` seconds of loading it.
embedding_rates = Table(
    "embedding_rates",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("model_digest", Identifier, nullable=False),
    Column("run", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("opening", Float, nullable=False),
    Column("at", Time, nullable=False),
    Index(None, "model_digest", "number"),
)

# What must not come back: digests of ids of documents, users and sources, never the names themselves.
forgotten = Table(
    "forgotten",
    metadata,
    Column("digest", Identifier, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("run", Integer, nullable=False),
    Column("at", Time, nullable=False),
)

# What was made from documents and lives elsewhere: exports, data sets, models.
derivatives = Table(
    "derivatives",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", ExactText, nullable=False),
    Column("place", ExactText, nullable=False),
    Column("run", Integer, nullable=False),
    Column("at", Time, nullable=False),
)

derived_documents = Table(
    "derived_documents",
    metadata,
    Column("derivative_id", Identifier, ForeignKey("derivatives.id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", Identifier, primary_key=True),
    Index(None, "document_id"),
    sqlite_with_rowid=False,
)
