"""
Take a conversation out, whole, and put it in again: every branch, every file, every count.

The form is JSON with a version. What is put in belongs to whoever does it, under a name of its own where the old one is
taken; its turns are not turns of this server, so their names stay out.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select

from outcrop.errors import RequestError
from outcrop.history.branches import check_id
from outcrop.history.content import digest_message, encode_content, to_text
from outcrop.history.context import parts_of
from outcrop.history.records import Conversation, StoredMessage, TitleSource
from outcrop.history.rows import USAGE_COLUMNS, find_conversation, read_messages, to_conversation
from outcrop.history.search import index_entry
from outcrop.history.tables import blobs, conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.types import DocumentPart, ImagePart, ReasoningPart, TextPart, ToolResultPart, ToolUsePart

VERSION = 1
LARGEST_NUMBER = 2**53 - 1
"""
JSON's readers disagree beyond it, and no count or time of a conversation comes near.
"""
MAX_NAME_CHARACTERS = 2048
COPIED = ("client_id", "model", "model_id", "cost_usd", "ttft_ms", "duration_ms", "created_at")
MAX_MESSAGES = 20_000
MAX_TITLE_CHARACTERS = 200


class ArchivedConversation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is taken along of a conversation besides its messages.
    """

    conversation_id: str
    title: str
    title_source: TitleSource
    created_at: int
    model: str | None = None
    leaf_id: str | None = None


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a conversation outside of the database. Messages come parents first.
    """

    version: int
    conversation: ArchivedConversation
    messages: tuple[StoredMessage, ...]


def check_archive(archive: Archive) -> None:
    """
    Refuse what can't be put in.

    Raises:
        RequestError: it is of another version, too long, its messages do not hang together, or a name or a number in it
            is nothing that this program would write.
    """
    if archive.version != VERSION:
        raise RequestError(f"the conversation is of version {archive.version}, expected {VERSION}")
    if len(archive.messages) > MAX_MESSAGES:
        raise RequestError(f"the conversation has {len(archive.messages)} messages, limit is {MAX_MESSAGES}")
    check_id(archive.conversation.conversation_id)
    _check_fields("the conversation", archive.conversation)
    seen: set[str] = set()
    for message in archive.messages:
        check_id(message.message_id)
        if message.message_id in seen or not message.message_id:
            raise RequestError(f"the message {message.message_id[:80]!r} is there twice, or has no name")
        if message.parent_id is not None and message.parent_id not in seen:
            raise RequestError(f"message {message.message_id[:80]!r} follows one that does not come before it")
        _check_fields(f"message {message.message_id[:80]!r}", message)
        if message.usage is not None:
            _check_fields(f"the usage of message {message.message_id[:80]!r}", message.usage)
        seen.add(message.message_id)


def _check_fields(whose: str, record: msgspec.Struct) -> None:
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, int | float) and not 0 <= value <= LARGEST_NUMBER:
            raise RequestError(f"{field.name} of {whose} is {value}, expected 0 to {LARGEST_NUMBER}")
        if not isinstance(value, str) or field.name == "title":
            continue
        if len(value) > MAX_NAME_CHARACTERS or not value.isprintable():
            raise RequestError(
                f"{field.name} of {whose} has {len(value)} characters, "
                f"expected at most {MAX_NAME_CHARACTERS} that can be printed"
            )


async def take_out(transaction: Transaction, owner: str, conversation_id: str) -> Archive:
    """
    Read a whole conversation. See `Conversations.export`.
    """
    row = await find_conversation(transaction, owner, conversation_id)
    found = select(messages.c.key).where(messages.c.conversation_key == row.key).order_by(messages.c.key)
    keys = [each.key for each in await transaction.execute(found)]
    kept = await read_messages(transaction, row.key, keys)
    return Archive(version=VERSION, conversation=to_archived(row), messages=tuple(kept))


def to_archived(row: Row[Any]) -> ArchivedConversation:
    """
    Take a row of `conversations`.
    """
    return ArchivedConversation(
        conversation_id=row.id,
        title=row.title,
        title_source=row.title_source,
        created_at=row.created_at,
        model=row.model,
        leaf_id=row.leaf_id,
    )


async def put_in(transaction: Transaction, owner: str, archive: Archive, now: int) -> Conversation:
    """
    Write a whole conversation. See `Conversations.import_archive`.
    """
    old, table = archive.conversation, conversations.c
    taken = select(table.key).where(table.owner == owner, table.id == old.conversation_id)
    is_free = bool(old.conversation_id) and (await transaction.execute(taken)).one_or_none() is None
    title = "".join(each if each.isprintable() else " " for each in old.title)[:MAX_TITLE_CHARACTERS]
    row = {
        "owner": owner,
        "id": old.conversation_id if is_free else f"c-{secrets.token_urlsafe(12)}",
        "title": title,
        "title_source": old.title_source,
        "model": old.model,
        "leaf_id": _find_leaf(archive),
        "created_at": old.created_at,
        "updated_at": now,
        "revision": 1,
    }
    key = _key_of(await transaction.execute(insert(conversations), row))
    await index_entry(transaction, conversation_key=key, message_key=None, written=title)
    keys: dict[str | None, int | None] = {None: None}
    for message in archive.messages:
        keys[message.message_id] = await _write(transaction, key, message, keys[message.parent_id], now)
    return to_conversation((await transaction.execute(select(conversations).where(table.key == key))).one())


def _find_leaf(archive: Archive) -> str | None:
    names = [message.message_id for message in archive.messages]
    leaf = archive.conversation.leaf_id
    return leaf if leaf in names else (names[-1] if names else None)


async def _write(
    transaction: Transaction, conversation_key: int, message: StoredMessage, parent_key: int | None, now: int
) -> int:
    encoded, taken_out = encode_content(message.content)
    usage = message.usage
    row: dict[str, Any] = {
        "conversation_key": conversation_key,
        "parent_key": parent_key,
        "id": message.message_id,
        "role": message.role,
        # Nothing of it runs here.
        "state": "interrupted" if message.state == "running" else message.state,
        "content": encoded,
        "digest": digest_message(message.role, message.content, encoded),
        "params": None if message.params is None else msgspec.json.encode(message.params),
        "failure": None if message.failure is None else msgspec.json.encode(message.failure),
        "ended_at": message.ended_at or now,
        **{name: getattr(message, name) for name in COPIED},
        **({} if usage is None else {name: getattr(usage, name) for name in (*USAGE_COLUMNS, "estimated")}),
    }
    key = _key_of(await transaction.execute(insert(messages), row))
    for digest, content in taken_out.items():
        line = {"conversation_key": conversation_key, "digest": digest}
        there = select(blobs.c.digest).filter_by(**line)
        if (await transaction.execute(there)).one_or_none() is None:
            await transaction.execute(insert(blobs), {**line, "content": content})
    await index_entry(transaction, conversation_key=conversation_key, message_key=key, written=to_text(message.content))
    return key


def _key_of(made: Any) -> int:
    key: int = made.inserted_primary_key[0]
    return key


def to_markdown(title: str, branch: Sequence[StoredMessage]) -> str:
    """
    Write a branch as a person would read it. Reasoning is left out; files and tools are named.
    """
    return begin_markdown(title) + "".join(map(message_to_markdown, branch)) + "\n"


def begin_markdown(title: str) -> str:
    """
    Write the heading of a conversation; messages follow it, and a line's end.
    """
    return f"# {title or 'Conversation'}"


def message_to_markdown(message: StoredMessage) -> str:
    """
    Write one message, with the empty line that comes before it.
    """
    who = "You" if message.role == "user" else message.model or "Answer"
    blocks = [f"## {who}", *_to_blocks(message)]
    if message.state not in {"completed", "running"}:
        reason = f": {message.failure.message}" if message.failure is not None else ""
        blocks.append(f"*({message.state}{reason})*")
    return "".join(f"\n\n{block}" for block in blocks)


def _to_blocks(message: StoredMessage) -> list[str]:
    blocks = []
    for part in parts_of(message):
        match part:
            case TextPart(text=text):
                blocks.append(text.strip())
            case ToolUsePart(name=name):
                blocks.append(f"*(calls {name} with `{msgspec.json.encode(part.input).decode()}`)*")
            case ReasoningPart():
                continue
            case ImagePart() | DocumentPart():
                blocks.append(f"*({part.media_type}, {len(part.data)} bytes)*")
            case ToolResultPart():
                said = " ".join(each.text for each in part.content if isinstance(each, TextPart))
                blocks.append(f"*(the tool says: {said})*")
    return [block for block in blocks if block]
