"""
How a turn of this replica ends: what is pending and the terminal event are written together, in one atomic step.
"""

import asyncio
from collections.abc import Callable

import msgspec

from outcrop.errors import LeaseLost, StoreError
from outcrop.turns.records import TurnSummary, state_after
from outcrop.turns.redis.codec import encode_batch, encode_summary
from outcrop.turns.redis.connection import RedisLink
from outcrop.turns.redis.keys import digest
from outcrop.turns.redis.scripts import FINALIZE
from outcrop.turns.redis.writer import OwnTurn, Writer
from outcrop.turns.sizes import weigh
from outcrop.types import LogEntry, TerminalEvent


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how long final logs stay, and how many bytes they may take together.
    """

    seconds: int
    max_bytes: int


class Closer:
    """
    Write the ends of turns.

    Args:
        link: Redis.
        writer: what commits the turns' events; it may be sending some.
        replica: this life of the replica.
        retention: what becomes of final logs.
        outage_seconds: how long an end is tried to be written.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        link: RedisLink,
        writer: Writer,
        replica: str,
        *,
        retention: Retention,
        outage_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._link = link
        self._writer = writer
        self._replica = replica
        self._retention = retention
        self._outage_seconds = outage_seconds
        self._clock = clock

    async def close(self, turn: OwnTurn, terminal: TerminalEvent, summary: TurnSummary) -> None:
        """
        Write what is left and the terminal event, then give them to the readers.

        Raises:
            LeaseLost: another replica has the turn.
            StoreError: Redis could not be reached for `outage_seconds`.
        """
        turn.is_closing = True
        try:
            async with asyncio.timeout(self._outage_seconds):
                if turn.is_sending:
                    turn.settled = asyncio.get_running_loop().create_future()
                    await turn.settled
                turn.pending.append(terminal)
                turn.size += weigh(terminal)
                turn.number()
                await self._write(turn, terminal, summary)
        except TimeoutError:
            raise StoreError(
                f"the turn log (Redis) could not be reached for {self._outage_seconds:g} s; the answer's end is lost"
            ) from None

    async def _write(self, turn: OwnTurn, terminal: TerminalEvent, summary: TurnSummary) -> None:
        ended_at = self._clock()
        while True:
            entries = turn.unsent
            answer = await self._finalize(turn, entries, terminal, summary, ended_at)
            what, last_seq = bytes(answer[0]), int(answer[1])
            if what == b"ok":
                turn.acked_seq, turn.unsent = entries[-1].seq, []
                turn.mirror.offer(entries, summary, ended_at)
                return
            if what == b"lost":
                raise LeaseLost(f"turn {turn.lease.turn_id!r} was taken over by another replica")
            await self._writer.repair(turn, last_seq if what == b"mismatch" else None)
            # Where the turn is another's, the next attempt is told so.

    async def _finalize(
        self,
        turn: OwnTurn,
        entries: list[LogEntry],
        terminal: TerminalEvent,
        summary: TurnSummary,
        ended_at: float,
    ) -> list[bytes | int]:
        opening, lease = turn.opening, turn.lease
        answer: list[bytes | int] = await self._link.insist(
            FINALIZE,
            lease.turn_id,
            lease.token,
            turn.acked_seq,
            entries[-1].seq,
            turn.size,
            encode_batch(turn.mirror.epoch, entries, summary, ended_at),
            state_after(terminal),
            encode_summary(summary),
            repr(ended_at),
            self._retention.seconds,
            self._retention.max_bytes,
            digest(opening.owner, opening.chat_id) if opening.chat_id is not None else "",
            self._replica,
            seconds=self._outage_seconds,
        )
        return answer
