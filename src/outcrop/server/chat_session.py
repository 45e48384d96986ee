"""
One chat socket: many requests at once, each the reader of its turn, sharing one socket fairly.

What it may hold is bounded: requests by count, frames whose turns have not begun by size, unsent bytes by the socket,
frames that answer a client which reads nothing by count. A disconnect stops nothing: turns run on for the grace time.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import msgspec
import structlog

from outcrop.dialects.chat.frames import ClientFrame, ResumeRequest, parse_frame, to_resume, to_turn
from outcrop.dialects.chat.replies import (
    CLOSE_DRAINING,
    CLOSE_INVALID,
    CLOSE_NOT_ALLOWED,
    CLOSE_NOT_AUTHENTICATED,
    CLOSE_TOO_LARGE,
    CLOSE_TOO_MANY,
    CLOSE_TOO_SLOW,
    PING,
    TOO_SLOW_REASON,
    encode_conversation_changed,
    encode_draining,
    encode_error,
    encode_no_active,
)
from outcrop.dialects.chat.turn import ChatTurn
from outcrop.dialects.raw import CLOSE_INTERNAL, shorten_reason
from outcrop.errors import ChatBusy, NotAllowed, NotAuthenticated, OutcropError, RequestError, TooManyRequests
from outcrop.history.news import Hear
from outcrop.http.unread import count_unsent
from outcrop.server.chat_run import ChatRun, find_to_resume
from outcrop.server.direct import DirectSocket
from outcrop.server.idempotency import check_idempotency_key
from outcrop.turns.endings import to_failure
from outcrop.turns.service import Started, TurnService

MAX_UNHEARD = 1000
"""
How many changed chats are remembered for a client that reads nothing.
"""

logger = structlog.get_logger(__name__)


class StartChat(Protocol):
    """
    Begin a turn of a chat. See `server.starting.start_chat`.
    """

    async def __call__(self, turn: ChatTurn, *, owner: str, key: str | None) -> Started:
        """
        Begin it.
        """
        ...


class ChatLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bound what one chat socket may hold.

    Attributes:
        max_frame_bytes: longest frame of a client.
        max_running: requests that may run at once.
        max_starting_bytes: size of the frames whose turns have not begun yet.
        max_unread_frames: refusals that may be written while the client reads nothing.
        drain_spread_ms: clients are told to come back within this time, spread evenly.
    """

    max_frame_bytes: int
    max_starting_bytes: int
    slow_reader_timeout_seconds: float
    grace_seconds: float
    max_running: int = 64
    max_unread_frames: int = 256
    ping_seconds: float = 15.0
    drain_spread_ms: int = 5_000


class ChatSession:
    """
    Serve one chat socket. The endpoint makes it the socket's listener, and awaits `run`.

    Args:
        start: begins a turn, and has it kept.
        subscribe: lets the session hear of the owner's conversations; returns what ends that.
        identify: finds the principal's ID with the rights of this moment; raises `NotAuthenticated`, `NotAllowed`.
    """

    def __init__(
        self,
        socket: DirectSocket,
        turns: TurnService,
        start: StartChat,
        subscribe: Callable[[Hear], Callable[[], None]],
        limits: ChatLimits,
        identify: Callable[[], str],
    ) -> None:
        self._socket = socket
        self._start = start
        self._subscribe = subscribe
        self._turns = turns
        self._limits = limits
        self._identify = identify
        self._loop = asyncio.get_running_loop()
        self._runs: dict[str, ChatRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[ChatRun] = deque()
        self._next_step: asyncio.Handle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0
        self._unread_frames = 0
        self._unheard: dict[str, None] = {}
        self._draining = False
        self._ended: asyncio.Future[tuple[int, str] | None] = self._loop.create_future()
        self._ping_timer: asyncio.TimerHandle | None = None

    async def run(self) -> tuple[int, str] | None:
        """
        Serve until the socket ends. Returns the close code and reason, or None when the client has left.
        """
        self._ping_timer = self._loop.call_later(self._limits.ping_seconds, self._ping)
        stop_hearing = self._subscribe(self._hear)
        try:
            return await self._ended
        finally:
            stop_hearing()
            for handle in (self._ping_timer, self._slow_timer, self._next_step):
                if handle is not None:
                    handle.cancel()
            await self._leave()

    def on_message(self, message: str | bytes) -> None:
        """
        Take one frame. See `Listener`.
        """
        if self._ended.done():
            return
        size = len(message) if isinstance(message, bytes) else len(message.encode())
        if size > self._limits.max_frame_bytes:
            self._close(CLOSE_TOO_LARGE, f"the frame is {size} bytes, limit is {self._limits.max_frame_bytes}")
            return
        try:
            frame = parse_frame(message)
        except RequestError as error:
            self._close(CLOSE_INVALID, error.message)
            return
        if frame.kind == "abort":
            self._abort(frame.request_id)
        else:
            self._begin(frame, size)

    def on_writable(self) -> None:
        """
        Go on writing. See `Listener`.
        """
        self._unread_frames = 0
        unheard, self._unheard = self._unheard, {}
        for chat_id in unheard:
            self._hear(chat_id)
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        self._schedule()

    def on_gone(self) -> None:
        """
        Leave the turns to their grace time. See `Listener`.
        """
        if not self._ended.done():
            self._ended.set_result(None)

    def drain(self) -> None:
        """
        Tell the client to come back, and close once its turns have ended.
        """
        self._draining = True
        self._write(encode_draining(secrets.randbelow(self._limits.drain_spread_ms) + 1))
        self._close_if_drained()

    def queue(self, run: ChatRun) -> None:
        """
        Let a run wait for its next piece. See `RunOutlet`.
        """
        self._waiting.append(run)
        self._schedule()

    def finish(self, run: ChatRun, last_frame: bytes) -> None:
        """
        Send a run's last frame, and forget it. See `RunOutlet`.
        """
        run.close()
        if self._runs.get(run.request_id) is run:
            del self._runs[run.request_id]
        self._write(last_frame)
        self._close_if_drained()

    def refuse(self, run: ChatRun, error: OutcropError) -> None:
        """
        End a run with an error frame. See `RunOutlet`.
        """
        self.finish(run, _encode_refusal(run.request_id, error))

    def _begin(self, frame: ClientFrame, size: int) -> None:
        if frame.request_id in self._runs:
            self._close(CLOSE_INVALID, "the requestId is in use by a request that still runs")
            return
        try:
            owner = self._identify()
            self._check_room(size)
        except NotAuthenticated as error:
            self._close(CLOSE_NOT_AUTHENTICATED, error.message)
            return
        except NotAllowed as error:
            self._close(CLOSE_NOT_ALLOWED, error.message)
            return
        except OutcropError as error:
            self._write(_encode_refusal(frame.request_id, error))
            return
        is_resume = frame.kind == "resume"
        run = ChatRun(frame.request_id, self._socket, self, is_resume=is_resume, message_bytes=size)
        self._runs[frame.request_id] = run
        self._own(self._resume(run, frame, owner) if is_resume else self._send(run, frame, owner))

    def _check_room(self, size: int) -> None:
        limits = self._limits
        if len(self._runs) >= limits.max_running:
            raise TooManyRequests(f"{len(self._runs)} requests run on this socket, which is the limit; read them first")
        if sum(run.message_bytes for run in self._runs.values()) + size > limits.max_starting_bytes:
            raise TooManyRequests("too many long requests wait to begin on this socket; send them one by one")

    async def _send(self, run: ChatRun, frame: ClientFrame, owner: str) -> None:
        try:
            turn = to_turn(frame)
            key = None if turn.idempotency_key is None else check_idempotency_key(turn.idempotency_key)
            started = await self._start(turn, owner=owner, key=key)
            run.turn_id = started.turn_id
            if run.is_aborted:
                await self._turns.stop(started.turn_id, owner=owner)
            await run.follow(self._turns, started.turn_id, owner=owner)
        except OutcropError as error:
            self.refuse(run, error)

    async def _resume(self, run: ChatRun, frame: ClientFrame, owner: str) -> None:
        try:
            wanted = to_resume(frame)
            run.skip = wanted.skip
            turn_id = wanted.turn_id or await self._find_turn(wanted, owner)
            if turn_id is None:
                self.finish(run, encode_no_active(run.request_id))
                return
            run.turn_id = turn_id
            if run.is_aborted:
                await self._turns.stop(turn_id, owner=owner)
            await run.follow(self._turns, turn_id, owner=owner, epoch=wanted.epoch)
        except OutcropError as error:
            self.refuse(run, error)

    async def _find_turn(self, wanted: ResumeRequest, owner: str) -> str | None:
        status = await find_to_resume(
            self._turns, wanted.chat_id, owner=owner, grace_seconds=self._limits.grace_seconds, now=time.time()
        )
        return None if status is None else status.turn_id

    def _abort(self, request_id: str) -> None:
        run = self._runs.get(request_id)
        if run is None or run.is_aborted:
            return
        try:
            owner = self._identify()
        except OutcropError as error:
            self._close(CLOSE_NOT_AUTHENTICATED, error.message)
            return
        run.is_aborted = True
        if run.turn_id is not None:
            self._own(self._stop(run.turn_id, owner))

    async def _stop(self, turn_id: str, owner: str) -> None:
        try:
            await self._turns.stop(turn_id, owner=owner)
        except OutcropError as error:
            logger.warning("turn could not be stopped", turn_id=turn_id, code=error.code)

    def _schedule(self) -> None:
        if not self._waiting:
            return
        if self._socket.blocked:
            self._watch_slowness()
        elif self._next_step is None:
            self._next_step = self._loop.call_soon(self._step)

    def _step(self) -> None:
        # One piece of one run for each turn of the event loop: a long replay delays nobody.
        self._next_step = None
        if self._waiting and not self._socket.blocked:
            self._waiting.popleft().go_on()
        self._schedule()

    def _write(self, frame: bytes) -> None:
        if self._socket.blocked:
            self._unread_frames += 1
            if self._unread_frames > self._limits.max_unread_frames:
                self._close(CLOSE_TOO_MANY, "too many frames were sent and no answer was read")
                return
        self._socket.write_message(frame, binary=False)

    def _watch_slowness(self) -> None:
        if self._slow_timer is None:
            self._unsent_bytes = count_unsent(self._socket.transport)
            self._slow_timer = self._loop.call_later(self._limits.slow_reader_timeout_seconds, self._cut_if_stuck)

    def _cut_if_stuck(self) -> None:
        self._slow_timer = None
        if count_unsent(self._socket.transport) < self._unsent_bytes:
            # It reads, if slowly.
            self._watch_slowness()
            return
        self._close(CLOSE_TOO_SLOW, TOO_SLOW_REASON)

    def _hear(self, chat_id: str) -> None:
        """
        Say that a chat was changed; once, however often it was while the client did not read.
        """
        try:
            self._identify()
        except OutcropError as error:
            self._close(CLOSE_NOT_AUTHENTICATED, error.message)
            return
        if not self._socket.blocked:
            self._write(encode_conversation_changed(chat_id))
        elif len(self._unheard) < MAX_UNHEARD:
            self._unheard[chat_id] = None

    def _ping(self) -> None:
        self._ping_timer = self._loop.call_later(self._limits.ping_seconds, self._ping)
        if not self._socket.blocked:
            self._write(PING)

    def _close(self, code: int, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result((code, shorten_reason(reason)))

    def _close_if_drained(self) -> None:
        if self._draining and not self._runs:
            self._close(CLOSE_DRAINING, "this server is stopping; connect again in a moment")

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("chat request failed on an internal error", exc_info=error)
            self._close(CLOSE_INTERNAL, "internal error; the server's log has the details")

    async def _leave(self) -> None:
        # A turn that is beginning begins, and is stopped if that was asked for; then nobody follows it here.
        while self._tasks:
            await asyncio.wait(self._tasks)
        for run in self._runs.values():
            run.close()
        self._runs.clear()
        self._waiting.clear()


def _encode_refusal(request_id: str, error: OutcropError) -> bytes:
    turn_id = error.turn_id if isinstance(error, ChatBusy) else None
    return encode_error(request_id, to_failure(error), turn_id=turn_id)
