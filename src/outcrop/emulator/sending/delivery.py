"""
Deliver an answer: at its pace, with its fault, until it is done or the client goes. The book is kept on the way.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator
from zlib import crc32

import msgspec

from outcrop.emulator.book import Call
from outcrop.emulator.conversation import Metrics, Step
from outcrop.emulator.faults import (
    Corrupt,
    Cut,
    EndWithoutTerminal,
    ErrorMessage,
    ExceptionMessage,
    Fault,
    Reset,
    Silence,
)
from outcrop.emulator.rules.refusals import MESSAGES
from outcrop.emulator.sending.answers import Headers, HttpAnswer, common_headers
from outcrop.emulator.sending.frames import encode_error, encode_exception
from outcrop.emulator.sending.line import Line
from outcrop.emulator.sending.pace import Pace

_STEPS_BETWEEN_BREATHS = 16


class Delivery(msgspec.Struct, kw_only=True):
    """
    Hold what one delivery needs.

    `started` is a time of the loop's clock, `tokens` how long the whole answer is, `delay` how long a fault has held it
    up. `advance` waits until a stream's next step can be made, where it comes from elsewhere.
    """

    line: Line
    call: Call
    request_id: str
    pace: Pace
    fault: Fault | None
    started: float
    tokens: int
    delay: float = 0.0
    advance: Callable[[], Awaitable[None]] | None = None

    def measure(self) -> Metrics:
        """
        Return what was measured up to now.
        """
        elapsed = asyncio.get_running_loop().time() - self.started
        return Metrics(
            invocation_latency_ms=round(elapsed * 1000),
            first_byte_latency_ms=round(min(elapsed, self.pace.due(0)) * 1000),
        )

    async def wait_before_headers(self, *extra_places: str) -> None:
        """
        Keep silent before the headers where the fault says so.

        Raises:
            ClientGone: the client goes meanwhile.
        """
        fault = self.fault
        if isinstance(fault, Silence) and fault.where in {"before_headers", *extra_places}:
            await self.line.wait_until(self.started + fault.seconds)
            self.delay = fault.seconds

    async def send_whole(self, make: Callable[[], HttpAnswer], text: str) -> None:
        """
        Send an answer that does not stream, when its last token is due.

        Raises:
            ClientGone: the client goes before it is sent.
        """
        await self.wait_before_headers("before_first_token", "after_tokens")
        await self.line.wait_until(self.started + self.delay + self.pace.due(self.tokens))
        answer = make()
        if isinstance(self.fault, Reset):
            await self.line.reset()
            self.call.end("fault:reset")
            return
        headers = [*common_headers(self.request_id), *answer.headers, ("content-length", str(len(answer.body)))]
        await self.line.start(answer.status, headers)
        if isinstance(self.fault, Cut):
            place = len(answer.body) // 2 if self.fault.after_bytes is None else self.fault.after_bytes
            await self.line.write(answer.body[: min(place, len(answer.body) - 1)])
            await self.line.cut()
            self.call.end("fault:cut")
            return
        await self.line.finish(answer.body)
        self.call.tokens_emitted = self.tokens
        self.call.texts.append(text)
        self.call.end("completed")

    async def send_stream(self, steps: Iterator[Step], headers: Headers) -> None:
        """
        Send an event stream, every message when it is due.

        Raises:
            ClientGone: the client goes before the end.
        """
        await self.wait_before_headers()
        await self.line.start(200, headers)
        await self.line.wait_until(self._first_due())
        await _StreamRun(self, self._fault_place()).send(steps)

    def _first_due(self) -> float:
        fault = self.fault
        if isinstance(fault, Silence) and fault.where == "before_first_token":
            self.delay = fault.seconds
        if self._fault_place() == 0 and not isinstance(fault, Corrupt | Silence):
            return self.started
        return self.started + self.delay + self.pace.due(0)

    def _fault_place(self) -> int:
        """
        Return after how many tokens the fault strikes; -1 if it has no place in the stream.
        """
        fault = self.fault
        place: int | None = -1
        if isinstance(fault, Silence):
            place = fault.tokens if fault.where == "after_tokens" else -1
        elif isinstance(fault, Cut):
            place = -1 if fault.after_bytes is not None else fault.after_tokens or 0
        elif isinstance(fault, ExceptionMessage | ErrorMessage | Corrupt | Reset | EndWithoutTerminal):
            place = fault.after_tokens
        return self.tokens if place is None else min(place, self.tokens)


class _StreamRun:
    """
    Walk through one stream's steps.
    """

    def __init__(self, delivery: Delivery, fault_place: int) -> None:
        self._delivery = delivery
        self._line = delivery.line
        self._call = delivery.call
        self._fault = delivery.fault
        self._fault_place = fault_place
        self._origin = delivery.started + delivery.delay
        self._is_corrupt = False
        self._bytes_left = self._fault.after_bytes if isinstance(self._fault, Cut) else None

    async def send(self, steps: Iterator[Step]) -> None:
        """
        Send the steps; the call's entry says how it ended.
        """
        line, call, due = self._line, self._call, self._delivery.pace.due
        advance = self._delivery.advance
        token = 0
        for number, step in enumerate(steps):
            message = step.message
            if token >= self._fault_place >= 0:
                self._fault_place = -1
                if await self._strike():
                    return
                message = self._corrupted(message)
            if step.tokens:
                await line.wait_until(self._origin + due(token))
                token += 1
            if number % _STEPS_BETWEEN_BREATHS == 0:
                await line.breathe()
            if self._bytes_left is not None and await self._cut_inside(message):
                return
            await line.write(message)
            if not self._is_corrupt:
                call.tokens_emitted += step.tokens
                if step.text:
                    call.texts.append(step.text)
            if advance is not None:
                await advance()
        await self._finish()

    async def _finish(self) -> None:
        self._line.check()
        if self._bytes_left is not None:
            await self._line.cut()
            self._call.end("fault:cut")
            return
        await self._line.finish()
        self._call.end("fault:corrupt" if self._is_corrupt else "completed")

    async def _strike(self) -> bool:
        """
        Do what the fault wants here, and say whether the stream is over.
        """
        fault, line = self._fault, self._line
        if isinstance(fault, Silence):
            self._origin += fault.seconds
            await line.wait_until(asyncio.get_running_loop().time() + fault.seconds)
            return False
        if isinstance(fault, Corrupt):
            return False
        if isinstance(fault, ExceptionMessage):
            await line.finish(encode_exception(fault.name, _message_of(fault)))
        elif isinstance(fault, ErrorMessage):
            await line.finish(encode_error(fault.code, fault.message))
        elif isinstance(fault, Reset):
            await line.reset()
        elif isinstance(fault, Cut):
            await line.cut()
        else:
            await line.finish()
        self._call.end(f"fault:{fault.kind}" if fault is not None else "completed")
        return True

    def _corrupted(self, message: bytes) -> bytes:
        if not isinstance(self._fault, Corrupt):
            return message
        self._is_corrupt = True
        return corrupt(message, self._fault.what)

    async def _cut_inside(self, message: bytes) -> bool:
        """
        Cut the connection if this message reaches the place of the cut.
        """
        assert self._bytes_left is not None
        if len(message) <= self._bytes_left:
            self._bytes_left -= len(message)
            return False
        if self._bytes_left:
            await self._line.write(message[: self._bytes_left])
        await self._line.cut()
        self._call.end("fault:cut")
        return True


def _message_of(fault: ExceptionMessage) -> str:
    if fault.message is not None:
        return fault.message
    return MESSAGES.get(fault.name[:1].upper() + fault.name[1:], "The request failed.")


def corrupt(message: bytes, what: str) -> bytes:
    """
    Return an event-stream message with a wrong prelude CRC, a wrong message CRC, or a length that lies.
    """
    if what == "prelude":
        return message[:8] + bytes([message[8] ^ 0x01]) + message[9:]
    if what == "message":
        return message[:-1] + bytes([message[-1] ^ 0x01])
    lengths = struct.pack("!I", len(message) + 16) + message[4:8]
    return lengths + struct.pack("!I", crc32(lengths)) + message[12:]
