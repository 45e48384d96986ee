"""
Kept chats while replicas die and PostgreSQL crashes: clients go on asking in the same chats, and see what is kept.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator

import msgspec

from outcrop.history.maintenance import upgrade_database
from tests.e2e.replicas.asks import make_ask
from tests.e2e.replicas.books import Books, Counts
from tests.e2e.replicas.cluster import Cluster, run_cluster
from tests.e2e.replicas.kept_books import KeptBooks, find_answer, read_chat
from tests.e2e.replicas.load import Load, anywhere
from tests.e2e.replicas.viewer import Habits, Transcript, watch
from tests.postgres_server import PostgresServer

TURNS_OF_A_CHAT = 4
DATABASE = "kept"


class Kept(msgspec.Struct, kw_only=True):
    """
    Count what was compared, and what was kept.

    `endings` are the states that are kept, with how often each is; `chats` have several turns. `unacknowledged` are
    turns whose intent was committed, and no client was told of it.
    """

    counts: Counts
    chats: int
    endings: dict[str, int]
    unacknowledged: int


class KeptLoad(Load):
    """
    Keep chats alive: each asks several questions, every one after the answer before it, as that is kept.

    Attributes:
        complaints: what a client was told to be over, and did not find as such when it looked.
    """

    cluster: Cluster
    complaints: list[str]

    async def _work(self, dice: random.Random) -> None:
        await asyncio.sleep(dice.uniform(0, 0.5))
        while not self._stopping:
            await self._talk(dice)

    async def _talk(self, dice: random.Random) -> None:
        chat_id, parent_id = "", None
        for _ in range(TURNS_OF_A_CHAT):
            ask = make_ask(dice, dice.randrange(self._words // 2, self._words + 1))
            chat_id = ask.chat_id = chat_id or ask.chat_id
            ask.parent_id = parent_id
            transcript = Transcript(ask)
            self.transcripts.append(transcript)
            await watch(transcript, self._make_habits(dice))
            found = find_answer(await read_chat(self.cluster, dice, chat_id), transcript)
            if transcript.ending == "completed" and (found is None or found["state"] != "completed"):
                self.complaints.append(f"{ask.canary}: told as completed, found as {found and found['state']}")
            if self._stopping or found is None or found["state"] == "running" or not transcript.text:
                # A question that follows an empty answer is one with the question before it, for the model.
                return
            parent_id = found["id"]


async def kill_and_crash(
    cluster: Cluster, postgres: PostgresServer, seed: int, *, deaths: list[str], live: int, words: int, pace: float
) -> Kept:
    """
    Kill a replica (`replica`), crash PostgreSQL (`database`), or both at once (`both`), at random moments.
    """
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(pace)
    kept = KeptBooks(cluster, seed, postgres_url(postgres))
    await kept.open()
    load = KeptLoad(
        dice, lambda own: Habits(pick=anywhere(cluster, own), dice=own, replays=0.2), live=live, words=words
    )
    load.cluster, load.complaints = cluster, []
    load.start()
    killed_at: list[float] = []
    try:
        for what in dice.sample(deaths, len(deaths)):
            await asyncio.sleep(dice.uniform(0.5, 1.5))
            killed_at += await _strike(cluster, postgres, dice, what)
        await asyncio.sleep(dice.uniform(0.2, 0.5))
        seen = await load.stop()
    finally:
        await load.cancel()
    await kept.wait_until_settled(seen)
    books = Books(cluster, seed)
    books.deaths = killed_at
    counts = await books.check(seen, reader_url=dice.choice(cluster.urls))
    endings = await kept.check(seen, load.complaints)
    return Kept(
        counts=counts,
        chats=len({one.ask.chat_id for one in seen}),
        endings=endings,
        unacknowledged=kept.unacknowledged,
    )


async def _strike(cluster: Cluster, postgres: PostgresServer, dice: random.Random, what: str) -> list[float]:
    victim = dice.choice(cluster.replicas)
    pause = dice.uniform(0, 0.3)
    if what == "replica":
        victim.kill()
        killed_at = [time.time()]
        await asyncio.to_thread(victim.start)
        return killed_at
    await asyncio.to_thread(postgres.stop)
    killed_at = []
    if what == "both":
        await asyncio.sleep(pause)
        victim.kill()
        killed_at.append(time.time())
    await asyncio.to_thread(postgres.start)
    if what == "both":
        await asyncio.to_thread(victim.start)
    return killed_at


@contextlib.contextmanager
def run_kept_cluster() -> Iterator[tuple[Cluster, PostgresServer]]:
    """
    Run three replicas that keep chats in a PostgreSQL of their own, which loses nothing that was committed.
    """
    postgres = PostgresServer(safe=True)
    postgres.start()
    try:
        postgres.make_database(DATABASE)
        asyncio.run(upgrade_database(postgres_url(postgres)))
        with run_cluster(database_url=postgres_url(postgres)) as cluster:
            yield cluster, postgres
    finally:
        postgres.close()


def postgres_url(postgres: PostgresServer) -> str:
    """
    Return the address of the database.
    """
    return postgres.url(DATABASE)
