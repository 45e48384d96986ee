"""
Conversations to be exported and imported, and the commands that do it, run in the tests' own process.
"""

import asyncio
import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outcrop.cli import app
from outcrop.history.conversations import Conversations
from outcrop.history.database import open_database
from outcrop.history.records import Content, Failure, StoredMessage
from outcrop.history.transaction import Transaction
from outcrop.history.transfer import Archive, ArchivedConversation
from outcrop.types import (
    ImagePart,
    MessageStart,
    MessageStop,
    Role,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUseStart,
    Usage,
)
from tests.support import clean_environment

MAIN = "from outcrop.cli import main; main()"
PATIENCE_SECONDS = 100
PNG = ImagePart(media_type="image/png", data=b"\x89PNG\x00\xff")


class Done(msgspec.Struct, frozen=True):
    """
    Say how a command ended, and what it wrote.
    """

    code: int
    output: str
    errors: str


def run(*arguments: str, database: object, given: bytes = b"") -> Done:
    """
    Run `outcrop db …` to its end, in this process, with files in place of a terminal.
    """
    environ = clean_environment({"OUTCROP_DATABASE_URL": str(database)})
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        io.TextIOWrapper(io.BytesIO(given)) as read,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("os.environ", environ)
        for name, file in (("stdin", read), ("stdout", output), ("stderr", errors)):
            patch.setattr(sys, name, file)
        with pytest.raises(SystemExit) as end:
            app(["db", *arguments], prog_name="outcrop")
        for file in (output, errors):
            file.flush()
            file.seek(0)
        assert isinstance(end.value.code, int)
        return Done(end.value.code, output.read(), errors.read())


def stored(name: str, parent: str | None, *content: Any, **more: Any) -> StoredMessage:
    """
    Make a message of a person, or an answer, which begins with an "a".
    """
    role: Role = "assistant" if name.startswith("a") else "user"
    kept: Content = content
    return StoredMessage(
        **{"state": "completed", "created_at": 5, "ended_at": 9, **more},
        message_id=name, parent_id=parent, role=role, content=kept,
    )  # fmt: skip


def make_archive(name: str, title: str = "Rivers", *more: StoredMessage) -> Archive:
    """
    Make a conversation with two branches, an image, a tool, a failure, and counts.
    """
    said = (MessageStart(), TextDelta("The Łódź — 河"), MessageStop(stop_reason="end_turn"))
    called = (MessageStart(), ToolUseStart(index=0, tool_use_id="t", name="look"), MessageStop(stop_reason="tool_use"))
    seen = ToolResultPart(tool_use_id="t", content=(TextPart(text="wet"), PNG))
    broken = (MessageStart(), StreamFailed(code="throttled", message="busy"))
    usage = Usage(input_tokens=3, output_tokens=5)
    return Archive(
        version=1,
        conversation=ArchivedConversation(
            conversation_id=name, title=title, title_source="person", created_at=7, model="claude", leaf_id="a2"
        ),
        messages=(
            stored("p1", None, PNG, TextPart(text="Name a river.")),
            stored("a1", "p1", *said, model="claude", model_id="m", usage=usage, cost_usd=0.25, ttft_ms=3),
            stored("a2", "p1", *called, seen, *said, model="llama3"),
            stored("a3", "p1", *broken, state="failed", failure=Failure(code="throttled", message="busy")),
            *more,
        ),
    )


def keep(address: object, *kept: tuple[str, Archive]) -> None:
    """
    Put conversations into a database.
    """

    async def put() -> None:
        database = await open_database(str(address), exclusive=False)
        clock = itertools.count(1_000)
        for owner, archive in kept:
            await Conversations(database, lambda: next(clock)).import_archive(owner, archive)
        await database.aclose()

    asyncio.run(put())


def change(path: Path, work: Callable[[Transaction], Any]) -> None:
    """
    Run work in a database.
    """

    async def write() -> None:
        database = await open_database(str(path))
        await database.write(work)
        await database.aclose()

    asyncio.run(write())


def read_export(written: str) -> list[Any]:
    """
    Parse what was exported.
    """
    return [json.loads(line) for line in written.splitlines()]


def wait_for(condition: Callable[[], bool]) -> None:
    """
    Wait until a condition holds.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)
