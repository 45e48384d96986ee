"""
Many clients at once, seeded: what they ask, how they behave, and when they vanish.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from tests.e2e.replicas.asks import Ask, make_ask
from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.viewer import Habits, Transcript, watch

WATCH_SECONDS = 90.0


def anywhere(cluster: Cluster, dice: random.Random) -> Callable[[Transcript], str]:
    """
    Go to nginx or to any replica, each time anew.
    """
    return lambda _transcript: dice.choice(cluster.urls)


def ask_directly(cluster: Cluster, dice: random.Random) -> Callable[[Transcript], str]:
    """
    Ask a replica itself, so that it is known which one runs the turn; resume anywhere.
    """

    def pick(transcript: Transcript) -> str:
        if transcript.turn_id is None:
            return dice.choice(cluster.replicas).url
        return dice.choice(cluster.urls)

    return pick


def stay(url: str) -> Callable[[Transcript], str]:
    """
    Go to one place only.
    """
    return lambda _transcript: url


def drop_often(dice: random.Random, longest: int) -> Iterator[int | None]:
    """
    Drop the first few connections after a random number of messages, and keep one in the end.
    """
    drops = [dice.randrange(1, longest) for _ in range(dice.randrange(1, 5))]
    return itertools.chain(drops, itertools.repeat(None))


def spread(dice: random.Random) -> random.Random:
    """
    Make the dice of one client, so that clients do not change each other's luck.
    """
    return random.Random(dice.random())


async def watch_all(
    asks: Sequence[Ask], make_habits: Callable[[random.Random], Habits], dice: random.Random
) -> list[Transcript]:
    """
    Ask everything at once, and watch all to the end.
    """
    watching = [watch(Transcript(ask), make_habits(spread(dice))) for ask in asks]
    return list(await asyncio.gather(*watching))


async def watch_again(transcript: Transcript, habits: Habits) -> Transcript:
    """
    Watch the turn of another client from its beginning, as soon as it is known.
    """
    await transcript.has_begun.wait()
    second = Transcript(transcript.ask)
    second.turn_id, second.epoch = transcript.turn_id, transcript.epoch
    return await watch(second, habits)


class Load:
    """
    Keep a number of turns alive until it is told to stop: one asks as soon as the one before it has ended.

    Attributes:
        transcripts: of all turns so far, ended or not.
    """

    def __init__(
        self, dice: random.Random, make_habits: Callable[[random.Random], Habits], *, live: int, words: int
    ) -> None:
        self._dice = dice
        self._make_habits = make_habits
        self._live = live
        self._words = words
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []
        self.transcripts: list[Transcript] = []

    def start(self) -> None:
        """
        Begin.
        """
        self._workers = [asyncio.create_task(self._work(spread(self._dice))) for _ in range(self._live)]

    async def stop(self) -> list[Transcript]:
        """
        Ask nothing more, wait until all turns have ended, and return them.
        """
        self._stopping = True
        await asyncio.gather(*self._workers)
        return self.transcripts

    async def cancel(self) -> None:
        """
        End at once: something has failed.
        """
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, dice: random.Random) -> None:
        # Not all at the same moment: replicas should be met in every state.
        await asyncio.sleep(dice.uniform(0, 0.5))
        while not self._stopping:
            transcript = Transcript(make_ask(dice, dice.randrange(self._words // 2, self._words + 1)))
            self.transcripts.append(transcript)
            await watch(transcript, self._make_habits(dice))
