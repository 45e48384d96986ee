"""
Copies of a SQLite file: made while it is in use, checked, and put in its place.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from outcrop.errors import StoreError
from outcrop.history.sqlite_file import lock_file, make_private, to_reading_address

BESIDE = ("-journal", "-wal", "-shm")
"""
What SQLite puts beside a file. A log that is left over from another file would be read into it.
"""


def back_up(path: Path, target: Path) -> int:
    """
    Copy a database that may be in use, for its owner alone; return the copy's size in bytes.

    The copy is one file, also where the database has a log beside it.

    Raises:
        StoreError: it could not be copied; nothing is left of the attempt, and what was at the target is still there.
    """
    if not path.exists():
        raise StoreError(f"there is no database {str(path)!r}")
    if target.exists() and target.samefile(path):
        raise StoreError(f"{str(target)!r} is the database itself")
    with _making(target) as partial:
        with contextlib.closing(_open_to_read(path)) as source, contextlib.closing(sqlite3.connect(partial)) as copy:
            # All in one step: a writer between two steps makes SQLite begin again, without end where there are many.
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        put_in_place(partial, target)
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


def replace_file(path: Path, source: Path) -> Path | None:
    """
    Put a checked copy in a database's place; return where the replaced one is, which may be a damaged one.

    Raises:
        StoreError: a server uses the database, or the copy can't be written; the database is as it was then.
    """
    path = path.resolve()
    with _as_store_error(path), contextlib.closing(lock_file(path)), _making(path) as partial:
        back_up(source, partial)
        kept = _keep(path) if path.exists() else None
        for leftover in _beside(path):
            leftover.unlink(missing_ok=True)
        put_in_place(partial, path)
    return kept


def _keep(path: Path) -> Path:
    """
    Copy a database byte by byte, with its log: it may be one that SQLite can't read.
    """
    kept = path.with_name(f"{path.name}.before-restore")
    for old in (kept, *_beside(kept)):
        old.unlink(missing_ok=True)
    for file in (path, *_beside(path)):
        if file.exists() and not file.name.endswith("-shm"):
            copy = kept.with_name(kept.name + file.name.removeprefix(path.name))
            make_private(copy)
            shutil.copyfile(file, copy)
            _flush(copy)
    return kept


@contextlib.contextmanager
def _making(target: Path) -> Iterator[Path]:
    """
    Give a file beside the target to write to, for its owner alone; nothing of it is left at the end.
    """
    partial = target.with_name(f".{target.name}.partial")
    with _as_store_error(target):
        try:
            for old in (partial, *_beside(partial)):
                old.unlink(missing_ok=True)
            make_private(partial)
            yield partial
        finally:
            for left in (partial, *_beside(partial)):
                left.unlink(missing_ok=True)


@contextlib.contextmanager
def _as_store_error(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the database could not be copied to {str(target)!r}: {error}") from error


def put_in_place(partial: Path, target: Path) -> None:
    """
    Put a file, or a folder, in another's place, so that it is there as a whole also after a crash.
    """
    _flush(partial)
    partial.replace(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in BESIDE]


def _open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(to_reading_address(path), uri=True)
