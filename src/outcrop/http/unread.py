"""
Drop clients that read nothing of what is sent to them. One that reads slowly is never dropped.

uvicorn 0.54 closes a connection and then waits, without end, for a client that takes nothing of what is unsent.
"""

import abc
import array
import asyncio
import contextlib
import sys

import structlog

if sys.platform != "win32":
    import fcntl
    import termios

logger = structlog.get_logger(__name__)


class Watch(abc.ABC):
    """
    Give up on a peer that takes nothing of what is unsent for a time. Costs a timer while it is started.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_seconds: float) -> None:
        self._loop = loop
        self._timeout_seconds = timeout_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._seen_bytes = 0

    def start(self) -> None:
        """
        Begin to watch, where something is unsent. The caller adds nothing to it before `stop`.
        """
        if self._timer is None and self.count_unsent():
            self._note()

    def stop(self) -> None:
        """
        Watch no more.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @abc.abstractmethod
    def count_unsent(self) -> int:
        """
        Count the bytes that wait for the peer.
        """

    @abc.abstractmethod
    def give_up(self) -> None:
        """
        Drop what waits.
        """

    def has_moved(self) -> bool:
        """
        Tell whether the peer has taken anything since the last look.
        """
        return self.count_unsent() < self._seen_bytes

    def _note(self) -> None:
        self._seen_bytes = self.count_unsent()
        self._timer = self._loop.call_later(self._timeout_seconds, self._judge)

    def _judge(self) -> None:
        self._timer = None
        if self.count_unsent() == 0:
            return
        if self.has_moved():
            self._note()
        else:
            self.give_up()


class ConnectionWatch(Watch):
    """
    Watch what a transport holds, and reset the connection: closing it would wait for a peer that reads nothing.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_seconds: float, transport: asyncio.Transport) -> None:
        super().__init__(loop, timeout_seconds)
        self._transport = transport

    def count_unsent(self) -> int:
        """
        Count what the connection's peer has not taken.
        """
        return count_unsent(self._transport)

    def give_up(self) -> None:
        """
        Reset the connection.
        """
        logger.info("connection reset: the client took nothing", unsent_bytes=self.count_unsent())
        self._transport.abort()


def count_unsent(transport: asyncio.Transport) -> int:
    """
    Count the transport's bytes and the kernel's, which takes more only when a good part of its own has gone.
    """
    held_bytes = transport.get_write_buffer_size()
    return held_bytes + _count_in_kernel(transport) if held_bytes else 0


def _count_in_kernel(transport: asyncio.Transport) -> int:
    count = array.array("i", [0])
    if sys.platform != "win32":
        # Not every system tells it of sockets.
        with contextlib.suppress(OSError):
            fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, count)
    return count[0]


class WatchedProtocol(asyncio.Protocol):
    """
    Have a watch on what the transport holds, from when it is full until it is not, and from its closing on.
    """

    slow_reader_timeout_seconds: float
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    watch: ConnectionWatch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """
        Make the watch; nothing is unsent yet.
        """
        self.watch = ConnectionWatch(self.loop, self.slow_reader_timeout_seconds, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        End the watch.
        """
        self.watch.stop()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """
        Watch: the transport closes itself now.
        """
        super().eof_received()
        self.watch.start()

    def pause_writing(self) -> None:
        """
        Watch: too much is unsent.
        """
        super().pause_writing()
        self.watch.start()

    def resume_writing(self) -> None:
        """
        Watch no more, or anew where the rest is the last.
        """
        super().resume_writing()
        self.watch.stop()
        self._watch_if_closing()

    def _watch_if_closing(self) -> None:
        if self.transport.is_closing():
            self.watch.start()
