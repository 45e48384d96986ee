"""
`outcrop db import`: put in what `outcrop db export` wrote as JSON Lines, or one conversation that a page exported.

Each line is a conversation, in a transaction of its own; one that can't be put in is named by its line, and left out.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import typer

from outcrop.accounts.principal import LOCAL
from outcrop.commands.db.interrupt import Interrupt
from outcrop.commands.db.progress import showing_progress
from outcrop.errors import RequestError, SettingsError, StoreError
from outcrop.history.conversations import Conversations
from outcrop.history.database import Database, open_database
from outcrop.history.transfer import Archive
from outcrop.history.trouble import StoreConflict
from outcrop.settings import Settings

INPUT = "-"
MAX_LINE_BYTES = 1 << 30
SKIPPED_BYTES = 1 << 20
"""
How much at once is read of what is too long.
"""


class ArchiveLine(Archive, frozen=True, kw_only=True):
    """
    Hold an archive, with whose it was.
    """

    owner: str | None = None


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what is put in, and for whom.

    Attributes:
        source: a file, or `-`.
        owner: whose the conversations will be; None: the local one's.
        keep_owners: let them be whose they were, where a line says so.
        from_line: where to begin.
    """

    source: str
    owner: str | None = None
    keep_owners: bool = False
    from_line: int = 1


class Outcome(msgspec.Struct):
    """
    Count what was put in and what could not be.
    """

    conversations: int = 0
    messages: int = 0
    failed: int = 0


class Line(msgspec.Struct, frozen=True):
    """
    Hold one conversation as it is written, and where. `content` is None where it is too long to be read.
    """

    number: int
    content: bytes | None
    end: int


def run_import(settings: Settings, options: ImportOptions) -> bool:
    """
    Put conversations in; return whether all could be.

    Raises:
        SettingsError: there is no database, or the options contradict each other.
        StoreError: a server has the file, or the database can't be written; what came before stays in it.
        OSError: the file can't be read.
    """
    address = settings.find_database()
    if address is None:
        raise SettingsError("no conversations are kept: the setting database_url is 'none'")
    if options.owner is not None and options.keep_owners:
        raise SettingsError("--owner and --keep-owners contradict each other, expected one of them")
    with contextlib.ExitStack() as cleanup:
        source, total = sys.stdin.buffer, None
        if options.source != INPUT:
            source = cleanup.enter_context(Path(options.source).open("rb"))
            total = os.fstat(source.fileno()).st_size
        runner = cleanup.enter_context(asyncio.Runner())
        database = runner.run(open_database(address, exclusive=False))
        cleanup.callback(lambda: runner.run(database.aclose()))
        outcome = _Import(runner, database, options).run(source, total)
    failed = f"; {outcome.failed:,} could not be put in" if outcome.failed else ""
    typer.echo(f"{outcome.conversations:,} conversations, {outcome.messages:,} messages{failed}")
    return not outcome.failed


class _Import:
    """
    Put lines into an open database.
    """

    def __init__(self, runner: asyncio.Runner, database: Database, options: ImportOptions) -> None:
        self._runner = runner
        self._conversations = Conversations(database, lambda: time.time_ns() // 1_000_000)
        self._options = options

    def run(self, source: BinaryIO, total: int | None) -> Outcome:
        """
        Put in all lines of a source of so many bytes.
        """
        outcome, interrupt, following = Outcome(), Interrupt(), self._options.from_line
        try:
            with interrupt.listening(), showing_progress("imported", total) as advance:
                for line in read_lines(source):
                    if line.number >= self._options.from_line:
                        with interrupt.deferred():
                            self._put_in(line, outcome)
                            following = line.number + 1
                    advance(line.end, outcome.conversations)
        except SystemExit:
            sys.stderr.write(f"interrupted; go on with --from-line {following}\n")
            raise
        return outcome

    def _put_in(self, line: Line, outcome: Outcome) -> None:
        try:
            archive = parse_line(line)
            owner = (archive.owner if self._options.keep_owners else self._options.owner) or LOCAL.principal_id
            self._runner.run(self._conversations.import_archive(owner, archive))
        except (RequestError, StoreConflict) as error:
            outcome.failed += 1
            sys.stderr.write(f"line {line.number}: {error.message}\n")
        except StoreError as error:
            raise StoreError(
                f"line {line.number}: {error.message}; what comes before it is in, go on with --from-line {line.number}"
            ) from error
        else:
            outcome.conversations += 1
            outcome.messages += len(archive.messages)


def read_lines(source: BinaryIO, limit: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """
    Read the lines that have something in them. A file whose first line is a brace alone is one conversation.
    """
    number = end = 0
    while piece := source.readline(limit + 1):
        number += 1
        if number == 1 and piece.strip() == b"{":
            piece += source.read(limit)
            yield Line(1, None if source.read(1) else piece, len(piece))
            return
        end += len(piece)
        is_whole = len(piece) <= limit
        if not is_whole or piece.strip():
            yield Line(number, piece if is_whole else None, end)
        while not is_whole and piece and not piece.endswith(b"\n"):
            piece = source.readline(SKIPPED_BYTES)
            end += len(piece)


def parse_line(line: Line) -> ArchiveLine:
    """
    Parse a conversation. What else is in it is passed over.

    Raises:
        RequestError: it is none, or too long.
    """
    if line.content is None:
        raise RequestError(f"it is longer than {MAX_LINE_BYTES >> 20} MiB")
    try:
        return msgspec.json.decode(line.content, type=ArchiveLine)
    except msgspec.ValidationError as error:
        raise RequestError(f"it is no conversation: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"it is not JSON: {error}") from error
