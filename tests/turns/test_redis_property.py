"""
Whatever is appended, cut and resumed over two replicas: every transcript is a prefix of the one log, and in the end it.
"""

import asyncio
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.errors import PositionExpired
from outcrop.types import LogEntry, MessageStop, StreamEvent, TextDelta, ToolUseDelta
from tests.contract.stages import SECONDS, SUMMARY, opening, read_entries
from tests.turns.redis_replicas import Fleet, Replica, assert_gapless, assert_same_answer, fleet_on

STOP = MessageStop(stop_reason="end_turn")

Step = tuple[Literal["append", "rest", "cut", "resume"], int]

EVENTS: list[StreamEvent] = [
    TextDelta("a"),
    TextDelta("ü", 1),
    TextDelta("b", 1),
    ToolUseDelta(index=2, input_json="{"),
    TextDelta("c" * 300),
]
STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "append", "append", "rest", "cut", "resume"]), st.integers(0, 9)),
    max_size=40,
)


class Client:
    """
    Read, lose the connection, and go on elsewhere from the last entry that was shown.
    """

    def __init__(self, replicas: list[Replica]) -> None:
        self._replicas = replicas
        self._more = asyncio.Event()
        self._place = 0
        self._task: asyncio.Task[None] | None = None
        self.shown: list[LogEntry] = []

    def move(self) -> None:
        """
        Lose the connection, and resume at the other replica.
        """
        self._place += 1
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._read(self._replicas[self._place % len(self._replicas)], self._task))

    async def whole(self) -> list[LogEntry]:
        """
        Wait for the end.
        """
        assert self._task is not None
        async with asyncio.timeout(SECONDS):
            await self._task
        return self.shown

    async def _read(self, replica: Replica, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait({before})
        reader = None
        while reader is None:
            try:
                reader = await replica.log.subscribe("t", owner="me", wake=self._more.set, after=len(self.shown))
            except PositionExpired:
                # Redis has just been wiped: the writer is about to write the turn again.
                await asyncio.sleep(0.01)
        try:
            while not reader.ended:
                self._more.clear()
                taken = reader.take(3)
                self.shown += taken
                if not (taken or reader.ended):
                    await self._more.wait()
        finally:
            reader.close()


async def play(fleet: Fleet, steps: list[Step], *, mirror_bytes: int) -> None:
    """
    Run one random turn.
    """
    replicas = [await fleet.start(mirror_bytes=mirror_bytes), await fleet.start(mirror_bytes=mirror_bytes)]
    lease = await replicas[0].log.acquire(opening())
    clients = [Client(replicas), Client(replicas[:1]), Client(replicas[1:])]
    for client in clients:
        client.move()
    appended: list[StreamEvent] = []
    for what, number in steps:
        if what == "append":
            events = [EVENTS[(number + offset) % len(EVENTS)] for offset in range(1 + number % 3)]
            replicas[0].log.append(lease, events)
            appended += events
        elif what == "rest":
            await asyncio.sleep(0.001 * number)
        elif what == "cut":
            fleet.server.cut_connections()
        elif what == "resume":
            clients[number % 3].move()
    await replicas[0].log.finalize(lease, STOP, SUMMARY)
    whole = await read_entries(replicas[1].log)
    assert_gapless(whole)
    assert_same_answer(whole, [*appended, STOP])
    for client in clients:
        assert await client.whole() == whole
    await replicas[0].log.delete("t", owner="me")
    for replica in replicas:
        assert not replica.listener.losses
        fleet.replicas.remove(replica)
        await replica.log.aclose()


@pytest.mark.parametrize("mirror_bytes", [1 << 20, 600])
def test_every_transcript_equals_the_log(tmp_path_factory: pytest.TempPathFactory, mirror_bytes: int) -> None:
    """
    Appends, merges, cut connections and resumes in any order give every client the one log, gap-free.
    """
    folder = tmp_path_factory.mktemp("property")

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        async def whole_play() -> None:
            async with fleet_on(folder) as fleet:
                await play(fleet, steps, mirror_bytes=mirror_bytes)

        asyncio.run(whole_play())

    run()
