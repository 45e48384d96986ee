"""
The socket of a client: many requests share it, and outlive it.

One task owns the socket. Frames to send wait in an outbox, which is made anew from the requests' state after each drop:
so nothing that was lost on the way has to be remembered.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from outcrop.client.address import CLOSE_TIMEOUT_SECONDS, Address, connect_to, judge_close
from outcrop.client.backoff import Backoff
from outcrop.client.failures import ChatFailed, ClientClosed, GatewayRefused, GatewayUnreachable
from outcrop.client.frames import SERVER_REQUEST_ID, BadFrame, ServerFrame, encode_abort, parse_frame
from outcrop.client.request import Request

SILENT_PINGS = 2.5
OUR_COMPLAINTS = frozenset({1002, 1007, 1009})
"""
Codes with which this side closes the socket where what came is no WebSocket, no UTF-8, or larger than the bound.
"""


class LinkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the bounds of a client's connection.

    `reconnect_seconds` and `reconnect_attempts` bound the reconnecting after a drop; they begin anew when something new
    of an answer came, or when a connection held for `ping_seconds`. `ping_seconds` is the gateway's interval: silence
    of 2.5 times that is a drop.
    """

    reconnect_seconds: float = 60.0
    reconnect_attempts: int = 30
    ping_seconds: float = 15.0
    open_timeout_seconds: float = 10.0
    max_frame_bytes: int = 16 << 20
    max_answer_bytes: int = 32 << 20
    max_waiting_pieces: int = 1024


class Link:
    """
    Keep one connection to a gateway. `open` it once, `aclose` it once.
    """

    def __init__(self, address: Address, options: LinkOptions, *, chance: Callable[[], float] = random.random) -> None:
        self.options = options
        self._address = address
        self._requests: dict[str, Request] = {}
        self._outbox: deque[str] = deque()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._draining = False
        self._not_before = 0.0
        self._backoff = Backoff(
            total_seconds=options.reconnect_seconds, attempts=options.reconnect_attempts, chance=chance
        )

    @property
    def is_connected(self) -> bool:
        """
        Tell whether there is a socket that is not known to have ended.
        """
        return self._socket is not None and self._socket.state is State.OPEN

    async def open(self) -> None:
        """
        Connect for the first time.

        Raises:
            GatewayUnreachable: nobody answers.
            GatewayRefused: the gateway does not let this client in.
        """
        self._socket = await self._connect()
        self._task = asyncio.create_task(self._run(), name="outcrop client")

    async def aclose(self) -> None:
        """
        Send what still waits, close the socket, and end what runs as `ClientClosed`.
        """
        self._closing.set()
        self._wake.set()
        task = self._task
        if task is not None:
            await asyncio.wait([task], timeout=2 * CLOSE_TIMEOUT_SECONDS)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    def begin(self, request: Request) -> None:
        """
        Ask. The request is sent as soon as there is a connection that takes new ones.

        Raises:
            ClientClosed: the client is not open.
        """
        if self._task is None or self._task.done() or self._closing.is_set():
            raise ClientClosed("client_closed", "the client is not open; use it inside `async with`")
        self._requests[request.request_id] = request
        if self._socket is not None and not self._draining:
            self._outbox.extend(request.opening())
        self._wake.set()

    def stop(self, request: Request) -> None:
        """
        Stop a request's answer; its end still comes.
        """
        self._outbox.extend(request.stop())
        self._forget_ended()
        self._wake.set()

    async def _run(self) -> None:
        try:
            while not self._closing.is_set():
                if self._socket is not None:
                    await self._use(self._socket)
                elif self._requests:
                    await self._reconnect()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._fail_all(lambda: ClientClosed("client_closed", "the client was closed before the answer's end"))

    async def _use(self, socket: ClientConnection) -> None:
        """
        Send and receive until the socket ends, or is of no more use.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._outbox.clear()
        for request in self._requests.values():
            self._outbox.extend(request.opening())
        reading = asyncio.create_task(self._read(socket), name="outcrop client reads")
        writing = asyncio.create_task(self._write(socket), name="outcrop client writes")
        try:
            await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
            if not self._closing.is_set():
                # A failed write does not know why the socket ended; the reader will.
                await reading
        finally:
            reading.cancel()
            writing.cancel()
            await asyncio.wait([reading, writing])
            self._socket = None
            self._draining = False
            await socket.close()
        if loop.time() - began >= self.options.ping_seconds:
            self._backoff.reset()
        for request in self._requests.values():
            request.drop()
        self._forget_ended()

    async def _read(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        silence_seconds = SILENT_PINGS * self.options.ping_seconds
        try:
            async with asyncio.timeout(silence_seconds) as watch:
                while not self._is_of_no_more_use():
                    message = await socket.recv()
                    watch.reschedule(loop.time() + silence_seconds)
                    self._take(message)
        except TimeoutError:
            return  # half-open: nobody is there any more
        except ConnectionClosed as error:
            self._explain_close(error)
        except BadFrame as error:
            self._blame(error)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._outbox:
                    await socket.send(self._outbox.popleft())
                if self._closing.is_set():
                    return
                self._wake.clear()
                await self._wake.wait()
        except ConnectionClosed:
            return

    def _is_of_no_more_use(self) -> bool:
        """
        Tell whether nothing runs on a connection whose server is stopping: what runs there is left to end.
        """
        sent = [request for request in self._requests.values() if request.is_sent]
        if any(request.must_move for request in sent):
            self._draining = True
        return self._draining and all(request.must_move for request in sent)

    def _take(self, message: str | bytes) -> None:
        frame = parse_frame(message)
        if frame.request_id == SERVER_REQUEST_ID:
            self._obey(frame)
            return
        request = self._requests.get(frame.request_id)
        if request is None:
            return
        if request.take(frame):
            self._backoff.reset()
        if request.ended:
            self._abandon_failed(request)

    def _abandon_failed(self, request: Request) -> None:
        del self._requests[request.request_id]
        if request.failure is not None and not request.assembly.is_over:
            # It failed on this side: let it not run on unread.
            self._outbox.append(encode_abort(request.request_id))
            self._wake.set()

    def _obey(self, frame: ServerFrame) -> None:
        if frame.event == "draining":
            delay = (frame.retry_after_ms or 0.0) / 1000
            self._not_before = asyncio.get_running_loop().time() + delay
            self._draining = True

    def _explain_close(self, error: ConnectionClosed) -> None:
        refusal = judge_close(error)
        if refusal is not None:
            self._fail_all(_copies_of(refusal))
        elif error.sent is not None and not error.rcvd_then_sent and error.sent.code in OUR_COMPLAINTS:
            self._blame(BadFrame(f"{error.sent.reason or 'a message can not be read'} ({error.sent.code})"))

    def _blame(self, error: BadFrame) -> None:
        for request in self._requests.values():
            if error.request_id in {None, request.request_id}:
                request.blame(error)
        self._forget_ended()

    async def _reconnect(self) -> None:
        loop = asyncio.get_running_loop()
        last: ChatFailed | None = None
        while self._requests and not self._closing.is_set():
            wait_seconds = self._backoff.next_wait(loop.time(), not_before=self._not_before)
            if wait_seconds is None:
                self._give_up(last)
                return
            await self._sleep(wait_seconds)
            if not self._requests or self._closing.is_set():
                return
            try:
                self._socket = await self._connect()
            except GatewayUnreachable as error:
                last = error
            except GatewayRefused as error:
                self._backoff.reset()
                self._fail_all(_copies_of(error))
                return
            else:
                return

    def _give_up(self, last: ChatFailed | None) -> None:
        self._backoff.reset()
        message = last.message if last is not None else "the connection was lost, and could not be held again"

        def make() -> ChatFailed:
            failure = GatewayUnreachable("unreachable", message, retryable=True)
            failure.__cause__ = last.__cause__ if last is not None else None
            return failure

        self._fail_all(make)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _connect(self) -> ClientConnection:
        options = self.options
        return await connect_to(
            self._address, open_timeout_seconds=options.open_timeout_seconds, max_frame_bytes=options.max_frame_bytes
        )

    def _fail_all(self, make: Callable[[], ChatFailed]) -> None:
        for request in self._requests.values():
            request.fail(make())
        self._requests.clear()

    def _forget_ended(self) -> None:
        for request_id in [key for key, request in self._requests.items() if request.ended]:
            del self._requests[request_id]


def _copies_of(error: GatewayRefused) -> Callable[[], GatewayRefused]:
    def make() -> GatewayRefused:
        failure = GatewayRefused(error.code, error.message, status=error.status, body=error.body)
        failure.__cause__ = error.__cause__
        return failure

    return make
