"""
Follow a turn for a client of an HTTP dialect: as a stream, or to its end.

A failure before the first piece of an answer has the status that it deserves, for a stream too: the SDKs choose their
exception, and whether to try again, by it. So the head of a stream waits for the first entry, though not for long.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive

from outcrop.errors import StoreError
from outcrop.server.services import Services
from outcrop.server.sse import PING, TurnStream
from outcrop.turns.reader import TurnReader
from outcrop.turns.records import TurnStatus
from outcrop.types import LogEntry, MessageStart, StreamFailed

FIRST_ENTRY_SECONDS = 15.0
"""
How long the head of a stream waits for the first entry, before it goes out anyhow: proxies want to see something.
"""

MARGIN_SECONDS = 60.0
"""
What a turn may take beyond its own deadline: another replica may have to end it.
"""


class View(Protocol):
    """
    Render one turn for one reader.
    """

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        ...

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        ...


class Asker(Protocol):
    """
    Say who asks, and name the request and its turn in an answer's headers.
    """

    @property
    def owner(self) -> str:
        """
        The principal's ID.
        """
        ...

    def headers(self, turn_id: str | None = None) -> dict[str, str]:
        """
        Return the headers.
        """
        ...

    def refuse(self, failure: StreamFailed, turn_id: str | None = None) -> Response:
        """
        Say what went wrong, before an answer has begun.
        """
        ...


async def open_answer(
    services: Services,
    request: Request,
    caller: Asker,
    turn_id: str,
    view: View,
    *,
    waits: bool = True,
    ping: bytes = PING,
) -> ASGIApp:
    """
    Make the stream of a turn; or the error, where it fails before its first piece.

    `waits` false makes the stream at once: its first events need no entry. `ping` is what is sent in silence.

    Raises:
        StoreError: there is no such turn for this owner, or the log can't be read.
        ClientDisconnect: the client has gone; the turn has lost its reader.
    """
    more = asyncio.Event()
    reader = await services.turns.subscribe(turn_id, owner=caller.owner, wake=more.set)
    try:
        first = await _take_first(reader, more, request.receive) if waits else []
    except BaseException:
        reader.close()
        raise
    if (failure := _find_early_failure(first)) is not None:
        reader.close()
        return caller.refuse(failure, turn_id)
    return TurnStream(
        reader,
        more,
        _Replay(view, first).render,
        view.render_failure,
        headers=caller.headers(turn_id),
        ping=ping,
    )


async def read_to_end(
    services: Services, turn_id: str, *, owner: str, receive: Receive | None = None
) -> tuple[TurnStatus, list[LogEntry]]:
    """
    Wait for the end of a turn, and return how it ended, with all its entries.

    `receive` tells of a client that goes away; without it nobody is watched.

    Raises:
        StoreError: there is no such turn for this owner, or the log can't be read, or not in time.
        ClientDisconnect: the client has gone; the turn has lost its reader.
    """
    more = asyncio.Event()
    reader = await services.turns.subscribe(turn_id, owner=owner, wake=more.set)
    entries: list[LogEntry] = []
    try:
        async with asyncio.timeout(services.settings.turn_timeout_seconds + MARGIN_SECONDS):
            await _take_while(reader, more, receive, entries, to_end=True)
    except TimeoutError as error:
        raise StoreError("the turn did not end in time; try again", retry_after_seconds=1) from error
    finally:
        reader.close()
    return reader.status, entries


async def _take_first(reader: TurnReader, more: asyncio.Event, receive: Receive) -> list[LogEntry]:
    entries: list[LogEntry] = []
    try:
        async with asyncio.timeout(FIRST_ENTRY_SECONDS):
            await _take_while(reader, more, receive, entries, to_end=False)
    except TimeoutError:
        return entries
    return entries


async def _take_while(
    reader: TurnReader, more: asyncio.Event, receive: Receive | None, entries: list[LogEntry], *, to_end: bool
) -> None:
    """
    Add entries to the list until there are some, or all.
    """
    leaving = asyncio.create_task(_wait_for_leaving(receive), name="client that waits for an answer")
    leaving.add_done_callback(lambda _: more.set())
    try:
        while not reader.ended and (to_end or not entries):
            more.clear()
            taken = reader.take()
            entries += taken
            if leaving.done():
                raise ClientDisconnect
            if not taken and not reader.ended:
                await more.wait()
            # A long answer is read in pieces, so that others get their deltas meanwhile.
            await asyncio.sleep(0)
    finally:
        leaving.cancel()
        await asyncio.wait({leaving})


async def _wait_for_leaving(receive: Receive | None) -> None:
    if receive is None:
        # Nobody to watch; the task is cancelled when the entries are there.
        await asyncio.get_running_loop().create_future()
        return
    while (await receive())["type"] != "http.disconnect":
        pass


def _find_early_failure(entries: Sequence[LogEntry]) -> StreamFailed | None:
    """
    Find the failure of a turn that said nothing before it.
    """
    last = entries[-1].event if entries else None
    says_nothing = all(isinstance(entry.event, MessageStart) for entry in entries[:-1])
    return last if isinstance(last, StreamFailed) and says_nothing else None


class _Replay:
    """
    Render entries that were taken before the stream began, together with those of its first call.
    """

    def __init__(self, view: View, first: Sequence[LogEntry]) -> None:
        self._view = view
        self._first = first

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        if self._first:
            entries, self._first = (*self._first, *entries), ()
        return self._view.render(entries, status)
