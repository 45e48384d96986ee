"""
`outcrop db`: upgrade, check, back up and restore a database, by the command line.
"""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_kept_chats import ALICE, environment, message, open_kept, say
from tests.support import clean_environment, run_outcrop

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where the database lies.
    """
    return tmp_path / "kept" / "outcrop.db"


@pytest.fixture
def run(path: Path) -> Run:
    """
    Return a function that runs one of the commands.
    """

    def command(*arguments: str, database: str = str(path)) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-c", "from outcrop.cli import main; main()", "db", *arguments]
        environ = clean_environment({"OUTCROP_DATABASE_URL": database})
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=environ)

    return command


def test_a_new_database_is_made_and_checked(run: Run, path: Path) -> None:
    """
    Upgrading makes what is not there; a second time there is nothing to do; the file is its owner's alone.
    """
    assert run("upgrade").stdout.startswith("upgraded from nothing to ")
    assert run("upgrade").stdout.startswith("up to date")
    checked = run("check")
    assert (checked.returncode, "conversations: 0" in checked.stdout) == (0, True)
    assert path.stat().st_mode & 0o077 == 0


def test_a_copy_of_a_database_in_use_can_be_restored(run: Run, path: Path, tmp_path: Path) -> None:
    """
    A backup is made while the server runs; restored, the chats of its time are there, and nothing else.
    """
    copy = tmp_path / "copy.db"
    with run_outcrop("emulate", "--port", "0", "--tokens-per-second", "0") as (_, emulator):
        with run_outcrop("serve", "--port", "0", environ=environment(emulator, path)) as (_, url):
            say(url, "before", message("hello", "u1"))
            assert run("backup", str(copy)).returncode == 0
            assert "use --force" in run("backup", str(copy)).stderr
            say(url, "after", message("hello", "u1"))
            refused = run("restore", str(copy))
            assert (refused.returncode, "another server has the database" in refused.stderr) == (1, True)
        assert copy.stat().st_mode & 0o077 == 0
        restored = run("restore", str(copy))
        assert (restored.returncode, "before-restore" in restored.stdout) == (0, True), restored.stderr
        with run_outcrop("serve", "--port", "0", environ=environment(emulator, path)) as (_, url):
            assert open_kept(url, "before", by=ALICE).status == 200
            assert open_kept(url, "after", by=ALICE).status == 404
    assert run("check").returncode == 0


def test_what_is_no_database_is_not_restored(run: Run, path: Path, tmp_path: Path) -> None:
    """
    The database stays as it was.
    """
    run("upgrade")
    before = path.read_bytes()
    wrong = tmp_path / "wrong.db"
    wrong.write_bytes(b"SQLite format 3\x00" + b"\x00" * 5000)
    refused = run("restore", str(wrong))
    assert (refused.returncode, "no good copy" in refused.stderr) == (1, True)
    assert path.read_bytes() == before


def test_damage_is_found(run: Run, path: Path) -> None:
    """
    The check says so, and its exit code too.
    """
    run("upgrade")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("INSERT INTO blobs VALUES (77, x'00', x'00')")
    connection.close()
    found = run("check")
    assert (found.returncode, "blobs" in found.stdout) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "database", "words"),
    [
        (("check",), "none", "no conversations are kept"),
        (("backup", "x.db"), "postgresql://u:secret@127.0.0.1:1/x", "pg_dump"),
        (("upgrade",), "postgresql://u:secret@127.0.0.1:1/x", "can't be used now"),
        (("upgrade",), "mysql://u:secret@127.0.0.1/x", "expected a path, or postgresql"),
    ],
)
def test_what_can_not_be_done_is_said(run: Run, arguments: tuple[str, ...], database: str, words: str) -> None:
    """
    In one sentence, without the password.
    """
    refused = run(*arguments, database=database)
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "secret" not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr
