"""
The file of SQLite: made for its owner alone, looked at, and locked for as long as somebody serves it.
"""

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

from outcrop.errors import StoreError


def make_private(path: Path) -> None:
    """
    Make a file and its folder where they aren't there, for their owner alone.

    SQLite gives what it puts beside the file the same rights. What an administrator makes in the folder of
    another user belongs to that one, so that their server can open it.
    """
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(made, owner.st_uid, owner.st_gid)
        finally:
            os.close(made)


def probe_file(path: Path) -> None:
    """
    Open a file and read its head, so that what is wrong with it is raised here.

    The asynchronous driver leaves a thread behind where it can't open a file, which complains when the loop is gone.

    Raises:
        sqlite3.Error: it can't be opened, or is no database.
    """
    with contextlib.closing(sqlite3.connect(to_reading_address(path), uri=True)) as connection:
        connection.execute("PRAGMA schema_version")


def to_reading_address(path: Path) -> str:
    """
    Return SQLite's address of a file that is only read, and not made where it isn't there.
    """
    return f"{path.resolve().as_uri()}?mode=ro"


def lock_file(path: Path, *, is_shared: bool = False) -> Any:
    """
    Take the lock of whoever serves a file; close what is returned to give it back.

    Args:
        path: the database; the lock is a file beside it.
        is_shared: let others serve the file, too; nobody can put another one in its place meanwhile.

    Raises:
        StoreError: somebody has a lock that does not go with this one.
    """
    beside = path.with_name(f"{path.name}.lock")
    make_private(beside)
    lock = beside.open("r+b")
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StoreError(
            f"another server has the database {str(path)!r}; stop it, give this one a database of its own"
            " (OUTCROP_DATABASE_URL), or let both use PostgreSQL and a turn log in Redis (OUTCROP_TURN_LOG=redis://…)"
        ) from None
    return lock
