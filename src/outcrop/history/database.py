"""
The database: SQLite in a file, or PostgreSQL. Work is a function of a transaction, which the database owns.

So a caller that is cancelled never cancels an exchange with the database: its transaction is committed or rolled back
as a whole, and no connection goes back to the pool in the middle of something.
"""

import contextlib
import sqlite3
from typing import Literal, Protocol

from sqlalchemy.exc import SQLAlchemyError

from outcrop.errors import StoreError
from outcrop.history.address import find_file, parse_address
from outcrop.history.sqlite_database import open_file
from outcrop.history.transaction import Result, Work
from outcrop.history.trouble import translate

Kind = Literal["sqlite", "postgresql"]


class Database(Protocol):
    """
    Run work in transactions. Made by `open_database`; `aclose` it.
    """

    @property
    def kind(self) -> Kind:
        """
        Say which database it is.
        """

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work that only reads, in one snapshot.

        Raises:
            StoreError: the database can't be read.
        """

    async def write(self, work: Work[Result]) -> Result:
        """
        Run work in a transaction, and commit.

        Raises:
            StoreConflict: a rule of the tables forbids it, such as a name that is taken.
            StorageFull: there is no room.
            StoreError: the database can't be written, or it can't be told whether it was.
        """

    async def scrub(self) -> None:
        """
        Take what was deleted out of the files: out of the search index, which only marks it, and out of SQLite's log.

        For whoever has deleted conversations for good. PostgreSQL does this by itself, in its own time.

        Raises:
            StoreError: the database can't be written.
        """

    async def aclose(self) -> None:
        """
        Wait for work under way, and close.
        """


async def open_database(address: str, *, exclusive: bool = True) -> Database:
    """
    Open a database, and bring a file up to date.

    Args:
        address: a path, `sqlite:///path`, or `postgresql://user:password@host/name`.
        exclusive: refuse where another server has it: this one takes every running turn that it does not run for dead.

    Raises:
        SettingsError: the address names nothing that can be opened, or a package is missing.
        StoreError: another server has it, it is of a newer version, or it can't be reached.
    """
    url = parse_address(address)
    path = find_file(url)
    cleanup = contextlib.AsyncExitStack()
    try:
        if path is not None:
            return await open_file(path, cleanup, exclusive=exclusive)
        from outcrop.history.postgres_database import open_server  # noqa: PLC0415  its driver is an extra

        return await open_server(url, cleanup, exclusive=exclusive)
    except BaseException as error:
        await cleanup.aclose()
        if isinstance(error, sqlite3.Error | OSError) and path is not None:
            raise StoreError(f"the database {str(path)!r} can't be opened: {error}") from error
        if isinstance(error, SQLAlchemyError | OSError):
            raise translate(error) from error
        raise
