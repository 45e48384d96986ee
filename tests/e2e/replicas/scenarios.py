"""
What happens to a deployment whose replicas and store live: drops, resumes, stops, drains, repetitions.

Each scenario is seeded, leaves the cluster as it found it, and ends with the four books.
"""

import asyncio
import random
import time
import urllib.request

import msgspec

from tests.e2e.replicas.asks import Ask, make_ask
from tests.e2e.replicas.books import Books, Counts, wait_for_calls, wait_for_end
from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.follower import Followed, follow
from tests.e2e.replicas.load import (
    Load,
    anywhere,
    drop_often,
    spread,
    stay,
    watch_again,
)
from tests.e2e.replicas.viewer import Habits, Transcript, open_socket, watch

STOP_SECONDS = 0.25


async def drop_and_resume(cluster: Cluster, seed: int, *, turns: int, words: int, pace: float) -> Counts:
    """
    Have clients drop and go on at random moments in random places; some turns have more readers, in two dialects.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)

    def habits(own: random.Random) -> Habits:
        return Habits(pick=anywhere(cluster, own), dice=own, drops=drop_often(own, words // 2), replays=0.1)

    firsts = [Transcript(make_ask(dice, words)) for _ in range(turns)]
    watching = [watch(first, habits(spread(dice))) for first in firsts]
    seconds = [watch_again(first, habits(spread(dice))) for first in firsts if dice.random() < 0.2]
    followers = [_follow(first, cluster, spread(dice)) for first in firsts if dice.random() < 0.1]
    seen, followed = await asyncio.gather(asyncio.gather(*watching, *seconds), asyncio.gather(*followers))
    for one in followed:
        turn = await wait_for_end(dice.choice(cluster.urls), one.turn_id)
        one.check(turn["result"]["text"], seed)
    return await Books(cluster, seed).check(seen, reader_url=dice.choice(cluster.urls))


async def _follow(first: Transcript, cluster: Cluster, dice: random.Random) -> Followed:
    await first.has_begun.wait()
    return await follow(str(first.turn_id), lambda: dice.choice(cluster.urls), dice)


async def restart_one_after_the_other(
    cluster: Cluster, seed: int, *, restarts: int, live: int, words: int, pace: float
) -> Counts:
    """
    Drain and start again so many replicas while answers run; clients go elsewhere when they are told.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)

    def habits(own: random.Random) -> Habits:
        return Habits(pick=anywhere(cluster, own), dice=own, moves_when_draining=True)

    load = Load(dice, habits, live=live, words=words)
    load.start()
    try:
        for replica in cluster.replicas[:restarts]:
            await asyncio.sleep(dice.uniform(0.2, 0.8))
            replica.drain()
            code = await asyncio.to_thread(replica.process.wait)
            assert code == 0, f"seed {seed}: a drained replica exited with {code}"
            await asyncio.to_thread(replica.start)
        seen = await load.stop()
    finally:
        await load.cancel()
    told = sum(transcript.drainings for transcript in seen)
    assert told, f"seed {seed}: no client was told that its server is stopping"
    unfinished = [transcript.ending for transcript in seen if transcript.ending != "completed"]
    assert not unfinished, f"seed {seed}: a rolling restart ended answers: {unfinished[:10]}"
    return await Books(cluster, seed).check(seen, reader_url=cluster.replicas[0].url)


async def stop_from_elsewhere(cluster: Cluster, seed: int, *, tries: int) -> list[float]:
    """
    Stop turns, streaming and whole, from another replica; return how long each took to close Bedrock's connection.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(20)
    delays: list[float] = []
    seen: list[Transcript] = []
    for number in range(tries):
        ask = make_ask(dice, 400, whole=number % 2 == 1)
        first, second = dice.sample(cluster.replicas, 2)
        transcript = Transcript(ask)
        watching = asyncio.create_task(watch(transcript, Habits(pick=stay(first.url), dice=dice)))
        await _wait_for_call(cluster, number + 1)
        turn_id = await _wait_for_turn(transcript)
        if not ask.whole:
            await transcript.has_begun.wait()
        asked_at = time.monotonic()
        await asyncio.to_thread(post, f"{second.url}/api/turns/{turn_id}/stop")
        await watching
        calls = await wait_for_calls(cluster)
        closed_at = calls[-1]["client_closed_at_monotonic"]
        assert closed_at is not None, f"seed {seed}: the call was not closed: {calls[-1]['outcome']}"
        delays.append(closed_at - asked_at)
        assert delays[-1] > 0, f"seed {seed}: the call was closed before it was stopped"
        assert transcript.ending == "stopped", f"seed {seed}: a stopped turn ended as {transcript.ending}"
        seen.append(transcript)
    await Books(cluster, seed).check(seen, reader_url=cluster.nginx.url)
    return delays


async def ask_everywhere_at_once(cluster: Cluster, seed: int, *, asks: int) -> Counts:
    """
    Send each question with its key to all replicas at the same moment: one call, and all see the same answer.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(60)
    watching = []
    for ask in (make_ask(dice, 20) for _ in range(asks)):
        for replica in cluster.replicas:
            own = spread(dice)
            watching.append(watch(Transcript(ask), Habits(pick=stay(replica.url), dice=own)))
    seen = await asyncio.gather(*watching)
    counts = await Books(cluster, seed).check(seen, reader_url=cluster.nginx.url)
    assert counts.turns == counts.calls == asks, f"seed {seed}: {counts}"
    return counts


async def continue_after_a_death(cluster: Cluster, seed: int, *, words: int, starts_again: bool = True) -> Counts:
    """
    Kill the replica of a Llama turn where answers are continued: the survivor makes a second call.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(30)
    ask = make_ask(dice, words)
    victim, *survivors = cluster.replicas
    own = spread(dice)

    def pick(transcript: Transcript) -> str:
        return victim.url if transcript.turn_id is None else dice.choice(survivors).url

    transcript = Transcript(ask)
    watching = asyncio.create_task(watch(transcript, Habits(pick=pick, dice=own)))
    await transcript.has_begun.wait()
    await asyncio.sleep(dice.uniform(0.2, 0.6))
    victim.kill()
    try:
        await watching
        return await _check_seam(cluster, seed, ask, transcript, survivors[0].url)
    finally:
        if starts_again:
            await asyncio.to_thread(victim.start)


async def sit_idle(cluster: Cluster, *, seconds: float) -> int:
    """
    Keep a socket open through nginx on which nothing is asked; return how many pings of the gateway came.
    """
    pings = 0
    async with open_socket(cluster.nginx.url) as socket:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    pings += msgspec.json.decode(await socket.recv())["event"] == "ping"
        except TimeoutError:
            await (await socket.ping())
    return pings


async def _check_seam(cluster: Cluster, seed: int, ask: Ask, transcript: Transcript, url: str) -> Counts:
    assert transcript.turn_id is not None
    turn = await wait_for_end(url, transcript.turn_id)
    calls = await wait_for_calls(cluster)
    assert len(calls) == 2, f"seed {seed}: {len(calls)} calls in the emulator's book, expected 2"
    begun, rest = (call["text_emitted"]["text"] for call in calls)
    text, place = turn["result"]["text"], len(turn["result"]["text"]) - len(rest)
    assert turn["state"] == transcript.ending == "completed", f"seed {seed}: {turn['state']}, {transcript.ending}"
    assert place > 0, f"seed {seed}: nothing was kept of the first call"
    assert text == begun[:place] + rest, f"seed {seed}: the answer is not the kept beginning and its continuation"
    assert transcript.text == text, f"seed {seed}: the client was shown something else than what is stored"
    assert transcript.seams == 1, f"seed {seed}: {transcript.seams} seams, expected 1"
    assert not transcript.complaints, f"seed {seed}: {transcript.complaints}"
    return Counts(turns=1, transcripts=1, calls=2, characters=len(text))


def post(url: str, body: bytes = b"{}") -> bytes:
    """
    Make one POST of JSON.
    """
    request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        content: bytes = response.read()
        return content


async def _wait_for_call(cluster: Cluster, count: int) -> None:
    async with asyncio.timeout(10):
        while len(await asyncio.to_thread(cluster.book.calls)) < count:
            await asyncio.sleep(0.02)


async def _wait_for_turn(transcript: Transcript) -> str:
    async with asyncio.timeout(10):
        while transcript.turn_id is None:
            await asyncio.sleep(0.01)
    return transcript.turn_id
