"""
A full disk, and a PostgreSQL that crashes under load: nothing that was acknowledged is lost, and all goes on after.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import create_async_engine

from outcrop.commands.db.files import check_file
from outcrop.history.address import parse_address
from outcrop.history.maintenance import upgrade_database
from outcrop.history.tables import calls, messages
from tests.clients.services import require
from tests.e2e.chat_client import open_chat, request, text_of
from tests.e2e.conftest import Book
from tests.e2e.test_kept_chats import ALICE, environment, message, open_kept, say
from tests.postgres_server import PostgresServer, require_postgres
from tests.support import run_outcrop

DISK_KILOBYTES = 1500
CRASHES = 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """
    Mount a disk of 1.5 MB.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_KILOBYTES}k", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"no disk can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """
    Run an emulator, quick but paced.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "400", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, url):
        yield url


async def test_a_full_disk(emulator: str, small_disk: Path) -> None:
    """
    New questions are refused before Bedrock is called; a running answer ends as failed, and can be read; all goes on.
    """
    book = Book(emulator)
    book.clear()
    path = small_disk / "outcrop.db"
    with run_outcrop("serve", "--port", "0", environ=environment(emulator, path)) as (_, url):
        kept = text_of(say(url, "before", message("emulate 20 tokens", "u1")).parts)
        async with open_chat(url, additional_headers=ALICE) as chat:
            await chat.send("r1", "emulate 200 tokens", "running", maxTokens=400)
            for _ in range(4):
                await chat.read()
            filler = small_disk / "filler"
            _fill(filler)
            frames = await chat.answer("r1")
        error = next(part for part in frames.parts if part["type"] == "data-error")
        assert error["data"]["code"] == "storage"
        assert len(frames.text) > 100
        made = len(book.calls())
        refused = say(url, "refused", message("hello", "u1"))
        assert (refused.status, refused.error["code"]) == (503, "storage")
        assert "no room" in refused.error["message"]
        answer_id = open_kept(url, "running").json["messages"][-1]["id"]
        early = say(url, "running", message("and then?", "u2"), parentId=answer_id)
        assert (early.status, early.error["retryable"]) == (503, True)
        assert "not kept yet" in early.error["message"]
        assert len(book.calls()) == made
        filler.unlink()
        assert await _until_settled(url, "running") == ("failed", text_of(await _whole(book)))
        assert say(url, "running", message("and then?", "u2"), parentId=answer_id).status == 200
        assert say(url, "after", message("hello", "u1")).status == 200
        assert open_kept(url, "before").json["messages"][-1]["parts"][-1]["text"] == kept
    assert check_file(path) == []


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


async def _whole(book: Book) -> list[dict[str, Any]]:
    call = next(call for call in await book.ended_calls(2) if call["usage"]["output"] > 100)
    return [{"type": "text-delta", "delta": call["text_emitted"]["text"]}]


async def _until_settled(url: str, chat: str) -> tuple[str, str]:
    async with asyncio.timeout(30):
        while True:
            answer = open_kept(url, chat).json["messages"][-1]
            if answer["state"] != "running":
                return answer["state"], answer["parts"][-1]["text"]
            await asyncio.sleep(0.2)


async def test_postgresql_crashes_under_load(emulator: str) -> None:
    """
    Twenty crashes later, every answer whose end was told as complete is kept whole, once.
    """
    require_postgres()
    server = PostgresServer(safe=True)
    server.start()
    try:
        address = server.make_database("kept")
        await upgrade_database(address)
        book = Book(emulator)
        book.clear()
        with run_outcrop(
            "serve", "--port", "0", environ=environment(emulator, Path("unused"), database_url=address)
        ) as (_, url):
            told = await _talk_while_it_crashes(url, server)
            await _until_all_is_settled(address)
            for chat, text in told.items():
                assert open_kept(url, chat).json["messages"][-1]["parts"][-1]["text"] == text, chat
        assert len(told) > CRASHES
        await _check_books(address, len(book.calls()))
    finally:
        server.close()


async def _talk_while_it_crashes(url: str, server: PostgresServer) -> dict[str, str]:
    told: dict[str, str] = {}
    over = asyncio.Event()

    async def talk(worker: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            chat = f"w{worker}-{number}"
            body = {"id": chat, "messages": [message(f"emulate {10 + number % 30} tokens", "u1")], "model": "llama3"}
            answer = await asyncio.to_thread(request, url, "POST", "/api/chat", body, ALICE)
            if answer.status != 200:
                assert answer.error["code"] in {"storage", "conflict"}, answer.content
                await asyncio.sleep(0.05)
            elif any(part["type"] == "finish" for part in answer.parts):
                told[chat] = text_of(answer.parts)

    workers = [asyncio.create_task(talk(worker)) for worker in range(6)]
    for _ in range(CRASHES):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(server.restart)
    over.set()
    await asyncio.gather(*workers)
    return told


async def _until_all_is_settled(address: str) -> None:
    engine = create_async_engine(parse_address(address))
    try:
        async with asyncio.timeout(60):
            while True:
                async with engine.connect() as connection:
                    still = select(func.count()).select_from(calls).where(calls.c.settled_at.is_(None))
                    running = select(func.count()).select_from(messages).where(messages.c.state == "running")
                    if not await connection.scalar(still) and not await connection.scalar(running):
                        return
                await asyncio.sleep(0.3)
    finally:
        await engine.dispose()


async def _check_books(address: str, made: int) -> None:
    engine = create_async_engine(parse_address(address))
    try:
        async with engine.connect() as connection:
            rows = await connection.scalar(select(func.count()).select_from(calls))
            answers = await connection.scalar(
                select(func.count()).select_from(messages).where(messages.c.role == "assistant")
            )
    finally:
        await engine.dispose()
    # An intent whose commit was lost on the way is a row without a call; a call without a row there is not.
    assert rows is not None
    assert rows >= made
    assert rows == answers
