"""
The address of a database, as a setting gives it, and the engines that are made of it.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from outcrop.errors import SettingsError

WAIT_SECONDS = 20.0
"""
How long work waits for a connection, or for its turn to write.
"""

STATEMENT_SECONDS = 60
ANSWER_SECONDS = STATEMENT_SECONDS + 5
"""
How long we wait for PostgreSQL, which ends a statement before that by itself if it can.
"""

READERS = 4
POOL_SIZE = 10
BUSY_MS = 10_000
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})

SERVER_SETTINGS = {
    "application_name": "outcrop",
    "statement_timeout": str(STATEMENT_SECONDS * 1000),
    "idle_in_transaction_session_timeout": str(STATEMENT_SECONDS * 1000),
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""
PostgreSQL ends what a frozen or vanished server has begun after a minute, and so gives back its locks.
"""


def parse_address(address: str) -> URL:
    """
    Parse an address: a path, `sqlite:///path`, or `postgresql://user:password@host/name?sslmode=…&host=…`.

    Raises:
        SettingsError: it is none; its password is not told.
    """
    if "://" not in address:
        return _check_path(URL.create(DRIVERS["sqlite"], database=str(Path(address).expanduser())))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        # What is raised would quote the address, and its password.
        raise SettingsError("the database's address can't be read, expected postgresql://user@host/name") from None
    driver = DRIVERS.get(url.drivername.partition("+")[0])
    if driver is None or not url.database:
        raise SettingsError(
            f"the database's address begins with {url.drivername[:40]!r}, expected a path, or postgresql://user@host/name"
        )
    url = url.set(drivername=driver)
    return _check_path(url) if driver == DRIVERS["sqlite"] else _check_options(url)


def find_file(url: URL) -> Path | None:
    """
    Return the file of SQLite; None for PostgreSQL.
    """
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _check_path(url: URL) -> URL:
    if url.query or (url.database or "").startswith(":memory:"):
        raise SettingsError("the database's address names no file, expected a path; `none` keeps nothing")
    return url


def _check_options(url: URL) -> URL:
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise SettingsError(f"the database's port is {url.port}, expected 1 to 65535")
    for name in url.query:
        if name not in {"sslmode", "host"}:
            raise SettingsError(f"the database's address has the option {name[:40]!r}, expected `sslmode` or `host`")
    mode = url.query.get("sslmode")
    if mode is None:
        return url
    if mode not in SSL_MODES:
        raise SettingsError(f"the database's sslmode is {mode!r}, expected one of {', '.join(sorted(SSL_MODES))}")
    # The driver takes the same words by another name.
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": str(mode)})


def make_file_engine(path: Path, begin: str, *, size: int, read_only: bool = False) -> AsyncEngine:
    """
    Make the connections to a file of SQLite. `begin` is the statement that begins a transaction.
    """
    url = URL.create(DRIVERS["sqlite"], database=str(path))
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=WAIT_SECONDS, hide_parameters=True)
    pragmas = [
        "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"busy_timeout={BUSY_MS}",
        "recursive_triggers=ON", *(["query_only=ON"] if read_only else []),
    ]  # fmt: skip

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Transactions are begun by us: the driver's own way leaves DDL, and reads, outside of them.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()
        except BaseException:
            # The pool lets go of a connection that fails here; its thread would go on.
            connection.close()
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def make_server_engine(url: URL, *, is_single: bool = False) -> AsyncEngine:
    """
    Make the connections to PostgreSQL; `is_single` makes one where it is asked for, and keeps none.

    Raises:
        SettingsError: the driver is not installed.
    """
    try:
        import asyncpg  # noqa: F401, PLC0415  an extra: it is missing where PostgreSQL is not used
    except ImportError:
        raise SettingsError("PostgreSQL needs a package more: pip install 'outcrop[postgres]'") from None
    arguments = {
        "timeout": WAIT_SECONDS, "command_timeout": ANSWER_SECONDS, "server_settings": SERVER_SETTINGS,
    }  # fmt: skip
    if is_single:
        return create_async_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    return create_async_engine(
        url, pool_size=POOL_SIZE, pool_timeout=WAIT_SECONDS, pool_pre_ping=True, hide_parameters=True,
        connect_args=arguments,
    )  # fmt: skip
