"""
Tests of three replicas with one Redis behind nginx: the short forms of the scenarios of `tests.e2e.chaos`.

Each draws its seed and prints it; `CHAOS_SEED=N` repeats it.
"""

import statistics

from tests.e2e.replicas.cluster import Cluster, run_cluster
from tests.e2e.replicas.deaths import freeze_and_thaw, kill_again_and_again
from tests.e2e.replicas.flood import Plan, flood
from tests.e2e.replicas.scenarios import (
    STOP_SECONDS,
    ask_everywhere_at_once,
    continue_after_a_death,
    drop_and_resume,
    restart_one_after_the_other,
    stop_from_elsewhere,
)
from tests.e2e.replicas.stores import drop_while_redis_is_lost, restart_redis


async def test_clients_drop_and_resume_anywhere(cluster: Cluster, seed: int) -> None:
    """
    Two hundred turns whose clients drop and resume on random replicas lose, double and mix nothing.
    """
    counts = await drop_and_resume(cluster, seed, turns=200, words=30, pace=12)
    assert counts.turns == counts.calls == counts.ledger_rows == 200
    assert counts.connections > 2 * counts.transcripts
    assert counts.endings == {"completed": counts.transcripts}


async def test_a_rolling_restart_loses_nothing(cluster: Cluster, seed: int) -> None:
    """
    Two replicas that are restarted one after the other end no answer: clients go elsewhere when they are told.
    """
    counts = await restart_one_after_the_other(cluster, seed, restarts=2, live=20, words=20, pace=40)
    assert counts.turns == counts.calls


async def test_a_killed_replica_interrupts_its_own_turns(cluster: Cluster, seed: int) -> None:
    """
    The turns of a killed replica end as interrupted, with their exact prefix, soon; all others complete.
    """
    deaths = await kill_again_and_again(cluster, seed, kills=1, live=20, words=40, pace=20)
    assert deaths.interrupted


async def test_a_frozen_replica_appends_nothing_once_it_is_thawed(cluster: Cluster, seed: int) -> None:
    """
    A replica that was frozen for twice the lease has lost its turns to a survivor, and tells its clients so.
    """
    deaths = await freeze_and_thaw(cluster, seed, turns=10, words=120, pace=15)
    assert deaths.interrupted == 10


async def test_redis_restarts_with_its_data(cluster: Cluster, seed: int) -> None:
    """
    Clients of live turns lose nothing when Redis restarts with its data; what had ended is there again.
    """
    await restart_redis(cluster, seed, turns=20, words=50, pace=20, keeps=True)


async def test_redis_restarts_without_its_data(cluster: Cluster, seed: int) -> None:
    """
    Attached clients lose nothing when Redis loses everything; older positions get a typed answer.
    """
    await restart_redis(cluster, seed, turns=20, words=50, pace=20, keeps=False)


async def test_clients_drop_while_redis_loses_everything(cluster: Cluster, seed: int) -> None:
    """
    A client that comes back after Redis lost everything goes on exactly, or is told that it can't.
    """
    await drop_while_redis_is_lost(cluster, seed, turns=20, words=50, pace=20)


async def test_stop_from_another_replica(cluster: Cluster, seed: int) -> None:
    """
    A stop on another replica closes Bedrock's connection within 250 ms, streaming or not.
    """
    delays = await stop_from_elsewhere(cluster, seed, tries=6)
    assert statistics.median(delays[0::2]) <= STOP_SECONDS
    assert statistics.median(delays[1::2]) <= STOP_SECONDS


async def test_one_key_on_three_replicas_makes_one_call(cluster: Cluster, seed: int) -> None:
    """
    A question that reaches three replicas at once with one key is asked once, and all three clients see its answer.
    """
    counts = await ask_everywhere_at_once(cluster, seed, asks=10)
    assert counts.transcripts == 30


async def test_a_survivor_continues_an_answer(seed: int) -> None:
    """
    Where answers are continued, a survivor goes on with a Llama answer after one seam.
    """
    with run_cluster(count=2, continue_interrupted="true", lease_seconds="1") as pair:
        await continue_after_a_death(pair, seed, words=40, starts_again=False)


async def test_clients_that_never_read_cost_little(seed: int) -> None:
    """
    Fifty clients that never read a megabyte each grow the gateway little, slow nobody, and lose nothing.
    """
    measured = await flood(seed, Plan(clients=50, healthy=10, pause_ms=30, healthy_pieces=15, seconds=100))
    assert measured.growth_mib <= 100
    assert measured.resumed == 50
