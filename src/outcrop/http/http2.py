"""
uvicorn's HTTP/2 with changes: what waits for a client's window is bounded, and a connection that ends waits twice.

uvicorn 0.54 hands all that an application sends to a stream, also where its client opens no window. Here a sender waits
while a stream holds 64 KiB, and a stream is reset whose client takes nothing of what waits.

The AWS SDK for JavaScript sends GOAWAY as soon as it has a stream's headers. uvicorn 0.54 then closes the connection
when the application is done, also while more than the client's window (64 KiB) still waits to be sent: the client sees
a cut stream ("Truncated event message received", SDK 3.1162.0, Node 24). Here the connection stays until all is sent.

And then it is closed in one direction only, until the client closes the other: the client's last WINDOW_UPDATE may be
under way, and a connection that is closed with unread bytes is reset, which the client can see before the last of the
answer ("read ECONNRESET", in two of six runs of 356 calls of the same SDK; in none of 14 since).
"""

import asyncio
from collections.abc import Generator

import structlog
import zttp
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle, ZttpH2Protocol

from outcrop.http.unread import Watch, WatchedProtocol

LINGER_SECONDS = 2.0
"""
How long a client may take to close its side.
"""
LOW_WATER_LIMIT = HIGH_WATER_LIMIT // 4
"""
A sender that waits for a stream's window goes on when so many bytes are left.
"""

logger = structlog.get_logger(__name__)


class PatientH2Protocol(WatchedProtocol, ZttpH2Protocol):
    """
    Close a connection only when nothing waits for the client's window, and bound what waits for it.
    """

    _closes_when_sent = False
    _is_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """
        Begin without streams.
        """
        self.credited_bytes = 0
        self._outlets: dict[int, StreamOutlet] = {}
        self._linger_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Let everybody go who waits for a window.
        """
        super().connection_lost(exc)
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        for outlet in self._outlets.values():
            outlet.let_go()
        self._outlets.clear()

    def data_received(self, data: bytes) -> None:
        """
        Take bytes; they may open a window. After the end they mean nothing.
        """
        if self._is_ended:
            return
        super().data_received(data)
        self._look_at_outlets()
        self._watch_if_closing()

    def events(self) -> Generator[zttp.Event]:
        """
        Yield events, and count what the client allows the connection as a whole.
        """
        for event in super().events():
            if isinstance(event, zttp.WindowUpdate) and event.stream_id == 0:
                self.credited_bytes += event.increment
            yield event

    def handle_request(self, event: zttp.Request) -> None:
        """
        Begin to answer, with a bound on what may wait in the stream.
        """
        super().handle_request(event)
        cycle = self.cycles[event.stream_id]
        outlet = self._outlets[event.stream_id] = StreamOutlet(self, cycle)
        # Before it sends, a cycle asks its flow control whether to wait; it asks nothing else.
        cycle.flow = outlet  # type: ignore[assignment]

    def on_response_complete(self, stream_id: int) -> None:
        """
        End the stream, or watch what still waits for its window.
        """
        super().on_response_complete(stream_id)
        if (outlet := self._outlets.get(stream_id)) is not None:
            outlet.watch.start()
            self._look_at_outlets()

    def timeout_keep_alive_handler(self) -> None:
        """
        Close an idle connection; one whose client has not read the last answer yet isn't idle.
        """
        if not self.conn.has_pending_send():
            super().timeout_keep_alive_handler()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def reset_stream(self, cycle: RequestResponseCycle) -> None:
        """
        Drop what waits in a stream, and its answer. Other streams go on.
        """
        if self.transport.is_closing():
            return
        cycle.stream.reset(zttp.H2ErrorCode.CANCEL)
        self.flush()
        if not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._look_at_outlets()

    def _look_at_outlets(self) -> None:
        for stream_id, outlet in list(self._outlets.items()):
            outlet.look()
            if stream_id not in self.cycles and not outlet.watch.count_unsent():
                outlet.let_go()
                del self._outlets[stream_id]
        if self._closes_when_sent and not self.cycles:
            self._close_connection()

    def _close_connection(self) -> None:
        if self.conn.has_pending_send():
            # Each of these streams has its watch, so this ends.
            self._closes_when_sent = True
            return
        if self._is_ended or self.transport.is_closing():
            return
        if not self.transport.can_write_eof():
            super()._close_connection()
            self._watch_if_closing()
            return
        self._is_ended = True
        self.conn.close()
        self.flush()
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        self._linger()

    def _linger(self) -> None:
        # All is handed over: nothing is added to what the transport holds.
        self.watch.start()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self._close_or_linger)

    def _close_or_linger(self) -> None:
        if self.transport.get_write_buffer_size():
            self._linger()
        else:
            self.transport.close()


class StreamOutlet:
    """
    Be the flow control of one stream: its sender waits for the connection, and for the stream's window.
    """

    def __init__(self, protocol: PatientH2Protocol, cycle: RequestResponseCycle) -> None:
        self.watch = StreamWatch(protocol, cycle)
        self._connection = protocol.flow
        self._cycle = cycle
        self._has_room = asyncio.Event()

    @property
    def write_paused(self) -> bool:
        """
        Tell whether a sender has to wait.
        """
        return self._connection.write_paused or self.watch.count_unsent() > HIGH_WATER_LIMIT

    async def drain(self) -> None:
        """
        Wait until there is room, or the stream has ended.
        """
        await self._connection.drain()
        if self._cycle.disconnected or self.watch.count_unsent() <= HIGH_WATER_LIMIT:
            return
        self._has_room.clear()
        self.watch.start()
        try:
            await self._has_room.wait()
        finally:
            self.watch.stop()

    def look(self) -> None:
        """
        Let the sender go on if there is room by now.
        """
        if self._cycle.disconnected or self.watch.count_unsent() <= LOW_WATER_LIMIT:
            self._has_room.set()

    def let_go(self) -> None:
        """
        End: nothing more is sent.
        """
        self.watch.stop()
        self._has_room.set()


class StreamWatch(Watch):
    """
    Watch what waits for one stream's window, and reset the stream.
    """

    def __init__(self, protocol: PatientH2Protocol, cycle: RequestResponseCycle) -> None:
        super().__init__(protocol.loop, protocol.slow_reader_timeout_seconds)
        self._protocol = protocol
        self._cycle = cycle
        self._stream = cycle.stream
        self._seen_credited_bytes = 0

    def count_unsent(self) -> int:
        """
        Count what waits in the stream; the stream of an ended one holds nothing.
        """
        return self._stream.pending_bytes or 0

    def has_moved(self) -> bool:
        """
        Tell whether the client has read of this stream or, where others take the connection's window, of those.
        """
        waits_for_others = (self._stream.send_window or 0) > 0
        return super().has_moved() or (waits_for_others and self._protocol.credited_bytes > self._seen_credited_bytes)

    def give_up(self) -> None:
        """
        Reset the stream.
        """
        logger.info("stream reset: the client opened no window", unsent_bytes=self.count_unsent())
        self._protocol.reset_stream(self._cycle)

    def _note(self) -> None:
        super()._note()
        self._seen_credited_bytes = self._protocol.credited_bytes
