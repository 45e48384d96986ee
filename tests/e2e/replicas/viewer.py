"""
A client of the native protocol, written from its description and sharing nothing with the gateway: it keeps every text
that it has ever shown, drops its connection when it is told to, and goes on anywhere.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.e2e.replicas.asks import Ask

LOST = frozenset({"expired", "epoch_changed", "not_found"})
"""
The typed answers to a position that can't be gone on from.
"""

ENDINGS = {"finish": "completed", "abort": "stopped"}
_request_numbers = itertools.count(1)


class Transcript:
    """
    Hold what one client has seen of one turn, over all its connections.

    Attributes:
        shown: every text that was ever on the screen at its fullest; a replay from the start begins another.
        ending: `completed`, `stopped`, `failed:CODE`, or `lost:CODE` where the client was told that it can't go on.
        complaints: what broke the protocol.
        arrivals: when each text came, by the loop's clock.
        asked: where the question was sent, until a turn was known.
    """

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.shown: list[str] = [""]
        self.turn_id: str | None = None
        self.epoch: str | None = None
        self.last_sequence: int | None = None
        self.ending: str | None = None
        self.finished_with: dict[str, Any] = {}
        self.complaints: list[str] = []
        self.arrivals: list[float] = []
        self.connections = 0
        self.asked: list[str] = []
        self.refusals: list[str] = []
        self.seams = 0
        self.told_draining = False
        self.drainings = 0
        self.has_ended = asyncio.Event()
        self.has_begun = asyncio.Event()
        self._error: dict[str, Any] = {}
        self._request_id = ""

    @property
    def text(self) -> str:
        """
        The text on the screen now.
        """
        return self.shown[-1]

    def opening(self, *, replay: bool = False) -> bytes:
        """
        Return the frame for a new connection: the question until a turn is known, then a resume.
        """
        self.connections += 1
        self.told_draining = False
        self._request_id = f"r{next(_request_numbers)}"
        if self.turn_id is None:
            self._begin_again()
            return self.ask.send_frame(self._request_id)
        if replay:
            self._begin_again()
        frame: dict[str, Any] = {"type": "resume", "requestId": self._request_id, "id": self.ask.chat_id}
        if self.last_sequence is not None:
            frame["lastSequence"] = self.last_sequence
        frame["body"] = {"turnId": self.turn_id, "epoch": self.epoch}
        return msgspec.json.encode(frame)

    def abort(self) -> bytes:
        """
        Return the frame that stops the turn.
        """
        return msgspec.json.encode({"type": "abort", "requestId": self._request_id})

    def take(self, message: str | bytes) -> bool:
        """
        Take one frame; return whether this connection has nothing more to say.
        """
        frame = msgspec.json.decode(message)
        if frame["requestId"] == "$server":
            if frame.get("event") == "draining":
                self.told_draining = True
                self.drainings += 1
            return False
        if frame["requestId"] != self._request_id:
            self.complaints.append(f"a frame of the request {frame['requestId']!r} came")
            return False
        match frame["type"]:
            case "start":
                self.turn_id = frame.get("turnId") or self.turn_id
                self.epoch = frame.get("epoch") or self.epoch
            case "chunk":
                self._take_chunk(frame)
            case "end":
                if self.ending is None and not self.refusals:
                    self.complaints.append("the end came without a terminal part")
                return True
            case "error":
                self._refused(frame)
                return True
            case "no-active":
                self._end("lost:no_active")
                return True
            case other:
                self.complaints.append(f"a frame of type {other!r} came")
        return False

    def _begin_again(self) -> None:
        self.last_sequence = None
        if self.shown[-1]:
            self.shown.append("")

    def _take_chunk(self, frame: dict[str, Any]) -> None:
        expected = 0 if self.last_sequence is None else self.last_sequence + 1
        if frame["sequence"] != expected:
            self.complaints.append(f"chunk {frame['sequence']} came, expected {expected}")
        self.last_sequence = frame["sequence"]
        part = frame["chunk"]
        if self.ending is not None:
            self.complaints.append(f"a part of type {part['type']!r} came after the end")
        match part["type"]:
            case "text-delta":
                self.shown[-1] += part["delta"]
                self.arrivals.append(asyncio.get_running_loop().time())
                self.has_begun.set()
            case "data-error":
                self._error = part["data"]
            case "data-seam":
                self.seams += 1
            case "error" if self._error.get("code") == "draining" and not self.text:
                self.refusals.append("draining")
            case "error":
                self._end(f"failed:{self._error.get('code')}")
            case "finish" | "abort":
                self.finished_with = part.get("messageMetadata") or {}
                self._end(ENDINGS[part["type"]])

    def _refused(self, frame: dict[str, Any]) -> None:
        code = str(frame.get("code"))
        if code in LOST:
            self._end(f"lost:{code}")
        elif frame.get("retryable"):
            self.refusals.append(code)
        else:
            self._end(f"failed:{code}")

    def _end(self, ending: str) -> None:
        self.ending = ending
        self.has_ended.set()
        self.has_begun.set()


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how a client behaves.

    Attributes:
        pick: says where the next connection goes.
        drops: after how many messages each connection is dropped; None keeps it.
        replays: how often a new connection asks for all from the beginning, from 0 to 1.
        moves_when_draining: leave a server that says that it stops.
        seconds: give up after this time.
    """

    pick: Callable[[Transcript], str]
    dice: random.Random
    drops: Iterator[int | None] = itertools.repeat(None)
    replays: float = 0.0
    moves_when_draining: bool = False
    seconds: float = 60.0


async def watch(transcript: Transcript, habits: Habits) -> Transcript:
    """
    Ask, and watch to the end, with as many connections as it takes.

    Raises:
        TimeoutError: it took too long.
    """
    async with asyncio.timeout(habits.seconds):
        while transcript.ending is None:
            try:
                await _watch_once(transcript, habits)
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(habits.dice.uniform(0.02, 0.2))
            if transcript.refusals and transcript.ending is None:
                await asyncio.sleep(habits.dice.uniform(0.02, 0.2))
    return transcript


async def _watch_once(transcript: Transcript, habits: Habits) -> None:
    left, url = next(habits.drops, None), habits.pick(transcript)
    async with open_socket(url) as socket:
        if transcript.turn_id is None:
            transcript.asked.append(url)
        is_replay = habits.dice.random() < habits.replays
        await socket.send(transcript.opening(replay=is_replay).decode())
        while left is None or left > 0:
            if transcript.take(await socket.recv()):
                return
            if habits.moves_when_draining and transcript.told_draining:
                return
            left = None if left is None else left - 1
        drop(socket, habits.dice)


def drop(socket: ClientConnection, dice: random.Random) -> None:
    """
    Vanish: mostly with a reset in the middle of everything; else the `async with` of the caller closes well.
    """
    if dice.random() < 0.7:
        socket.transport.abort()


def open_socket(url: str) -> connect:
    """
    Open a socket for chats.
    """
    address = f"ws{url.removeprefix('http')}/api/chat"
    # The peers here are on loopback and may be frozen: a close that nobody answers is not waited for.
    return connect(
        address, compression=None, max_size=None, open_timeout=5, close_timeout=0.2, ping_interval=None, proxy=None
    )
