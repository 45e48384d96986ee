"""
An answer that is still being said: the families' writers read it like any other, and never run ahead of the engine.

A writer takes at most one piece for each message that it makes. So before every message `advance` waits until the next
piece is there, or the end; then the writer, which can't wait, needs not.
"""

from collections import deque
from collections.abc import Iterator
from typing import cast

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Block, StopReason
from outcrop.emulator.engine.chat import Chunk, EngineFailed, EventDecoder
from outcrop.emulator.peer import PeerAnswer, PeerFailed
from outcrop.emulator.sending.line import Line
from outcrop.emulator.speech.tokens import count_tokens


class _LivePieces:
    """
    Give the pieces as they come; `advance` sees to it that one is there.
    """

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self.has_ended = False

    def __iter__(self) -> Iterator[str]:
        while self.waiting:
            yield self.waiting.popleft()
        assert self.has_ended, "a writer ran ahead of the engine"


class EngineSpeech:
    """
    Hold one answer of an engine. `answer` is complete, and plain, when `has_ended`.

    Until then its blocks can be read once, and its counts are estimates. `aclose` must be called.
    """

    def __init__(self, ask: Ask, digest: bytes, peer_answer: PeerAnswer, line: Line, idle_seconds: float) -> None:
        self._peer_answer = peer_answer
        self._line = line
        self._idle_seconds = idle_seconds
        self._decoder = EventDecoder()
        self._failure: EngineFailed | None = None
        self._live = _LivePieces()
        self._said: list[str] = []
        self._ending: tuple[StopReason, str | None] | None = None
        block = Block(kind="text", pieces=cast("tuple[str, ...]", self._live))
        self.answer = Answer(
            blocks=(block,),
            stop_reason="end_turn",
            stop_sequence=None,
            input_tokens=ask.input_tokens,
            output_tokens=0,
            digest=digest,
            tells_stop_sequence=ask.tells_stop_sequence,
            latency=ask.latency,
            tier=ask.tier,
        )
        self._input_tokens: int | None = None
        self._output_tokens: int | None = None

    @property
    def has_ended(self) -> bool:
        """
        Whether the engine has said all.
        """
        return self._live.has_ended

    async def advance(self) -> None:
        """
        Wait until the next piece is there, or the end.

        Raises:
            ClientGone: the client went meanwhile.
            EngineFailed: the engine failed, broke off, or is silent for too long.
        """
        while not self._live.waiting and not self._live.has_ended:
            await self._read()

    async def read_all(self) -> None:
        """
        Wait until the engine has said all.

        Raises:
            ClientGone: the client went meanwhile.
            EngineFailed: the engine failed, broke off, or is silent for too long.
        """
        while not self._live.has_ended:
            await self._read()

    async def aclose(self) -> None:
        """
        Close the engine's connection at once: it stops where it is.
        """
        await self._peer_answer.aclose()

    async def _read(self) -> None:
        """
        Take what comes next. A failure waits until what was said before it has gone out.
        """
        if self._failure is not None:
            raise self._failure
        try:
            parts = await self._line.wait_for(self._peer_answer.read(), self._idle_seconds)
        except (PeerFailed, TimeoutError) as error:
            raise EngineFailed(f"the engine broke off: {error}") from error
        for part in parts:
            for chunk in self._decoder.feed(part):
                self._take(chunk)
            self._failure = self._failure or self._decoder.failure
        if self._failure is not None or (parts and not self._decoder.is_done):
            return
        if self._ending is None and not self._decoder.is_done:
            raise EngineFailed("the engine's answer has no end")
        self._end()

    def _take(self, chunk: Chunk) -> None:
        if chunk.text:
            self._live.waiting.append(chunk.text)
            self._said.append(chunk.text)
        self._ending = self._ending or chunk.ending
        if chunk.usage is not None:
            self._input_tokens = chunk.usage.prompt_tokens
            self._output_tokens = chunk.usage.completion_tokens

    def _end(self) -> None:
        """
        Make the answer what it would be if it had been known from the start; writers read its end from here.
        """
        stop_reason, stop_sequence = self._ending or ("end_turn", None)
        estimate = count_tokens("".join(self._said))
        final = {
            "blocks": (Block(kind="text", pieces=tuple(self._said)),),
            "stop_reason": stop_reason,
            "stop_sequence": stop_sequence,
            "output_tokens": estimate if self._output_tokens is None else self._output_tokens,
        }
        if self._input_tokens is not None:
            final["input_tokens"] = self._input_tokens
        for name, value in final.items():
            msgspec.structs.force_setattr(self.answer, name, value)
        self._live.has_ended = True
