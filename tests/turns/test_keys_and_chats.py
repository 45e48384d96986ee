"""
Idempotency keys, chats, and callers that leave while their turn begins.
"""

import asyncio
from typing import Any

import pytest

from outcrop.errors import ChatBusy, IdempotencyMismatch, PositionExpired, StoreError, UnknownTurn
from outcrop.types import MessageStart, MessageStop, TextDelta, Usage, UsageReport
from tests.turns.conftest import MakeStage, Stage, ask, events_of, settle

STOP = MessageStop(stop_reason="end_turn")
USAGE = UsageReport(Usage(input_tokens=3, output_tokens=2))


async def ask_with_key(stage: Stage, key: str = "k", prompt: str = "hello") -> tuple[str, bool]:
    """
    Start a turn with an idempotency key.
    """
    started = await stage.service.start(ask(prompt), owner="me", grace_seconds=60, idempotency_key=key)
    return started.turn_id, started.is_new


async def finish(stage: Stage) -> None:
    """
    Let the running turn say something and end.
    """
    await stage.upstream.opened.wait()
    stage.upstream.say(MessageStart(), TextDelta("Hi"), USAGE, STOP)
    stage.upstream.end()
    await settle(stage)


async def test_one_key_is_one_call(make_stage: MakeStage) -> None:
    """
    Twenty concurrent requests with one key begin one turn and make one call; a later one gets the finished answer.
    """
    stage = make_stage(max_turns=50)
    started = await asyncio.gather(*(ask_with_key(stage) for _ in range(20)))
    assert len({turn_id for turn_id, _ in started}) == 1
    assert [is_new for _, is_new in started].count(True) == 1
    await finish(stage)
    turn_id, is_new = await ask_with_key(stage)
    assert (turn_id, is_new) == (started[0][0], False)
    reader = await stage.service.subscribe(turn_id, owner="me", wake=lambda: None)
    assert events_of(reader) == [MessageStart(), TextDelta("Hi"), USAGE, STOP]
    assert len(stage.upstream.calls) == len(stage.ledger.rows) == 1
    assert not stage.budget.reserved


async def test_keys_of_different_owners_are_different(make_stage: MakeStage) -> None:
    """
    A key belongs to its owner: another's turn is never followed.
    """
    stage = make_stage()
    mine, _ = await ask_with_key(stage)
    other = await stage.service.start(ask(), owner="you", grace_seconds=60, idempotency_key="k")
    assert other.is_new
    assert other.turn_id != mine
    await stage.service.drain(0)


async def test_a_key_is_for_one_request(make_stage: MakeStage) -> None:
    """
    The same key with another request is refused, and nothing is called for it.
    """
    stage = make_stage()
    await ask_with_key(stage)
    with pytest.raises(IdempotencyMismatch):
        await ask_with_key(stage, prompt="something else")
    assert not set(stage.budget.reserved) - set(dict(stage.ledger.rows.keys()))
    await finish(stage)
    assert len(stage.upstream.calls) == 1


async def test_a_key_outlives_its_log(make_stage: MakeStage) -> None:
    """
    When the answer is not kept any more, its key says so instead of asking again.
    """
    stage = make_stage()
    turn_id, _ = await ask_with_key(stage)
    await finish(stage)
    await stage.service.delete(turn_id, owner="me")
    with pytest.raises(PositionExpired, match="not kept"):
        await ask_with_key(stage)
    assert len(stage.upstream.calls) == 1


async def test_an_intent_that_fails_frees_its_key(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When the intent can't be committed nothing has begun: the same key may try again.
    """
    stage = make_stage()

    async def refuse(**_: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(stage.ledger, "open_intent", refuse)
        with pytest.raises(StoreError):
            await ask_with_key(stage)
    assert not stage.budget.reserved
    _, is_new = await ask_with_key(stage)
    assert is_new
    await finish(stage)


async def test_a_chat_has_one_running_turn(make_stage: MakeStage) -> None:
    """
    A second turn in a chat is refused while the first runs, and welcome afterwards; `find_chat` knows the latest.
    """
    stage = make_stage()
    first = await stage.service.start(ask(), owner="me", grace_seconds=60, chat_id="c")
    with pytest.raises(ChatBusy) as caught:
        await stage.service.start(ask(), owner="me", grace_seconds=60, chat_id="c")
    assert caught.value.turn_id == first.turn_id
    assert not stage.budget.reserved.keys() - {first.turn_id}
    await finish(stage)
    stage.upstream.opened.clear()
    second = await stage.service.start(ask(), owner="me", grace_seconds=60, chat_id="c")
    found = await stage.service.find_chat("c", owner="me")
    assert found is not None
    assert (found.turn_id, found.state) == (second.turn_id, "running")
    assert await stage.service.find_chat("c", owner="you") is None
    await finish(stage)
    summary = (await stage.service.status(second.turn_id, owner="me")).summary
    assert summary is not None
    assert summary.usage == USAGE.usage
    assert summary.cost_usd == pytest.approx(0.002)
    assert summary.ttft_ms is not None
    assert summary.ttft_ms <= summary.duration_ms


@pytest.mark.parametrize("steps", range(5))
async def test_a_caller_that_leaves_while_its_turn_begins(make_stage: MakeStage, steps: int) -> None:
    """
    A caller that is cancelled at any moment of the beginning leaves no open row, no reservation and no running turn.
    """
    stage = make_stage()
    starting = asyncio.create_task(stage.service.start(ask(), owner="me", grace_seconds=0))
    for _ in range(steps):
        await asyncio.sleep(0)
    starting.cancel()
    started = (await asyncio.gather(starting, return_exceptions=True))[0]
    if not isinstance(started, BaseException):
        await stage.service.stop(started.turn_id, owner="me")
    await asyncio.sleep(0.01)
    await settle(stage)
    assert all(row.outcome == "stopped" for row in stage.ledger.rows.values())
    assert not stage.budget.reserved


async def test_stop_is_for_owners(make_stage: MakeStage) -> None:
    """
    Another's turn can't be stopped, and looks unknown; one's own can be, and stopping twice does no harm.
    """
    stage = make_stage()
    started = await stage.service.start(ask(), owner="me", grace_seconds=60)
    with pytest.raises(UnknownTurn):
        await stage.service.stop(started.turn_id, owner="you")
    await stage.service.stop(started.turn_id, owner="me")
    await settle(stage)
    await stage.service.stop(started.turn_id, owner="me")
    assert (await stage.service.status(started.turn_id, owner="me")).state == "stopped"


async def test_stop_and_ask_again_is_not_refused(make_stage: MakeStage) -> None:
    """
    A prompt that comes right after the stop of its chat's answer waits for the end of that one, and begins.
    """
    stage = make_stage()
    first = await stage.service.start(ask(), owner="me", grace_seconds=60, chat_id="c")
    await stage.upstream.opened.wait()
    await stage.service.stop(first.turn_id, owner="me")
    stage.upstream.opened.clear()
    second = await stage.service.start(ask("again"), owner="me", grace_seconds=60, chat_id="c")
    assert second.turn_id != first.turn_id
    assert (await stage.service.status(first.turn_id, owner="me")).state == "stopped"
    await finish(stage)
    assert len(stage.ledger.rows) == 2


async def test_a_reader_that_never_came_starts_the_grace_time(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A turn whose only reader fails to subscribe does not run for nobody.
    """
    stage = make_stage()

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the log can't be reached")

    started = await stage.service.start(ask(), owner="me", grace_seconds=0)
    monkeypatch.setattr(stage.log, "subscribe", refuse)
    with pytest.raises(StoreError):
        await stage.service.subscribe(started.turn_id, owner="me", wake=lambda: None)
    await settle(stage)
    assert (await stage.service.status(started.turn_id, owner="me")).state == "stopped"


class Gate:
    """
    Hold the commit of a turn's intent until the test opens it.
    """

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._commit = stage.ledger.open_intent
        monkeypatch.setattr(stage.ledger, "open_intent", self)

    async def __call__(self, **said: Any) -> None:
        """
        Commit, when the gate is open.
        """
        self.reached.set()
        await self.open.wait()
        await self._commit(**said)


async def test_a_reader_that_comes_before_the_turn_runs_is_counted(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever follows a turn while it is being accepted keeps it running when the first one leaves.
    """
    stage = make_stage()
    gate = Gate(stage, monkeypatch)
    first = asyncio.create_task(stage.service.start(ask(), owner="me", grace_seconds=0, idempotency_key="k"))
    await gate.reached.wait()
    second = await stage.service.start(ask(), owner="me", grace_seconds=0, idempotency_key="k")
    following = asyncio.create_task(stage.service.subscribe(second.turn_id, owner="me", wake=lambda: None))
    await asyncio.sleep(0)
    gate.open.set()
    reader, started = await following, await first
    assert (started.turn_id, second.is_new) == (second.turn_id, False)
    turn = stage.service.find(started.turn_id, owner="me")
    (await turn.subscribe(lambda: None)).close()
    await finish(stage)
    assert events_of(reader)[-1] == STOP


@pytest.mark.parametrize("from_elsewhere", [False, True])
async def test_a_stop_that_comes_before_the_turn_runs_stops_it(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch, *, from_elsewhere: bool
) -> None:
    """
    A chat that is stopped while its turn is being accepted makes no answer.
    """
    stage = make_stage()
    gate = Gate(stage, monkeypatch)
    starting = asyncio.create_task(stage.service.start(ask(), owner="me", grace_seconds=60, chat_id="c"))
    await gate.reached.wait()
    found = await stage.service.find_chat("c", owner="me")
    assert found is not None
    if from_elsewhere:
        stage.service.on_stop(found.turn_id)
        gate.open.set()
    else:
        stopping = asyncio.create_task(stage.service.stop(found.turn_id, owner="me"))
        await asyncio.sleep(0)
        gate.open.set()
        await stopping
    await starting
    await settle(stage)
    assert stage.ledger.rows[found.turn_id, 1].outcome == "stopped"
