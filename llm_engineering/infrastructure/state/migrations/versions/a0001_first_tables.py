"""Create the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_identifier = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create all tables."""
    _create_conversations()
    _create_entries()
    _create_answers()


def _create_conversations() -> None:
    op.create_table(
        "assistant_conversations",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("last_turn", sa.Integer, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assistant_conversations"),
    )
    _index("assistant_conversations", "updated_at")
    _index("assistant_conversations", "owner", "updated_at")
    op.create_table(
        "assistant_turns",
        sa.Column("conversation_id", _identifier, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("answer_id", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "number", name="pk_assistant_turns"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["assistant_conversations.id"],
            name="fk_assistant_turns_assistant_conversations",
            ondelete="CASCADE",
        ),
    )
    _index("assistant_turns", "answer_id")


def _create_entries() -> None:
    op.create_table(
        "assistant_entries",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_assistant_entries"),
    )
    _index("assistant_entries", "expires_at")
    op.create_table(
        "assistant_entry_documents",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("mark", "key", name="pk_assistant_entry_documents"),
        sa.ForeignKeyConstraint(
            ["key"],
            ["assistant_entries.key"],
            name="fk_assistant_entry_documents_assistant_entries",
            ondelete="CASCADE",
        ),
    )
    _index("assistant_entry_documents", "key")


def _create_answers() -> None:
    op.create_table(
        "assistant_citations",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("answer_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("mark", "answer_id", name="pk_assistant_citations"),
    )
    _index("assistant_citations", "answer_id")
    for table in ("assistant_receipts", "assistant_feedback"):
        op.create_table(
            table,
            sa.Column("answer_id", sa.Text, nullable=False),
            sa.Column("owner", sa.Text, nullable=False),
            sa.Column("content", sa.Text, nullable=False),
            sa.Column("kept_at", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("answer_id", "owner", name=f"pk_{table}"),
        )
        _index(table, "kept_at")
    op.create_table(
        "assistant_forgotten",
        sa.Column("mark", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_assistant_forgotten"),
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))
