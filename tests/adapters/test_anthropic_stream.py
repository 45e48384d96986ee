"""
Anthropic answers become events, streamed or whole, and what is malformed is refused.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.adapters.anthropic_stream import MAX_UNKNOWN_CHUNKS
from outcrop.errors import (
    StreamInterrupted,
)
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)

FIXTURES = Path(__file__).parent / "fixtures"
Json = dict[str, Any]

TEXT_START: Json = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
TEXT_DELTA: Json = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
BLOCK_STOP: Json = {"type": "content_block_stop", "index": 0}
MESSAGE_DELTA: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
MESSAGE_STOP: Json = {"type": "message_stop"}


def start(**usage: Any) -> Json:
    """
    Build a `message_start` with this usage.
    """
    return {"type": "message_start", "message": {"id": "msg_1", "content": [], "stop_reason": None, "usage": usage}}


def opened(block: Json) -> Json:
    """
    Build a `content_block_start` for block 0.
    """
    return {"type": "content_block_start", "index": 0, "content_block": block}


def changed(kind: str, **fields: Any) -> Json:
    """
    Build a `content_block_delta` for block 0.
    """
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def stream(*chunks: Json) -> list[StreamEvent]:
    """
    Decode a whole stream of chunks.
    """
    decoder = AnthropicAdapter().decoder()
    events = [event for chunk in chunks for event in decoder.feed("chunk", json.dumps(chunk).encode())]
    return events + decoder.flush()


def stream_block(*chunks: Json) -> list[StreamEvent]:
    """
    Decode chunks inside an otherwise empty stream, and return what they alone gave.
    """
    return stream(start(), *chunks, BLOCK_STOP, MESSAGE_DELTA, MESSAGE_STOP)[1:-2]


def whole(headers: dict[str, str] | None = None, **fields: Any) -> list[StreamEvent]:
    """
    Parse a whole answer with these fields.
    """
    message = {"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "end_turn", "content": []}
    return AnthropicAdapter().parse_answer(json.dumps({**message, **fields}).encode(), headers or {})


def last_usage(events: list[StreamEvent]) -> Usage:
    """
    Return the report before the terminal.
    """
    report = events[-2]
    assert isinstance(report, UsageReport)
    return report.usage


def terminal(events: list[StreamEvent]) -> MessageStop:
    """
    Return the terminal.
    """
    stop = events[-1]
    assert isinstance(stop, MessageStop)
    return stop


@pytest.mark.parametrize("name", ["anthropic_text", "anthropic_tools", "anthropic_thinking"])
def test_a_recorded_stream_gives_the_recorded_events(name: str) -> None:
    """
    The golden streams decode to the golden events.
    """
    decoder = AnthropicAdapter().decoder()
    lines = (FIXTURES / f"{name}.jsonl").read_bytes().splitlines()
    events = [event for line in lines for event in decoder.feed("chunk", line)] + decoder.flush()
    expected = (FIXTURES / f"{name}.events.jsonl").read_bytes().splitlines()
    assert events == [msgspec.json.decode(line, type=StreamEvent) for line in expected]


@pytest.mark.parametrize("name", ["anthropic_text", "anthropic_tools", "anthropic_thinking"])
def test_a_stream_cut_anywhere_is_interrupted(name: str) -> None:
    """
    Whatever came, a stream without `message_stop` is a failure at its end.
    """
    lines = (FIXTURES / f"{name}.jsonl").read_bytes().splitlines()
    for cut in range(len(lines)):
        decoder = AnthropicAdapter().decoder()
        for line in lines[:cut]:
            decoder.feed("chunk", line)
        with pytest.raises(StreamInterrupted, match="expected 'message_stop'"):
            decoder.flush()


def test_a_text_block_may_open_with_text() -> None:
    """
    Text in `content_block_start` is the block's first text.
    """
    events = stream_block(opened({"type": "text", "text": "Oh"}), TEXT_DELTA)
    assert events == [TextDelta("Oh", 0), TextDelta("Hi", 0)]


def test_an_empty_delta_gives_no_event() -> None:
    """
    A delta without text says nothing.
    """
    assert stream_block(TEXT_START, changed("text_delta", text="")) == []


def test_a_citation_travels_with_its_block() -> None:
    """
    A citation becomes the details of an empty text delta, wherever it comes.
    """
    citation = {"type": "page_location", "cited_text": "stone"}
    events = stream_block(TEXT_START, TEXT_DELTA, changed("citations_delta", citation=citation))
    expected: list[StreamEvent] = [TextDelta("Hi", 0), TextDelta("", 0, {"citation": citation})]
    assert events == expected
    assert whole(content=[{"type": "text", "text": "Hi", "citations": [citation]}])[1:-2] == expected


def test_a_tool_call_may_come_complete() -> None:
    """
    Arguments in `content_block_start` are the whole arguments.
    """
    block = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}
    assert stream_block(opened(block)) == [
        ToolUseStart(index=0, tool_use_id="t1", name="add"),
        ToolUseDelta(index=0, input_json='{"a":1}'),
    ]


def test_a_tool_call_without_arguments_has_an_empty_object() -> None:
    """
    The fragments of a call always make one JSON document, also where the model sent none.
    """
    block = {"type": "tool_use", "id": "t1", "name": "now", "input": {}}
    events = stream_block(opened(block), changed("input_json_delta", partial_json=""))
    assert events[-1] == ToolUseDelta(index=0, input_json="{}")


def test_an_unclosed_block_is_closed_by_the_end() -> None:
    """
    A refusal may end a message in the middle of a block.
    """
    block = opened({"type": "tool_use", "id": "t1", "name": "now", "input": {}})
    events = stream(start(), block, MESSAGE_DELTA, MESSAGE_STOP)
    assert ToolUseDelta(index=0, input_json="{}") in events


def test_hidden_reasoning_still_has_its_signature() -> None:
    """
    A block with a signature and no text is kept, because the signature must go back.
    """
    events = stream_block(opened({"type": "thinking", "thinking": ""}), changed("signature_delta", signature="s"))
    assert events == [ReasoningDelta(index=0, signature="s")]


def test_a_block_of_unknown_type_travels_whole() -> None:
    """
    An unknown block and its deltas are passed on as details of their own block.
    """
    block = {"type": "hologram", "depth": 3}
    delta = {"type": "text_delta", "text": "x"}
    chunk = {"type": "content_block_delta", "index": 0, "delta": delta}
    assert stream_block(opened(block), chunk) == [
        TextDelta("", 0, {"content_block": block}),
        TextDelta("", 0, {"delta": delta}),
    ]


def test_an_unknown_delta_and_an_unknown_chunk_reach_the_terminal() -> None:
    """
    What has no place in the events stands in the details of `MessageStop`.
    """
    odd_delta, odd_chunk = changed("sparkle", level=2), {"type": "weather", "sky": "blue"}
    stop = terminal(stream(start(), TEXT_START, odd_delta, odd_chunk, BLOCK_STOP, MESSAGE_DELTA, MESSAGE_STOP))
    assert stop.provider_details == {"chunks": [odd_delta, odd_chunk]}


def test_unknown_chunks_are_bounded() -> None:
    """
    A flood of unknown chunks neither fails the answer nor fills the memory: those beyond the bound are counted.
    """
    odd = [{"type": "weather"}] * (MAX_UNKNOWN_CHUNKS + 3)
    details = terminal(stream(start(), *odd, MESSAGE_DELTA, MESSAGE_STOP)).provider_details
    assert details == {"chunks": odd[:MAX_UNKNOWN_CHUNKS], "chunks_omitted": 3}


def test_fields_without_a_name_here_travel_as_details() -> None:
    """
    Unknown fields of the message, and counts without a field, are in the details, streamed or whole.
    """
    extra = {"stop_details": {"type": "refusal"}, "container": {"id": "c"}}
    usage = {"input_tokens": 1, "service_tier": "standard", "output_tokens": 5}
    opening = start(input_tokens=1, service_tier="standard", output_tokens=1)
    opening["message"]["container"] = extra["container"]
    ending = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": extra["stop_details"]}}
    streamed = terminal(stream(opening, {**ending, "usage": {"output_tokens": 5}}, MESSAGE_STOP))
    assert streamed.provider_details == {**extra, "usage": {"service_tier": "standard"}}
    assert streamed == terminal(whole(stop_reason="refusal", usage=usage, **extra))


def test_pings_say_nothing() -> None:
    """
    A ping may come anywhere before the end.
    """
    ping = {"type": "ping"}
    chunks = [start(), TEXT_START, TEXT_DELTA, BLOCK_STOP, MESSAGE_DELTA, MESSAGE_STOP]
    with_pings = [chunk for pair in ((ping, chunk) for chunk in chunks) for chunk in pair]
    assert stream(*with_pings) == stream(*chunks)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool_use"),
        ("pause_turn", "pause_turn"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window_exceeded"),
    ],
)
def test_a_known_stop_reason_has_our_name(said: str, meant: str) -> None:
    """
    The model's reasons map to ours, with nothing to add.
    """
    stop = terminal(whole(stop_reason=said))
    assert (stop.stop_reason, stop.provider_details) == (meant, None)


def test_an_unknown_stop_reason_is_other_and_named() -> None:
    """
    A reason that has no name here is in the details.
    """
    stop = terminal(whole(stop_reason="boredom"))
    assert (stop.stop_reason, stop.provider_details) == ("other", {"stop_reason": "boredom"})


def test_usage_is_the_latest_count_of_each_kind() -> None:
    """
    `message_delta` is cumulative and completes what `message_start` counted.
    """
    ending = {**MESSAGE_DELTA, "usage": {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}}
    events = stream(start(input_tokens=4, cache_read_input_tokens=2, output_tokens=1), ending, MESSAGE_STOP)
    assert last_usage(events) == Usage(input_tokens=4, output_tokens=7, cache_read_tokens=2, reasoning_tokens=3)


def test_the_input_is_reported_at_the_start() -> None:
    """
    A turn that is stopped half-way knows what it read; that report is marked as an estimate.
    """
    decoder = AnthropicAdapter().decoder()
    events = decoder.feed("chunk", json.dumps(start(input_tokens=4, output_tokens=1)).encode())
    early = UsageReport(Usage(input_tokens=4, output_tokens=1, estimated=True))
    assert events == [MessageStart(message_id="msg_1"), early]


def test_the_metrics_complete_the_usage() -> None:
    """
    Where the body has no counts, Bedrock's own hold.
    """
    metrics = {
        "inputTokenCount": 4,
        "outputTokenCount": 7,
        "cacheReadInputTokenCount": 2,
        "cacheWriteInputTokenCount": 1,
        "invocationLatency": 9,
    }
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    events = stream(start(output_tokens=1), ending, {**MESSAGE_STOP, "amazon-bedrock-invocationMetrics": metrics})
    assert last_usage(events) == Usage(input_tokens=4, output_tokens=7, cache_read_tokens=2, cache_write_tokens=1)
    assert terminal(events).provider_details is None


def test_the_body_wins_over_the_metrics() -> None:
    """
    Counts of the body are the model's own.
    """
    metrics = {"inputTokenCount": 99, "outputTokenCount": 99}
    stop = {**MESSAGE_STOP, "amazon-bedrock-invocationMetrics": metrics}
    assert last_usage(stream(start(input_tokens=4), MESSAGE_DELTA, stop)) == Usage(input_tokens=4, output_tokens=5)


def test_usage_that_nobody_reported_is_marked() -> None:
    """
    Without any counts the usage is an estimate.
    """
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert last_usage(stream(start(output_tokens=1), ending, MESSAGE_STOP)) == Usage(output_tokens=1, estimated=True)


def test_the_headers_complete_the_usage_of_a_whole_answer() -> None:
    """
    A whole answer without usage is counted by Bedrock's headers.
    """
    headers = {
        "x-amzn-bedrock-input-token-count": "4",
        "x-amzn-bedrock-output-token-count": "7",
        "x-amzn-bedrock-cache-read-input-token-count": "2",
    }
    assert last_usage(whole(headers)) == Usage(input_tokens=4, output_tokens=7, cache_read_tokens=2)


def test_a_refusal_may_have_no_content() -> None:
    """
    A whole answer without content is still an answer.
    """
    events = whole(stop_reason="refusal")
    assert [type(event) for event in events] == [MessageStart, UsageReport, MessageStop]


def test_a_guardrail_that_intervened_is_the_reason() -> None:
    """
    What a guardrail did is said, whatever the model gave as its reason.
    """
    action: Json = {"amazon-bedrock-guardrailAction": "INTERVENED"}
    for events in (whole(**action), stream(start(), MESSAGE_DELTA, MESSAGE_STOP | action)):
        assert events[-1] == MessageStop(stop_reason="guardrail_intervened", provider_details=action)
