"""
Rows of the tables as values, and the look-ups that every change begins with. Each names the owner.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, select

from outcrop.history.content import decode_content, find_digests
from outcrop.history.records import Conversation, Failure, StoredMessage, UnknownConversation
from outcrop.history.tables import blobs, conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.types import GenerationParams, Usage

USAGE_COLUMNS = ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens")


def to_conversation(row: Row[Any]) -> Conversation:
    """
    Take a row of `conversations`.
    """
    return Conversation(
        conversation_id=row.id,
        title=row.title,
        title_source=row.title_source,
        created_at=row.created_at,
        updated_at=row.updated_at,
        revision=row.revision,
        model=row.model,
        leaf_id=row.leaf_id,
        pinned_at=row.pinned_at,
        deleted_at=row.deleted_at,
    )


async def find_conversation(
    transaction: Transaction, owner: str, conversation_id: str, *, deleted: bool = False, lock: bool = False
) -> Row[Any]:
    """
    Find an owner's conversation, deleted ones only where they are asked for; `lock` keeps others from changing it.

    Raises:
        UnknownConversation: there is none, or it is another's.
    """
    found = select(conversations).where(conversations.c.owner == owner, conversations.c.id == conversation_id)
    # What can't be a name names nothing; PostgreSQL would refuse to compare it.
    can_be = conversation_id.isprintable()
    row = (await transaction.execute(found.with_for_update() if lock else found)).one_or_none() if can_be else None
    if row is None or (row.deleted_at is not None and not deleted):
        raise UnknownConversation(f"there is no conversation {conversation_id[:80]!r}")
    return row


async def read_messages(transaction: Transaction, conversation_key: int, keys: Sequence[int]) -> list[StoredMessage]:
    """
    Read messages by their keys, in the order of the keys, with their blobs.
    """
    rows: dict[int, Row[Any]] = {}
    for start in range(0, len(keys), 500):
        wanted = select(messages).where(messages.c.key.in_(keys[start : start + 500]))
        rows |= {row.key: row for row in await transaction.execute(wanted)}
    ids = {row.key: row.id for row in rows.values()}
    missing = {row.parent_key for row in rows.values() if row.parent_key is not None} - ids.keys()
    if missing:
        parents = select(messages.c.key, messages.c.id).where(messages.c.key.in_(missing))
        ids |= {row.key: row.id for row in await transaction.execute(parents)}
    found = await read_blobs(
        transaction, conversation_key, {d for row in rows.values() for d in find_digests(row.content)}
    )
    return [_to_message(rows[key], ids, found) for key in keys if key in rows]


async def read_blobs(transaction: Transaction, conversation_key: int, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """
    Read blobs of a conversation.
    """
    wanted = list(digests)
    if not wanted:
        return {}
    found = select(blobs.c.digest, blobs.c.content).where(
        blobs.c.conversation_key == conversation_key, blobs.c.digest.in_(wanted)
    )
    return {bytes(row.digest): bytes(row.content) for row in await transaction.execute(found)}


def _to_message(row: Row[Any], ids: dict[int, str], found: dict[bytes, bytes]) -> StoredMessage:
    usage = None
    if row.input_tokens is not None:
        counts = {name: getattr(row, name) for name in USAGE_COLUMNS}
        usage = Usage(**counts, estimated=bool(row.estimated))
    return StoredMessage(
        message_id=row.id,
        role=row.role,
        state=row.state,
        created_at=row.created_at,
        content=decode_content(row.content, found),
        parent_id=None if row.parent_key is None else ids[row.parent_key],
        client_id=row.client_id,
        turn_id=row.turn_id,
        model=row.model,
        model_id=row.model_id,
        params=None if row.params is None else msgspec.json.decode(row.params, type=GenerationParams),
        usage=usage,
        failure=None if row.failure is None else msgspec.json.decode(row.failure, type=Failure),
        cost_usd=row.cost_usd,
        ttft_ms=row.ttft_ms,
        duration_ms=row.duration_ms,
        ended_at=row.ended_at,
    )
