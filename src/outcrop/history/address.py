"""
The address of a database, as a setting gives it.
"""

from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from outcrop.errors import SettingsError

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


def parse_address(address: str) -> URL:
    """
    Parse an address: a path, `sqlite:///path`, or `postgresql://user:password@host/name?sslmode=…&host=…`.

    Raises:
        SettingsError: it is none, or a package is missing for it; its password is not told.
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
    if any(find_spec(package) is None for package in ("asyncpg", "greenlet")):
        raise SettingsError("PostgreSQL needs packages more: pip install 'outcrop[postgres]'")
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
