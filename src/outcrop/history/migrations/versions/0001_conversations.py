"""
Conversations with their messages and blobs, the ledger, and what is searched.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """
    Make the tables.
    """
    _make_conversations()
    _make_messages()
    _make_blobs()
    _make_calls()
    if op.get_bind().dialect.name == "sqlite":
        _make_search_in_sqlite()
    else:
        _make_search_in_postgresql()


def _make_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("title_source", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("leaf_id", sa.Text),
        sa.Column("pinned_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_conversations"),
        sa.UniqueConstraint("owner", "id", name="uq_conversations_owner_id"),
    )
    op.create_index("ix_conversations_owner_updated_at_key", "conversations", ["owner", "updated_at", "key"])
    op.create_index("ix_conversations_deleted_at", "conversations", ["deleted_at"])


def _make_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("conversation_key", KEY, nullable=False),
        sa.Column("parent_key", KEY),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("role", "state")),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("content", "digest")),
        *(sa.Column(name, sa.Text) for name in ("turn_id", "model", "model_id")),
        sa.Column("params", sa.LargeBinary),
        sa.Column("failure", sa.LargeBinary),
        *(sa.Column(name, sa.BigInteger) for name in TOKENS),
        sa.Column("estimated", sa.Boolean),
        sa.Column("cost_usd", sa.Float),
        sa.Column("ttft_ms", sa.BigInteger),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("key", name="pk_messages"),
        _belongs_to("messages", "conversation_key", "conversations.key"),
        sa.ForeignKeyConstraint(["parent_key"], ["messages.key"], name="fk_messages_parent_key"),
        sa.UniqueConstraint("conversation_key", "id", name="uq_messages_conversation_key_id"),
    )
    op.create_index("ix_messages_parent_key", "messages", ["parent_key"])
    op.create_index("ix_messages_turn_id", "messages", ["turn_id"], unique=True)
    running = sa.text("state = 'running'")
    op.create_index("ix_messages_running", "messages", ["turn_id"], sqlite_where=running, postgresql_where=running)


def _make_blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("conversation_key", KEY, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("conversation_key", "digest", name="pk_blobs"),
        _belongs_to("blobs", "conversation_key", "conversations.key"),
    )


def _make_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.Column("call", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in TOKENS),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("turn_id", "call", name="pk_calls"),
    )
    op.create_index("ix_calls_owner_opened_at", "calls", ["owner", "opened_at"])
    op.create_index("ix_calls_settled_at", "calls", ["settled_at"])


def _make_search_in_sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE search_entries USING fts5("
        'tokens, message_key UNINDEXED, conversation_key UNINDEXED, tokenize="unicode61 remove_diacritics 2")'
    )
    # A virtual table has no foreign keys; keys are found by rowid (see search.py), so this stays quick.
    op.execute(
        "CREATE TRIGGER forget_message AFTER DELETE ON messages BEGIN "
        "DELETE FROM search_entries WHERE rowid BETWEEN old.key * 64 AND old.key * 64 + 63; END"
    )
    op.execute(
        "CREATE TRIGGER forget_conversation AFTER DELETE ON conversations BEGIN "
        "DELETE FROM search_entries WHERE rowid = -old.key; END"
    )


def _make_search_in_postgresql() -> None:
    op.create_table(
        "search_entries",
        sa.Column("key", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("tokens", TSVECTOR, nullable=False),
        sa.Column("message_key", sa.BigInteger),
        sa.Column("conversation_key", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_search_entries"),
        _belongs_to("search_entries", "message_key", "messages.key"),
        _belongs_to("search_entries", "conversation_key", "conversations.key"),
    )
    op.create_index("ix_search_entries_tokens", "search_entries", ["tokens"], postgresql_using="gin")
    op.create_index("ix_search_entries_message_key", "search_entries", ["message_key"])
    op.create_index("ix_search_entries_conversation_key", "search_entries", ["conversation_key"])


def _belongs_to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}", ondelete="CASCADE")


TOKENS = ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens")
