"""
`outcrop db export`: all conversations of a database, as JSON Lines or as a folder of Markdown files.

Each conversation is read as a whole before anything of it is written, into a file without a name where it is long: so a
reader of ours that is slow holds up nothing in the database, and what is written is never half a conversation.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path

import msgspec
import typer

from outcrop.commands.db.destinations import Destination, to_file, to_folder, to_output
from outcrop.commands.db.interrupt import Interrupt
from outcrop.commands.db.progress import showing_progress
from outcrop.errors import SettingsError
from outcrop.history.export import (
    Extent,
    Reader,
    Selection,
    list_keys,
    measure_extent,
    open_to_read,
    write_archive,
    write_markdown,
)
from outcrop.history.transaction import Result, Work
from outcrop.settings import Settings

OUTPUT = "-"
SPOOL_BYTES = 4 << 20
"""
What is held of a conversation before it goes to a file.
"""


class Form(StrEnum):
    """
    Name the forms.
    """

    JSONL = "jsonl"
    MARKDOWN = "markdown"


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what is exported, and where to.
    """

    target: str
    form: Form = Form.JSONL
    owner: str | None = None
    deleted: bool = False
    force: bool = False


class Outcome(msgspec.Struct):
    """
    Count what was exported; `damaged` could not be read.
    """

    conversations: int = 0
    messages: int = 0
    damaged: int = 0


def run_export(settings: Settings, options: ExportOptions) -> bool:
    """
    Export; return whether all could be read.

    Raises:
        SettingsError: there is nothing to export, or something is at the target already.
        StoreError: the database can't be read, or the target can't be written; nothing is at the target then.
    """
    address = settings.find_database()
    if address is None:
        raise SettingsError("no conversations are kept: the setting database_url is 'none'")
    selection = Selection(owner=options.owner, deleted=options.deleted)
    interrupt = Interrupt()
    with asyncio.Runner() as runner:
        reader = runner.run(open_to_read(address))
        try:
            extent = runner.run(reader.read(partial(measure_extent, selection=selection)))
            if options.owner is not None and not extent.count:
                raise SettingsError(f"{options.owner!r} has no conversations")
            with interrupt.listening(), _open_target(options, extent) as destination:
                outcome = _Export(runner, reader, selection, options, interrupt).run(extent, destination)
        finally:
            runner.run(reader.aclose())
    _say(options, outcome)
    return not outcome.damaged


def _open_target(options: ExportOptions, extent: Extent) -> contextlib.AbstractContextManager[Destination]:
    if options.form is Form.MARKDOWN:
        if options.target == OUTPUT:
            raise SettingsError("Markdown is written to a folder, expected its name")
        return to_folder(Path(options.target), force=options.force, name_owners=extent.owners > 1)
    return to_output() if options.target == OUTPUT else to_file(Path(options.target), force=options.force)


class _Export:
    """
    Export from an open database.

    The event loop runs only while the database is read: what blocks between, such as a pipe, may be interrupted.
    """

    def __init__(
        self,
        runner: asyncio.Runner,
        reader: Reader,
        selection: Selection,
        options: ExportOptions,
        interrupt: Interrupt,
    ) -> None:
        self._runner = runner
        self._interrupt = interrupt
        self._reader = reader
        self._selection = selection
        self._write = write_markdown if options.form is Form.MARKDOWN else write_archive
        self._quiet = options.target == OUTPUT and sys.stdout.isatty()
        # Where there is room for all of it there is room for one; the system's own folder may be in memory.
        self._folder = None if options.target == OUTPUT else str(Path(options.target).parent)

    def run(self, extent: Extent, destination: Destination) -> Outcome:
        """
        Export all, and show how far it is.
        """
        outcome = Outcome()
        with (
            showing_progress("exported", extent.count, quiet=self._quiet) as advance,
            tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=self._folder) as spool,
        ):
            for done, key in enumerate(self._keys(extent), 1):
                exported = self._read(partial(self._write, selection=self._selection, key=key, to=spool))
                if exported is not None and exported.damage is not None:
                    outcome.damaged += 1
                    sys.stderr.write(f"! {exported.conversation_id!r} of {exported.owner!r}: {exported.damage}\n")
                elif exported is not None:
                    outcome.conversations += 1
                    outcome.messages += exported.messages
                    spool.seek(0)
                    destination.add(exported, spool)
                advance(done, outcome.conversations)
        return outcome

    def _keys(self, extent: Extent) -> Iterator[int]:
        after = 0
        while keys := self._read(partial(list_keys, selection=self._selection, extent=extent, after=after)):
            yield from keys
            after = keys[-1]

    def _read(self, work: Work[Result]) -> Result:
        with self._interrupt.deferred():
            return self._runner.run(self._reader.read(work))


def _say(options: ExportOptions, outcome: Outcome) -> None:
    said = f"{outcome.conversations:,} conversations, {outcome.messages:,} messages"
    if outcome.damaged:
        said += f"; {outcome.damaged:,} could not be read"
    if options.target == OUTPUT:
        typer.echo(said, err=True)
    else:
        typer.echo(f"{options.target}: {said}")
