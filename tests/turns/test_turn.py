"""
Tests of `outcrop.turns.turn`: deltas, readers, stop and failure.
"""

import asyncio

import msgspec
import pytest

from outcrop.errors import LogFull, UpstreamThrottled
from outcrop.turns.fold import fold
from outcrop.types import (
    MessageStart,
    MessageStop,
    StreamEvent,
    StreamFailed,
    TextDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.turns.conftest import MakeStage, ask, begin, events_of, settle, start

START = MessageStart()
STOP = MessageStop(stop_reason="end_turn")
USAGE = UsageReport(Usage(input_tokens=3, output_tokens=2))


async def test_a_delta_is_readable_in_the_call_that_brings_it(make_stage: MakeStage) -> None:
    """
    A delta reaches the log and wakes the reader synchronously, with no task switch.
    """
    stage = make_stage()
    turn = await start(stage, ask())
    seen: list[StreamEvent] = []
    reader = await turn.subscribe(lambda: seen.extend(events_of(reader)))
    await stage.upstream.opened.wait()
    stage.upstream.say(START)
    stage.upstream.say(TextDelta("Hi"))
    assert seen == [START, TextDelta("Hi")]
    stage.upstream.say(USAGE, STOP)
    stage.upstream.end()
    await settle(stage)
    assert seen[-1] == STOP
    assert reader.ended


async def test_deltas_of_one_chunk_are_merged_before_they_are_numbered(make_stage: MakeStage) -> None:
    """
    Neighbouring deltas of one chunk become one entry; sequence numbers stay contiguous.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"), TextDelta("b"), TextDelta("c", 1), TextDelta("d", 1))
    entries = reader.take()
    assert [(entry.seq, entry.event) for entry in entries] == [
        (1, START),
        (2, TextDelta("ab")),
        (3, TextDelta("cd", 1)),
    ]
    turn.stop()
    await settle(stage)


async def test_deltas_are_held_while_every_reader_is_behind(make_stage: MakeStage) -> None:
    """
    While all readers are behind, deltas are merged into one entry, which is there when a reader has caught up.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    stage.upstream.say(START)
    events_of(reader)
    reader.set_behind(True)
    for letter in "abc":
        stage.upstream.say(TextDelta(letter))
    assert events_of(reader) == []
    reader.set_behind(False)
    assert events_of(reader) == [TextDelta("abc")]
    turn.stop()
    await settle(stage)


async def test_holding_is_bounded_and_ends_with_anything_but_a_delta(make_stage: MakeStage) -> None:
    """
    Held text is appended when it reaches its bound, and before a tool call.
    """
    stage = make_stage(merge_bytes=4)
    turn, reader = await begin(stage)
    reader.set_behind(True)
    stage.upstream.say(TextDelta("abc"))
    stage.upstream.say(TextDelta("de"))
    assert events_of(reader) == [TextDelta("abcde")]
    stage.upstream.say(TextDelta("x"))
    stage.upstream.say(ToolUseStart(index=1, tool_use_id="t", name="n"))
    assert events_of(reader) == [TextDelta("x"), ToolUseStart(index=1, tool_use_id="t", name="n")]
    turn.stop()
    await settle(stage)


async def test_one_reader_that_keeps_up_is_not_slowed_by_another(make_stage: MakeStage) -> None:
    """
    Nothing is held while one reader can take it.
    """
    stage = make_stage()
    turn, slow = await begin(stage)
    quick = await turn.subscribe(lambda: None)
    slow.set_behind(True)
    stage.upstream.say(TextDelta("a"))
    assert events_of(quick) == [TextDelta("a")]
    turn.stop()
    await settle(stage)


async def test_what_is_held_is_not_lost_at_the_end(make_stage: MakeStage) -> None:
    """
    A turn that ends while its reader is behind still has its whole answer in the log.
    """
    stage = make_stage()
    _turn, reader = await begin(stage)
    reader.set_behind(True)
    stage.upstream.say(START, TextDelta("a"))
    stage.upstream.say(TextDelta("b"))
    stage.upstream.say(USAGE, STOP)
    stage.upstream.end()
    await settle(stage)
    assert fold(events_of(reader)).text == "ab"


async def test_stop_closes_the_call_and_keeps_the_prefix(make_stage: MakeStage) -> None:
    """
    Stop ends the call at once; the log keeps what came, ends as stopped, and usage is marked as an estimate.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("eight ch"))
    turn.stop()
    await settle(stage)
    assert stage.upstream.closed_early == 1
    assert events_of(reader) == [START, TextDelta("eight ch"), MessageStop(stop_reason="stopped")]
    row = stage.ledger.rows[turn.turn_id, 1]
    assert (row.outcome, row.usage.output_tokens, row.usage.estimated) == ("stopped", 2, True)
    assert row.usage.input_tokens > 0


async def test_stop_before_the_call_begins_makes_no_call(make_stage: MakeStage) -> None:
    """
    A turn that is stopped in the same breath as it is accepted ends without a call.
    """
    stage = make_stage()
    turn = await start(stage, ask())
    turn.stop()
    await settle(stage)
    assert stage.upstream.calls == []
    assert stage.ledger.rows[turn.turn_id, 1].outcome == "stopped"


async def test_stop_after_the_last_event_changes_nothing(make_stage: MakeStage) -> None:
    """
    A stop that comes after the model's last event does not make the answer look cut.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"), USAGE, STOP)
    turn.stop()
    await settle(stage)
    assert events_of(reader)[-1] == STOP
    assert stage.ledger.rows[turn.turn_id, 1].usage == USAGE.usage


async def test_without_grace_the_last_reader_stops_the_turn(make_stage: MakeStage) -> None:
    """
    With no grace time a turn ends when its last reader leaves, not its first.
    """
    stage = make_stage()
    turn, first = await begin(stage)
    second = await turn.subscribe(lambda: None)
    first.close()
    first.close()
    assert stage.upstream.closed_early == 0
    second.close()
    await settle(stage)
    assert stage.upstream.closed_early == 1
    assert stage.ledger.rows[turn.turn_id, 1].outcome == "stopped"


async def test_within_the_grace_time_a_reader_may_come_back(make_stage: MakeStage) -> None:
    """
    A turn outlives its reader for the grace time; a reader that comes back reads from its position.
    """
    stage = make_stage()
    turn, reader = await begin(stage, grace_seconds=30)
    stage.upstream.say(START, TextDelta("a"))
    assert len(reader.take()) == 2
    reader.close()
    stage.upstream.say(TextDelta("b"))
    again = await turn.subscribe(lambda: None, after=2)
    assert events_of(again) == [TextDelta("b")]
    turn.stop()
    await settle(stage)


async def test_the_grace_time_ends(make_stage: MakeStage) -> None:
    """
    When the grace time is over and nobody came back, the turn is stopped.
    """
    stage = make_stage()
    turn, reader = await begin(stage, grace_seconds=0.01)
    reader.close()
    async with asyncio.timeout(5):
        while stage.service.running:
            await asyncio.sleep(0.001)
    assert stage.ledger.rows[turn.turn_id, 1].outcome == "stopped"


async def test_a_failure_ends_the_log_with_its_words(make_stage: MakeStage) -> None:
    """
    An upstream error becomes the terminal event, after the true prefix.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"))
    stage.upstream.end(UpstreamThrottled("too many tokens", retry_after_seconds=2, aws_error="ThrottlingException"))
    await settle(stage)
    events = events_of(reader)
    assert events[:2] == [START, TextDelta("a")]
    assert events[2] == StreamFailed(
        code="throttled",
        message="too many tokens",
        status=429,
        retryable=True,
        retry_after_seconds=2,
        aws_error="ThrottlingException",
    )
    assert stage.ledger.rows[turn.turn_id, 1].outcome == "failed"


async def test_a_body_that_ends_without_a_terminal_is_a_failure(make_stage: MakeStage) -> None:
    """
    A stream that ends cleanly but early is a failure, never a success.
    """
    stage = make_stage()
    _turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"))
    stage.upstream.end()
    await settle(stage)
    last = events_of(reader)[-1]
    assert isinstance(last, StreamFailed)
    assert last.code == "stream_interrupted"


async def test_an_internal_error_is_not_shown(make_stage: MakeStage) -> None:
    """
    An error that is not ours is called internal; its words stay in the server's log.
    """
    stage = make_stage()
    _turn, reader = await begin(stage)
    stage.upstream.end(ZeroDivisionError("canary-1b7"))
    await settle(stage)
    last = events_of(reader)[-1]
    assert isinstance(last, StreamFailed)
    assert (last.code, last.status) == ("internal", 500)
    assert "canary" not in last.message


async def test_messages_before_a_bad_one_are_kept(make_stage: MakeStage) -> None:
    """
    What precedes a malformed message in its chunk is part of the prefix.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    good = ("chunk", msgspec.json.encode(TextDelta("a")))
    with pytest.raises(msgspec.DecodeError):
        turn._take([good, good, ("chunk", b"{")])
    assert events_of(reader) == [TextDelta("aa")]
    turn.stop()
    await settle(stage)


async def test_an_answer_that_outgrows_its_log_fails(make_stage: MakeStage) -> None:
    """
    An answer beyond the bound of its log ends as a failure that says so; what fitted stays readable.
    """
    stage = make_stage(max_log_bytes=1000)
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"))
    with pytest.raises(LogFull) as caught:
        stage.upstream.say(TextDelta("b" * 1000))
    stage.upstream.end(caught.value)
    await settle(stage)
    events = events_of(reader)
    assert events[:2] == [START, TextDelta("a")]
    assert isinstance(events[2], StreamFailed)
    assert events[2].code == "answer_too_large"
    assert stage.ledger.rows[turn.turn_id, 1].outcome == "failed"


async def test_held_text_that_outgrows_the_log_fails_the_turn_and_not_its_reader(make_stage: MakeStage) -> None:
    """
    When a reader's return appends too much, the turn ends; the reader is not the one that sees an exception.
    """
    stage = make_stage(max_log_bytes=1000, merge_bytes=10_000)
    _turn, reader = await begin(stage)
    reader.set_behind(True)
    stage.upstream.say(TextDelta("b" * 2000))
    reader.set_behind(False)
    await settle(stage)
    last = events_of(reader)[-1]
    assert isinstance(last, StreamFailed)
    assert last.code == "answer_too_large"
