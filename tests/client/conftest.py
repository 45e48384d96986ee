"""
A gateway of the native protocol that follows a script, written from the protocol's page alone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from outcrop.client import LinkOptions

QUICK = LinkOptions(reconnect_seconds=20, ping_seconds=10, open_timeout_seconds=10)
METADATA = {
    "turnId": "turn-1",
    "model": "llama3",
    "region": "us-east-1",
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 2},
    "ttftMs": 12.5,
    "durationMs": 40,
    "costUsd": 0.001,
}

Part = dict[str, Any]
Mangle = Callable[[list[str]], list[str]]


def text_parts(*texts: str, message_id: str = "answer-1") -> list[Part]:
    """
    Write the parts of one answer in text.
    """
    return [
        {"type": "start", "messageId": message_id},
        {"type": "text-start", "id": "0"},
        *({"type": "text-delta", "id": "0", "delta": text} for text in texts),
        {"type": "text-end", "id": "0"},
        {"type": "finish", "finishReason": "stop", "messageMetadata": METADATA},
    ]


def failed_parts(*texts: str, code: str = "throttled") -> list[Part]:
    """
    Write the parts of an answer that fails after these texts.
    """
    told = {"code": code, "retryable": True, "retryAfterMs": 1500, "awsRequestId": None}
    return [
        *text_parts(*texts)[: 2 + len(texts) if texts else 1],
        {"type": "data-error", "data": told, "transient": True},
        {"type": "error", "errorText": "the quota is used up"},
    ]


def encode(frame_type: str, request_id: str, **fields: Any) -> str:
    """
    Write a frame.
    """
    return msgspec.json.encode({"type": frame_type, "requestId": request_id, **fields}).decode()


def frames_of(request_id: str, parts: list[Part], *, after: int = -1) -> list[str]:
    """
    Write the frames that serve an answer from after a sequence to its end.
    """
    chunks = [
        encode("chunk", request_id, sequence=number, chunk=part) for number, part in enumerate(parts) if number > after
    ]
    return [encode("start", request_id), *chunks, encode("end", request_id)]


class Fault(msgspec.Struct):
    """
    Say how one connection misbehaves: it ends after `cut_after` frames, without a close frame or with `close_code`, or
    goes silent for ever; `mangle` rewrites the frames of each answer before.
    """

    cut_after: int | None = None
    close_code: int | None = None
    silent_after: int | None = None
    mangle: Mangle = lambda frames: frames


class ScriptedGateway:
    """
    Serve the answers of `answers` in turn, one for each idempotency key; the last one again and again.

    `faults` are for the next connections, one each. `asked` counts the sends of each key, `received` keeps all frames.
    `hold_at` keeps an answer back before that frame until it is aborted.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answers: deque[list[Part]] = deque([text_parts("Hello", " world")])
        self.faults: deque[Fault] = deque()
        self.asked: dict[str, int] = {}
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.headers: list[dict[str, str]] = []
        self.hold_at: int | None = None
        self.on_resume: Callable[[dict[str, Any]], list[str]] | None = None
        self._turns: dict[str, list[Part]] = {}
        self._chats: dict[str, list[Part]] = {}
        self._aborts: dict[str, asyncio.Event] = {}

    async def serve(self, socket: ServerConnection) -> None:
        """
        Serve one connection.
        """
        self.connections += 1
        assert socket.request is not None
        self.headers.append(dict(socket.request.headers.raw_items()))
        fault = self.faults.popleft() if self.faults else Fault()
        async with asyncio.TaskGroup() as tasks:
            async for message in socket:
                frame = msgspec.json.decode(message)
                self.received.append(frame)
                if frame["type"] == "abort":
                    self._aborts.setdefault(frame["requestId"], asyncio.Event()).set()
                else:
                    tasks.create_task(self._answer(socket, frame, fault))

    async def _answer(self, socket: ServerConnection, frame: dict[str, Any], fault: Fault) -> None:
        request_id = frame["requestId"]
        if frame["type"] == "send":
            key = frame["headers"]["idempotency-key"]
            self.asked[key] = self.asked.get(key, 0) + 1
            if key not in self._turns:
                self._turns[key] = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
            self._chats[frame["id"]] = self._turns[key]
            frames = frames_of(request_id, self._turns[key])
        elif self.on_resume is not None:
            frames = self.on_resume(frame)
        else:
            frames = frames_of(request_id, self._chats[frame["id"]], after=frame.get("lastSequence", -1))
        for number, out in enumerate(fault.mangle(frames)):
            if number == self.hold_at:
                await self._hold(socket, request_id, number)
                return
            if await self._misbehave(socket, fault, number):
                return
            await socket.send(out)
        await self._misbehave(socket, fault, len(frames))

    async def _hold(self, socket: ServerConnection, request_id: str, number: int) -> None:
        waiting = [
            asyncio.create_task(self._aborts.setdefault(request_id, asyncio.Event()).wait()),
            asyncio.create_task(socket.wait_closed()),
        ]
        done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        if waiting[0] not in done:
            return
        await socket.send(encode("chunk", request_id, sequence=number - 1, chunk={"type": "abort"}))
        await socket.send(encode("end", request_id))

    async def _misbehave(self, socket: ServerConnection, fault: Fault, sent: int) -> bool:
        if sent == fault.silent_after:
            await socket.wait_closed()
            return True
        if sent != fault.cut_after:
            return False
        if fault.close_code is not None:
            await socket.close(fault.close_code, "as scripted")
        else:
            socket.transport.close()
            await socket.wait_closed()
        return True


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    """
    Run a scripted gateway.
    """
    scripted = ScriptedGateway()
    async with serve(scripted.serve, "127.0.0.1", 0, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        scripted.url = f"http://127.0.0.1:{port}"
        yield scripted
