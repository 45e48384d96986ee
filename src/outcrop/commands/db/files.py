"""
Copies of a SQLite file: made while it is in use, checked, and put in its place.
"""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from outcrop.errors import StoreError
from outcrop.history.database import lock_file

PAGES_AT_ONCE = 1000


def back_up(path: Path, target: Path) -> int:
    """
    Copy a database that may be in use, for its owner alone; return the copy's size in bytes.

    Raises:
        StoreError: it could not be copied; nothing is left of the attempt.
    """
    if not path.exists():
        raise StoreError(f"there is no database {str(path)!r}")
    partial = target.with_name(f".{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600))
        with contextlib.closing(_open_to_read(path)) as source, contextlib.closing(sqlite3.connect(partial)) as copy:
            source.backup(copy, pages=PAGES_AT_ONCE)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"the database could not be copied to {str(target)!r}: {error}") from error
    return target.stat().st_size


def check_file(path: Path) -> list[str]:
    """
    Return what is wrong with a database; nothing where all is well.
    """
    if not path.exists():
        return [f"there is no database {str(path)!r}"]
    try:
        with contextlib.closing(_open_to_read(path)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
            connection.execute("SELECT count(*) FROM calls").fetchone()
    except sqlite3.Error as error:
        return [f"it can't be read as a database of outcrop: {error}"]
    return [
        *found,
        *(f"a row of {table} refers to one of {parent} that is not there" for table, _, parent, _ in broken),
    ]


def _open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def replace_file(path: Path, source: Path) -> Path | None:
    """
    Put a copy in a database's place; return where the replaced one is.

    Raises:
        StoreError: a server uses the database.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.closing(lock_file(path)):
        partial = path.with_name(f".{path.name}.restored")
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600))
        shutil.copyfile(source, partial)
        kept = None
        if path.exists():
            kept = path.with_name(f"{path.name}.before-restore")
            back_up(path, kept)
        for leftover in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            leftover.unlink(missing_ok=True)
        partial.replace(path)
    return kept
