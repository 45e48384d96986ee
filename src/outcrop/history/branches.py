"""
The tree of a conversation's messages, read branch by branch.
"""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from outcrop.errors import RequestError
from outcrop.history.content import digest_message, encode_content
from outcrop.history.matching import KnownMessage, SentMessage, match_messages
from outcrop.history.records import Conversation, NewMessage, StoredMessage, UnknownConversation
from outcrop.history.rows import find_conversation, read_messages, to_conversation
from outcrop.history.tables import conversations, messages
from outcrop.history.transaction import Transaction

MAX_ID_CHARACTERS = 256


class ShownMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a message of a branch, and the names of all that stand in its place, itself among them, the oldest first.
    """

    message: StoredMessage
    siblings: tuple[str, ...]


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the end of a branch, in order. `has_more`: older messages come before it.
    """

    conversation: Conversation
    messages: tuple[ShownMessage, ...]
    has_more: bool


class Match(msgspec.Struct, frozen=True):
    """
    Hold what is kept of a list that a client sent, from the conversation's first message on, and what is new in it.

    `count` says how many of the sent messages are kept already, `is_new` that there is no such conversation yet.
    """

    path: list[StoredMessage]
    new: list[NewMessage]
    count: int
    is_new: bool = False


async def read_branch(
    transaction: Transaction,
    owner: str,
    conversation_id: str,
    *,
    leaf_id: str | None,
    through: str | None,
    before: str | None,
    limit: int,
) -> Branch:
    """
    Read the end of a branch. See `Conversations.open`.
    """
    row = await find_conversation(transaction, owner, conversation_id)
    tree = await _read_tree(transaction, row.key)
    end_id = leaf_id or row.leaf_id if through is None else tree.newest_under(through)
    keys = tree.path_to(end_id)
    if before is not None:
        keys = keys[: _position(keys, tree.find(before).key, before)]
    shown = await read_messages(transaction, row.key, keys[-limit:])
    return Branch(
        conversation=to_conversation(row),
        messages=tuple(
            ShownMessage(message=message, siblings=tuple(tree.siblings_of(message.message_id))) for message in shown
        ),
        has_more=len(keys) > limit,
    )


async def read_path(transaction: Transaction, owner: str, conversation_id: str, message_id: str) -> list[StoredMessage]:
    """
    Read all messages from the first to this one. See `Conversations.path`.
    """
    row = await find_conversation(transaction, owner, conversation_id)
    tree = await _read_tree(transaction, row.key)
    return await read_messages(transaction, row.key, tree.path_to(message_id))


async def match_sent(transaction: Transaction, owner: str, conversation_id: str, sent: Sequence[NewMessage]) -> Match:
    """
    Find what is kept of a list of messages. See `Conversations.match`.
    """
    found = select(conversations).where(conversations.c.owner == owner, conversations.c.id == conversation_id)
    row = (await transaction.execute(found)).one_or_none() if conversation_id.isprintable() else None
    if row is not None and row.deleted_at is not None:
        raise UnknownConversation(f"conversation {conversation_id[:80]!r} is deleted; restore it first")
    tree = _Tree([]) if row is None else await _read_tree(transaction, row.key)
    known = [
        KnownMessage(
            key=each.key,
            message_id=each.id,
            role=each.role,
            digest=bytes(each.digest),
            parent_key=each.parent_key,
            client_id=each.client_id,
        )
        for each in tree.rows
    ]
    keys, count = match_messages(known, [_to_sent(message) for message in sent])
    path = [] if row is None else await read_messages(transaction, row.key, keys)
    return Match(path, _name(sent[count:], {each.id for each in tree.rows}, path), count, is_new=row is None)


async def follow_message(
    transaction: Transaction, owner: str, conversation_id: str, parent_id: str, sent: Sequence[NewMessage]
) -> Match:
    """
    Name messages that follow a kept one. See `Conversations.follow`.
    """
    for message in sent:
        check_id(message.message_id)
    row = await find_conversation(transaction, owner, conversation_id)
    tree = await _read_tree(transaction, row.key)
    path = await read_messages(transaction, row.key, tree.path_to(parent_id))
    return Match(path, _name(sent, {each.id for each in tree.rows}, path), 0)


def _to_sent(message: NewMessage) -> SentMessage:
    check_id(message.message_id)
    encoded, _ = encode_content(message.parts)
    return SentMessage(
        message_id=message.message_id, role=message.role, digest=digest_message(message.role, message.parts, encoded)
    )


def check_id(message_id: str) -> None:
    """
    Refuse a name that a message can't have; "" is no name.

    Raises:
        RequestError: it is too long, or holds characters that can't be printed.
    """
    if len(message_id) > MAX_ID_CHARACTERS or not message_id.isprintable():
        raise RequestError(
            f"the message's id {message_id[:40]!r} is not one, expected up to {MAX_ID_CHARACTERS} printable characters"
        )


def _name(new: Sequence[NewMessage], taken: set[str], path: Sequence[StoredMessage]) -> list[NewMessage]:
    """
    Give new messages names of their own, and the messages that they follow.
    """
    named: list[NewMessage] = []
    parent_id = path[-1].message_id if path else None
    for message in new:
        wanted = message.message_id
        is_free = bool(wanted) and wanted not in taken
        message_id = wanted if is_free else f"m-{secrets.token_urlsafe(12)}"
        client_id = wanted if wanted and not is_free else None
        named.append(msgspec.structs.replace(message, message_id=message_id, client_id=client_id, parent_id=parent_id))
        taken.add(message_id)
        parent_id = message_id
    return named


class _Tree:
    """
    Hold a conversation's messages without what they say.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows
        self._by_id = {row.id: row for row in rows}
        self._by_key = {row.key: row for row in rows}
        self._children: dict[int | None, list[str]] = defaultdict(list)
        for row in rows:
            self._children[row.parent_key].append(row.id)

    def find(self, message_id: str) -> Any:
        """
        Find a message by its name.
        """
        row = self._by_id.get(message_id)
        if row is None:
            raise UnknownConversation(f"there is no message {message_id[:80]!r} in this conversation")
        return row

    def path_to(self, message_id: str | None) -> list[int]:
        """
        Return the keys from the first message to this one; none without one.
        """
        keys: list[int] = []
        key = None if message_id is None else self.find(message_id).key
        while key is not None:
            keys.append(key)
            key = self._by_key[key].parent_key
        return keys[::-1]

    def newest_under(self, message_id: str) -> str:
        """
        Return the name of the newest message among a message and all that follow it; nothing follows that one.
        """
        newest = self.find(message_id)
        under = {newest.key}
        # A message is always younger than the one that it follows, and rows come in the order of their age.
        for row in self.rows:
            if row.parent_key in under:
                under.add(row.key)
                newest = row
        name: str = newest.id
        return name

    def siblings_of(self, message_id: str) -> list[str]:
        """
        Return the names of all that stand in a message's place.
        """
        return self._children[self.find(message_id).parent_key]


async def _read_tree(transaction: Transaction, conversation_key: int) -> _Tree:
    table = messages.c
    columns = (table.key, table.parent_key, table.id, table.client_id, table.role, table.digest)
    found = select(*columns).where(table.conversation_key == conversation_key).order_by(table.key)
    return _Tree((await transaction.execute(found)).all())


def _position(keys: list[int], key: int, name: str) -> int:
    if key not in keys:
        raise RequestError(f"before is {name[:80]!r}, which is not on this branch")
    return keys.index(key)
