"""
Many clients that never read, with long answers, beside healthy ones: memory stays bounded, nobody is slowed, and those
who come back lose nothing.
"""

import asyncio
import itertools
import random
import socket
import statistics
from collections.abc import Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.replicas.asks import Ask
from tests.e2e.replicas.cluster import Cluster, Replica, run_cluster
from tests.e2e.replicas.engine import SayingEngine, answer_to, make_commanded_ask, run_engine
from tests.e2e.replicas.load import spread, stay
from tests.e2e.replicas.viewer import Habits, Transcript, watch

PIECES, PIECE_CHARACTERS = 64, 16_384
HEALTHY_PAUSE_MS = 100
OPENING_AT_ONCE = 20
RESUMING_AT_ONCE = 25
SMALL_BUFFER_BYTES = 4096


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how large the flood is.

    Attributes:
        clients: how many never read.
        healthy: how many do, beside them.
        pause_ms: between two pieces of a long answer.
        healthy_pieces: of a healthy answer, one every 100 ms.
        seconds: give up after this time.
    """

    clients: int
    healthy: int
    pause_ms: int
    healthy_pieces: int
    seconds: float


class Flood(msgspec.Struct, kw_only=True):
    """
    Say what was measured. Gaps are between two pieces of a healthy stream, in seconds.
    """

    clients: int
    resident_before: int
    resident_peak: int
    gap_before: float
    gap_while: float
    late_before: float
    late_while: float
    resumed: int

    @property
    def growth_mib(self) -> float:
        """
        How far the gateway's resident memory grew.
        """
        return (self.resident_peak - self.resident_before) / (1 << 20)


async def flood(seed: int, plan: Plan) -> Flood:
    """
    Run the scenario on a cluster of its own.
    """
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(run_engine())
        processes = stack.enter_context(ExitStack())
        emulator = ("--engine", "openai", "--engine-url", engine.url, "--engine-model", "saying")
        cluster = await asyncio.to_thread(processes.enter_context, _cluster(emulator))
        async with asyncio.timeout(plan.seconds):
            return await _run(cluster, engine, dice, plan)


def _cluster(emulator: tuple[str, ...]) -> AbstractContextManager[Cluster]:
    return run_cluster(
        count=2,
        emulator=emulator,
        lease_seconds="20",
        slow_reader_timeout_seconds="600",
        turn_log_bytes=str(8 << 30),
        turn_retention_seconds="1800",
    )


async def _run(cluster: Cluster, engine: SayingEngine, dice: random.Random, plan: Plan) -> Flood:
    flooded, other = cluster.replicas
    before = await _watch_healthy(flooded, dice, plan)
    resident_before = flooded.resident_bytes()
    asks = [
        make_commanded_ask(dice, pieces=PIECES, size=PIECE_CHARACTERS, pause_ms=plan.pause_ms)
        for _ in range(plan.clients)
    ]
    peak = _Peak(flooded)
    measuring = asyncio.create_task(peak.run())
    watching = asyncio.create_task(_watch_healthy(flooded, dice, plan))
    readers = await _open_all(flooded, asks)
    meanwhile = await watching
    while engine.ended < plan.clients + 2 * plan.healthy:
        await asyncio.sleep(0.1)
    measuring.cancel()
    for silent in readers:
        silent.socket.transport.abort()
    resumed = await _resume_all(other, readers, dice)
    assert sorted(engine.asked) == sorted(set(engine.asked)), "a question was asked twice"
    return Flood(
        clients=plan.clients,
        resident_before=resident_before,
        resident_peak=peak.resident_bytes,
        gap_before=statistics.median(before),
        gap_while=statistics.median(meanwhile),
        late_before=_quantile(before),
        late_while=_quantile(meanwhile),
        resumed=resumed,
    )


class _Silent(msgspec.Struct):
    """
    Hold a client that has read the beginning of its answer, and reads no more.
    """

    transcript: Transcript
    socket: ClientConnection


class _Peak:
    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.resident_bytes = 0

    async def run(self) -> None:
        while True:
            self.resident_bytes = max(self.resident_bytes, self._replica.resident_bytes())
            await asyncio.sleep(0.1)


async def _watch_healthy(replica: Replica, dice: random.Random, plan: Plan) -> list[float]:
    asks = [
        make_commanded_ask(dice, pieces=plan.healthy_pieces, size=24, pause_ms=HEALTHY_PAUSE_MS)
        for _ in range(plan.healthy)
    ]
    habits = (Habits(pick=stay(replica.url), dice=spread(dice), seconds=300) for _ in asks)
    seen = await asyncio.gather(*(watch(Transcript(ask), one) for ask, one in zip(asks, habits, strict=True)))
    gaps: list[float] = []
    for transcript in seen:
        assert transcript.text == answer_to(transcript.ask), f"{transcript.ask.canary}: a healthy answer is not whole"
        gaps += [later - sooner for sooner, later in itertools.pairwise(transcript.arrivals)]
    return gaps


async def _open_all(replica: Replica, asks: Sequence[Ask]) -> list[_Silent]:
    room = asyncio.Semaphore(OPENING_AT_ONCE)

    async def open_one(ask: Ask) -> _Silent:
        async with room:
            return await _open_silent(replica, ask)

    return list(await asyncio.gather(*(open_one(ask) for ask in asks)))


async def _open_silent(replica: Replica, ask: Ask) -> _Silent:
    address = urlsplit(replica.url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (address.hostname, address.port))
    silent = await connect(
        f"ws://{address.netloc}/api/chat", sock=raw, compression=None, max_size=None, ping_interval=None, proxy=None
    )
    transcript = Transcript(ask)
    await silent.send(transcript.opening().decode())
    while not transcript.text:
        transcript.take(await silent.recv())
    silent.transport.pause_reading()
    return _Silent(transcript, silent)


async def _resume_all(replica: Replica, readers: Sequence[_Silent], dice: random.Random) -> int:
    room = asyncio.Semaphore(RESUMING_AT_ONCE)

    async def resume(silent: _Silent) -> None:
        async with room:
            transcript = silent.transcript
            await watch(transcript, Habits(pick=stay(replica.url), dice=dice, seconds=300))
            canary = transcript.ask.canary
            assert transcript.ending == "completed", f"{canary}: {transcript.ending}"
            assert transcript.text == answer_to(transcript.ask), f"{canary}: what was resumed is not the answer"
            assert not transcript.complaints, f"{canary}: {transcript.complaints[:3]}"
            transcript.shown = [""]

    await asyncio.gather(*(resume(silent) for silent in readers))
    return len(readers)


def _quantile(gaps: Sequence[float]) -> float:
    return statistics.quantiles(gaps, n=100)[98]
