"""
A finished answer as it is kept: what its log has, and not what some part of the server remembers.
"""

import asyncio

from outcrop.errors import StoreError
from outcrop.turns.fold import merge_deltas
from outcrop.turns.ports import Ports
from outcrop.turns.records import KeptAnswer, TurnOpening, TurnSummary
from outcrop.types import StreamEvent, TerminalEvent

READ_SECONDS = 30.0


async def read_events(ports: Ports, opening: TurnOpening, last_seq: int) -> list[StreamEvent]:
    """
    Read a log from its beginning to a position that it has.

    Raises:
        StoreError: it can't be read.
    """
    more = asyncio.Event()
    events: list[StreamEvent] = []
    subscription = await ports.log.subscribe(opening.turn_id, owner=opening.owner, wake=more.set)
    try:
        async with asyncio.timeout(READ_SECONDS):
            while len(events) < last_seq:
                more.clear()
                taken = subscription.take()
                events += [entry.event for entry in taken]
                if not taken and len(events) < last_seq:
                    await more.wait()
    except TimeoutError:
        raise StoreError(f"the log of turn {opening.turn_id!r} could not be read in {READ_SECONDS:g} s") from None
    finally:
        subscription.close()
    return events


def to_kept(events: list[StreamEvent], terminal: TerminalEvent, summary: TurnSummary) -> KeptAnswer:
    """
    Make the answer that is kept of a log, which may have its terminal event already.
    """
    whole = events if events and isinstance(events[-1], TerminalEvent) else [*events, terminal]
    return KeptAnswer(events=tuple(merge_deltas(whole)), summary=summary)
