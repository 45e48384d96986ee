"""
What goes wrong with a database, in our own words: no statement, no value and no password in them.
"""

import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError

from outcrop.errors import StoreError

FULL_CODES = frozenset({"53100"})
PASSING_CODES = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})
"""
PostgreSQL's: a transaction that met another's (no place in the order, a deadlock), and a server that stops or starts.
"""

SAYINGS = {
    "28000": "PostgreSQL does not let this user in",
    "28P01": "PostgreSQL refused the user or the password",
    "3D000": "PostgreSQL has no database of that name; `createdb` makes one",
    "42P01": "a table is missing; see `outcrop db check`",
    "42501": "the user may not do that in this database",
    "SQLITE_NOTADB": "the file is no database; see `outcrop db check`",
    "SQLITE_CORRUPT": "the database is damaged; see `outcrop db check`",
    "SQLITE_CANTOPEN": "the database's file can't be opened",
    "SQLITE_READONLY": "the database's file, or its folder, can't be written",
}


class StoreConflict(StoreError):
    """
    Say that what was to be written contradicts what is there.
    """

    code = "conflict"
    retryable = False


class StorageFull(StoreError):
    """
    Say that there is no room to write.
    """


class StoreBusy(StoreError):
    """
    Say that work waited too long for its turn; none of it was done.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the database has been busy for {seconds:g} s; try again")


def is_passing(error: Exception) -> bool:
    """
    Tell whether a transaction that met this error before its commit can be tried again at once.
    """
    if isinstance(error, DBAPIError):
        return is_lost(error) or _find_code(error.orig) in PASSING_CODES
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)


def is_lost(error: DBAPIError) -> bool:
    """
    Tell whether the connection is gone.
    """
    return error.connection_invalidated or _find_code(error.orig).startswith(("08", "57P"))


def translate(error: Exception) -> StoreError:
    """
    Say what the database said, without a statement or a value in it.
    """
    if isinstance(error, IntegrityError):
        return StoreConflict("the database holds something that contradicts it")
    original = getattr(error, "orig", error)
    if _is_full(original):
        return StorageFull("there is no room left in the database, or on its disk")
    code = _find_code(original)
    saying = SAYINGS.get(code) or SAYINGS.get("_".join(code.split("_")[:2]))
    if saying is not None:
        return StoreError(saying)
    return StoreError(f"the database can't be used now ({name_error(error)}); try again")


def name_error(error: Exception) -> str:
    """
    Return the driver's code of an error, or its kind: nothing in them is anybody's.
    """
    original = getattr(error, "orig", None) or error
    return _find_code(original) or type(original).__name__


def _find_code(original: object) -> str:
    """
    Return PostgreSQL's five characters, or SQLite's name, of an error of a driver; "" where it has none.
    """
    code = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    return str(code or "")


def _is_full(original: object) -> bool:
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorname in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
    return _find_code(original) in FULL_CODES
