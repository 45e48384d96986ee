"""
Bring a database to this program's version. Migrations are Alembic's, in `migrations/versions`, one transaction for all.

A migration that is killed leaves what was there before: both databases roll back what defines tables, too.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from outcrop.errors import StoreError

UPGRADE_KEY = 0x6F75746D6967
"""
PostgreSQL's advisory lock of whoever migrates: two at once would both make the same tables.
"""


def upgrade(connection: Connection) -> None:
    """
    Migrate to this program's version, in the transaction that the connection is in.

    Raises:
        StoreError: the database is newer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_KEY})
    config, scripts = _load()
    if _find_revision(connection, scripts) != scripts.get_current_head():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_revision(connection: Connection) -> None:
    """
    Refuse a database that is not of this program's version.

    Raises:
        StoreError: it is older, or newer; the message says what to do.
    """
    _, scripts = _load()
    if _find_revision(connection, scripts) != scripts.get_current_head():
        raise StoreError("the database is of an older version, or empty: run `outcrop db upgrade`, then start again")


def describe_revisions(connection: Connection) -> tuple[str | None, str | None]:
    """
    Return the database's revision, and this program's.

    Raises:
        StoreError: the database is newer.
    """
    _, scripts = _load()
    return _find_revision(connection, scripts), scripts.get_current_head()


def _find_revision(connection: Connection, scripts: ScriptDirectory) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"the database is of a newer version (revision {found!r}) than this program knows"
            f" ({scripts.get_current_head()!r}): use the newer program, or restore a backup"
        )
    return found


def _load() -> tuple[Config, ScriptDirectory]:
    config = Config()
    # The option is a template: a per cent sign in a folder's name stands twice.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)
