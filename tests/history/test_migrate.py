"""
Migrations of a SQLite file.
"""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from outcrop.commands.db.files import check_file
from outcrop.errors import StoreError
from outcrop.history.database import open_database
from outcrop.history.maintenance import read_revisions


def migrate_and_be_killed(pattern: str) -> int:
    """
    Run the helper process; return how many moments it was killed at.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.history.migrating", pattern],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.stdout.strip().isdigit(), done.stdout + done.stderr
    return int(done.stdout) - 1


def schema_of(path: Path) -> list[tuple[str, ...]]:
    """
    Read all that defines tables.
    """
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


async def test_a_migration_that_is_killed_begins_again(tmp_path: Path) -> None:
    """
    Killed before any of its statements it leaves nothing half: the next start makes the tables as the first would have.
    """
    killed = await asyncio.to_thread(migrate_and_be_killed, f"{tmp_path}/{{}}.db")
    assert killed > 10
    whole = schema_of(tmp_path / f"{killed + 1}.db")
    for number in range(1, killed + 1):
        path = tmp_path / f"{number}.db"
        assert len(schema_of(path)) in {0, len(whole)}
        await (await open_database(str(path))).aclose()
        assert schema_of(path) == whole
        assert check_file(path) == []


def test_several_migrate_at_once(tmp_path: Path) -> None:
    """
    One of them makes the tables, the others find them made.
    """
    opening = (
        "import asyncio, sys; from outcrop.history.database import open_database\n"
        "async def run(): await (await open_database(sys.argv[1], exclusive=False)).aclose()\n"
        "asyncio.run(run())"
    )
    path = tmp_path / "one.db"
    processes = [subprocess.Popen([sys.executable, "-c", opening, str(path)]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert check_file(path) == []


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """
    Signs that mean something in addresses and templates are only signs in a path.
    """
    path = tmp_path / "50% ?mode=ro&x#y 'quoted'" / "ö.db"
    await (await open_database(str(path))).aclose()
    assert path.exists()
    revision, head = await read_revisions(str(path))
    assert revision == head


async def test_looking_makes_no_file(tmp_path: Path) -> None:
    """
    Who only reads a database that is not there is told so.
    """
    with pytest.raises(StoreError, match="can't be opened"):
        await read_revisions(str(tmp_path / "none.db"))
    assert list(tmp_path.iterdir()) == []
