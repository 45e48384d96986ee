"""
An answer as server-sent events: follow a turn's log until its end, or until the client has gone.

How events look is not decided here: a renderer is given. Many deltas that came since the last write travel in one body
chunk, so that a busy server spends one write on them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from starlette.types import Receive, Scope, Send

from outcrop.errors import StoreError
from outcrop.turns.reader import TurnReader
from outcrop.turns.records import TurnStatus
from outcrop.turns.service import TurnService
from outcrop.types import LogEntry

ENTRIES_AT_ONCE = 256
PING_SECONDS = 15.0
PING = b": ping\n\n"
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}

Render = Callable[[Sequence[LogEntry], TurnStatus], bytes]
"""
Render entries, in order; may be empty bytes. Called without entries once, at the beginning; the terminal entry comes
with a complete status.
"""

RenderFailure = Callable[[StoreError], bytes]
"""
Render the last event of a reader that can't go on.
"""


class TurnStream:
    """
    Be an ASGI response that follows one turn. Make it with `open_stream`; it closes its reader, however it ends.

    Args:
        reader: the place in the log.
        more: set whenever there is something to take.
        render: makes bytes of entries.
        render_failure: makes bytes of an error that ends the reading.
        headers: in addition to those of every event stream.
        ping: what is sent in silence; empty bytes for formats that have no comments.
    """

    def __init__(
        self,
        reader: TurnReader,
        more: asyncio.Event,
        render: Render,
        render_failure: RenderFailure,
        *,
        headers: Mapping[str, str],
        ping: bytes = PING,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self._reader = reader
        self._more = more
        self._render = render
        self._render_failure = render_failure
        self._ping = ping
        self._ping_seconds = ping_seconds
        self._headers = [(name.encode(), value.encode()) for name, value in {**HEADERS, **headers}.items()]
        self._is_gone = False
        self._has_ended = False

    @property
    def is_over(self) -> bool:
        """
        Tell whether there is nothing to send: the reader has the whole turn already.
        """
        return self._reader.ended

    def close(self) -> None:
        """
        Leave the turn, where this response is not going to be sent.
        """
        self._reader.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  part of ASGI
        """
        Send the stream. See the ASGI specification.
        """
        leaving = asyncio.create_task(self._watch(receive), name="event stream's client")
        try:
            await self._write(send, {"type": "http.response.start", "status": 200, "headers": self._headers})
            await self._follow(send)
        finally:
            self._reader.close()
            leaving.cancel()
            await asyncio.wait({leaving})

    async def _follow(self, send: Send) -> None:
        # Some dialects say something before the first entry.
        if greeting := self._render((), self._reader.status):
            await self._write(send, {"type": "http.response.body", "body": greeting, "more_body": True})
        while not self._is_gone:
            self._more.clear()
            body = self._take()
            if body or self._has_ended:
                message = {"type": "http.response.body", "body": body, "more_body": not self._has_ended}
                await self._write(send, message)
            if self._has_ended:
                return
            if not body and not await self._wait() and self._ping:
                await self._write(send, {"type": "http.response.body", "body": self._ping, "more_body": True})

    def _take(self) -> bytes:
        reader = self._reader
        try:
            entries = reader.take(ENTRIES_AT_ONCE)
            while entries:
                self._has_ended = reader.ended
                if body := self._render(entries, reader.status):
                    return body
                # Entries that this dialect does not show: there may be others behind them.
                entries = () if self._has_ended else reader.take(ENTRIES_AT_ONCE)
        except StoreError as error:
            self._has_ended = True
            return self._render_failure(error)
        # A reader that begins at the end of a final log has nothing to take.
        self._has_ended = reader.ended
        return b""

    async def _wait(self) -> bool:
        try:
            async with asyncio.timeout(self._ping_seconds):
                await self._more.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self, send: Send, message: dict[str, object]) -> None:
        # While the client's connection is full, deltas may be merged; where it is not, this costs no switch. The wait
        # ends by the connection's own watch, which drops a client that takes nothing.
        self._reader.set_behind(True)
        try:
            await send(message)
        finally:
            self._reader.set_behind(False)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        self._more.set()


async def open_stream(
    turns: TurnService,
    turn_id: str,
    render: Render,
    render_failure: RenderFailure,
    *,
    owner: str,
    after: int = 0,
    epoch: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> TurnStream:
    """
    Subscribe to a turn and make the response that follows it. The caller awaits it, or closes it.

    Raises:
        UnknownTurn: there is no such turn for this owner.
        PositionExpired: the position is not in its log.
        EpochChanged: the log has lost what the position belonged to.
        StoreError: the log can't be reached.
    """
    more = asyncio.Event()
    reader = await turns.subscribe(turn_id, owner=owner, wake=more.set, after=after, epoch=epoch)
    return TurnStream(reader, more, render, render_failure, headers=headers or {})
