"""
Wait for what others do with a turn: for the commit of its question, and for its end.
"""

import asyncio
from collections.abc import Callable

from outcrop.errors import PositionExpired, StoreError, UnknownTurn
from outcrop.turns.ports import Ports
from outcrop.turns.reader import TurnReader

PAUSES_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2)
"""
Waits of who asks again with a key while the first one's question is being committed.
"""


async def wait_until_accepted(turn_id: str, ports: Ports, *, owner: str, runs: Callable[[str], bool]) -> None:
    """
    Wait until a turn can be taken for accepted: one that is kept may be forgotten until its question is committed.

    `runs` tells whether a turn runs in this process.

    Raises:
        PositionExpired: its log is not kept any more.
        StoreError: it is not committed yet.
    """
    try:
        status = await ports.log.status(turn_id, owner=owner)
    except UnknownTurn as error:
        raise PositionExpired("the answer to this idempotency key is not kept any more") from error
    if not status.opening.is_kept:
        return
    for pause_seconds in PAUSES_SECONDS:
        if runs(turn_id) or await ports.ledger.is_accepted(turn_id):
            return
        await asyncio.sleep(pause_seconds)
    raise StoreError("the turn of this idempotency key is not committed yet; try again")


async def ends_within(reader: TurnReader, more: asyncio.Event, seconds: float) -> bool:
    """
    Read a turn to its end, and close the reader; False where the end does not come in time.

    `more` is set by the reader's `wake`.

    Raises:
        StoreError: it can't be read.
    """
    try:
        async with asyncio.timeout(seconds):
            while not reader.ended:
                more.clear()
                if not reader.take():
                    await more.wait()
    except TimeoutError:
        return False
    finally:
        reader.close()
    return True
