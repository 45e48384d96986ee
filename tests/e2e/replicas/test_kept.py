"""
Test of kept chats on three replicas with Redis and PostgreSQL: the short form of the scenario `kept`.

It draws its seed and prints it; `CHAOS_SEED=N` repeats it.
"""

import asyncio

from tests.e2e.replicas.kept import kill_and_crash, run_kept_cluster
from tests.postgres_server import require_postgres


def test_deaths_and_crashes_lose_nothing_that_is_kept(seed: int) -> None:
    """
    A killed replica and a crashed PostgreSQL lose and double nothing: clients, emulator, messages and ledger agree.
    """
    require_postgres()
    with run_kept_cluster() as (cluster, postgres):
        kept = asyncio.run(
            kill_and_crash(cluster, postgres, seed, deaths=["database", "both"], live=8, words=20, pace=20)
        )
    assert kept.counts.turns > kept.chats
    assert kept.endings["completed"]
