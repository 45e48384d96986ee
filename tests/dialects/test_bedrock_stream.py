"""
What goes out of the Bedrock dialect, held against botocore: its parser of event streams and its service model.
"""

import json
from base64 import b64encode
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.dialects.bedrock.errors import (
    BY_CODE,
    BY_STATUS,
    STATUSES,
    SignatureRefused,
    StreamKind,
    encode_error,
    encode_exception_frame,
    find_exception,
)
from outcrop.dialects.bedrock.stream import ConverseFrames, render_answer
from outcrop.errors import Draining, RequestError, TooManyRequests, UnknownModel, UpstreamDenied
from outcrop.types import (
    LogEntry,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamFailed,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.dialects.anthropic_logs import ANTHROPIC_CITATION, answers, to_log
from tests.emulator.referee import Referee, operation_model

HELLO = to_log(
    [
        MessageStart(),
        TextDelta("Hi"),
        UsageReport(Usage(input_tokens=9, output_tokens=3, cache_read_tokens=1)),
        MessageStop(stop_reason="end_turn"),
    ]
)


def render(log: list[LogEntry], **options: bool) -> bytes:
    """
    Render a log at once, with its last frame.
    """
    frames = ConverseFrames(**options)
    return frames.render(log) + frames.close(latency_ms=5)


def read_events(stream: bytes, operation: str = "ConverseStream") -> list[dict[str, Any]]:
    """
    Read a stream with botocore's own parser, after the referee has judged every frame of it.
    """
    referee = Referee()
    referee.judge_stream(operation, stream)
    assert referee.complaints == []
    shape: Any = operation_model(operation).output_shape
    union = shape.members[shape.serialization["payload"]]
    buffer: Any = EventStreamBuffer()
    buffer.add_data(stream)
    parser = EventStreamJSONParser()
    return [dict(parser.parse(message.to_response_dict(), union)) for message in buffer]


def accumulate(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Put the answer's blocks together, as a client of ConverseStream does.
    """
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            blocks[start["contentBlockIndex"]] = {"tool": start["start"]["toolUse"], "input": ""}
        elif "contentBlockDelta" in event:
            found = event["contentBlockDelta"]
            _add(blocks.setdefault(found["contentBlockIndex"], {}), found["delta"])
    return [_finish(blocks[index]) for index in sorted(blocks)]


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "citation" in delta:
        block.setdefault("citations", []).append(delta["citation"])
    elif "toolUse" in delta:
        block["input"] += delta["toolUse"]["input"]
    else:
        for name, value in delta["reasoningContent"].items():
            said = block.setdefault("reasoning", {})
            said[name] = said.get(name, type(value)()) + value


def _finish(block: dict[str, Any]) -> dict[str, Any]:
    if "tool" in block:
        return {"toolUse": {**block["tool"], "input": json.loads(block["input"] or "{}")}}
    if "reasoning" in block:
        redacted = block["reasoning"].get("redactedContent")
        if redacted is not None:
            return {"reasoningContent": {"redactedContent": b64encode(redacted).decode()}}
        return {"reasoningContent": {"reasoningText": block["reasoning"]}}
    if "citations" in block:
        return {"citationsContent": {"content": [{"text": block["text"]}], "citations": block["citations"]}}
    return {"text": block["text"]}


@settings(deadline=None)
@given(answers())
def test_frames_fit_the_service_model_and_make_the_whole_answer(log: list[LogEntry]) -> None:
    """
    Every frame fits botocore's model, and what a client accumulates of them is the answer that does not stream.
    """
    events = read_events(render(log))
    whole = json.loads(render_answer(log, latency_ms=5))
    referee, shape = Referee(), operation_model("Converse").output_shape
    referee.judge(whole, shape, ())
    assert referee.complaints == []
    assert accumulate(events) == whole["output"]["message"]["content"]
    assert events[-2]["messageStop"]["stopReason"] == whole["stopReason"]
    assert events[-1]["metadata"] == {"usage": whole["usage"], "metrics": whole["metrics"]}
    assert events[0] == {"messageStart": {"role": "assistant"}}


@settings(deadline=None)
@given(answers(), st.data())
def test_a_prefix_of_the_log_renders_to_a_prefix_of_the_stream(log: list[LogEntry], data: st.DataObject) -> None:
    """
    However a log is cut, its pieces render to the same frames.
    """
    cut = data.draw(st.integers(0, len(log)))
    frames = ConverseFrames()
    assert frames.render(log[:cut]) + frames.render(log[cut:]) + frames.close(latency_ms=5) == render(log)


def test_a_conversation_as_events() -> None:
    """
    A plain answer comes in Converse's order; text has no start event; the total holds the cache.
    """
    usage = {
        "inputTokens": 9,
        "outputTokens": 3,
        "totalTokens": 13,
        "cacheReadInputTokens": 1,
        "cacheWriteInputTokens": 0,
    }
    assert read_events(render(HELLO)) == [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": usage, "metrics": {"latencyMs": 5}}},
    ]


def test_what_a_client_asked_for_beside_the_answer() -> None:
    """
    The stop sequence, a trace and the details of the cache are told where Converse has them.
    """
    details = {"trace": {"guardrail": {}}, "usage": {"cacheDetails": [{"ttl": "5m", "inputTokens": 2}]}}
    stop = MessageStop(stop_reason="stop_sequence", stop_sequence="END", provider_details=details)
    log = to_log([MessageStart(), TextDelta("x"), stop])
    whole = json.loads(render_answer(log, latency_ms=5, tells_stop_sequence=True))
    assert whole["additionalModelResponseFields"] == {"stop_sequence": "END"}
    assert whole["trace"] == {"guardrail": {}}
    assert whole["usage"]["cacheDetails"] == [{"ttl": "5m", "inputTokens": 2}]
    events = read_events(render(log, tells_stop_sequence=True))
    assert events[-2]["messageStop"]["additionalModelResponseFields"] == {"stop_sequence": "END"}


def test_reasoning_tools_and_citations() -> None:
    """
    Each kind of block comes in Converse's words, a citation of Claude's own too.
    """
    log = to_log(
        [
            MessageStart(),
            ReasoningDelta(text="hm", index=0, signature="c2ln"),
            TextDelta("So", 1),
            TextDelta("", 1, {"citation": ANTHROPIC_CITATION}),
            ToolUseStart(index=2, tool_use_id="t1", name="f"),
            ToolUseDelta(index=2, input_json='{"a":1}'),
            MessageStop(stop_reason="tool_use"),
        ]
    )
    content = json.loads(render_answer(log, latency_ms=5))["output"]["message"]["content"]
    assert content[0] == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}
    assert content[1]["citationsContent"]["citations"][0]["location"] == {
        "documentChar": {"documentIndex": 0, "start": 0, "end": 14}
    }
    assert accumulate(read_events(render(log))) == content


def test_blocks_of_converses_own_pass_through() -> None:
    """
    Images and tools of Bedrock's, which have no words here, go to the client as Converse wrote them.
    """
    started = {"toolUse": {"toolUseId": "t1", "name": "f", "type": "server_tool_use"}}
    answered = {"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}], "status": "success"}}
    log = to_log(
        [
            MessageStart(),
            TextDelta("", 0, {"start": started}),
            TextDelta("", 0, {"delta": {"toolUse": {"input": '{"q":1}'}}}),
            TextDelta("", 1, {"content_block": answered}),
            TextDelta("", 2, {"start": {"image": {"format": "png"}}}),
            TextDelta("", 2, {"delta": {"image": {"source": {"bytes": "eA=="}}}}),
            MessageStop(stop_reason="end_turn"),
        ]
    )
    assert json.loads(render_answer(log, latency_ms=5))["output"]["message"]["content"] == [
        {"toolUse": {**started["toolUse"], "input": {"q": 1}}},
        answered,
        {"image": {"format": "png", "source": {"bytes": "eA=="}}},
    ]
    kinds = [next(iter(event)) for event in read_events(render(log))]
    assert kinds[1:-2] == ["contentBlockStart", "contentBlockDelta", "contentBlockStop"] * 3


FAILURES = [
    StreamFailed(code=code, message="no", status=status)
    for code, status in [*((code, 502) for code in BY_CODE), *(("x", status) for status in [*BY_STATUS, 500, 502])]
]


@pytest.mark.parametrize("kind", ["converse_stream", "invoke_stream"])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: f"{failure.code}-{failure.status}")
def test_every_failure_inside_a_stream_is_an_exception_of_its_union(failure: StreamFailed, kind: StreamKind) -> None:
    """
    Whatever ends a turn badly, botocore finds its name in the union of the stream and raises it with the message.
    """
    operation = "ConverseStream" if kind == "converse_stream" else "InvokeModelWithResponseStream"
    frame = encode_exception_frame(failure, kind)
    (event,) = read_events(frame, operation)
    assert event["Error"]["Message"] == "no"
    assert event["Error"]["Code"].endswith("Exception")


def test_a_turn_that_fails_ends_with_its_exception() -> None:
    """
    After a failure nothing follows, no `metadata` either.
    """
    log = [*HELLO[:2], LogEntry(3, StreamFailed(code="throttled", message="slow down", status=429))]
    events = read_events(render(log))
    assert events[-1]["Error"] == {"Code": "throttlingException", "Message": "slow down"}
    assert len(events) == 3


@pytest.mark.parametrize(
    ("failure", "name", "status"),
    [
        (RequestError("no"), "ValidationException", 400),
        (UnknownModel("no"), "ResourceNotFoundException", 404),
        (TooManyRequests("no", retry_after_seconds=0.5), "ThrottlingException", 429),
        (Draining("no"), "ServiceUnavailableException", 503),
        (UpstreamDenied("no", aws_error="AccessDeniedException"), "InternalServerException", 500),
        (SignatureRefused("no", aws_error="InvalidSignatureException"), "InvalidSignatureException", 403),
        (StreamFailed(code="upstream_unavailable", message="no", aws_error="ModelNotReadyException"),
         "ModelNotReadyException", 429),
        (StreamFailed(code="model_failed", message="no"), "ModelErrorException", 424),
    ],
)  # fmt: skip
def test_a_refusal_has_its_aws_name(failure: Any, name: str, status: int) -> None:
    """
    An answer that says what went wrong has AWS's name and status; the gateway's own identity is not a client's matter.
    """
    code, headers, body = encode_error(failure, "req-1")
    told = dict(headers)
    assert (code, told[b"x-amzn-errortype"], told[b"x-amzn-requestid"]) == (status, name.encode(), b"req-1")
    assert json.loads(body)["message"] == "no"
    if failure.retry_after_seconds is not None:
        assert (told[b"retry-after"], told[b"x-amz-retry-after"]) == (b"1", b"500")


def test_every_name_has_a_status() -> None:
    """
    No failure leads to an exception without a status.
    """
    assert {find_exception(failure) for failure in FAILURES} <= STATUSES.keys()
