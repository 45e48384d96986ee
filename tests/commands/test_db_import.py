"""
`outcrop db import`: what was exported goes in, a conversation at a time, and what can't is named.
"""

import io
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from outcrop.commands.db.importing import Line, read_lines
from tests.commands.kept import MAIN, PATIENCE_SECONDS, make_archive, read_export, run, wait_for
from tests.support import clean_environment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where a new database lies, which is made by the first command.
    """
    return tmp_path / "kept.db"


def test_what_can_not_be_put_in_is_named_by_its_line(path: Path, tmp_path: Path) -> None:
    """
    The others are put in, the exit code says that it was not all, and one may begin at a line.
    """
    good = [msgspec.json.encode(make_archive(name)) for name in ("one", "two")]
    wrong = msgspec.json.encode(msgspec.structs.replace(make_archive("three"), version=9))
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"\n".join([good[0], b"", b'{"version":', b'{"version": 1}', wrong, b"\xff", good[1]]))
    done = run("import", str(lines), "--owner=alice", database=path)
    assert (done.code, done.output) == (1, "2 conversations, 8 messages; 4 could not be put in\n")
    for number, said in ((3, "not JSON"), (4, "no conversation: "), (5, "version 9, expected 1"), (6, "not JSON")):
        assert f"line {number}: it is {said}" in done.errors or f"line {number}: the conversation is of {said}" in (
            done.errors
        )
    assert run("import", str(lines), "--from-line=7", database=path).output == "1 conversations, 4 messages\n"
    exported = read_export(run("export", "-", database=path).output)
    assert [(each["owner"], each["conversation"]["conversation_id"]) for each in exported] == [
        ("alice", "one"), ("alice", "two"), ("local", "two"),
    ]  # fmt: skip


def test_one_conversation_that_was_exported_can_be_put_in(path: Path) -> None:
    """
    As a page gives it, and as programs write JSON for people; a database that is not there is made.
    """
    archive = msgspec.json.encode(make_archive("one"))
    new = path.with_name("new.db")
    for written in (archive, msgspec.json.format(archive, indent=2)):
        done = run("import", "-", database=new, given=written)
        assert (done.code, done.output) == (0, "1 conversations, 4 messages\n"), done.errors


def test_a_line_that_is_too_long_is_passed_over() -> None:
    """
    The next one is read; no more than the limit is held.
    """
    source = io.BytesIO(b"ab\n" + b"c" * 9 + b"\n\nde")
    assert list(read_lines(source, 4)) == [Line(1, b"ab\n", 3), Line(2, None, 5 + 3), Line(4, b"de", 16)]
    whole = list(read_lines(io.BytesIO(b'{\n "a": 1}'), 4))
    assert [(line.number, line.content) for line in whole] == [(1, None)]


def test_an_interrupted_import_says_where_to_go_on(path: Path) -> None:
    """
    What was put in stays; the line that is named is the first that was not.
    """
    command = [sys.executable, "-c", MAIN, "db", "import", "-"]
    environ = clean_environment({"OUTCROP_DATABASE_URL": str(path)})
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(make_archive("one")) + b"\n")
        process.stdin.flush()
        wait_for(lambda: len(read_export(run("export", "-", database=path).output)) == 1)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert b"go on with --from-line 2" in process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    assert len(read_export(run("export", "-", database=path).output)) == 1
