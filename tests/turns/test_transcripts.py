"""
The promise of the prefix: whatever readers do, each transcript is a prefix of the one log, and equals it at the end.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.dialects.raw import text_of
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.turns.fold import fold, merge_deltas
from outcrop.turns.reader import TurnReader
from outcrop.turns.redis import RedisTurnLog
from outcrop.types import (
    LogEntry,
    MessageStart,
    MessageStop,
    StreamEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.redis_server import RedisServer, require_redis
from tests.turns.conftest import MakeStage, Stage, ask, settle, start

Transcript = Callable[[Sequence[LogEntry]], str]


def show_parts(entries: Sequence[LogEntry]) -> str:
    """
    Render the native dialect's parts.
    """
    opening = UiStreamOpening(turn_id="t", model="m", region="r")
    return "\n".join(UiStreamRenderer(opening).render(entries))


TRANSCRIPTS: dict[str, Transcript] = {
    "raw": text_of,
    "native": show_parts,
    "events": lambda entries: "".join(msgspec.json.encode(entry).decode() + "\n" for entry in entries),
}
"""
What a client of a dialect has seen after some entries, as one text.
"""

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
PIECES = st.lists(
    st.one_of(
        TEXTS.map(TextDelta),
        st.builds(TextDelta, TEXTS, st.just(1)),
        st.builds(ToolUseDelta, index=st.just(2), input_json=TEXTS),
    ),
    max_size=30,
)
TOOL = ToolUseStart(index=2, tool_use_id="u", name="n")
END = (UsageReport(Usage(input_tokens=1, output_tokens=1)), MessageStop(stop_reason="end_turn"))


class Reading(msgspec.Struct):
    """
    Hold one client: what it does after each chunk from Bedrock, and the entries that it has seen over all connections.
    """

    habits: list[str]
    seen: list[LogEntry] = []
    reader: TurnReader | None = None
    visits: int = 0


CLIENTS = st.lists(
    st.lists(st.sampled_from(["take", "take one", "nothing", "leave", "fall behind", "come back"]), max_size=12),
    min_size=1,
    max_size=4,
)


MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEWER = settings(MANY, max_examples=40)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """
    Run one server for the tests of this module.
    """
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("dialect", TRANSCRIPTS)
@MANY
@given(pieces=PIECES, cuts=st.lists(st.integers(1, 5), max_size=12), habits=CLIENTS)
async def test_every_transcript_is_a_prefix_of_the_log(
    make_stage: MakeStage, dialect: str, pieces: list[StreamEvent], cuts: list[int], habits: list[list[str]]
) -> None:
    """
    For random answers, chunks, merges and clients that leave, fall behind and resume: nothing is lost or doubled.
    """
    stage = make_stage(merge_bytes=16)
    await check_transcripts([stage], TRANSCRIPTS[dialect], pieces, cuts, habits)


@pytest.mark.service
@pytest.mark.parametrize("dialect", TRANSCRIPTS)
@FEWER
@given(pieces=PIECES, cuts=st.lists(st.integers(1, 5), max_size=12), habits=CLIENTS)
async def test_so_it_is_with_two_replicas_on_redis(
    make_stage: MakeStage,
    redis_server: RedisServer,
    dialect: str,
    pieces: list[StreamEvent],
    cuts: list[int],
    habits: list[list[str]],
) -> None:
    """
    The same holds where the clients come back to another replica than the one that runs the turn.
    """
    logs = [make_redis_log(redis_server, name) for name in ("one", "two")]
    stages = [make_stage(merge_bytes=16, log=log) for log in logs]
    for stage in stages:
        await stage.service.open()
    try:
        await check_transcripts(stages, TRANSCRIPTS[dialect], pieces, cuts, habits)
    finally:
        for stage in stages:
            await stage.service.aclose()


def make_redis_log(server: RedisServer, replica_id: str) -> RedisTurnLog:
    """
    Make one replica's log.
    """
    return RedisTurnLog(
        server.url,
        replica_id=replica_id,
        max_log_bytes=1 << 20,
        max_retained_bytes=1 << 20,
        retention_seconds=60,
        store_timeout_seconds=30,
    )


async def check_transcripts(
    stages: list[Stage], show: Transcript, pieces: list[StreamEvent], cuts: list[int], habits: list[list[str]]
) -> None:
    """
    Run one turn on the first stage, with clients that go from stage to stage, and compare what they have seen.
    """
    stage = stages[0]
    turn = await start(stage, ask(), grace_seconds=60)
    await stage.upstream.opened.wait()
    clients = [Reading(list(reversed(habit))) for habit in habits]
    said: list[StreamEvent] = [MessageStart(), TOOL, *pieces, *END]
    for chunk in cut(said, cuts):
        stage.upstream.say(*chunk)
        for client in clients:
            await act(client, turn.turn_id, stages)
    stage.upstream.end()
    await settle(stage)
    for client in clients:
        await catch_up(client, turn.turn_id, stages)
    whole = clients[0].seen
    assert [entry.seq for entry in whole] == list(range(1, len(whole) + 1))
    assert fold(entry.event for entry in whole) == fold(said)
    assert merge_deltas([entry.event for entry in whole]) == merge_deltas(said)
    for client in clients:
        assert client.seen == whole
    for length in range(len(whole)):
        assert show(whole).startswith(show(whole[:length]))


def cut(events: list[StreamEvent], sizes: list[int]) -> list[list[StreamEvent]]:
    """
    Cut events into chunks of these sizes, the rest into one.
    """
    chunks = []
    for size in sizes:
        chunks.append(events[:size])
        events = events[size:]
    return [chunk for chunk in (*chunks, events) if chunk]


async def act(client: Reading, turn_id: str, stages: list[Stage]) -> None:
    """
    Let a client do the next thing that it wants to.
    """
    habit = client.habits.pop() if client.habits else "take"
    if habit == "leave":
        leave(client)
        return
    if client.reader is None:
        await join(client, turn_id, stages)
    assert client.reader is not None
    if habit in {"fall behind", "come back"}:
        client.reader.set_behind(habit == "fall behind")
    elif habit != "nothing":
        client.seen += client.reader.take(1 if habit == "take one" else 256)


async def catch_up(client: Reading, turn_id: str, stages: list[Stage]) -> None:
    """
    Resume from where the client is, and read to the end.
    """
    leave(client)
    await join(client, turn_id, stages)
    assert client.reader is not None
    async with asyncio.timeout(30):
        while not client.reader.ended:
            client.seen += client.reader.take(3)
            await asyncio.sleep(0)
    leave(client)


async def join(client: Reading, turn_id: str, stages: list[Stage]) -> None:
    """
    Subscribe behind the last entry that the client has seen, each time at the next stage.
    """
    client.visits += 1
    service = stages[client.visits % len(stages)].service
    after = client.seen[-1].seq if client.seen else 0
    client.reader = await service.subscribe(turn_id, owner="me", wake=lambda: None, after=after)


def leave(client: Reading) -> None:
    """
    Close the client's connection, if it has one.
    """
    if client.reader is not None:
        client.reader.close()
        client.reader = None
