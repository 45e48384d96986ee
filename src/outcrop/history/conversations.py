"""
Conversations: list, find, change, delete for good. Every method names the owner; another's looks like an unknown one.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from outcrop.errors import RequestError
from outcrop.history.branches import Branch, Match, follow_message, match_sent, read_branch, read_path
from outcrop.history.content import to_text
from outcrop.history.database import Database
from outcrop.history.news import Announce, announce_nothing
from outcrop.history.records import Conversation, NewMessage, RevisionConflict, StoredMessage, UnknownConversation
from outcrop.history.rows import find_conversation, read_messages, to_conversation
from outcrop.history.search import Hit, Snippet, find_entries, index_entry, make_snippet, parse_query
from outcrop.history.tables import conversations, messages
from outcrop.history.transaction import Transaction, Work
from outcrop.history.transfer import Archive, check_archive, put_in, take_out

MAX_TITLE_CHARACTERS = 200
MAX_PAGE = 100
PURGED_AT_ONCE = 50

ClockMs = Callable[[], int]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a page of a list; `cursor` leads to the next one, None at the end.
    """

    conversations: tuple[Conversation, ...]
    cursor: str | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what was found: a conversation by its title (`message` is None), or one of its messages.
    """

    conversation: Conversation
    snippet: Snippet
    message: StoredMessage | None = None


class FoundPage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a page of what was found, titles first; `cursor` leads to the next one.
    """

    found: tuple[Found, ...]
    cursor: str | None


class Conversations:
    """
    Keep conversations in a database.

    Args:
        clock_ms: milliseconds since 1970.
        announce: is told of each change.
    """

    def __init__(self, database: Database, clock_ms: ClockMs, announce: Announce = announce_nothing) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._announce = announce

    async def list_page(
        self, owner: str, *, limit: int = 50, cursor: str | None = None, deleted: bool = False, pinned: bool = False
    ) -> Page:
        """
        List an owner's conversations, the last changed first: all, or those that are pinned, or those that are deleted.

        Raises:
            RequestError: the cursor is none of ours.
        """
        limit = max(1, min(limit, MAX_PAGE))
        table = conversations.c
        wanted = select(conversations).where(
            table.owner == owner, table.deleted_at.is_not(None) if deleted else table.deleted_at.is_(None)
        )
        if pinned:
            wanted = wanted.where(table.pinned_at.is_not(None))
        if cursor is not None:
            changed, key = read_cursor(cursor, 2)
            wanted = wanted.where(or_(table.updated_at < changed, and_(table.updated_at == changed, table.key < key)))
        wanted = wanted.order_by(table.updated_at.desc(), table.key.desc()).limit(limit + 1)

        async def work(transaction: Transaction) -> Page:
            rows = (await transaction.execute(wanted)).all()
            more = write_cursor(rows[limit - 1].updated_at, rows[limit - 1].key) if len(rows) > limit else None
            return Page(conversations=tuple(map(to_conversation, rows[:limit])), cursor=more)

        return await self._database.read(work)

    async def find(self, owner: str, conversation_id: str) -> Conversation:
        """
        Find a conversation.

        Raises:
            UnknownConversation: there is none of this owner.
        """

        async def work(transaction: Transaction) -> Conversation:
            return to_conversation(await find_conversation(transaction, owner, conversation_id))

        return await self._database.read(work)

    async def open(
        self,
        owner: str,
        conversation_id: str,
        *,
        leaf_id: str | None = None,
        through: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Branch:
        """
        Read the last `limit` messages of a branch: of that to `leaf_id`, else of the one that is shown.

        `through` names a message of a branch that is then read to the newest message under it; `before` names the
        message that they come before.

        Raises:
            UnknownConversation: there is no such conversation, or no such message in it.
        """
        limit = max(1, min(limit, MAX_PAGE))
        return await self._database.read(
            lambda transaction: read_branch(
                transaction, owner, conversation_id, leaf_id=leaf_id, through=through, before=before, limit=limit
            )
        )

    async def path(self, owner: str, conversation_id: str, message_id: str) -> list[StoredMessage]:
        """
        Read all messages from the first to this one.

        Raises:
            UnknownConversation: there is no such conversation, or no such message in it.
        """
        return await self._database.read(lambda transaction: read_path(transaction, owner, conversation_id, message_id))

    async def match(self, owner: str, conversation_id: str, sent: list[NewMessage]) -> Match:
        """
        Find what is kept of a client's list of messages, and name what is new. See `matching.match_messages`.

        Raises:
            RequestError: a message has a name that can't be one.
        """
        return await self._database.read(lambda transaction: match_sent(transaction, owner, conversation_id, sent))

    async def follow(self, owner: str, conversation_id: str, parent_id: str, sent: list[NewMessage]) -> Match:
        """
        Name messages that follow a kept one, and read all that comes before them.

        Raises:
            UnknownConversation: there is no such conversation, or no such message in it.
            RequestError: a message has a name that can't be one.
        """
        return await self._database.read(
            lambda transaction: follow_message(transaction, owner, conversation_id, parent_id, sent)
        )

    async def rename(
        self, owner: str, conversation_id: str, title: str, *, by: str = "person", if_revision: int | None = None
    ) -> Conversation:
        """
        Give a conversation a title. One that a person gave is replaced by a person alone.

        Raises:
            RequestError: it is empty, too long, or not printable.
            UnknownConversation, RevisionConflict: see `change`.
        """
        title = check_title(title)

        async def work(transaction: Transaction) -> Conversation:
            row = await find_conversation(transaction, owner, conversation_id, lock=True)
            if by != "person" and row.title_source == "person":
                return to_conversation(row)
            await index_entry(transaction, conversation_key=row.key, message_key=None, written=title)
            return await self._change(transaction, row, {"title": title, "title_source": by}, if_revision)

        return await self._commit(owner, work)

    async def pin(
        self, owner: str, conversation_id: str, *, pinned: bool, if_revision: int | None = None
    ) -> Conversation:
        """
        Pin a conversation, or unpin it.
        """
        return await self._set(owner, conversation_id, {"pinned_at": self._clock_ms() if pinned else None}, if_revision)

    async def select_leaf(
        self, owner: str, conversation_id: str, message_id: str, *, if_revision: int | None = None
    ) -> Conversation:
        """
        Show another branch: the one that ends with this message.
        """

        async def check(transaction: Transaction, row: Any) -> None:
            found = select(messages.c.key).where(messages.c.conversation_key == row.key, messages.c.id == message_id)
            can_be = message_id.isprintable()
            if not can_be or (await transaction.execute(found)).one_or_none() is None:
                raise UnknownConversation(f"there is no message {message_id[:80]!r} in this conversation")

        return await self._set(owner, conversation_id, {"leaf_id": message_id}, if_revision, check)

    async def delete(self, owner: str, conversation_id: str, *, if_revision: int | None = None) -> Conversation:
        """
        Mark a conversation as deleted: it is shown no more, and `purge` deletes it for good.
        """
        return await self._set(owner, conversation_id, {"deleted_at": self._clock_ms()}, if_revision)

    async def restore(self, owner: str, conversation_id: str) -> Conversation:
        """
        Take back a deletion. Harmless where there was none.
        """
        return await self._set(owner, conversation_id, {"deleted_at": None}, None, deleted=True)

    async def export(self, owner: str, conversation_id: str) -> Archive:
        """
        Take a conversation out, with all of its branches.

        Raises:
            UnknownConversation: there is none of this owner.
        """
        return await self._database.read(lambda transaction: take_out(transaction, owner, conversation_id))

    async def import_archive(self, owner: str, archive: Archive) -> Conversation:
        """
        Put a conversation in; it gets another name where its own is taken.

        Raises:
            RequestError: it is nothing that `export` gives. See `check_archive`.
        """
        check_archive(archive)
        now = self._clock_ms()
        return await self._commit(owner, lambda transaction: put_in(transaction, owner, archive, now))

    async def purge(self, *, deleted_before: int) -> int:
        """
        Delete for good what was marked before a time, with messages, files and search entries; return how many.
        """
        return await self._remove(
            and_(conversations.c.deleted_at.is_not(None), conversations.c.deleted_at < deleted_before)
        )

    async def retire(self, *, changed_before: int) -> int:
        """
        Delete for good what nobody has touched since a time and nobody has pinned; return how many.
        """
        return await self._remove(
            and_(conversations.c.updated_at < changed_before, conversations.c.pinned_at.is_(None))
        )

    async def search(self, owner: str, written: str, *, limit: int = 20, cursor: str | None = None) -> FoundPage:
        """
        Find titles and messages with these words, the newest first.

        Raises:
            RequestError: there is no word in it, or too many; or the cursor is none of ours.
        """
        limit = max(1, min(limit, MAX_PAGE))
        query = parse_query(written)
        before = None if cursor is None else read_cursor(cursor, 1)[0]

        async def work(transaction: Transaction) -> FoundPage:
            hits: list[Hit] = []
            if before is None or before < 0:
                hits = await find_entries(transaction, query, owner=owner, titles=True, before=before, limit=limit + 1)
            if len(hits) <= limit:
                after = before if before is not None and before > 0 else None
                rest = limit + 1 - len(hits)
                hits += await find_entries(transaction, query, owner=owner, titles=False, before=after, limit=rest)
            more = write_cursor(hits[limit - 1].entry_key) if len(hits) > limit else None
            found = [await _show(transaction, hit, query) for hit in hits[:limit]]
            return FoundPage(found=tuple(found), cursor=more)

        return await self._database.read(work)

    async def _set(
        self,
        owner: str,
        conversation_id: str,
        values: Mapping[str, Any],
        if_revision: int | None,
        check: Callable[[Transaction, Any], Awaitable[None]] | None = None,
        *,
        deleted: bool = False,
    ) -> Conversation:
        async def work(transaction: Transaction) -> Conversation:
            row = await find_conversation(transaction, owner, conversation_id, deleted=deleted, lock=True)
            if check is not None:
                await check(transaction, row)
            return await self._change(transaction, row, values, if_revision)

        return await self._commit(owner, work)

    async def _commit(self, owner: str, work: Work[Conversation]) -> Conversation:
        changed = await self._database.write(work)
        self._announce(owner, changed.conversation_id)
        return changed

    async def _change(
        self, transaction: Transaction, row: Any, values: Mapping[str, Any], if_revision: int | None
    ) -> Conversation:
        if if_revision is not None and row.revision != if_revision:
            raise RevisionConflict(f"the conversation is at revision {row.revision}, expected {if_revision}")
        changed = {**values, "revision": row.revision + 1, "updated_at": self._clock_ms()}
        await transaction.execute(update(conversations).where(conversations.c.key == row.key).values(changed))
        found = select(conversations).where(conversations.c.key == row.key)
        return to_conversation((await transaction.execute(found)).one())

    async def _remove(self, which: ColumnElement[bool]) -> int:
        removed = 0
        while True:
            # In small transactions, so that no prompt waits long for its turn to be written.
            count = await self._database.write(lambda transaction: _remove_some(transaction, which))
            removed += count
            if count < PURGED_AT_ONCE:
                break
        if removed:
            await self._database.scrub()
        return removed


async def _remove_some(transaction: Transaction, which: ColumnElement[bool]) -> int:
    running = select(messages.c.conversation_key).where(messages.c.state == "running")
    found = (
        select(conversations.c.key)
        .where(which, conversations.c.key.not_in(running))
        .limit(PURGED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    keys = [row.key for row in await transaction.execute(found)]
    if keys:
        await transaction.execute(delete(conversations).where(conversations.c.key.in_(keys)))
    return len(keys)


async def _show(transaction: Transaction, hit: Hit, query: Any) -> Found:
    row = (await transaction.execute(select(conversations).where(conversations.c.key == hit.conversation_key))).one()
    if hit.message_key is None:
        return Found(conversation=to_conversation(row), snippet=make_snippet(row.title, query))
    (message,) = await read_messages(transaction, row.key, [hit.message_key])
    return Found(
        conversation=to_conversation(row), snippet=make_snippet(to_text(message.content), query), message=message
    )


def check_title(title: str) -> str:
    """
    Return a title that can be one, without white space around it.

    Raises:
        RequestError: it is empty, too long, or holds characters that can't be printed.
    """
    title = title.strip()
    if not 0 < len(title) <= MAX_TITLE_CHARACTERS:
        raise RequestError(f"the title has {len(title)} characters, expected 1 to {MAX_TITLE_CHARACTERS}")
    if not title.isprintable():
        raise RequestError("the title holds characters that can't be printed")
    return title


def write_cursor(*places: int) -> str:
    """
    Write where a list goes on; opaque to clients.
    """
    return base64.urlsafe_b64encode(",".join(map(str, places)).encode()).decode().rstrip("=")


def read_cursor(cursor: str, count: int) -> list[int]:
    """
    Read where a list goes on.

    Raises:
        RequestError: it is not of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        places = [int(place) for place in base64.urlsafe_b64decode(padded).decode("ascii").split(",")]
    except (ValueError, binascii.Error) as error:
        raise RequestError(f"the cursor {cursor[:40]!r} is not one that this server gave") from error
    if len(places) != count or any(abs(place) > 1 << 62 for place in places):
        raise RequestError(f"the cursor {cursor[:40]!r} is not one that this server gave")
    return places
