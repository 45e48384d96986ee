"""
The line to one client: its request's body, what is sent to it, waits that end when it goes, and ways to cut it.

Noticing the client's end at once, also in silence, is what makes the emulator's book worth reading: a task waits for
the server's word that the client is gone, beside all that the answer does.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

TRANSPORT_KEY = "outcrop.transport"
_CLOSE_PATIENCE_SECONDS = 5.0
_MAX_DRAINED_BYTES = 128 * 1024 * 1024
_RESET = struct.pack("ii", 1, 0)
Result = TypeVar("Result")


class BodyTooLarge(Exception):
    """
    Say that a request's body is beyond its bound; it has been read to its end.
    """


class ClientGone(Exception):
    """
    Say that the client has closed its end.
    """


class Line:
    """
    Hold one client's end. `aclose` must be called when the answer is done.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_closed = False
        self.closed_at: float | None = None
        self.closed_at_monotonic: float | None = None
        self.sent_bytes = 0
        self._scope = scope
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ends_by_itself = False

    async def read_body(self, limit: int) -> bytes:
        """
        Read the request's body, then watch for the client's end.

        Raises:
            BodyTooLarge: it is longer than `limit`.
            ClientGone: the client went before its body was there.
        """
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._note_end()
                raise ClientGone
            size += len(message.get("body", b""))
            if size <= limit:
                chunks.append(message.get("body", b""))
            elif size > _MAX_DRAINED_BYTES:
                break
            more = message.get("more_body", False)
        self._watcher = asyncio.create_task(self._watch())
        if size > limit:
            raise BodyTooLarge
        return b"".join(chunks)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._ends_by_itself:
            self._note_end()

    def _note_end(self) -> None:
        self.is_closed = True
        self.closed_at = time.time()
        self.closed_at_monotonic = time.monotonic()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait_until(self, when: float) -> None:
        """
        Wait until a moment of the loop's clock.

        Raises:
            ClientGone: the client has gone, or goes meanwhile.
        """
        if not self.is_closed and when > self._loop.time():
            self._waiter = self._loop.create_future()
            timer = self._loop.call_at(when, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        self.check()

    async def wait_for(self, work: Coroutine[Any, Any, Result], timeout_seconds: float) -> Result:
        """
        Return what other work yields; it is cancelled when the client goes before.

        Raises:
            ClientGone: the client has gone, or goes meanwhile.
            TimeoutError: it takes too long.
        """
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._wake())
        try:
            await self.wait_until(self._loop.time() + timeout_seconds)
        except ClientGone:
            # What is done may hold something open: its owner gets it, and learns of the client's end at its next wait.
            if not task.done():
                raise
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            raise TimeoutError(f"nothing came for {timeout_seconds:g} seconds")
        return task.result()

    async def breathe(self) -> None:
        """
        Let the loop do other work, and find out whether the client is still there.

        Raises:
            ClientGone: it isn't.
        """
        await asyncio.sleep(0)
        self.check()

    def check(self) -> None:
        """
        Raise ClientGone if the client has gone.
        """
        if self.is_closed:
            raise ClientGone

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """
        Send the answer's status and headers.
        """
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def write(self, body: bytes) -> None:
        """
        Send a part of the answer's body: one chunk of HTTP, flushed.
        """
        self.sent_bytes += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes = b"") -> None:
        """
        Send the last part of the body and end the answer as HTTP says.
        """
        self._ends_by_itself = True
        self.sent_bytes += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def cut(self) -> None:
        """
        Close the connection in the midst of the answer, after what has been sent.
        """
        await self._end_transport(reset=False)

    async def reset(self) -> None:
        """
        Reset the connection: the client sees ECONNRESET, not an end.
        """
        await self._end_transport(reset=True)

    async def _end_transport(self, *, reset: bool) -> None:
        self._ends_by_itself = True
        transport: Any = self._scope["state"][TRANSPORT_KEY]
        # The server's loop writes at its next turn; without it the bytes before the cut would be lost.
        await asyncio.sleep(0)
        if reset:
            await asyncio.sleep(0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            transport.close()
        if self._watcher is not None:
            done, _ = await asyncio.wait({self._watcher}, timeout=_CLOSE_PATIENCE_SECONDS)
            if not done:
                transport.abort()
                await self._watcher

    async def aclose(self) -> None:
        """
        Stop watching.
        """
        self._ends_by_itself = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
