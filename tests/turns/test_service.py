"""
Tests of `outcrop.turns.service`: accepting, finding, bounding and draining turns, in the right order.
"""

import asyncio

import msgspec
import pytest

from outcrop.errors import Draining, StoreError, TooManyRequests, UnknownTurn
from outcrop.types import (
    MessageStart,
    MessageStop,
    StreamFailed,
    TextDelta,
    Usage,
    UsageReport,
)
from tests.turns.conftest import MakeStage, ask, begin, events_of, settle, start

START = MessageStart()
STOP = MessageStop(stop_reason="end_turn")
USAGE = UsageReport(Usage(input_tokens=3, output_tokens=2))


async def test_the_ledger_is_settled_before_the_terminal_is_published(make_stage: MakeStage) -> None:
    """
    Whoever reads the terminal event finds the ledger settled.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    assert stage.ledger.rows[turn.turn_id, 1].outcome is None
    stage.upstream.say(START, TextDelta("Hi"), USAGE, STOP)
    assert STOP not in events_of(reader)
    stage.upstream.end()
    await settle(stage)
    row = stage.ledger.rows[turn.turn_id, 1]
    assert (row.outcome, row.usage, row.attempts) == ("completed", USAGE.usage, 2)
    assert events_of(reader) == [STOP]
    assert not stage.budget.reserved


async def test_whole_answers_go_the_same_way(make_stage: MakeStage) -> None:
    """
    A call that does not stream gives the same log.
    """
    stage = make_stage()
    stage.upstream.whole = msgspec.json.encode([START, TextDelta("Hi"), USAGE, STOP])
    turn = await start(stage, ask(stream=False))
    reader = await turn.subscribe(lambda: None)
    await settle(stage)
    assert events_of(reader) == [START, TextDelta("Hi"), USAGE, STOP]
    assert stage.upstream.calls[0].operation == "invoke"


async def test_a_ledger_that_fails_fails_the_turn(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A turn whose usage can't be committed ends as failed(storage), never as a success.
    """
    stage = make_stage()

    async def refuse(**_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(stage.ledger, "settle", refuse)
    _turn, reader = await begin(stage)
    stage.upstream.say(START, USAGE, STOP)
    stage.upstream.end()
    await settle(stage)
    last = events_of(reader)[-1]
    assert isinstance(last, StreamFailed)
    assert (last.code, last.message) == ("storage", "the disk is full")


async def test_an_intent_that_cannot_be_committed_makes_no_call(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without its intent in the ledger no call is made, and the reservation is given back.
    """
    stage = make_stage()

    async def refuse(**_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(stage.ledger, "open_intent", refuse)
    with pytest.raises(StoreError):
        await stage.service.start(ask(), owner="me", grace_seconds=0)
    assert (stage.upstream.calls, stage.budget.reserved, stage.service.running) == ([], {}, 0)


async def test_turns_are_bounded(make_stage: MakeStage) -> None:
    """
    Beyond `max_turns` a turn is refused before anything is called.
    """
    stage = make_stage(max_turns=1)
    turn, _reader = await begin(stage)
    with pytest.raises(TooManyRequests, match="1 answers are running"):
        await stage.service.start(ask(), owner="me", grace_seconds=0)
    assert len(stage.upstream.calls) == 1
    turn.stop()
    await settle(stage)


async def test_the_default_bound_of_an_answer_is_the_smaller_one(make_stage: MakeStage) -> None:
    """
    Where the request names no bound, the model's own limit holds if it is below the default.
    """
    stage = make_stage()
    turn, _reader = await begin(stage)
    assert stage.budget.reserved[turn.turn_id] == 500
    assert b'"max_tokens":500' in stage.upstream.calls[0].body
    turn.stop()
    await settle(stage)


async def test_anothers_turn_looks_unknown(make_stage: MakeStage) -> None:
    """
    A turn is found by its owner only.
    """
    stage = make_stage()
    turn, _reader = await begin(stage)
    assert stage.service.find(turn.turn_id, owner="me") is turn
    with pytest.raises(UnknownTurn):
        stage.service.find(turn.turn_id, owner="you")
    with pytest.raises(UnknownTurn):
        await stage.service.status(turn.turn_id, owner="you")
    assert (await stage.service.status(turn.turn_id, owner="me")).state == "running"
    turn.stop()
    await settle(stage)
    assert (await stage.service.status(turn.turn_id, owner="me")).state == "stopped"


async def test_drain_lets_turns_finish(make_stage: MakeStage) -> None:
    """
    A drain refuses new turns and waits for the running ones.
    """
    stage = make_stage()
    _turn, reader = await begin(stage)
    drain = asyncio.create_task(stage.service.drain(5))
    await asyncio.sleep(0)
    with pytest.raises(Draining):
        await stage.service.start(ask(), owner="me", grace_seconds=0)
    stage.upstream.say(START, USAGE, STOP)
    stage.upstream.end()
    await drain
    assert events_of(reader)[-1] == STOP


async def test_drain_interrupts_what_does_not_finish(make_stage: MakeStage) -> None:
    """
    A turn that outlasts the drain ends as interrupted, with its exact prefix, and its call is closed.
    """
    stage = make_stage()
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"))
    await stage.service.drain(0.01)
    events = events_of(reader)
    assert events[1] == TextDelta("a")
    assert isinstance(events[2], StreamFailed)
    assert events[2].code == "interrupted"
    assert stage.upstream.closed_early == 1
    assert stage.ledger.rows[turn.turn_id, 1].outcome == "interrupted"


async def test_nothing_is_left_over(make_stage: MakeStage) -> None:
    """
    After a hundred turns, stopped at various moments, no task and no turn is left.
    """
    stage = make_stage(max_turns=100)
    before = asyncio.all_tasks()
    for index in range(100):
        turn = await start(stage, ask())
        for _ in range(index % 4):
            await asyncio.sleep(0)
        turn.stop()
    await settle(stage)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert len(stage.ledger.rows) == 100
    assert all(row.outcome == "stopped" for row in stage.ledger.rows.values())
