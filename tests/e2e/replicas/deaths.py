"""
What happens when a replica dies, or is frozen and thawed: its turns end, all others go on.
"""

import asyncio
import random
import time
from collections.abc import Sequence

import msgspec

from tests.e2e.replicas.asks import make_ask
from tests.e2e.replicas.books import Books, Counts, read_turn, to_seconds, wait_for_end
from tests.e2e.replicas.cluster import LEASE_SECONDS, Cluster, Replica
from tests.e2e.replicas.load import Load, ask_directly, spread, stay
from tests.e2e.replicas.viewer import Habits, Transcript, watch

SEAL_SECONDS = 2.0
"""
How long after the lease a dead replica's turns have their end, at most.
"""

INTERRUPTED = "failed:interrupted"


class Deaths(msgspec.Struct, kw_only=True):
    """
    Count what deaths did, besides the books.

    `sealed_after` is, for each interrupted turn, how long after the death its end was written.
    """

    counts: Counts
    kills: int
    interrupted: int
    sealed_after: list[float]


async def kill_again_and_again(
    cluster: Cluster, seed: int, *, kills: int, live: int, words: int, pace: float
) -> Deaths:
    """
    Kill a replica at random moments, and start it again; only its own turns are interrupted, and soon.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)
    load = Load(
        dice, lambda own: Habits(pick=ask_directly(cluster, own), dice=own, replays=0.2), live=live, words=words
    )
    load.start()
    doomed: dict[str, float] = {}
    killed_at: list[float] = []
    try:
        for _ in range(kills):
            await asyncio.sleep(dice.uniform(0.5, 1.5))
            victim = dice.choice(cluster.replicas)
            victim.kill()
            killed_at.append(time.time())
            mine = [one for one in load.transcripts if one.ending is None and victim.url in one.asked]
            doomed |= {one.ask.canary: killed_at[-1] for one in mine}
            await asyncio.to_thread(victim.start)
            await _wait_until_over(mine)
        seen = await load.stop()
    finally:
        await load.cancel()
    books = Books(cluster, seed)
    books.deaths = killed_at
    counts = await books.check(seen, reader_url=dice.choice(cluster.urls))
    return await _judge(cluster, seed, seen, doomed, counts, kills)


async def kill_all(cluster: Cluster, seed: int, *, turns: int, words: int, pace: float) -> Counts:
    """
    Kill all replicas at once: the first that starts again ends the turns, after a lease of its own.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)
    transcripts = [Transcript(make_ask(dice, words)) for _ in range(turns)]
    habits = (Habits(pick=ask_directly(cluster, own), dice=own) for own in (spread(dice) for _ in transcripts))
    watching = [asyncio.create_task(watch(one, its)) for one, its in zip(transcripts, habits, strict=True)]
    await asyncio.gather(*(one.has_begun.wait() for one in transcripts))
    for replica in cluster.replicas:
        replica.kill()
    await asyncio.to_thread(cluster.replicas[0].start)
    began = time.time()
    try:
        seen = await asyncio.gather(*watching)
        assert time.time() - began <= LEASE_SECONDS + SEAL_SECONDS + 2, f"seed {seed}: the ends came late"
        assert all(one.ending == INTERRUPTED for one in seen), f"seed {seed}: {[one.ending for one in seen]}"
        return await Books(cluster, seed).check(seen, reader_url=cluster.replicas[0].url)
    finally:
        for replica in cluster.replicas[1:]:
            await asyncio.to_thread(replica.start)


async def freeze_and_thaw(cluster: Cluster, seed: int, *, turns: int, words: int, pace: float) -> Deaths:
    """
    Freeze a replica for twice the lease: a survivor ends its turns, and once it is thawed it appends nothing.

    Half of the clients stay with the frozen replica, and are told the end by it; the others go elsewhere.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)
    frozen, *others = cluster.replicas
    transcripts = [Transcript(make_ask(dice, words)) for _ in range(turns)]
    watching = [asyncio.create_task(watch(one, _stubborn(frozen, dice))) for one in transcripts]
    readers = [_follow_elsewhere(one, dice.choice(others), spread(dice)) for one in transcripts[::2]]
    following = [asyncio.create_task(reader) for reader in readers]
    await asyncio.gather(*(one.has_begun.wait() for one in transcripts))
    await asyncio.sleep(dice.uniform(0.1, 0.4))
    frozen.freeze()
    frozen_at = time.time()
    try:
        seconds = await asyncio.gather(*following)
        sealed = {one.turn_id: await wait_for_end(others[0].url, str(one.turn_id)) for one in transcripts}
        await asyncio.sleep(max(0.0, frozen_at + 2 * LEASE_SECONDS - time.time()))
    finally:
        frozen.thaw()
    seen = await asyncio.gather(*watching)
    for turn_id, turn in sealed.items():
        again = await read_turn(others[-1].url, str(turn_id))
        assert again == turn, f"seed {seed}: the thawed replica changed turn {turn_id}: {turn} became {again}"
    both = [*seen, *seconds]
    counts = await Books(cluster, seed).check(both, reader_url=others[0].url)
    return await _judge(cluster, seed, seen, {one.ask.canary: frozen_at for one in seen}, counts, 1)


def _stubborn(replica: Replica, dice: random.Random) -> Habits:
    return Habits(pick=stay(replica.url), dice=spread(dice))


async def _follow_elsewhere(first: Transcript, replica: Replica, dice: random.Random) -> Transcript:
    await first.has_begun.wait()
    second = Transcript(first.ask)
    second.turn_id, second.epoch = first.turn_id, first.epoch
    return await watch(second, Habits(pick=stay(replica.url), dice=dice))


async def _wait_until_over(transcripts: Sequence[Transcript], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(transcript.has_ended.wait() for transcript in transcripts))


async def _judge(
    cluster: Cluster, seed: int, seen: Sequence[Transcript], doomed: dict[str, float], counts: Counts, kills: int
) -> Deaths:
    delays: list[float] = []
    for transcript in seen:
        if transcript.ending == INTERRUPTED:
            canary = transcript.ask.canary
            assert canary in doomed, f"seed {seed}: {canary} was interrupted, and its replica lived"
            turn = await read_turn(cluster.nginx.url, str(transcript.turn_id))
            assert turn is not None
            delays.append(to_seconds(turn["endedAt"]) - doomed[canary])
        else:
            assert transcript.ending == "completed", f"seed {seed}: {transcript.ask.canary} ended {transcript.ending}"
    slow = [delay for delay in delays if delay > LEASE_SECONDS + SEAL_SECONDS]
    assert not slow, f"seed {seed}: ends came {max(slow):.1f} s after the death, expected {LEASE_SECONDS} + 2 s"
    return Deaths(counts=counts, kills=kills, interrupted=len(delays), sealed_after=sorted(delays))
