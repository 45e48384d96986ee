"""
What a turn writes when it begins: the prompt and what else is new, and the answer that is running from then on.
"""

from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_pass
from sqlalchemy.dialects.sqlite import insert as insert_or_pass_in_sqlite

from outcrop.history.branches import check_id
from outcrop.history.content import Blobs, decode_content, digest_message, encode_content, find_digests, to_text
from outcrop.history.records import Content, NewMessage, TurnDraft, UnknownConversation, answer_id_of
from outcrop.history.rows import read_blobs
from outcrop.history.search import index_entry
from outcrop.history.tables import blobs, conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.types import Role, ToolResultPart

MAX_TITLE_CHARACTERS = 200

Named = tuple[str, str]
"""
An owner, and a conversation of theirs.
"""


class DraftWriter:
    """
    Write what is kept when a turn begins.
    """

    def __init__(self, transaction: Transaction, now: int) -> None:
        self._transaction = transaction
        self._now = now

    async def write(self, draft: TurnDraft, *, owner: str, turn_id: str, model_id: str) -> None:
        """
        Write all of it.

        Raises:
            UnknownConversation: the conversation is deleted, or lacks the message that the new ones follow.
        """
        for name in (draft.conversation_id, *(message.message_id for message in draft.messages)):
            check_id(name)
        conversation_key = await self._find_or_make(draft, owner)
        keys: dict[str, int] = {}
        for message in draft.messages:
            parent_key = await self._find_key(conversation_key, message.parent_id, keys)
            keys[message.message_id] = await self._write_message(conversation_key, message, parent_key)
        for message_id, results in draft.results.items():
            await self._add_results(conversation_key, message_id, results)
        running = {
            "state": "running",
            "turn_id": turn_id,
            "model": draft.model,
            "model_id": model_id,
            "params": msgspec.json.encode(draft.params),
        }
        if draft.continues is not None:
            which = (messages.c.conversation_key == conversation_key) & (messages.c.id == draft.continues)
            statement = update(messages).where(which).values({**running, "ended_at": None})
            if (await self._transaction.execute(statement)).rowcount != 1:
                raise UnknownConversation(f"there is no message {draft.continues[:80]!r} in this conversation")
            answer_id = draft.continues
        else:
            answer_id = answer_id_of(turn_id)
            parent_key = await self._find_key(conversation_key, draft.parent_id, keys)
            await self._insert(conversation_key, answer_id, parent_key, "assistant", (), running)
        await touch(self._transaction, conversation_key, self._now, {"leaf_id": answer_id, "model": draft.model})

    async def _find_or_make(self, draft: TurnDraft, owner: str) -> int:
        table = conversations.c
        passing = insert_or_pass_in_sqlite if self._transaction.dialect.name == "sqlite" else insert_or_pass
        row = {
            "owner": owner, "id": draft.conversation_id, "title": draft.title[:MAX_TITLE_CHARACTERS],
            "title_source": "prompt", "created_at": self._now, "updated_at": self._now, "revision": 0,
        }  # fmt: skip
        # Another turn may be making it at this moment.
        made = await self._transaction.execute(passing(conversations).on_conflict_do_nothing(), row)
        found = select(conversations).where(table.owner == owner, table.id == draft.conversation_id).with_for_update()
        kept = (await self._transaction.execute(found)).one()
        if kept.deleted_at is not None:
            raise UnknownConversation(f"conversation {draft.conversation_id[:80]!r} is deleted; restore it first")
        if made.rowcount == 1:
            await index_entry(self._transaction, conversation_key=kept.key, message_key=None, written=draft.title)
        return int(kept.key)

    async def _find_key(self, conversation_key: int, message_id: str | None, keys: dict[str, int]) -> int | None:
        if message_id is None or message_id in keys:
            return None if message_id is None else keys[message_id]
        found = select(messages.c.key).where(
            messages.c.conversation_key == conversation_key, messages.c.id == message_id
        )
        key = await self._transaction.scalar(found)
        if key is None:
            raise UnknownConversation(f"there is no message {message_id[:80]!r} in this conversation")
        return int(key)

    async def _write_message(self, conversation_key: int, message: NewMessage, parent_key: int | None) -> int:
        own = {"state": "completed", "client_id": message.client_id, "ended_at": self._now}
        key = await self._insert(conversation_key, message.message_id, parent_key, message.role, message.parts, own)
        written = to_text(message.parts)
        await index_entry(self._transaction, conversation_key=conversation_key, message_key=key, written=written)
        return key

    async def _insert(
        self,
        conversation_key: int,
        message_id: str,
        parent_key: int | None,
        role: Role,
        content: Content,
        own: dict[str, Any],
    ) -> int:
        encoded, taken_out = encode_content(content)
        made = await self._transaction.execute(
            insert(messages),
            {
                "conversation_key": conversation_key,
                "parent_key": parent_key,
                "id": message_id,
                "role": role,
                "content": encoded,
                "digest": digest_message(role, content, encoded),
                "created_at": self._now,
                **own,
            },
        )
        await write_blobs(self._transaction, conversation_key, taken_out.keys(), taken_out)
        return int(_key_of(made))

    async def _add_results(self, conversation_key: int, message_id: str, results: tuple[ToolResultPart, ...]) -> None:
        which = (messages.c.conversation_key == conversation_key) & (messages.c.id == message_id)
        row = (await self._transaction.execute(select(messages).where(which).with_for_update())).one()
        before, _ = await read_content(self._transaction, row)
        content = (*before, *results)
        encoded, taken_out = encode_content(content)
        values = {"content": encoded, "digest": digest_message(row.role, content, encoded)}
        await self._transaction.execute(update(messages).where(which), values)
        await write_blobs(self._transaction, conversation_key, taken_out.keys(), taken_out)


async def read_content(transaction: Transaction, row: Row[Any]) -> tuple[Content, Blobs]:
    """
    Read what a message says; with the blobs in it.
    """
    found = await read_blobs(transaction, row.conversation_key, find_digests(row.content))
    return decode_content(row.content, found), found


async def write_blobs(transaction: Transaction, conversation_key: int, digests: Any, contents: Blobs) -> None:
    """
    Write blobs that are not there yet.
    """
    passing = insert_or_pass_in_sqlite if transaction.dialect.name == "sqlite" else insert_or_pass
    for digest in digests:
        row = {"conversation_key": conversation_key, "digest": digest, "content": contents[digest]}
        await transaction.execute(passing(blobs).on_conflict_do_nothing(), row)


async def touch(transaction: Transaction, conversation_key: int, now: int, values: dict[str, Any]) -> Named:
    """
    Note that a conversation has changed; return whose it is, and its name.
    """
    changed = {**values, "updated_at": now, "revision": conversations.c.revision + 1}
    which = update(conversations).where(conversations.c.key == conversation_key).values(changed)
    row = (await transaction.execute(which.returning(conversations.c.owner, conversations.c.id))).one()
    return row.owner, row.id


def _key_of(made: Any) -> int:
    key: int = made.inserted_primary_key[0]
    return key
