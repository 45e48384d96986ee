"""
A native body goes out as it came, and its answer's payloads are logged beside what they mean.
"""

import json

import pytest

from outcrop.adapters.registry import find_native_adapter
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError, StreamInterrupted
from outcrop.types import (
    ChatRequest,
    MessageStart,
    MessageStop,
    NativePayload,
    StreamEvent,
    TextDelta,
    UsageReport,
)

BODY = b'{"prompt":"<|begin_of_text|>hi",  "max_gen_len":7}'
CHUNKS = [
    b'{"generation":"Hel","prompt_token_count":3,"generation_token_count":1,"stop_reason":null}',
    b'{"generation":"lo","prompt_token_count":null,"generation_token_count":2,"stop_reason":null}',
    (
        b'{"generation":"","prompt_token_count":null,"generation_token_count":2,"stop_reason":"stop",'
        b'"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}'
    ),
]


def model(family: str = "llama3") -> ResolvedModel:
    """
    Make a model of a family.
    """
    return ResolvedModel(name="ours", model_id="x.y", base_id="x.y", family=family)


def stream(family: str, chunks: list[bytes]) -> list[StreamEvent]:
    """
    Decode a stream of chunks.
    """
    decoder = find_native_adapter(model(family)).decoder()
    events = [event for chunk in chunks for event in decoder.feed("chunk", chunk)]
    return [*events, *decoder.flush()]


@pytest.mark.parametrize(("wants_stream", "operation"), [(True, "invoke_stream"), (False, "invoke")])
def test_the_body_goes_out_as_it_came(wants_stream: bool, operation: str) -> None:
    """
    Not a byte of the body changes; what headers say of the request goes into headers.
    """
    request = ChatRequest(model="ours", messages=(), native_body=BODY, stream=wants_stream, latency="optimized")
    call = find_native_adapter(model()).build_call(request, model())
    assert (call.operation, call.model_id, call.body) == (operation, "x.y", BODY)
    assert call.headers == (("x-amzn-bedrock-performanceconfig-latency", "optimized"),)


def test_without_a_native_body_there_is_no_call() -> None:
    """
    A request of another dialect does not come this way.
    """
    with pytest.raises(RequestError, match="native_body"):
        find_native_adapter(model()).build_call(ChatRequest(model="ours", messages=()), model())


def test_each_payload_stands_before_what_it_means() -> None:
    """
    The log has every payload byte for byte, and the events that the family's adapter reads in it.
    """
    events = stream("llama3", CHUNKS)
    assert [event.payload for event in events if isinstance(event, NativePayload)] == CHUNKS
    assert isinstance(events[0], MessageStart)
    assert isinstance(events[1], NativePayload)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello"
    assert [event for event in events if isinstance(event, MessageStop)] == [events[-1]]
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert (usage.input_tokens, usage.output_tokens) == (3, 2)


@pytest.mark.parametrize("family", ["unheard_of", "llama3"])
def test_what_nobody_can_read_is_passed_on(family: str) -> None:
    """
    Without an adapter, and where the adapter can't read a payload, payloads go on and the answer ends well.
    """
    chunks = [b'{"tokens":["a"]}', b"not JSON"]
    events = stream(family, chunks)
    assert isinstance(events[0], MessageStart)
    assert [event.payload for event in events if isinstance(event, NativePayload)] == chunks
    assert events[-1] == MessageStop(stop_reason="other")


@pytest.mark.parametrize(("family", "chunks"), [("llama3", CHUNKS[:2]), ("llama3", []), ("unheard_of", [])])
def test_an_answer_without_its_end_is_not_complete(family: str, chunks: list[bytes]) -> None:
    """
    A stream that the family's adapter finds cut is a failure here too; so is one without any payload.
    """
    with pytest.raises(StreamInterrupted):
        stream(family, chunks)


def test_a_whole_answer_is_one_payload() -> None:
    """
    The body is logged first, then what it means.
    """
    body = json.dumps(
        {"generation": "Hello", "prompt_token_count": 3, "generation_token_count": 2, "stop_reason": "stop"}
    ).encode()
    start, payload, *rest = find_native_adapter(model()).parse_answer(body, {})
    assert isinstance(start, MessageStart)
    assert payload == NativePayload(body)
    assert TextDelta("Hello") in rest
    assert isinstance(rest[-1], MessageStop)


def test_a_whole_answer_that_nobody_can_read_is_counted_by_its_headers() -> None:
    """
    Bedrock's counts stand in the headers, whatever the body is.
    """
    headers = {"x-amzn-bedrock-input-token-count": "5", "x-amzn-bedrock-output-token-count": "6"}
    events = find_native_adapter(model("unheard_of")).parse_answer(b"??", headers)
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (5, 6, False)
    assert events[-1] == MessageStop(stop_reason="other")
