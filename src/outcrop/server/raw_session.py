"""
One raw socket: prompts in order, one turn at a time, each delta written as it is appended.

The session is a reader of its current turn. What it may hold is bounded: waiting prompts by count and size, unsent
bytes by the socket, the conversation (`memory=1`) by `max_conversation_bytes`.
"""

import asyncio
from collections import deque
from typing import Protocol

import msgspec
import structlog

from outcrop.dialects.raw import (
    CLOSE_DRAINING,
    CLOSE_INTERNAL,
    RawOptions,
    parse_prompt,
    text_of,
    to_close,
    to_request,
)
from outcrop.errors import OutcropError, RequestTooLarge, StoreError, TooManyRequests
from outcrop.server.direct import DirectSocket
from outcrop.turns.endings import to_failure
from outcrop.turns.reader import TurnReader
from outcrop.turns.service import Started, TurnService
from outcrop.types import ChatRequest, Message, MessageStop, StreamFailed, TerminalEvent, TextPart

ENTRIES_AT_ONCE = 256
"""
Fewer than that from one `take` means that there is nothing more for now.
"""

logger = structlog.get_logger(__name__)


class StartTurn(Protocol):
    """
    Begin a turn of this socket's owner. See `server.starting.start_turn`.
    """

    async def __call__(self, request: ChatRequest, *, whole: bool, key: str | None) -> Started:
        """
        Begin it.
        """
        ...


class RawLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bound what one raw socket may hold.
    """

    max_prompt_bytes: int
    max_conversation_bytes: int
    max_waiting_prompts: int
    slow_reader_timeout_seconds: float


class RawSession:
    """
    Serve one raw socket. The endpoint makes it the socket's listener, and awaits `run`.
    """

    def __init__(
        self,
        socket: DirectSocket,
        options: RawOptions,
        turns: TurnService,
        limits: RawLimits,
        start: StartTurn,
        *,
        owner: str,
        idempotency_key: str | None = None,
    ) -> None:
        self._socket = socket
        self._options = options
        self._turns = turns
        self._start_turn = start
        self._limits = limits
        self._owner = owner
        self._waiting: deque[str | bytes] = deque()
        self._waiting_size = 0
        self._arrived = asyncio.Event()
        self._history: list[Message] = []
        self._history_size = 0
        self._reader: TurnReader | None = None
        self._binary = False
        self._pieces: list[str] = []
        self._streaming = options.streaming
        self._keep = options.memory or not options.streaming
        self._ended: asyncio.Future[TerminalEvent | None] | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._refusal: OutcropError | None = None
        self._draining = False
        self._idempotency_key = idempotency_key
        self._asked = 0

    async def run(self) -> tuple[int, str] | None:
        """
        Answer prompts until one fails. Returns the close code and reason, or None when the client has left.
        """
        try:
            while True:
                await self._arrived.wait()
                if self._refusal is not None:
                    return to_close(to_failure(self._refusal))
                if self._socket.gone:
                    return None
                if self._draining:
                    return CLOSE_DRAINING, "this server is stopping; connect again in a moment"
                failure = await self._answer(self._next())
                if failure is not None:
                    return to_close(failure)
        except OutcropError as error:
            return to_close(to_failure(error))
        except Exception:
            logger.exception("raw socket failed on an internal error")
            return CLOSE_INTERNAL, "internal error; the server's log has the details"
        finally:
            self._leave()

    def on_message(self, message: str | bytes) -> None:
        """
        Let a prompt wait for its turn. See `Listener`.
        """
        size = len(message) if isinstance(message, bytes) else len(message.encode())
        limits = self._limits
        if size > limits.max_prompt_bytes:
            self._refuse(RequestTooLarge(f"the prompt is {size} bytes, limit is {limits.max_prompt_bytes}"))
        elif len(self._waiting) >= limits.max_waiting_prompts or (
            self._waiting and self._waiting_size + size > 2 * limits.max_prompt_bytes
        ):
            self._refuse(TooManyRequests(f"{len(self._waiting)} prompts wait on this socket; read answers first"))
        else:
            self._waiting.append(message)
            self._waiting_size += size
            self._arrived.set()

    def on_writable(self) -> None:
        """
        Go on writing. See `Listener`.
        """
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        if self._reader is not None:
            self._reader.set_behind(False)
            self._pump()

    def on_gone(self) -> None:
        """
        Stop the running turn: nobody is left to read it. See `Listener`.
        """
        self._leave()
        self._arrived.set()
        self._settle(None)

    def drain(self) -> None:
        """
        Close once the running answer is complete; at once when there is none.
        """
        self._draining = True
        self._arrived.set()

    def _refuse(self, error: OutcropError) -> None:
        self._refusal = error
        self._waiting.clear()
        self._arrived.set()
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _next(self) -> str | bytes:
        message = self._waiting.popleft()
        self._waiting_size -= len(message) if isinstance(message, bytes) else len(message.encode())
        if not self._waiting and not self._draining:
            self._arrived.clear()
        return message

    async def _answer(self, message: str | bytes) -> StreamFailed | None:
        prompt = parse_prompt(message)
        self._binary = isinstance(message, bytes)
        self._pieces = []
        self._check_conversation(prompt)
        request = to_request(self._options, self._history, prompt)
        self._ended = asyncio.get_running_loop().create_future()
        turn_id = await self._start(request)
        self._reader = await self._turns.subscribe(turn_id, owner=self._owner, wake=self._pump)
        try:
            if self._socket.gone or self._refusal is not None:
                return None
            self._pump()
            terminal = await self._ended
        finally:
            self._leave()
        if isinstance(terminal, StreamFailed):
            return terminal
        if terminal is not None:
            self._conclude(prompt)
        return None

    async def _start(self, request: ChatRequest) -> str:
        key = self._idempotency_key
        self._asked += 1
        started = await self._start_turn(
            request, whole=not self._streaming, key=None if key is None else f"{key}:{self._asked}"
        )
        return started.turn_id

    def _pump(self) -> None:
        reader, socket = self._reader, self._socket
        if reader is None:
            return
        while not socket.blocked:
            try:
                entries = reader.take(ENTRIES_AT_ONCE)
            except StoreError as error:
                self._settle(to_failure(error))
                return
            if not entries:
                return
            text = text_of(entries)
            if text:
                if self._keep:
                    self._pieces.append(text)
                if self._streaming:
                    socket.write_message(text.encode(), binary=self._binary)
            last = entries[-1].event
            if type(last) is MessageStop or type(last) is StreamFailed:
                self._settle(last)
                return
            if len(entries) < ENTRIES_AT_ONCE:
                return
        self._fall_behind(reader)

    def _settle(self, terminal: TerminalEvent | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(terminal)

    def _fall_behind(self, reader: TurnReader) -> None:
        reader.set_behind(True)
        if self._slow_timer is None:
            loop = asyncio.get_running_loop()
            self._slow_timer = loop.call_later(self._limits.slow_reader_timeout_seconds, self._socket.abort)

    def _conclude(self, prompt: str) -> None:
        text = "".join(self._pieces)
        if not self._streaming:
            self._socket.write_message(text.encode(), binary=self._binary)
        if self._options.done:
            self._socket.write_message(b"", binary=self._binary)
        if self._options.memory:
            self._history.append(Message("user", (TextPart(text=prompt),)))
            if text.strip():
                self._history.append(Message("assistant", (TextPart(text=text),)))
            self._history_size += len(prompt.encode()) + len(text.encode())

    def _check_conversation(self, prompt: str) -> None:
        size = self._history_size + len(prompt.encode())
        if self._options.memory and size > self._limits.max_conversation_bytes:
            limit = self._limits.max_conversation_bytes
            raise RequestTooLarge(f"the conversation is {size} bytes, limit is {limit}; open a new socket")

    def _leave(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
