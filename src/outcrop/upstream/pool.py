"""
The connections to one endpoint: kept alive for the next call, and bounded in number.

Newest first, so that a quiet time lets the rest grow old and go. Waiters are served in the order in which they came.
Whatever is not known to be clean is closed, never kept: an exchange that was cancelled or failed takes its connection
with it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from outcrop.errors import UpstreamTimeout, UpstreamUnreachable
from outcrop.upstream.connection import Connection

CLOSED = "the client for Bedrock is closed"


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the bounds of a pool.

    Bedrock's load balancers close connections after 60 s without a request; `max_idle_seconds` stays below that, so
    that a call seldom meets a connection which is just being closed.
    """

    max_connections: int = 2000
    max_idle: int = 100
    max_idle_seconds: float = 50.0


class ConnectionPool:
    """
    Hand out connections and take them back.

    Every connection that `acquire` returns must come back through `release`, whatever happened to it. `dial` makes a
    new one; `place` says in words where to.
    """

    def __init__(self, dial: Callable[[], Awaitable[Connection]], limits: PoolLimits, *, place: str) -> None:
        self._dial = dial
        self._place = place
        self._limits = limits
        self._idle: list[Connection] = []
        self._in_use: set[Connection] = set()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._slots_taken = 0
        self._closed = False

    @property
    def open_count(self) -> int:
        """
        Return how many connections are open or being made.
        """
        return self._slots_taken

    @property
    def idle_count(self) -> int:
        """
        Return how many connections wait for a call.
        """
        return len(self._idle)

    @property
    def waiting_count(self) -> int:
        """
        Return how many calls wait for a connection.
        """
        return sum(not waiter.done() for waiter in self._waiters)

    async def acquire(self, seconds: float, *, fresh: bool = False) -> Connection:
        """
        Return a connection for one exchange, within `seconds`, waiting for a free place included.

        `fresh` asks for a new one instead of one that was kept alive.

        Raises:
            UpstreamTimeout: no connection was there in time.
            UpstreamUnreachable: no connection could be made.
        """
        self._check_open()
        stage = "waiting for one of the pool's connections"
        try:
            async with asyncio.timeout(seconds):
                connection = None if fresh else self._pop_idle()
                if connection is None:
                    connection = await self._take_slot()
                if connection is None or not connection.usable:
                    # Of a kept connection that ended on its way to a waiter, the place is left.
                    stage = "name look-up, tcp and tls"
                    connection = await self._make()
        except TimeoutError as error:
            what = f"a connection to {self._place} ({stage})"
            raise UpstreamTimeout(f"the deadline of {seconds:.3g} s for {what} passed") from error
        with contextlib.ExitStack() as unless_open:
            # The pool may have been closed while we waited.
            unless_open.callback(self.release, connection)
            self._check_open()
            unless_open.pop_all()
        self._in_use.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """
        Take a connection back: keep it if it is usable, else close it at once.
        """
        self._in_use.discard(connection)
        if not connection.usable or self._closed:
            self._discard(connection)
            return
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(connection)
            return
        connection.idle_since = asyncio.get_running_loop().time()
        connection.owner = self
        self._idle.append(connection)
        self._drop_old()

    def on_connection_gone(self, connection: Connection) -> None:
        """
        Forget an idle connection that its peer closed.
        """
        if connection in self._idle:
            self._idle.remove(connection)
            self._discard(connection)

    async def aclose(self) -> None:
        """
        Close every connection, those in use too, and refuse further calls.
        """
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(UpstreamUnreachable(CLOSED))
        self._waiters.clear()
        while self._idle:
            self._discard(self._idle.pop())
        for connection in list(self._in_use):
            connection.fail(CLOSED)
        # Transports close in the loop's next round; who closes the loop right after us would leave them open.
        await asyncio.sleep(0)

    def _check_open(self) -> None:
        if self._closed:
            raise UpstreamUnreachable(CLOSED)

    def _pop_idle(self) -> Connection | None:
        self._drop_old()
        while self._idle:
            connection = self._idle.pop()
            connection.owner = None
            if connection.usable:
                return connection
            self._discard(connection)
        return None

    async def _take_slot(self) -> Connection | None:
        """
        Wait until a connection may be made (None), or until one comes free.
        """
        if self._slots_taken >= self._limits.max_connections and self._idle:
            # A fresh one is wanted: the oldest idle one makes room.
            self._discard(self._idle.pop(0))
        if self._slots_taken < self._limits.max_connections:
            self._slots_taken += 1
            return None
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise

    def _pass_on(self, waiter: asyncio.Future[Connection | None]) -> None:
        """
        Give away what a cancelled waiter was given in the meantime.
        """
        if waiter.cancelled():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        elif waiter.exception() is None:
            connection = waiter.result()
            if connection is None:
                self._free_slot()
            else:
                self.release(connection)

    async def _make(self) -> Connection:
        made = False
        try:
            connection = await self._dial()
            made = True
        finally:
            if not made:
                self._free_slot()
        return connection

    def _discard(self, connection: Connection) -> None:
        connection.owner = None
        connection.abort()
        self._free_slot()

    def _free_slot(self) -> None:
        waiter = self._next_waiter()
        if waiter is not None:
            # The place goes from hand to hand: a newcomer can't overtake.
            waiter.set_result(None)
        else:
            self._slots_taken -= 1

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _drop_old(self) -> None:
        oldest_allowed = asyncio.get_running_loop().time() - self._limits.max_idle_seconds
        while self._idle and (self._idle[0].idle_since < oldest_allowed or len(self._idle) > self._limits.max_idle):
            self._discard(self._idle.pop(0))
