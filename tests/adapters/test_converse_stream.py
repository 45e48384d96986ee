"""
Events of Converse become our events, and what is malformed or out of place is refused.
"""

import json
from typing import Any

import pytest

from outcrop.adapters.converse import ConverseAdapter
from outcrop.adapters.converse_stream import MAX_UNKNOWN_EVENTS
from outcrop.errors import InvalidMessage, StreamInterrupted
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StopReason,
    StreamEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)

Json = dict[str, Any]
Event = tuple[str, Any]

START: Event = ("messageStart", {"role": "assistant"})
STOP: Event = ("messageStop", {"stopReason": "end_turn"})
COUNTS: Json = {"inputTokens": 10, "outputTokens": 25, "totalTokens": 35}
METADATA: Event = ("metadata", {"usage": COUNTS})
BLOCK_STOP: Event = ("contentBlockStop", {"contentBlockIndex": 0})
TOOL_START: Event = (
    "contentBlockStart",
    {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}},
)
USAGE = UsageReport(Usage(input_tokens=10, output_tokens=25))
END = MessageStop(stop_reason="end_turn")


def delta(index: int = 0, **fields: Any) -> Event:
    """
    Build a `contentBlockDelta`.
    """
    return ("contentBlockDelta", {"contentBlockIndex": index, "delta": fields})


def begin(start: Json) -> Event:
    """
    Build a `contentBlockStart` for block 0.
    """
    return ("contentBlockStart", {"contentBlockIndex": 0, "start": start})


def feed(*events: Event) -> list[StreamEvent]:
    """
    Decode events, without the end of the body.
    """
    decoder = ConverseAdapter().decoder()
    return [event for kind, payload in events for event in decoder.feed(kind, json.dumps(payload).encode())]


def stream(*events: Event) -> list[StreamEvent]:
    """
    Decode a whole stream.
    """
    decoder = ConverseAdapter().decoder()
    decoded = [event for kind, payload in events for event in decoder.feed(kind, json.dumps(payload).encode())]
    return decoded + decoder.flush()


def stream_block(*events: Event) -> list[StreamEvent]:
    """
    Decode events inside an otherwise empty stream, and return what they alone gave.
    """
    return stream(START, *events, STOP, METADATA)[1:-2]


def terminal(events: list[StreamEvent]) -> MessageStop:
    """
    Return the terminal.
    """
    stop = events[-1]
    assert isinstance(stop, MessageStop)
    return stop


def test_a_text_streams_without_a_start_event() -> None:
    """
    The first delta opens a text; the counts and the terminal come when `metadata` has.
    """
    decoder = ConverseAdapter().decoder()
    given = [decoder.feed(kind, json.dumps(payload).encode()) for kind, payload in (START, delta(text="Hi"))]
    assert given == [[MessageStart()], [TextDelta("Hi", 0)]]
    assert decoder.feed(*_encoded(delta(text=" there"))) == [TextDelta(" there", 0)]
    assert decoder.feed(*_encoded(BLOCK_STOP)) == []
    assert decoder.feed(*_encoded(STOP)) == []
    assert decoder.feed(*_encoded(METADATA)) == [USAGE, END]
    assert decoder.flush() == []


def _encoded(event: Event) -> tuple[str, bytes]:
    return event[0], json.dumps(event[1]).encode()


def test_tool_input_streams_in_fragments() -> None:
    """
    A tool call is its start and the fragments of its arguments.
    """
    events = stream_block(TOOL_START, delta(toolUse={"input": '{"a"'}), delta(toolUse={"input": ":1}"}), BLOCK_STOP)
    assert events == [
        ToolUseStart(index=0, tool_use_id="tooluse_1", name="weather"),
        ToolUseDelta(index=0, input_json='{"a"'),
        ToolUseDelta(index=0, input_json=":1}"),
    ]


@pytest.mark.parametrize("deltas", [[], [delta(toolUse={"input": ""})]])
@pytest.mark.parametrize("ending", [[BLOCK_STOP], []])
def test_a_tool_without_arguments_gets_an_empty_object(deltas: list[Event], ending: list[Event]) -> None:
    """
    Arguments that were empty, or did not come, make the document `{}`, whether the block was closed or not.
    """
    assert stream_block(TOOL_START, *deltas, *ending)[1:] == [ToolUseDelta(index=0, input_json="{}")]


def test_reasoning_streams_as_text_then_signature() -> None:
    """
    Reasoning and its signature are pieces of one block.
    """
    pieces = [{"text": "Hm"}, {"text": ""}, {"signature": "c2ln"}]
    events = stream_block(*(delta(reasoningContent=piece) for piece in pieces))
    assert events == [ReasoningDelta(text="Hm"), ReasoningDelta(signature="c2ln")]


def test_redacted_reasoning_is_joined_as_bytes() -> None:
    """
    Two pieces of base64, padded each, become one block whose base64 is whole.
    """
    pieces = [delta(reasoningContent={"redactedContent": piece}) for piece in ("YQ==", "Yg==")]
    assert stream_block(*pieces, BLOCK_STOP) == [ReasoningDelta(redacted="YWI=")]


@pytest.mark.parametrize(
    ("events", "details"),
    [
        ([delta(citation={"title": "t"})], [{"citation": {"title": "t"}}]),
        (
            [begin({"image": {"format": "png"}}), delta(image={"source": {"bytes": "aGk="}})],
            [{"start": {"image": {"format": "png"}}}, {"delta": {"image": {"source": {"bytes": "aGk="}}}}],
        ),
        ([delta(toolResult=[{"text": "x"}])], [{"delta": {"toolResult": [{"text": "x"}]}}]),
        ([delta(reasoningContent={"mood": "blue"})], [{"delta": {"reasoningContent": {"mood": "blue"}}}]),
        ([delta(smell="roses"), delta(text="x")], [{"delta": {"smell": "roses"}}, {"delta": {"text": "x"}}]),
    ],
)
def test_what_has_no_event_of_ours_is_passed_on(events: list[Event], details: list[Json]) -> None:
    """
    Citations, images, results of tools and unknown deltas travel as details of empty texts.
    """
    assert stream_block(*events) == [TextDelta("", 0, detail) for detail in details]


def test_a_tool_that_bedrock_runs_itself_is_not_a_call_for_the_client() -> None:
    """
    A `server_tool_use` block is passed on; nobody is asked to run it.
    """
    start = {"toolUse": {"toolUseId": "s1", "name": "search", "type": "server_tool_use"}}
    assert stream_block(begin(start), delta(toolUse={"input": "{}"}), BLOCK_STOP) == [
        TextDelta("", 0, {"start": start}),
        TextDelta("", 0, {"delta": {"toolUse": {"input": "{}"}}}),
    ]


@pytest.mark.parametrize("start", [{}, {"text": ""}])
def test_a_start_that_says_nothing_leaves_the_kind_to_the_first_delta(start: Json) -> None:
    """
    Text blocks have no start event, but one that came anyway does no harm.
    """
    assert stream_block(begin(start), delta(text="Hi")) == [TextDelta("Hi", 0)]


def test_a_citation_before_its_text_does_not_hide_it() -> None:
    """
    A text block may begin with a citation.
    """
    assert stream_block(delta(citation={"a": 1}), delta(text="Hi")) == [
        TextDelta("", 0, {"citation": {"a": 1}}),
        TextDelta("Hi", 0),
    ]


def test_blocks_may_interleave() -> None:
    """
    Deltas find their block by its index, in whichever order they come.
    """
    events = stream_block(delta(0, text="a"), delta(1, text="b"), delta(0, text="c"), BLOCK_STOP, delta(1, text="d"))
    assert events == [TextDelta("a", 0), TextDelta("b", 1), TextDelta("c", 0), TextDelta("d", 1)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("end_turn", "end_turn"),
        ("tool_use", "tool_use"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("guardrail_intervened", "guardrail_intervened"),
        ("content_filtered", "content_filtered"),
        ("malformed_model_output", "malformed_output"),
        ("model_context_window_exceeded", "context_window_exceeded"),
    ],
)
def test_stop_reasons_have_names_of_ours(given: str, expected: StopReason) -> None:
    """
    Every stop reason of AWS's model is translated.
    """
    events = stream(START, ("messageStop", {"stopReason": given}), METADATA)
    assert terminal(events) == MessageStop(stop_reason=expected)


@pytest.mark.parametrize(("given", "expected"), [("boredom", "other"), ("malformed_tool_use", "malformed_output")])
def test_a_stop_reason_that_loses_in_translation_is_kept(given: str, expected: StopReason) -> None:
    """
    What our name does not tell is in the details.
    """
    events = stream(START, ("messageStop", {"stopReason": given}), METADATA)
    assert terminal(events) == MessageStop(stop_reason=expected, provider_details={"stop_reason": given})


def test_the_stop_sequence_is_taken_out_of_the_models_own_fields() -> None:
    """
    Claude tells its stop sequence among additional fields; the others stay details.
    """
    stop = {"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "END", "x": 1}}
    assert terminal(stream(START, ("messageStop", stop), METADATA)) == MessageStop(
        stop_reason="stop_sequence",
        stop_sequence="END",
        provider_details={"additionalModelResponseFields": {"x": 1}},
    )


def test_counts_of_the_cache_are_reported_beside_the_input() -> None:
    """
    `inputTokens` is without the cache's tokens, as ours is; the breakdown by time to live is kept.
    """
    breakdown = [{"ttl": "1h", "inputTokens": 4}]
    usage = COUNTS | {"cacheReadInputTokens": 3, "cacheWriteInputTokens": 4, "cacheDetails": breakdown}
    events = stream(START, STOP, ("metadata", {"usage": usage}))
    counted = Usage(input_tokens=10, output_tokens=25, cache_read_tokens=3, cache_write_tokens=4)
    assert events[-2] == UsageReport(counted)
    assert terminal(events).provider_details == {"usage": {"cacheDetails": breakdown}}


def test_what_metadata_says_beside_the_counts_is_kept() -> None:
    """
    Latency, the guardrail's trace, the tier and fields of tomorrow are details; padding is not.
    """
    rest = {"metrics": {"latencyMs": 7}, "trace": {"guardrail": {}}, "serviceTier": {"type": "flex"}, "mood": "blue"}
    events = stream(START, STOP, ("metadata", {"usage": COUNTS, "p": "abc", **rest}))
    assert terminal(events).provider_details == rest


def test_an_unknown_event_is_kept_for_the_terminal() -> None:
    """
    Events of tomorrow break nothing and are not lost, wherever they come.
    """
    events = stream(("weather", {"a": 1}), START, STOP, ("weather", {"b": 2}), METADATA)
    assert terminal(events).provider_details == {"events": [{"weather": {"a": 1}}, {"weather": {"b": 2}}]}


def test_unknown_events_are_bounded() -> None:
    """
    A flood of unknown events is counted, not kept.
    """
    events = stream(START, *([("weather", {})] * (MAX_UNKNOWN_EVENTS + 2)), STOP, METADATA)
    details = terminal(events).provider_details
    assert details is not None
    assert len(details["events"]) == MAX_UNKNOWN_EVENTS
    assert details["events_omitted"] == 2


def test_an_end_without_counts_is_an_end() -> None:
    """
    Where `metadata` never comes, the end of the body gives the terminal, with counts that are marked as estimated.
    """
    assert stream(START, delta(text="Hi"), STOP) == [
        MessageStart(),
        TextDelta("Hi", 0),
        UsageReport(Usage(estimated=True)),
        END,
    ]


def test_counts_that_come_early_wait_for_the_end() -> None:
    """
    `metadata` before `messageStop` is not the terminal.
    """
    assert feed(START, METADATA, delta(text="Hi"))[1:] == [TextDelta("Hi", 0)]
    assert stream(START, METADATA, STOP) == [MessageStart(), USAGE, END]


@pytest.mark.parametrize("came", range(4))
def test_a_stream_without_its_end_is_interrupted(came: int) -> None:
    """
    Whatever came, a stream without `messageStop` is a failure at its end.
    """
    events = [START, delta(text="Hi"), BLOCK_STOP, METADATA]
    with pytest.raises(StreamInterrupted, match="expected 'messageStop'"):
        stream(*events[:came])


@pytest.mark.parametrize("event", [START, delta(text="x"), TOOL_START, BLOCK_STOP, STOP, METADATA])
def test_a_payload_nested_under_its_name_is_refused(event: Event) -> None:
    """
    Converse payloads are flat; a nested one is an error and not an empty event.
    """
    before = {"messageStart": [], "metadata": [START, STOP]}.get(event[0], [START])
    with pytest.raises(InvalidMessage, match="not one of converse"):
        feed(*before, (event[0], {event[0]: event[1]}))


@pytest.mark.parametrize("event", [START, delta(text="x"), TOOL_START, BLOCK_STOP, STOP, METADATA, ("new", {})])
def test_nothing_follows_the_end(event: Event) -> None:
    """
    After the terminal every event is refused.
    """
    with pytest.raises(InvalidMessage, match=r"came (after|before|twice)"):
        feed(START, delta(text="a"), STOP, METADATA, event)


@pytest.mark.parametrize("event", [START, delta(text="x"), TOOL_START, BLOCK_STOP, STOP])
def test_only_counts_follow_the_stop(event: Event) -> None:
    """
    Between `messageStop` and `metadata` nothing else may come.
    """
    with pytest.raises(InvalidMessage, match="came after 'messageStop'"):
        feed(START, delta(text="a"), STOP, event)


@pytest.mark.parametrize("event", [delta(text="x"), TOOL_START, BLOCK_STOP, STOP, METADATA])
def test_nothing_comes_before_the_start(event: Event) -> None:
    """
    An answer opens with `messageStart`.
    """
    with pytest.raises(InvalidMessage, match="before 'messageStart'"):
        feed(event)


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([START], "'messageStart' came twice"),
        ([METADATA, METADATA], "twice"),
        ([TOOL_START, TOOL_START], "block 0, which is there already"),
        ([delta(text="a"), TOOL_START], "block 0, which is there already"),
        ([delta(text="a"), BLOCK_STOP, delta(text="b")], "block 0, which is closed"),
        ([BLOCK_STOP, BLOCK_STOP], "block 0, which is closed"),
        ([TOOL_START, delta(text="a")], "a piece of 'text' came for block 0, which is 'tool_use'"),
        ([delta(text="a"), delta(reasoningContent={"text": "b"})], "'reasoning' came for block 0, which is 'text'"),
        ([delta(toolUse={"input": "{}"})], "a tool's input came for block 0, which no"),
        ([delta(reasoningContent={"redactedContent": "?"})], "redacted reasoning of block 0 is not base64"),
        ([begin({"toolUse": {"toolUseId": "", "name": "x"}})], "the start of block 0 is not one of converse"),
        ([begin({"toolUse": "weather"})], "the start of block 0 is not one of converse"),
        ([delta(-1, text="a")], "not one of converse"),
        ([("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": 1}})], "not one of converse"),
        ([("metadata", {"usage": COUNTS | {"inputTokens": -1}})], "not one of converse"),
        ([("metadata", {"usage": COUNTS | {"inputTokens": "3"}})], "not one of converse"),
        ([("weather", [])], "not one of converse"),
    ],
)
def test_what_is_malformed_or_out_of_place_is_refused(events: list[Event], complaint: str) -> None:
    """
    A stream that breaks AWS's model is an error that says where.
    """
    with pytest.raises(InvalidMessage, match=complaint):
        feed(START, *events)


@pytest.mark.parametrize("payload", [b"", b"{", b"null", b"[]", b'{"contentBlockIndex":0}', b"\xff", b"[" * 9999])
def test_a_delta_that_is_not_json_is_refused(payload: bytes) -> None:
    """
    Bytes that are no delta are an error of the wire.
    """
    decoder = ConverseAdapter().decoder()
    decoder.feed("messageStart", b'{"role":"assistant"}')
    with pytest.raises(InvalidMessage):
        decoder.feed("contentBlockDelta", payload)
