"""
A small server of OpenAI's Chat Completions that says what its prompt commands: so many pieces, so large, at that pace.

The emulator asks it in place of its own models. Pieces of 16 KiB make answers of a megabyte with few messages.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.e2e.replicas.asks import LETTERS, Ask


def make_commanded_ask(dice: random.Random, *, pieces: int, size: int, pause_ms: int) -> Ask:
    """
    Make a question whose answer has this many pieces of `size` characters, one every `pause_ms` milliseconds.
    """
    canary = "".join(dice.choices(LETTERS, k=7))
    return Ask(
        canary=canary,
        text="",
        prompt=f"say {canary} {pieces} {size} {pause_ms}",
        chat_id=f"chat-{canary}",
        key=f"key-{canary}",
    )


def piece_of(canary: str, number: int, size: int) -> str:
    """
    Return one piece of an answer.
    """
    word = f"{canary}-{number} "
    return (word * (size // len(word) + 1))[:size]


def answer_to(ask: Ask) -> str:
    """
    Return the whole answer to a commanded question.
    """
    _, canary, pieces, size, _ = ask.prompt.split()
    return "".join(piece_of(canary, number, int(size)) for number in range(int(pieces)))


class SayingEngine:
    """
    Hold the server's own book: `asked` has the canary of every question, `ended` counts the answers said to their end.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer one request, and close.
        """
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            prompt = msgspec.json.decode(await reader.readexactly(length))["messages"][-1]["content"]
            await self._say(prompt.strip().split(), writer)
        writer.close()

    async def _say(self, words: list[str], writer: asyncio.StreamWriter) -> None:
        canary, (pieces, size, pause_ms) = words[1], map(int, words[2:5])
        self.asked.append(canary)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        due = asyncio.get_running_loop().time()
        for number in range(pieces):
            writer.write(_chunk({"delta": {"content": piece_of(canary, number, size)}}))
            await writer.drain()
            due += pause_ms / 1000
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":%d}}\n\n' % pieces
        writer.write(_chunk({"delta": {}, "finish_reason": "stop"}) + usage + b"data: [DONE]\n\n")
        await writer.drain()
        self.ended += 1


@asynccontextmanager
async def run_engine() -> AsyncIterator[SayingEngine]:
    """
    Run the server on a free port.
    """
    engine = SayingEngine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0, backlog=4096)
    engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield engine
    finally:
        server.close()


def _chunk(choice: dict[str, object]) -> bytes:
    return b"data: " + msgspec.json.encode({"choices": [{"index": 0, **choice}]}) + b"\n\n"
