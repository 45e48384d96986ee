"""
The shortest way to a WebSocket: frames are written straight to the transport, prompts are handed over without a queue.

Built on uvicorn's sans-I/O WebSocket protocol, which keeps the handshake, the parsing, the pings and the close. Four
things differ from its ASGI path, each for a reason:

- A delta is written by `write_message`, synchronously: through ASGI it costs a task switch and two awaits per delta.
- Reading never pauses while an answer runs: a paused socket would not notice that its client has gone, nor its pongs.
  The listener bounds what it takes.
- A socket that must go is aborted, not only closed: closing waits for a peer that reads nothing.
- After a message that is refused while it still arrives, the rest is read and dropped before the connection closes:
  closing with unread bytes resets it, and the reset can overtake the close frame that says why (seen on Linux with a
  prompt of 2 MiB).
"""

import logging
from typing import Any, Protocol, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.server import ServerProtocol

EXTENSION = "outcrop.socket"
TEXT_FRAME = 0x81
BINARY_FRAME = 0x82
CLOSE_TOO_LARGE = 4413


class Listener(Protocol):
    """
    Be told what happens on a socket; called synchronously from the transport.
    """

    def on_message(self, message: str | bytes) -> None:
        """
        Take one complete message.
        """
        ...

    def on_writable(self) -> None:
        """
        Go on: what was unsent has drained.
        """
        ...

    def on_gone(self) -> None:
        """
        Stop: the client has left, or is leaving.
        """
        ...


class DirectSocket(WebSocketsSansIOProtocol):
    """
    Be one WebSocket that an endpoint may write to directly.

    The endpoint finds it in `scope["extensions"]["outcrop.socket"]` and sets `listener` before it accepts; from then on
    messages come through the listener, and `receive` tells only of the end.
    """

    listener: Listener | None = None
    max_unsent_bytes: int = 256 << 10
    _is_failed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _BoundedProtocol(max_size=self.config.ws_max_size, logger=logging.getLogger("uvicorn.error"))

    @property
    def blocked(self) -> bool:
        """
        Tell whether more than `max_unsent_bytes` wait unsent; `listener.on_writable` is called when they have drained.
        """
        return not self.writable.is_set()

    @property
    def gone(self) -> bool:
        """
        Tell whether nothing can be sent any more.
        """
        return self.disconnected or self.close_sent or self.transport.is_closing()

    def write_message(self, payload: bytes, *, binary: bool) -> None:
        """
        Send one unfragmented message. Does nothing once the socket is closing.

        The caller looks at `blocked` first, and stops writing while it is true.
        """
        if self.close_sent or self.transport.is_closing():
            return
        opcode = BINARY_FRAME if binary else TEXT_FRAME
        size = len(payload)
        if size < 126:
            header = bytes((opcode, size))
        elif size < 65_536:
            header = bytes((opcode, 126)) + size.to_bytes(2, "big")
        else:
            header = bytes((opcode, 127)) + size.to_bytes(8, "big")
        self.transport.write(header + payload)

    def abort(self) -> None:
        """
        Drop the connection at once, with whatever is unsent.
        """
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        """
        Bound what may wait unsent.
        """
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self.max_unsent_bytes)

    def data_received(self, data: bytes) -> None:
        """
        Take bytes; those that come after a failure are dropped.
        """
        if not self._is_failed:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Tell the listener.
        """
        super().connection_lost(exc)
        self._tell_gone()

    def resume_writing(self) -> None:
        """
        Tell the listener that there is room again.
        """
        super().resume_writing()
        if self.listener is not None:
            self.listener.on_writable()

    def handle_connect(self, event: Request) -> None:
        """
        Put this socket within the endpoint's reach.
        """
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[EXTENSION] = self

    def handle_ping(self) -> None:
        """
        Answer a ping, unless the peer has not read what is there already: pongs must not pile up either.
        """
        pongs = b"".join(self.conn.data_to_send())
        if not self.blocked:
            self.transport.write(pongs)

    def handle_close(self, event: Any) -> None:
        """
        Tell the listener that the client is leaving.
        """
        super().handle_close(event)
        self._tell_gone()

    def send_receive_event_to_app(self) -> None:
        """
        Hand a complete message to the listener, if there is one.
        """
        listener = self.listener
        if listener is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        payload = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "bytes":
            listener.on_message(bytes(payload))
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self.conn.fail(CloseCode.INVALID_DATA, "the text message is not UTF-8")
            self.handle_parser_exception()
            return
        listener.on_message(text)

    def handle_parser_exception(self) -> None:
        """
        Say why these bytes can't be taken, tell the listener, and close when the peer does, or soon.
        """
        self._is_failed = True
        self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": self.conn.close_code or CloseCode.PROTOCOL_ERROR}
        )
        self._tell_gone()

    def keepalive_timeout(self) -> None:
        """
        Drop a peer that answers no ping. It reads nothing, so a close frame would never reach it.
        """
        super().keepalive_timeout()
        self.abort()

    def _tell_gone(self) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.on_gone()


class _BoundedProtocol(ServerProtocol):
    """
    Close an oversized message with our own code and words, and offer no compression.
    """

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """
        Fail the connection.
        """
        if code == CloseCode.MESSAGE_TOO_BIG:
            super().fail(CLOSE_TOO_LARGE, f"the message is too large, limit is {self.max_message_size} bytes")
        else:
            super().fail(code, reason)
