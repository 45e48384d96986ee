"""
`outcrop db export`: what comes out is what was kept, in bounded memory, beside a server, and goes in again.
"""

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, insert

from outcrop.commands.db import progress
from outcrop.commands.db.destinations import name_file
from outcrop.history.conversations import Conversations
from outcrop.history.database import open_database
from outcrop.history.export import Exported
from outcrop.history.maintenance import upgrade_database
from outcrop.history.tables import blobs, conversations
from outcrop.history.transaction import Transaction
from outcrop.history.transfer import Archive
from tests.commands.conftest import StartInTerminal
from tests.commands.kept import (
    PATIENCE_SECONDS,
    change,
    keep,
    make_archive,
    read_export,
    run,
    wait_for,
)
from tests.e2e.test_kept_chats import environment, message, say
from tests.postgres_server import PostgresServer, require_postgres
from tests.support import run_outcrop

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """
    Run one cluster.
    """
    require_postgres()
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """
    Return a function that makes an empty database of one kind, and gives its address.
    """

    def make() -> str:
        name = f"export{next(NUMBERS)}"
        if request.param == "sqlite":
            address = str(tmp_path / f"{name}.db")
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            address = server.make_database(name)
        asyncio.run(upgrade_database(address))
        return address

    return make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where a new database in a file lies.
    """
    found = tmp_path / "kept.db"
    asyncio.run(upgrade_database(str(found)))
    return found


def test_what_was_exported_and_put_in_is_the_same(make_database: Callable[[], str], tmp_path: Path) -> None:
    """
    Every branch, file, count and owner; the lines are what one conversation's own export is, too.
    """
    first, second, lines = make_database(), make_database(), tmp_path / "all.jsonl"
    archives = [make_archive("one"), make_archive("two", "河 / Łódź"), make_archive("one", "another's")]
    keep(first, ("alice", archives[0]), ("alice", archives[1]), ("bob", archives[2]))
    exported = run("export", str(lines), database=first)
    assert (exported.code, exported.output) == (0, f"{lines}: 3 conversations, 12 messages\n"), exported.errors
    imported = run("import", "--keep-owners", str(lines), database=second)
    assert (imported.code, imported.output) == (0, "3 conversations, 12 messages\n"), imported.errors
    again = run("export", "-", database=second)
    assert again.output == lines.read_text()
    assert [msgspec.json.decode(line, type=Archive) for line in again.output.splitlines()] == archives
    assert [each["owner"] for each in read_export(again.output)] == ["alice", "alice", "bob"]


def test_standard_output_has_the_data_alone(path: Path) -> None:
    """
    What is said besides goes to standard error; one owner's conversations can be chosen, and deleted ones.
    """
    keep(path, ("alice", make_archive("one")), ("bob", make_archive("two")))
    mark_deleted(path, "bob", "two")
    for arguments, names in (((), ["one"]), (("--deleted",), ["one", "two"]), (("--deleted", "--owner=bob"), ["two"])):
        done = run("export", "-", *arguments, database=path)
        assert [each["conversation"]["conversation_id"] for each in read_export(done.output)] == names
        assert (done.code, "conversations" in done.errors) == (0, True)
    assert "'bob' has no conversations" in run("export", "-", "--owner=bob", database=path).errors


def mark_deleted(path: Path, owner: str, name: str) -> None:
    """
    Delete a conversation as a page does.
    """

    async def mark() -> None:
        database = await open_database(str(path))
        await Conversations(database, lambda: 9_000).delete(owner, name)
        await database.aclose()

    asyncio.run(mark())


def test_an_export_replaces_only_what_it_is_told_to(path: Path, tmp_path: Path) -> None:
    """
    A file is its owner's alone, and replaced with --force; a folder is, too, where all in it is Markdown.
    """
    keep(path, ("alice", make_archive("one")))
    lines, folder = tmp_path / "out" / "all.jsonl", tmp_path / "out" / "pages"
    lines.parent.mkdir()
    for target, form in ((lines, "jsonl"), (folder, "markdown")):
        assert run("export", str(target), f"--format={form}", database=path).code == 0
        assert "use --force" in run("export", str(target), f"--format={form}", database=path).errors
        assert run("export", str(target), f"--format={form}", "--force", database=path).code == 0
        assert target.stat().st_mode & 0o077 == 0
    (folder / "mine.txt").write_text("mine")
    refused = run("export", str(folder), "--format=markdown", "--force", database=path)
    assert (refused.code, "'mine.txt'" in refused.errors) == (1, True)
    assert "is no file" in run("export", str(folder), "--force", database=path).errors
    assert sorted(each.name for each in lines.parent.iterdir()) == ["all.jsonl", "pages"]


def test_markdown_is_what_a_person_would_read(path: Path, tmp_path: Path) -> None:
    """
    The branch that is shown, in a file that is named by the title and the id.
    """
    keep(path, ("alice", make_archive("one")))
    assert run("export", str(tmp_path / "pages"), "--format=markdown", database=path).code == 0
    written = (tmp_path / "pages" / "Rivers - one.md").read_text()
    said = ["# Rivers", "## You", "*(image/png, 6 bytes)*", "Name a river.", "## llama3", "*(calls look with `{}`)*"]
    assert written == "\n\n".join([*said, "*(the tool says: wet)*", "The Łódź — 河"]) + "\n"


HOSTILE = [
    ("../../etc/passwd", "../x"),
    ("/etc/passwd", "/"),
    ("-rf", "."),
    (".hidden", ".."),
    ("a\x00b\nc\u202ed", "\x1b[2J"),
    ("con", "NUL"),
    ("", "Q"),
    ("", "q"),
    ("same", "a/b"),
    ("same", "a?b"),
    ("same", "a:b"),
    ("é" * 500, "x" * 256),
    ("🏔" * 200, "河" * 200),
    ("C:\\Windows\\*", "a|b"),
]


def test_hostile_titles_are_names_of_files_in_the_folder(path: Path, tmp_path: Path) -> None:
    """
    Each conversation has a file of its own right in the folder, whatever it is called.
    """
    write_rows(path, [(title, name) for title, name in HOSTILE])
    done = run("export", str(tmp_path / "pages"), "--format=markdown", database=path)
    assert done.code == 0, done.errors
    files = list((tmp_path / "pages").iterdir())
    assert len(files) == len(HOSTILE)
    for file in files:
        assert (file.is_file(), file.is_symlink(), file.stat().st_mode & 0o077) == (True, False, 0)
        assert len(os.fsencode(file.name)) < 255
        assert file.name.isprintable()
        assert not set(file.name) & set('/\\:*?"<>|')
        assert file.name[0] not in ".- "
    assert not (tmp_path / "etc").exists()


def write_rows(path: Path, named: Sequence[tuple[str, str]]) -> None:
    """
    Write conversations as no server of ours would.
    """
    row = {"owner": "a", "title_source": "prompt", "created_at": 1, "updated_at": 1, "revision": 0}

    async def write(transaction: Transaction) -> None:
        for title, name in named:
            await transaction.execute(insert(conversations).values({**row, "title": title, "id": name}))

    change(path, write)


def test_an_owner_is_part_of_a_name_where_there_are_several() -> None:
    """
    So that files are sorted by whose they are.
    """
    exported = Exported(owner="key:alice", conversation_id="one", title=" A: title. ")
    assert name_file(exported, name_owner=False) == "A title - one"
    assert name_file(exported, name_owner=True) == "key alice - A title - one"


def test_an_export_runs_beside_a_server_that_writes(tmp_path: Path) -> None:
    """
    Every line is a whole conversation, all that was there at the beginning is among them, and the server goes on.
    """
    path, enough = tmp_path / "kept.db", threading.Event()
    with (
        run_outcrop("emulate", "--port", "0", "--first-token-ms", "0", "--tokens-per-second", "0") as (_, emulator),
        run_outcrop("serve", "--port", "0", environ=environment(emulator, path)) as (_, url),
    ):
        said = [say(url, f"before{number}", message("hello", "u1")).status for number in range(5)]

        def write() -> None:
            for number in itertools.count():
                if enough.is_set():
                    return
                said.append(say(url, f"during{number}", message("hello", "u1")).status)

        writer = threading.Thread(target=write)
        writer.start()
        exports = [run("export", "-", database=path) for _ in range(3)]
        wait_for(lambda: len(said) > 6)
        enough.set()
        writer.join(PATIENCE_SECONDS)
        refused = run("import", "-", database=path)
    for done in exports:
        assert done.code == 0, done.errors
        found = [msgspec.json.decode(line, type=Archive) for line in done.output.splitlines()]
        assert {f"before{number}" for number in range(5)} <= {each.conversation.conversation_id for each in found}
        assert all(len(each.messages) == 2 for each in found)
    assert set(said) == {200}
    assert (refused.code, "another server has the database" in refused.errors) == (1, True)


def test_what_is_damaged_is_named_and_the_rest_exported(path: Path, tmp_path: Path) -> None:
    """
    A conversation whose file is missing is left out, which the exit code says.
    """
    keep(path, ("alice", make_archive("one")), ("alice", make_archive("two")))

    async def damage(transaction: Transaction) -> None:
        await transaction.execute(delete(blobs).where(blobs.c.conversation_key == 1))

    change(path, damage)
    done = run("export", str(tmp_path / "all.jsonl"), database=path)
    assert (done.code, "! 'one' of 'alice': a file of a message is missing" in done.errors) == (1, True)
    (left,) = read_export((tmp_path / "all.jsonl").read_text())
    assert left["conversation"]["conversation_id"] == "two"


def test_a_terminal_shows_how_far_it_is(start: StartInTerminal, path: Path, tmp_path: Path) -> None:
    """
    There is a bar, which counts conversations; it is not part of the data.
    """
    keep(path, ("alice", make_archive("one")))
    environ = {"OUTCROP_DATABASE_URL": str(path)}
    for arguments, said in (
        (("export", str(tmp_path / "all.jsonl")), "1 conversations exported"),
        (("import", str(tmp_path / "all.jsonl")), "1 conversations imported"),
    ):
        terminal = start("db", *arguments, environ=environ)
        terminal.wait_for(said)
        assert terminal.wait_for_end() == 0
    shown = start("db", "export", "-", environ=environ)
    assert shown.wait_for_end() == 0
    assert shown.shown.startswith('{"version":1,')


def test_without_a_terminal_a_line_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Now and then, with the rate and the time that is left where the total is known.
    """
    times = iter([0.0, 1.0, 10.0, 11.0])
    lines = progress._Lines("exported", 400, partial(next, times))
    for done in (10, 100, 110):
        lines.advance(done, done)
    assert capsys.readouterr().err == "100 conversations exported, 10/s, 25%, 30 s left\n"
    times = iter([0.0, 10.0])
    progress._Lines("imported", None, partial(next, times)).advance(5, 100)
    assert capsys.readouterr().err == "100 conversations imported, 10/s\n"


@pytest.mark.parametrize(
    ("arguments", "database", "words"),
    [
        (("export", "-"), "none", "no conversations are kept"),
        (("import", "-"), "none", "no conversations are kept"),
        (("export", "-"), "/nowhere/x.db", "there is no database '/nowhere/x.db'"),
        (("export", "-"), "postgresql://u:secret@127.0.0.1:1/x", "can't be used now"),
        (("import", "-"), "postgresql://u:secret@127.0.0.1:1/x", "can't be used now"),
        (("export", "-", "--format=markdown"), None, "written to a folder"),
        (("export", "/nowhere/x"), None, "'/nowhere/x' can't be written"),
        (("import", "/nowhere/x"), None, "/nowhere/x"),
        (("import", "-", "--owner=a", "--keep-owners"), None, "contradict"),
    ],
)
def test_what_can_not_be_done_is_said(path: Path, arguments: tuple[str, ...], database: str | None, words: str) -> None:
    """
    In one sentence, without a password, and with exit code 1.
    """
    refused = run(*arguments, database=database or path)
    assert refused.code == 1
    assert words in refused.errors
    assert refused.output == ""
    assert "secret" not in refused.errors
    assert "Traceback" not in refused.errors


def test_a_form_that_there_is_not_is_a_wrong_argument(path: Path) -> None:
    """
    Its exit code is 2.
    """
    assert run("export", "-", "--format=xml", database=path).code == 2


def test_an_older_database_is_not_read(tmp_path: Path) -> None:
    """
    It is to be upgraded first.
    """
    empty = tmp_path / "empty.db"
    empty.touch()
    assert "outcrop db upgrade" in run("export", "-", database=empty).errors
