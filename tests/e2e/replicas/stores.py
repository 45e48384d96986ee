"""
What happens when Redis dies under live turns, and comes back with its data, or without them.
"""

import asyncio
import random

from tests.e2e.replicas.asks import make_ask
from tests.e2e.replicas.books import Books, Counts, read_turn
from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.load import anywhere, spread, stay
from tests.e2e.replicas.viewer import LOST, Habits, Transcript, watch

TYPED = frozenset({f"lost:{code}" for code in (*LOST, "no_active")})


async def restart_redis(
    cluster: Cluster, seed: int, *, turns: int, words: int, pace: float, keeps: bool, longest_outage: float = 0.8
) -> Counts:
    """
    Kill Redis under live turns and start it again, with its data or without: attached clients lose nothing.

    Answers that had ended before are there again with the data; without them, every position gets a typed answer.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)
    old = await _finish_one(cluster, dice)
    transcripts = [Transcript(make_ask(dice, words)) for _ in range(turns)]
    watching = [asyncio.create_task(watch(one, _attached(cluster, dice))) for one in transcripts]
    await asyncio.gather(*(one.has_begun.wait() for one in transcripts))
    await asyncio.sleep(dice.uniform(0.1, 0.5))
    if not keeps:
        await asyncio.to_thread(cluster.redis.wipe)
    await asyncio.to_thread(cluster.redis.kill)
    await asyncio.sleep(dice.uniform(0.1, longest_outage))
    await asyncio.to_thread(cluster.redis.start)
    seen = await asyncio.gather(*watching)
    unfinished = [one.ending for one in seen if one.ending != "completed"]
    assert not unfinished, f"seed {seed}: clients that stayed attached lost their answers: {unfinished}"
    returning = await _come_back(old, cluster, dice, has_position=not keeps)
    if keeps:
        assert returning.ending == old.ending == "completed", f"seed {seed}: {returning.ending}"
        assert returning.text == old.text, f"seed {seed}: a stored answer changed"
    else:
        assert returning.ending in TYPED, f"seed {seed}: a lost position was answered with {returning.ending}"
        assert returning.text == "", f"seed {seed}: something was shown of an answer that is lost"
        assert await read_turn(cluster.nginx.url, str(old.turn_id)) is None
    return await Books(cluster, seed, can_lose=not keeps).check([old, *seen], reader_url=cluster.nginx.url)


async def drop_while_redis_is_lost(cluster: Cluster, seed: int, *, turns: int, words: int, pace: float) -> Counts:
    """
    Wipe Redis under live turns whose clients drop just then: each goes on exactly, or is told that it can't.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)
    transcripts = [Transcript(make_ask(dice, words)) for _ in range(turns)]
    watching = []
    for transcript in transcripts:
        own = spread(dice)
        drops = iter([dice.randrange(2, words), None, None, None, None])
        watching.append(
            asyncio.create_task(watch(transcript, Habits(pick=anywhere(cluster, own), dice=own, drops=drops)))
        )
    await asyncio.gather(*(one.has_begun.wait() for one in transcripts))
    await asyncio.sleep(dice.uniform(0.1, 0.5))
    await asyncio.to_thread(cluster.redis.wipe)
    await asyncio.to_thread(cluster.redis.restart)
    seen = await asyncio.gather(*watching)
    return await Books(cluster, seed, can_lose=True).check(seen, reader_url=cluster.nginx.url)


def _attached(cluster: Cluster, dice: random.Random) -> Habits:
    return Habits(pick=stay(dice.choice(cluster.urls)), dice=spread(dice))


async def _finish_one(cluster: Cluster, dice: random.Random) -> Transcript:
    return await watch(Transcript(make_ask(dice, 8)), _attached(cluster, dice))


async def _come_back(old: Transcript, cluster: Cluster, dice: random.Random, *, has_position: bool) -> Transcript:
    """
    Ask for an answer whose end was seen: from a position in its middle, or all of it.
    """
    again = Transcript(old.ask)
    again.turn_id, again.epoch = old.turn_id, old.epoch
    again.last_sequence = 3 if has_position else None
    return await watch(again, _attached(cluster, dice))
