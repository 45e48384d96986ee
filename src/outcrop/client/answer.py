"""
One answer, as it comes and as a whole.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import msgspec

from outcrop.client.link import Link
from outcrop.client.pieces import Piece, Usage
from outcrop.client.request import Request


class WholeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a whole answer, or what came of one that was stopped (`stop_reason` is then `stopped`).

    What the gateway did not say is None. Times are in milliseconds, the cost is in USD at list price.
    """

    text: str
    parts: tuple[Piece, ...]
    stop_reason: str | None = None
    usage: Usage | None = None
    turn_id: str | None = None
    model: str | None = None
    region: str | None = None
    ttft_ms: float | None = None
    duration_ms: float | None = None
    cost_usd: float | None = None


class Answer(AsyncIterator[Piece]):
    """
    Iterate over the pieces of one answer, in one task. It goes on arriving whether or not it is read.

    Leaving the iteration does not stop it: `stop` does. Pieces that wait are joined where they belong together.

    Raises:
        ChatFailed: from the iteration and from `whole`, after the last piece, where the answer failed.
    """

    def __init__(self, request: Request, link: Link) -> None:
        self._request = request
        self._link = link
        self._changed = asyncio.Event()
        request.on_change = self._changed.set

    @property
    def is_over(self) -> bool:
        """
        Tell whether all of it has come, or it has failed.
        """
        return self._request.ended

    @property
    def text_so_far(self) -> str:
        """
        The text that has come, taken or not.
        """
        return self._request.assembly.text

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        request = self._request
        while (piece := request.pieces.take()) is None:
            if request.failure is not None:
                raise request.failure
            if request.ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return piece

    async def whole(self) -> WholeAnswer:
        """
        Wait for the end, and return the whole answer, whatever of it was iterated over before.
        """
        async for _ in self:
            pass
        assembly = self._request.assembly
        told = _read(assembly.metadata)
        return WholeAnswer(
            text=assembly.text,
            parts=assembly.parts,
            stop_reason="stopped" if assembly.aborted else told.stop_reason or assembly.finish_reason,
            usage=told.usage,
            turn_id=told.turn_id,
            model=told.model,
            region=told.region,
            ttft_ms=told.ttft_ms,
            duration_ms=told.duration_ms,
            cost_usd=told.cost_usd,
        )

    async def stop(self) -> None:
        """
        Stop the answer at the gateway. Returns at once; what was made until then still comes, and then the end.

        Without a connection the gateway is told with the next one. An answer that is over stays as it is.
        """
        self._link.stop(self._request)


class _Told(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    stop_reason: str | None = None
    usage: Usage | None = None
    turn_id: str | None = None
    model: str | None = None
    region: str | None = None
    ttft_ms: float | None = None
    duration_ms: float | None = None
    cost_usd: float | None = None


def _read(metadata: dict[str, Any]) -> _Told:
    try:
        return msgspec.convert(metadata, _Told)
    except msgspec.ValidationError:
        # Another server's metadata of the same names: the answer is whole without them.
        return _Told()
