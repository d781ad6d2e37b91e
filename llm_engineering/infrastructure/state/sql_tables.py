"""The tables of the assistant's state. A change here needs a migration: a test compares the two.

Times are microseconds since 1970, by the database's clock. A mark is the digest of a document's or an answer's id.
"""

from pathlib import Path

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table

from llm_engineering.infrastructure.warehouse.column_types import ExactText, Identifier

HEAD = "0001"
VERSION_TABLE = "assistant_version"
MIGRATIONS = Path(__file__).parent / "migrations"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
    }
)

conversations = Table(
    "assistant_conversations",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("owner", ExactText, nullable=False),
    Column("title", ExactText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False, index=True),  # among those of an owner, no two are the same
    Column("last_turn", Integer, nullable=False),  # the number of the last turn that there ever was
    Column("turns", Integer, nullable=False),  # how many there are
    Index(None, "owner", "updated_at"),
)

turns = Table(
    "assistant_turns",
    metadata,
    Column(
        "conversation_id", Identifier, ForeignKey("assistant_conversations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("answer_id", ExactText, nullable=False, index=True),
    Column("content", ExactText, nullable=False),
)

# Which answers quote a document, or were made from it.
citations = Table(
    "assistant_citations",
    metadata,
    Column("mark", String(64), primary_key=True),
    Column("answer_id", ExactText, primary_key=True, index=True),
)

# Cached texts, and claims, which have no value.
entries = Table(
    "assistant_entries",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", ExactText),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

entry_documents = Table(
    "assistant_entry_documents",
    metadata,
    Column("mark", String(64), primary_key=True),
    Column("key", String(64), ForeignKey("assistant_entries.key", ondelete="CASCADE"), primary_key=True, index=True),
)

receipts = Table(
    "assistant_receipts",
    metadata,
    Column("answer_id", ExactText, primary_key=True),
    Column("owner", ExactText, primary_key=True),
    Column("content", ExactText, nullable=False),
    Column("kept_at", BigInteger, nullable=False, index=True),
)

feedback = Table(
    "assistant_feedback",
    metadata,
    Column("answer_id", ExactText, primary_key=True),
    Column("owner", ExactText, primary_key=True),
    Column("content", ExactText, nullable=False),
    Column("kept_at", BigInteger, nullable=False, index=True),
)

# Marks of documents and answers that must not come back.
forgotten = Table("assistant_forgotten", metadata, Column("mark", String(64), primary_key=True))
