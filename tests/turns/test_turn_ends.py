"""
How turns end when their end does not fit, can't be made, or can't be written.
"""

import asyncio
from typing import Any

import msgspec
import pytest

import outcrop.turns.orphans
from outcrop.errors import LogFull, StoreError
from outcrop.turns.log import Subscription
from outcrop.turns.records import Lease, Standing, TurnOpening, TurnStatus, TurnSummary, Unfinished
from outcrop.turns.recovery import Recovery
from outcrop.types import (
    MessageStart,
    MessageStop,
    StreamEvent,
    StreamFailed,
    TextDelta,
    Usage,
)
from tests.turns.conftest import MakeStage, Stage, ask, begin, events_of, settle, start

START = MessageStart()
STOP = MessageStop(stop_reason="end_turn")
LARGE = TextDelta("b" * 1000)
ROW: dict[str, Any] = {"call": 1, "principal_id": "me", "model_id": "m", "opened_at": 0, "is_kept": True}


def check_too_large(stage: Stage, turn_id: str, events: list[StreamEvent], before: list[StreamEvent]) -> None:
    """
    Want a true prefix and a failure that says why, in the log and in the ledger.
    """
    assert events[:-1] == before
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].code == "answer_too_large"
    assert stage.ledger.rows[turn_id, 1].outcome == "failed"


async def test_a_whole_answer_that_does_not_fit_has_failed(make_stage: MakeStage) -> None:
    """
    It is not called completed with nothing in it.
    """
    stage = make_stage(max_log_bytes=500)
    stage.upstream.whole = msgspec.json.encode([START, LARGE, STOP])
    turn = await start(stage, ask(stream=False), grace_seconds=5)
    reader = await turn.subscribe(lambda: None)
    await settle(stage)
    check_too_large(stage, turn.turn_id, events_of(reader), [])


async def test_a_last_piece_that_does_not_fit_is_no_good_end(make_stage: MakeStage) -> None:
    """
    Where text and end come in one chunk, and the text is not taken, the turn has failed.
    """
    stage = make_stage(max_log_bytes=500)
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"))
    with pytest.raises(LogFull) as caught:
        stage.upstream.say(LARGE, STOP)
    stage.upstream.end(caught.value)
    await settle(stage)
    check_too_large(stage, turn.turn_id, events_of(reader), [START, TextDelta("a")])


async def test_held_text_that_does_not_fit_at_the_end_fails_the_turn(make_stage: MakeStage) -> None:
    """
    What was held back for a slow reader is appended before the end is judged.
    """
    stage = make_stage(max_log_bytes=500, merge_bytes=10_000)
    turn, reader = await begin(stage)
    stage.upstream.say(START, TextDelta("a"))
    reader.set_behind(True)
    stage.upstream.say(LARGE)
    stage.upstream.say(STOP)
    stage.upstream.end()
    await settle(stage)
    check_too_large(stage, turn.turn_id, events_of(reader), [START, TextDelta("a")])


async def test_a_fault_at_the_end_is_told_to_the_readers(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A turn whose end meets a fault of ours ends as failed, and its chat can be used again.
    """
    stage = make_stage()
    settle_first = stage.ledger.settle

    async def settle_badly(**said: Any) -> None:
        monkeypatch.setattr(stage.ledger, "settle", settle_first)
        raise ZeroDivisionError("canary-77b")

    monkeypatch.setattr(stage.ledger, "settle", settle_badly)
    started = await stage.service.start(ask(), owner="me", grace_seconds=5, chat_id="c")
    reader = await stage.service.subscribe(started.turn_id, owner="me", wake=lambda: None)
    await stage.upstream.opened.wait()
    stage.upstream.say(START, TextDelta("a"), STOP)
    stage.upstream.end()
    await settle(stage)
    *before, last = events_of(reader)
    assert before == [START, TextDelta("a")]
    assert isinstance(last, StreamFailed)
    assert (last.code, "canary" in last.message) == ("internal", False)
    assert stage.ledger.rows[started.turn_id, 1].outcome == "failed"
    assert (await stage.service.start(ask(), owner="me", grace_seconds=0, chat_id="c")).is_new


async def test_a_drain_does_not_wait_for_a_store_that_hangs(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A turn that can't be accepted holds a stopping server no longer than the drain may take.
    """
    stage = make_stage()
    asked = asyncio.Event()

    async def hang(**_said: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(stage.ledger, "open_intent", hang)
    starting = asyncio.create_task(stage.service.start(ask(), owner="me", grace_seconds=0))
    await asked.wait()
    async with asyncio.timeout(10):
        await stage.service.drain(0.05)
    starting.cancel()


class FailingLedger:
    """
    Be a ledger's `settle_for_another` that fails a number of times.
    """

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.asked = asyncio.Event()

    async def __call__(self, **_said: object) -> Standing:
        """
        Fail, or say that all is well.
        """
        self.asked.set()
        if self.left:
            self.left -= 1
            raise StoreError("the database is away")
        return Standing(is_accepted=True)


async def leave_behind(stage: Stage) -> tuple[TurnStatus, Lease]:
    """
    Write what a replica wrote before it died.
    """
    opening = TurnOpening(turn_id="t", owner="me", model="m", model_id="m", region="r", started_at=0)
    lease = await stage.log.acquire(opening)
    stage.log.append(lease, [START, TextDelta("a")])
    return await stage.log.status("t", owner="me"), lease


async def test_an_orphan_is_ended_however_long_a_store_is_down(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is tried again until it succeeds: nobody else would end it.
    """
    stage = make_stage()
    ledger = FailingLedger(30)
    monkeypatch.setattr(stage.ledger, "settle_for_another", ledger)
    monkeypatch.setattr(outcrop.turns.orphans, "PAUSES_SECONDS", (0.001, 0.002))
    stage.service.on_orphan(*await leave_behind(stage))
    async with asyncio.timeout(10):
        while (await stage.service.status("t", owner="me")).state == "running":
            await asyncio.sleep(0.005)
    assert ledger.left == 0


async def test_a_drain_gives_an_orphan_up(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A stopping server leaves what it can't end to another one, at once.
    """
    stage = make_stage()
    ledger = FailingLedger(1000)
    monkeypatch.setattr(stage.ledger, "settle_for_another", ledger)
    monkeypatch.setattr(outcrop.turns.orphans, "PAUSES_SECONDS", (3600,))
    stage.service.on_orphan(*await leave_behind(stage))
    await ledger.asked.wait()
    async with asyncio.timeout(10):
        await stage.service.drain(60)
    assert (await stage.service.status("t", owner="me")).state == "running"


async def test_an_answer_whose_log_goes_meanwhile_is_left_for_the_next_sweep(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A log that is forgotten between two looks at it keeps no other row from being closed.
    """
    stage = make_stage()
    rows = {name: Unfinished(turn_id=name, **ROW) for name in "ab"}
    for name in rows:
        opening = TurnOpening(turn_id=name, owner="me", model="m", model_id="m", region="r", started_at=0, is_kept=True)
        lease = await stage.log.acquire(opening)
        await stage.log.finalize(lease, STOP, TurnSummary(usage=Usage(), duration_ms=1))
    subscribe = stage.log.subscribe

    async def lose_a(turn_id: str, **said: Any) -> Subscription:
        if turn_id == "a":
            await stage.log.delete("a", owner="me")
        return await subscribe(turn_id, **said)

    async def find(*, limit: int) -> list[Unfinished]:
        return list(rows.values())[:limit]

    async def close(*, turn_id: str, **_said: object) -> None:
        del rows[turn_id]

    monkeypatch.setattr(stage.log, "subscribe", lose_a)
    monkeypatch.setattr(stage.ledger, "find_unfinished", find)
    monkeypatch.setattr(stage.ledger, "settle_for_another", close)
    recovery = Recovery(stage.service._ports, stage.service.runs, unknown_seconds=0)
    assert (await recovery.sweep(), set(rows)) == (1, {"a"})
    assert (await recovery.sweep(), set(rows)) == (1, set())
