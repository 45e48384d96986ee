"""
One socket of the Responses dialect: lanes beside each other, the requests of one lane in their order.

What it may hold is bounded: requests by count and size, lanes that are remembered by count, unsent bytes by the socket.
A disconnect stops nothing that is stored: those responses run on for the grace time, and are found over HTTP.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from outcrop.dialects.chat.replies import (
    CLOSE_DRAINING,
    CLOSE_NOT_ALLOWED,
    CLOSE_NOT_AUTHENTICATED,
    CLOSE_TOO_LARGE,
    CLOSE_TOO_MANY,
    CLOSE_TOO_SLOW,
    TOO_SLOW_REASON,
)
from outcrop.dialects.openai.errors import Failure
from outcrop.dialects.openai.responses_socket import (
    SOCKET_LIMIT,
    ResponseCreate,
    encode_socket_error,
    encode_steer_failed,
    find_lane,
    parse_client_event,
)
from outcrop.dialects.raw import CLOSE_INTERNAL, shorten_reason
from outcrop.errors import NotAllowed, NotAuthenticated, OutcropError, TooManyRequests
from outcrop.server.direct import DirectSocket
from outcrop.server.openai_lane import LaneMemory, LaneWriter, SlowReader, answer_on_lane
from outcrop.server.services import Services

CLOSE_NORMAL = 1000

logger = structlog.get_logger(__name__)


class ResponsesLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bound what one socket may hold: requests that wait or run by count and size, errors that nobody reads, its age.
    """

    max_frame_bytes: int
    max_waiting_bytes: int
    max_seconds: float
    max_waiting: int = 64
    max_unread_errors: int = 256


class _Asked(msgspec.Struct, frozen=True):
    create: ResponseCreate
    owner: str
    size: int


class ResponsesSession:
    """
    Serve one socket. The endpoint makes it the socket's listener, and awaits `run`.

    Args:
        socket: where events go.
        services: the parts of the server.
        limits: what it may hold.
        identify: finds the principal's ID with the rights of this moment; raises `NotAuthenticated`, `NotAllowed`.
        conversation_id: where its turns are kept. See `start_turn`.
    """

    def __init__(
        self,
        socket: DirectSocket,
        services: Services,
        limits: ResponsesLimits,
        identify: Callable[[], str],
        *,
        conversation_id: str | None = None,
    ) -> None:
        self._socket = socket
        self._conversation_id = conversation_id
        self._services = services
        self._limits = limits
        self._identify = identify
        self._loop = asyncio.get_running_loop()
        self._writer = LaneWriter(socket, services.settings.slow_reader_timeout_seconds)
        self._memory = LaneMemory()
        self._lanes: dict[str | None, deque[_Asked]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread_errors = 0
        self._draining = False
        self._ended: asyncio.Future[tuple[int, str] | None] = self._loop.create_future()

    async def run(self) -> tuple[int, str] | None:
        """
        Serve until the socket ends. Returns the close code and reason, or None when the client has left.
        """
        expiry = self._loop.call_later(self._limits.max_seconds, self._expire)
        try:
            return await self._ended
        finally:
            expiry.cancel()
            # A turn that is beginning begins: `TurnService.start` sees to that. Then nobody follows it here.
            for task in self._tasks:
                task.cancel()
            while self._tasks:
                await asyncio.wait(self._tasks)

    def on_message(self, message: str | bytes) -> None:
        """
        Take one event. See `Listener`.
        """
        if self._ended.done():
            return
        size = len(message) if isinstance(message, bytes) else len(message.encode())
        if size > self._limits.max_frame_bytes:
            self._close(CLOSE_TOO_LARGE, f"the event is {size} bytes, limit is {self._limits.max_frame_bytes}")
            return
        try:
            owner = self._identify()
            asked = parse_client_event(message)
            if isinstance(asked, ResponseCreate):
                self._check_room(size)
                self._ask(_Asked(asked, owner, size))
            else:
                self._tell(encode_steer_failed(asked))
        except NotAuthenticated as error:
            self._close(CLOSE_NOT_AUTHENTICATED, error.message)
        except NotAllowed as error:
            self._close(CLOSE_NOT_ALLOWED, error.message)
        except OutcropError as error:
            self._refuse(error, find_lane(message))

    def on_writable(self) -> None:
        """
        Go on writing. See `Listener`.
        """
        self._unread_errors = 0
        self._writer.on_writable()

    def on_gone(self) -> None:
        """
        Leave the turns to their grace time. See `Listener`.
        """
        if not self._ended.done():
            self._ended.set_result(None)

    def drain(self) -> None:
        """
        Close once the running answers are complete; at once when there are none.
        """
        self._draining = True
        self._close_if_drained()

    def _check_room(self, size: int) -> None:
        waiting = [asked for lane in self._lanes.values() for asked in lane]
        if len(waiting) >= self._limits.max_waiting:
            raise TooManyRequests(f"{len(waiting)} requests wait on this socket, which is the limit; read them first")
        if sum(asked.size for asked in waiting) + size > self._limits.max_waiting_bytes:
            raise TooManyRequests("too many long requests wait on this socket; send them one by one")

    def _ask(self, asked: _Asked) -> None:
        name = asked.create.stream_id
        if name in self._lanes:
            self._lanes[name].append(asked)
            return
        lane = self._lanes[name] = deque([asked])
        task = self._loop.create_task(self._serve(name, lane), name="lane of a responses socket")
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    async def _serve(self, name: str | None, lane: deque[_Asked]) -> None:
        """
        Answer a lane's requests one by one. The first one stays in the lane while it runs, so that it counts.
        """
        try:
            while lane:
                asked = lane[0]
                try:
                    await answer_on_lane(
                        self._services,
                        self._writer,
                        self._memory,
                        asked.create,
                        owner=asked.owner,
                        conversation_id=self._conversation_id,
                    )
                except OutcropError as error:
                    self._refuse(error, name)
                lane.popleft()
        except SlowReader:
            self._close(CLOSE_TOO_SLOW, TOO_SLOW_REASON)
        finally:
            del self._lanes[name]

    def _refuse(self, failure: Failure, name: str | None) -> None:
        self._tell(encode_socket_error(failure, name))

    def _tell(self, event: str) -> None:
        if self._socket.blocked:
            self._unread_errors += 1
            if self._unread_errors > self._limits.max_unread_errors:
                self._close(CLOSE_TOO_MANY, "too many events were sent and no answer was read")
                return
        self._writer.write([event])

    def _expire(self) -> None:
        self._tell(encode_socket_error(SOCKET_LIMIT))
        self._close(CLOSE_NORMAL, SOCKET_LIMIT.message)

    def _close(self, code: int, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result((code, shorten_reason(reason)))

    def _close_if_drained(self) -> None:
        if self._draining and not self._lanes:
            self._close(CLOSE_DRAINING, "this server is stopping; connect again in a moment")

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("request on a responses socket failed on an internal error", exc_info=error)
            self._close(CLOSE_INTERNAL, "internal error; the server's log has the details")
        self._close_if_drained()
