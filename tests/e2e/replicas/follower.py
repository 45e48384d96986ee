"""
A reader of the turns API: follows a turn's events from anywhere, drops, and goes on with `Last-Event-ID`.
"""

import asyncio
import random
from collections.abc import Callable

import msgspec

from tests.e2e.replicas.plain_http import data_of, request

TERMINALS = frozenset({"message_stop", "failed"})


class Followed(msgspec.Struct):
    """
    Hold what one reader of the turns API has seen: the text, every sequence number in order, and the last event's type.
    """

    turn_id: str
    text: str = ""
    numbers: list[int] = []
    position: str = ""
    kind: str = ""
    drops: int = 0

    def check(self, stored: str, seed: int) -> None:
        """
        Compare with what is stored, once the turn has ended.

        Raises:
            AssertionError: something differs.
        """
        assert self.text == stored, f"seed {seed}: a reader of turn {self.turn_id} saw another text than is stored"
        gapless = list(range(1, len(self.numbers) + 1))
        assert self.numbers == gapless, f"seed {seed}: a reader of turn {self.turn_id} saw {self.numbers[:50]}"


async def follow(turn_id: str, pick: Callable[[], str], dice: random.Random, *, seconds: float = 60) -> Followed:
    """
    Read a turn's events to the end, with drops after a few of them, each connection somewhere else.

    Raises:
        TimeoutError: it took too long.
    """
    followed = Followed(turn_id)
    async with asyncio.timeout(seconds):
        while followed.kind not in TERMINALS:
            try:
                await _follow_once(followed, pick(), left=dice.randrange(2, 20))
            except (OSError, asyncio.IncompleteReadError, ValueError):
                await asyncio.sleep(dice.uniform(0.02, 0.2))
            followed.drops += 1
    return followed


async def _follow_once(followed: Followed, url: str, *, left: int) -> None:
    headers = {"Last-Event-ID": followed.position} if followed.position else {}
    async with request("GET", f"{url}/api/turns/{followed.turn_id}/events", headers=headers) as response:
        assert response.status == 200, f"turn {followed.turn_id}: status {response.status}"
        events = response.events()
        try:
            async for event in events:
                followed.position = event["id"]
                followed.numbers.append(int(event["id"].rpartition(":")[2]))
                followed.kind = event["event"]
                followed.text += str(data_of(event).get("text", ""))
                left -= 1
                if left == 0 or followed.kind in TERMINALS:
                    return
        finally:
            await events.aclose()
