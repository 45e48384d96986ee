"""
Turns whose replica has died: they end as interrupted, or another call goes on with their answer.
"""

import msgspec
import pytest

from outcrop.calls import ResolvedModel
from outcrop.turns.orphans import continue_request
from outcrop.turns.records import Lease, TurnOpening
from outcrop.types import (
    AnswerContinued,
    ChatRequest,
    GenerationParams,
    Message,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.turns.conftest import MakeStage, Stage, ask, events_of, resolve_scripted, settle

BEGUN: list[StreamEvent] = [MessageStart(), TextDelta("Once upon"), TextDelta(" a time")]
STOP = MessageStop(stop_reason="end_turn")


async def leave_behind(stage: Stage, events: list[StreamEvent], request: ChatRequest | None = None) -> Lease:
    """
    Write what a replica wrote before it died, with its request where answers may be continued.
    """
    encoded = None if request is None else msgspec.msgpack.encode(request)
    opening = TurnOpening(
        turn_id="t", owner="me", model="m", model_id="m", region="r", started_at=0, chat_id="c", request=encoded
    )
    lease = await stage.log.acquire(opening)
    if events:
        stage.log.append(lease, events)
    return lease


async def hand_over(stage: Stage, lease: Lease) -> None:
    """
    Tell the service of the orphan, as a log does.
    """
    stage.service.on_orphan(await stage.log.status("t", owner="me"), lease)


@pytest.mark.parametrize("events", [[], BEGUN[:1], BEGUN])
async def test_an_orphan_ends_as_interrupted(make_stage: MakeStage, events: list[StreamEvent]) -> None:
    """
    Its exact prefix is kept, its call is settled with an estimate, its readers get one terminal.
    """
    stage = make_stage()
    lease = await leave_behind(stage, events)
    reader = await stage.service.subscribe("t", owner="me", wake=lambda: None)
    await hand_over(stage, lease)
    await stage.service.drain(5)
    *before, last = events_of(reader)
    assert before == events
    assert isinstance(last, StreamFailed)
    assert (last.code, last.retryable) == ("interrupted", True)
    row = stage.ledger.rows["t", 1]
    assert (row.outcome, row.usage.estimated) == ("interrupted", True)
    assert row.usage.output_tokens == (4 if events == BEGUN else 0)
    assert stage.upstream.calls == []
    found = await stage.service.find_chat("c", owner="me")
    assert found is not None
    assert found.state == "interrupted"


async def test_an_orphan_is_continued(make_stage: MakeStage) -> None:
    """
    Where it is allowed, a second call gets the answer so far as its beginning; a seam stands in the log, both calls
    in the ledger, and the usage is their sum.
    """
    stage = make_stage(continues=True)
    request = msgspec.structs.replace(ask("Tell me"), params=GenerationParams(max_tokens=100))
    lease = await leave_behind(stage, BEGUN, request)
    reader = await stage.service.subscribe("t", owner="me", wake=lambda: None)
    await hand_over(stage, lease)
    await stage.upstream.opened.wait()
    sent = msgspec.json.decode(stage.upstream.calls[0].body, type=ChatRequest)
    assert sent.messages == (*request.messages, Message("assistant", (TextPart(text="Once upon a time"),)))
    assert sent.params.max_tokens == 96
    used = Usage(input_tokens=9, output_tokens=5)
    stage.upstream.say(MessageStart(), TextDelta(" there was"), UsageReport(used), STOP)
    stage.upstream.end()
    await settle(stage)
    events = events_of(reader)
    assert events[:3] == BEGUN
    assert isinstance(events[3], AnswerContinued)
    assert events[4:] == [TextDelta(" there was"), UsageReport(used), STOP]
    assert [(row.call, row.outcome) for row in stage.ledger.rows.values()] == [(1, "interrupted"), (2, "completed")]
    summary = reader.status.summary
    assert summary is not None
    assert (summary.usage.output_tokens, summary.usage.estimated) == (4 + 5, True)


async def test_a_continued_orphan_can_be_orphaned_again(make_stage: MakeStage) -> None:
    """
    When the second replica dies too, its call gets a row of its own.
    """
    stage = make_stage()
    lease = await leave_behind(stage, [*BEGUN, AnswerContinued(reason="r"), TextDelta(" there")])
    await hand_over(stage, lease)
    await stage.service.drain(5)
    assert list(stage.ledger.rows) == [("t", 2)]


@pytest.mark.parametrize(
    "event",
    [
        ToolUseStart(index=1, tool_use_id="u", name="search"),
        ReasoningDelta(text="hm", index=1),
    ],
)
def test_tool_calls_and_reasoning_are_not_continued(event: StreamEvent) -> None:
    """
    A half-finished tool call, or reasoning without its signature, ends the turn.
    """
    assert continue_request(ask(), [*BEGUN, event], resolve_scripted("m")) is None


@pytest.mark.parametrize(
    ("text", "family", "refuses", "continued"),
    [
        ("word", "anthropic", frozenset(), True),
        ("word ", "anthropic", frozenset(), False),
        ("word ", "llama3", frozenset(), True),
        ("word", "llama3", frozenset({"prefill"}), False),
        ("", "llama3", frozenset({"prefill"}), True),
    ],
)
def test_the_model_must_take_the_beginning(text: str, family: str, refuses: frozenset[str], continued: bool) -> None:
    """
    An answer goes on only where the model takes exactly what came; where nothing came, the request is asked again.
    """
    model = ResolvedModel(name="m", model_id="m", base_id="m", family=family, refuses=refuses)
    rest = continue_request(ask(), [MessageStart(), TextDelta(text)] if text else [MessageStart()], model)
    assert (rest is not None) == continued


def test_a_prefill_of_the_client_stays_in_front() -> None:
    """
    Where the client began the answer, the answer so far is put behind its words in one message.
    """
    request = msgspec.structs.replace(
        ask(), messages=(*ask().messages, Message("assistant", (TextPart(text="Sure: "),)))
    )
    rest = continue_request(request, BEGUN, resolve_scripted("m"))
    assert rest is not None
    assert rest.messages[1:] == (Message("assistant", (TextPart(text="Sure: Once upon a time"),)),)
