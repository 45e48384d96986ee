"""
The long forms: each is given a seed, runs on clusters of its own, and yields lines with what it counted.
"""

import asyncio
import random
import statistics
from collections.abc import Callable, Iterator

from tests.e2e.replicas.cluster import LEASE_SECONDS, run_cluster
from tests.e2e.replicas.deaths import Deaths, freeze_and_thaw, kill_again_and_again, kill_all
from tests.e2e.replicas.flood import Plan, flood
from tests.e2e.replicas.kept import kill_and_crash, run_kept_cluster
from tests.e2e.replicas.scenarios import (
    STOP_SECONDS,
    ask_everywhere_at_once,
    continue_after_a_death,
    drop_and_resume,
    restart_one_after_the_other,
    sit_idle,
    stop_from_elsewhere,
)
from tests.e2e.replicas.stores import drop_while_redis_is_lost, restart_redis

MAX_GROWTH_MIB = 100.0
MAX_SLOWER = 2.0
"""
How much longer the usual gap of a healthy stream may be beside a flood, on a machine with two cores.
"""


def long_drops(seed: int) -> Iterator[str]:
    """
    Drop and resume: ten rounds of 200 turns.
    """
    with run_cluster() as cluster:
        for round_seed in _seeds(seed, 10):
            yield str(asyncio.run(drop_and_resume(cluster, round_seed, turns=200, words=60, pace=12)))


def long_restarts(seed: int) -> Iterator[str]:
    """
    Restart all replicas one after the other, five times.
    """
    with run_cluster() as cluster:
        for round_seed in _seeds(seed, 5):
            yield str(
                asyncio.run(restart_one_after_the_other(cluster, round_seed, restarts=3, live=60, words=40, pace=20))
            )


def long_kills(seed: int) -> Iterator[str]:
    """
    Kill replicas 100 times, then all of them at once.
    """
    delays: list[float] = []
    with run_cluster() as cluster:
        for round_seed in _seeds(seed, 10):
            deaths = asyncio.run(kill_again_and_again(cluster, round_seed, kills=10, live=60, words=40, pace=20))
            delays += deaths.sealed_after
            yield _describe(deaths)
        yield f"all at once: {asyncio.run(kill_all(cluster, seed, turns=60, words=200, pace=20))}"
    yield f"{len(delays)} interrupted; their ends came {_spread(delays)} s after the death (lease {LEASE_SECONDS})"


def long_freezes(seed: int) -> Iterator[str]:
    """
    Freeze and thaw a replica ten times.
    """
    with run_cluster() as cluster:
        for round_seed in _seeds(seed, 10):
            yield _describe(asyncio.run(freeze_and_thaw(cluster, round_seed, turns=30, words=200, pace=15)))


def long_stores(seed: int) -> Iterator[str]:
    """
    Restart Redis under live turns ten times each: with its data, without, and with clients that drop.
    """
    with run_cluster() as cluster:
        for number, round_seed in enumerate(_seeds(seed, 30)):
            if number % 3 == 2:
                counts = asyncio.run(drop_while_redis_is_lost(cluster, round_seed, turns=60, words=80, pace=20))
                yield f"without its data, with drops: {counts}"
                continue
            keeps = number % 3 == 0
            # Longer than a turn's end waits for Redis (5 s) now and then; without data, so long is another failure.
            outage = 9.0 if keeps else 0.8
            scenario = restart_redis(
                cluster, round_seed, turns=60, words=80, pace=20, keeps=keeps, longest_outage=outage
            )
            counts = asyncio.run(scenario)
            yield f"{'with' if keeps else 'without'} its data: {counts}"


def long_stops(seed: int) -> Iterator[str]:
    """
    Stop 40 turns from another replica.
    """
    with run_cluster() as cluster:
        delays = asyncio.run(stop_from_elsewhere(cluster, seed, tries=40))
    for kind, own in (("streaming", delays[0::2]), ("whole", delays[1::2])):
        yield f"{kind}: Bedrock's connection was closed {_spread(own)} s after the stop"
        assert statistics.median(own) <= STOP_SECONDS


def long_keys(seed: int) -> Iterator[str]:
    """
    Ask 200 questions on three replicas at once.
    """
    with run_cluster() as cluster:
        for round_seed in _seeds(seed, 4):
            yield str(asyncio.run(ask_everywhere_at_once(cluster, round_seed, asks=50)))


def long_continuations(seed: int) -> Iterator[str]:
    """
    Have a survivor continue an answer, ten times.
    """
    with run_cluster(continue_interrupted="true") as cluster:
        for round_seed in _seeds(seed, 10):
            yield str(asyncio.run(continue_after_a_death(cluster, round_seed, words=80)))


def long_idleness(_seed: int) -> Iterator[str]:
    """
    Keep an idle socket open through nginx.
    """
    with run_cluster(count=1) as cluster:
        pings = asyncio.run(sit_idle(cluster, seconds=35))
    yield f"{pings} pings in 35 s"
    assert pings == 2


def long_kept(seed: int) -> Iterator[str]:
    """
    Kill replicas and crash PostgreSQL 20 times each, and both at once ten times, under chats that are kept.
    """
    deaths = ["replica", "replica", "database", "database", "both"]
    with run_kept_cluster() as (cluster, postgres):
        for round_seed in _seeds(seed, 10):
            yield str(
                asyncio.run(kill_and_crash(cluster, postgres, round_seed, deaths=deaths, live=30, words=40, pace=20))
            )


def long_flood(seed: int) -> Iterator[str]:
    """
    Let 1,000 clients never read a megabyte each, beside 100 healthy ones.
    """
    measured = asyncio.run(flood(seed, Plan(clients=1000, healthy=100, pause_ms=1000, healthy_pieces=60, seconds=900)))
    yield f"{measured} growth {measured.growth_mib:.0f} MiB"
    assert measured.growth_mib <= MAX_GROWTH_MIB, f"seed {seed}: memory grew by {measured.growth_mib:.0f} MiB"
    slower = measured.gap_while / measured.gap_before
    assert slower <= MAX_SLOWER, f"seed {seed}: healthy streams were {slower:.1f} times slower"


LONG_FORMS: dict[str, Callable[[int], Iterator[str]]] = {
    "drops": long_drops,
    "restarts": long_restarts,
    "kills": long_kills,
    "freezes": long_freezes,
    "stores": long_stores,
    "stops": long_stops,
    "keys": long_keys,
    "continuations": long_continuations,
    "idleness": long_idleness,
    "kept": long_kept,
    "flood": long_flood,
}


def _seeds(seed: int, count: int) -> list[int]:
    dice = random.Random(seed)
    return [dice.randrange(1 << 32) for _ in range(count)]


def _describe(deaths: Deaths) -> str:
    return (
        f"{deaths.kills} deaths, {deaths.interrupted} interrupted ({_spread(deaths.sealed_after)} s): {deaths.counts}"
    )


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"median {statistics.median(values):.3f}, most {max(values):.3f}"
