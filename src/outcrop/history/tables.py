"""
The tables, the same in SQLite and PostgreSQL. The migrations make them; a test holds the two against each other.

Rows refer to each other by number (`key`); the names that clients use (`id`) are unique for their owner or conversation
only. Times are milliseconds since 1970, in UTC. `search_entries` is not here: full-text search is each database's own.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

Key = BigInteger().with_variant(Integer, "sqlite")
"""
SQLite numbers rows by itself only in a column of type INTEGER.
"""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

conversations = Table(
    "conversations",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("owner", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("title_source", Text, nullable=False),
    Column("model", Text),
    Column("leaf_id", Text),
    Column("pinned_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("revision", BigInteger, nullable=False),
    UniqueConstraint("owner", "id"),
    Index(None, "owner", "updated_at", "key"),
    Index(None, "deleted_at"),
)

messages = Table(
    "messages",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("conversation_key", Key, ForeignKey("conversations.key", ondelete="CASCADE"), nullable=False),
    Column("parent_key", Key, ForeignKey("messages.key")),
    Column("id", Text, nullable=False),
    Column("client_id", Text),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("turn_id", Text),
    Column("model", Text),
    Column("model_id", Text),
    Column("params", LargeBinary),
    Column("failure", LargeBinary),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("estimated", Boolean),
    Column("cost_usd", Float),
    Column("ttft_ms", BigInteger),
    Column("duration_ms", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    UniqueConstraint("conversation_key", "id"),
    Index(None, "parent_key"),
    Index(None, "turn_id", unique=True),
    Index(
        "ix_messages_running",
        "turn_id",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)
"""
`content` is JSON: the parts of a message, or the events of an answer (`role` says which, and `turn_id`). What is in it
of images and documents is a digest that leads to `blobs`. `digest` is the SHA-256 of a prompt's content.
"""

blobs = Table(
    "blobs",
    metadata,
    Column("conversation_key", Key, ForeignKey("conversations.key", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""
Images and documents, each once in a conversation, so that they go when it goes.
"""

calls = Table(
    "calls",
    metadata,
    Column("turn_id", Text, primary_key=True),
    Column("call", Integer, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("outcome", Text),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Index(None, "owner", "opened_at"),
    Index(None, "settled_at"),
)
"""
The usage ledger: one row per call to Bedrock, written before the call; `outcome` and `settled_at` come after it.
"""
