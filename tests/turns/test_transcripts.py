"""
The promise of the prefix: whatever readers do, each transcript is a prefix of the one log, and equals it at the end.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.dialects.raw import text_of
from outcrop.turns.fold import fold, merge_deltas
from outcrop.turns.reader import TurnReader
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
from tests.turns.conftest import MakeStage, ask, settle, start

Transcript = Callable[[Sequence[LogEntry]], str]

TRANSCRIPTS: dict[str, Transcript] = {
    "raw": text_of,
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


CLIENTS = st.lists(
    st.lists(st.sampled_from(["take", "take one", "nothing", "leave", "fall behind", "come back"]), max_size=12),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("dialect", TRANSCRIPTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=PIECES, cuts=st.lists(st.integers(1, 5), max_size=12), habits=CLIENTS)
async def test_every_transcript_is_a_prefix_of_the_log(
    make_stage: MakeStage, dialect: str, pieces: list[StreamEvent], cuts: list[int], habits: list[list[str]]
) -> None:
    """
    For random answers, chunks, merges and clients that leave, fall behind and resume: nothing is lost or doubled.
    """
    stage = make_stage(merge_bytes=16)
    turn = await start(stage, ask(), grace_seconds=60)
    await stage.upstream.opened.wait()
    clients = [Reading(list(reversed(habit))) for habit in habits]
    said: list[StreamEvent] = [MessageStart(), TOOL, *pieces, *END]
    for chunk in cut(said, cuts):
        stage.upstream.say(*chunk)
        for client in clients:
            await act(client, turn.turn_id, stage.service.subscribe)
    stage.upstream.end()
    await settle(stage)
    for client in clients:
        await catch_up(client, turn.turn_id, stage.service.subscribe)
    whole = clients[0].seen
    show = TRANSCRIPTS[dialect]
    assert [entry.seq for entry in whole] == list(range(1, len(whole) + 1))
    assert fold(entry.event for entry in whole) == fold(said)
    assert merge_deltas([entry.event for entry in whole]) == merge_deltas(said)
    for client in clients:
        assert client.seen == whole
        for length in range(len(whole)):
            assert show(whole).startswith(show(client.seen[:length]))


def cut(events: list[StreamEvent], sizes: list[int]) -> list[list[StreamEvent]]:
    """
    Cut events into chunks of these sizes, the rest into one.
    """
    chunks = []
    for size in sizes:
        chunks.append(events[:size])
        events = events[size:]
    return [chunk for chunk in (*chunks, events) if chunk]


async def act(client: Reading, turn_id: str, subscribe: Callable[..., object]) -> None:
    """
    Let a client do the next thing that it wants to.
    """
    habit = client.habits.pop() if client.habits else "take"
    if habit == "leave":
        leave(client)
        return
    if client.reader is None:
        await join(client, turn_id, subscribe)
    assert client.reader is not None
    if habit in {"fall behind", "come back"}:
        client.reader.set_behind(habit == "fall behind")
    elif habit != "nothing":
        client.seen += client.reader.take(1 if habit == "take one" else 256)


async def catch_up(client: Reading, turn_id: str, subscribe: Callable[..., object]) -> None:
    """
    Resume from where the client is, and read to the end.
    """
    leave(client)
    await join(client, turn_id, subscribe)
    assert client.reader is not None
    while not client.reader.ended:
        client.seen += client.reader.take(3)
        await asyncio.sleep(0)
    leave(client)


async def join(client: Reading, turn_id: str, subscribe: Callable[..., object]) -> None:
    """
    Subscribe behind the last entry that the client has seen.
    """
    after = client.seen[-1].seq if client.seen else 0
    client.reader = await subscribe(turn_id, owner="me", wake=lambda: None, after=after)  # type: ignore[misc]  # an async function


def leave(client: Reading) -> None:
    """
    Close the client's connection, if it has one.
    """
    if client.reader is not None:
        client.reader.close()
        client.reader = None
