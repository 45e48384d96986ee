"""
All conversations of a database, one by one, to be written elsewhere: in bounded memory, beside whoever serves it.

Each is read in one snapshot, some messages at a time, into a file that the caller gives; the whole is not one snapshot.
What is in memory is the list of a conversation's messages without what they say, and either `BATCH_BYTES` of their
contents with `FILES_BYTES` of files, or one message with its files.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, Engine, LargeBinary, Row, create_engine, event, false, func, literal, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from outcrop.errors import StoreError
from outcrop.history.address import find_file, parse_address
from outcrop.history.database import open_database
from outcrop.history.migrate import check_revision
from outcrop.history.records import StoredMessage
from outcrop.history.rows import read_messages
from outcrop.history.sqlite_file import probe_file, to_reading_address
from outcrop.history.tables import blobs, conversations, messages
from outcrop.history.transaction import Result, ThreadTransaction, Transaction, Work, run_at_once
from outcrop.history.transfer import VERSION, begin_markdown, message_to_markdown, to_archived
from outcrop.history.trouble import translate

PAGE = 500
BATCH_MESSAGES = 200
BATCH_BYTES = 1 << 20
FILES_BYTES = 8 << 20
"""
Where a conversation has more than this of images and documents, the messages that have them are read one by one.
"""

FILE_MARK = b'"data":'


class Reader(Protocol):
    """
    Read from a database. Made by `open_to_read`; `aclose` it.
    """

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work that only reads, in one snapshot. See `Database.read`.
        """

    async def aclose(self) -> None:
        """
        Close.
        """


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say which conversations are wanted: one owner's, or (None) everybody's; `deleted`: those too that are marked so.
    """

    owner: str | None = None
    deleted: bool = False


class Extent(msgspec.Struct, frozen=True):
    """
    Say how much there was at the beginning: conversations, their owners, and the last key. Later ones are left out.
    """

    count: int
    owners: int
    last_key: int


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe a conversation that was written. `damage` says what of it could not be read; what was written is void then.
    """

    owner: str
    conversation_id: str
    title: str
    messages: int = 0
    damage: str | None = None


class FileReader:
    """
    Read a SQLite file beside the server that has it: without its lock, and without writing anything.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work in a thread; a caller that is cancelled leaves when it has ended.
        """
        running = asyncio.ensure_future(asyncio.to_thread(self._run, work))
        try:
            return await asyncio.shield(running)
        finally:
            await asyncio.wait({running})

    async def aclose(self) -> None:
        """
        Close the connection.
        """
        await asyncio.to_thread(self._engine.dispose)

    def _run(self, work: Work[Result]) -> Result:
        try:
            with self._engine.begin() as connection:
                return run_at_once(work, ThreadTransaction(connection))
        except SQLAlchemyError as error:
            raise translate(error) from error


async def open_to_read(address: str) -> Reader:
    """
    Open a database that is there and of this program's version; a server may use it.

    Raises:
        SettingsError: the address names nothing that can be opened.
        StoreError: there is none, it is of another version, or it can't be reached.
    """
    path = find_file(parse_address(address))
    if path is None:
        return await open_database(address, exclusive=False)
    if not await asyncio.to_thread(path.exists):
        raise StoreError(f"there is no database {str(path)!r}")
    return await asyncio.to_thread(_open_file, path)


def _open_file(path: Path) -> FileReader:
    url = URL.create("sqlite", database=to_reading_address(path), query={"uri": "true"})
    engine = create_engine(
        url, pool_size=1, max_overflow=0, hide_parameters=True, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver begins no transaction for what only reads: each statement would see a snapshot of its own.
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    try:
        probe_file(path)
        with engine.begin() as connection:
            check_revision(connection)
    except BaseException as error:
        engine.dispose()
        if isinstance(error, SQLAlchemyError | OSError | sqlite3.Error):
            raise translate(error) from error
        raise
    return FileReader(engine)


async def measure_extent(transaction: Transaction, selection: Selection) -> Extent:
    """
    Count what is wanted.
    """
    table = conversations.c
    counted = select(
        func.count().label("total"),
        func.count(table.owner.distinct()).label("owners"),
        func.max(table.key).label("last_key"),
    )
    found = (await transaction.execute(counted.where(*_conditions(selection)))).one()
    return Extent(found.total, found.owners, found.last_key or 0)


async def list_keys(transaction: Transaction, selection: Selection, extent: Extent, after: int) -> list[int]:
    """
    Return the keys of the next conversations, the oldest first; none at the end.
    """
    table = conversations.c
    wanted = select(table.key).where(table.key > after, table.key <= extent.last_key, *_conditions(selection))
    return [row.key for row in await transaction.execute(wanted.order_by(table.key).limit(PAGE))]


def _conditions(selection: Selection) -> Iterator[ColumnElement[bool]]:
    if selection.owner is not None:
        yield conversations.c.owner == selection.owner
    if not selection.deleted:
        yield conversations.c.deleted_at.is_(None)


async def write_archive(transaction: Transaction, selection: Selection, key: int, to: IO[bytes]) -> Exported | None:
    """
    Write a whole conversation as JSON, without a line's end: an `Archive`, and its `owner`.

    `to` is written from its beginning, as this may be run again.

    Returns:
        What was written; None where the conversation is wanted no more.
    """

    def begin(row: Row[Any]) -> bytes:
        head = {"version": VERSION, "owner": row.owner, "conversation": to_archived(row)}
        return msgspec.json.encode(head)[:-1] + b',"messages":['

    def encode(message: StoredMessage, number: int) -> bytes:
        return (b"," if number else b"") + msgspec.json.encode(message)

    return await _write(transaction, selection, key, to, _Form(begin, encode, b"]}", whole=True))


async def write_markdown(transaction: Transaction, selection: Selection, key: int, to: IO[bytes]) -> Exported | None:
    """
    Write the branch that is shown as Markdown. See `write_archive`.
    """

    def begin(row: Row[Any]) -> bytes:
        return begin_markdown(row.title).encode()

    def encode(message: StoredMessage, _number: int) -> bytes:
        return message_to_markdown(message).encode()

    return await _write(transaction, selection, key, to, _Form(begin, encode, b"\n", whole=False))


class _Form(msgspec.Struct, frozen=True):
    """
    Say how a conversation is written: what comes first, each message with its number, what comes last.

    `whole`: with all of its branches.
    """

    begin: Callable[[Row[Any]], bytes]
    encode: Callable[[StoredMessage, int], bytes]
    end: bytes
    whole: bool


async def _write(
    transaction: Transaction, selection: Selection, key: int, to: IO[bytes], form: _Form
) -> Exported | None:
    wanted = select(conversations).where(conversations.c.key == key, *_conditions(selection))
    row = (await transaction.execute(wanted)).one_or_none()
    if row is None:
        return None
    to.seek(0)
    to.truncate()
    to.write(form.begin(row))
    count, damage = 0, None
    try:
        for batch in await _plan(transaction, row, whole=form.whole):
            for message in await read_messages(transaction, key, batch):
                to.write(form.encode(message, count))
                count += 1
    except StoreError as error:
        damage = error.message
    except msgspec.MsgspecError:
        damage = "a message in the database can't be read; was it written by a newer version?"
    to.write(form.end)
    return Exported(owner=row.owner, conversation_id=row.id, title=row.title, messages=count, damage=damage)


async def _plan(transaction: Transaction, row: Row[Any], *, whole: bool) -> Iterable[list[int]]:
    """
    Cut a conversation's messages, or the branch of it that is shown, into what is read at once.
    """
    table = messages.c
    files = select(func.sum(func.length(blobs.c.content))).where(blobs.c.conversation_key == row.key)
    has_large_files = (await transaction.scalar(files) or 0) > FILES_BYTES
    columns = (
        table.key,
        table.parent_key,
        func.length(table.content).label("size"),
        (_may_have_files(transaction) if has_large_files else false()).label("is_alone"),
    )
    found = select(*columns).where(table.conversation_key == row.key).order_by(table.key)
    lines = (await transaction.execute(found)).all()
    if not whole:
        leaf = select(table.key).where(table.conversation_key == row.key, table.id == row.leaf_id)
        lines = _path_to(await transaction.scalar(leaf), lines)
    return _cut(lines)


def _may_have_files(transaction: Transaction) -> ColumnElement[bool]:
    """
    Find messages that `find_digests` would have to look into.
    """
    find = func.instr if transaction.dialect.name == "sqlite" else func.pg_catalog.position
    return find(messages.c.content, literal(FILE_MARK, LargeBinary)) > 0


def _path_to(leaf: int | None, lines: Sequence[Row[Any]]) -> list[Row[Any]]:
    by_key = {line.key: line for line in lines}
    path = []
    while leaf is not None:
        path.append(by_key[leaf])
        leaf = by_key[leaf].parent_key
    return path[::-1]


def _cut(lines: Sequence[Row[Any]]) -> Iterator[list[int]]:
    batch: list[int] = []
    size = 0
    for line in lines:
        if batch and (line.is_alone or len(batch) >= BATCH_MESSAGES or size + line.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line.key)
        size += BATCH_BYTES if line.is_alone else line.size
    if batch:
        yield batch
