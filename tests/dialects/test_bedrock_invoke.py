"""
InvokeModel and CountTokens: native bodies in, native chunks out, held against botocore and the Anthropic SDK.
"""

import json
from base64 import b64encode
from typing import Any

import pytest
from anthropic.lib.bedrock._stream_decoder import AWSEventStreamDecoder
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.request import parse_messages_request
from outcrop.dialects.anthropic.stream import AnthropicOpening, AnthropicSse, render_message
from outcrop.dialects.bedrock.chunks import (
    METRICS,
    AnthropicChunks,
    LlamaChunks,
    answer_headers,
    find_usage,
    render_generation,
)
from outcrop.dialects.bedrock.invoke import InvokeCall, encode_count, parse_count_tokens, parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.errors import RequestError, RequestTooLarge
from outcrop.types import (
    AnswerContinued,
    Guardrail,
    LogEntry,
    MessageStart,
    MessageStop,
    StreamFailed,
    TextDelta,
    Usage,
    UsageReport,
)
from tests.dialects.anthropic_logs import CLAUDE, JSON, LLAMA, answers, mangle, to_log
from tests.dialects.test_anthropic_request import FULL, HI
from tests.dialects.test_anthropic_stream import accumulate
from tests.dialects.test_bedrock_stream import read_events

OPENING = AnthropicOpening(turn_id="t1", model="claude")
EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
NATIVE = {name: value for name, value in FULL.items() if name not in {"model", "stream"}}
NATIVE |= {"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["b"]}
LLAMA_BODY = {"prompt": "<|begin_of_text|>hi", "max_gen_len": 64, "temperature": 0.5}
HEADERS = {
    "x-amzn-bedrock-guardrailidentifier": "abc",
    "x-amzn-bedrock-guardrailversion": "1",
    "x-amzn-bedrock-trace": "ENABLED_FULL",
    "x-amzn-bedrock-performanceconfig-latency": "optimized",
    "x-amzn-bedrock-service-tier": "flex",
    "x-amzn-bedrock-request-metadata": '{"team":"a"}',
}
LLAMA_LOG = to_log(
    [
        MessageStart(),
        UsageReport(Usage(input_tokens=9, estimated=True)),
        TextDelta("Hi"),
        AnswerContinued(reason="x"),
        TextDelta(" you"),
        UsageReport(Usage(input_tokens=9, output_tokens=3)),
        MessageStop(stop_reason="max_tokens"),
    ]
)


def parse(body: Any, model: ResolvedModel = CLAUDE, *, stream: bool = True, **headers: str) -> InvokeCall:
    """
    Parse a native body for one model.
    """
    return parse_invoke(json.dumps(body).encode(), headers=headers, model=model, stream=stream)


def test_claudes_native_body_is_the_messages_body() -> None:
    """
    The native body gives the same request as the same conversation by `POST /v1/messages`.
    """
    body = json.dumps(FULL).encode()
    call = parse(NATIVE)
    assert call.chat == parse_messages_request(body, beta_headers=["b"], resolve=lambda _: CLAUDE)
    assert call.native_body is None
    guarded = {**NATIVE, "amazon-bedrock-guardrailConfig": {"tagSuffix": "x"}}
    assert parse(guarded).chat.provider_options["amazon-bedrock-guardrailConfig"] == {"tagSuffix": "x"}


@pytest.mark.parametrize("name", ["model", "stream"])
def test_the_path_says_the_model_and_whether_to_stream(name: str) -> None:
    """
    Claude's native body has neither a model nor a switch for streaming.
    """
    with pytest.raises(RequestError, match=f"{name} is not a field"):
        parse({**NATIVE, name: FULL[name]})
    with pytest.raises(RequestError, match="anthropic_version is missing"):
        parse({**NATIVE, "anthropic_version": None})


@pytest.mark.parametrize(
    ("body", "bound"),
    [
        (LLAMA_BODY, 64),
        ({"prompt": "x"}, None),
        ({"messages": [], "max_tokens": 5}, 5),
        ({"messages": [], "max_completion_tokens": 6, "stream": True}, 6),
        ({"inputText": "x", "textGenerationConfig": {"maxTokenCount": 7}}, 7),
        ({"messages": [], "inferenceConfig": {"max_new_tokens": 8}}, 8),
    ],
)
def test_other_native_bodies_go_on_as_they_came(body: Any, bound: int | None) -> None:
    """
    Of another family's body only the bound of the answer is read; its bytes are kept.
    """
    call = parse(body, LLAMA)
    assert call.native_body == json.dumps(body).encode()
    assert (call.chat.messages, call.chat.params.max_tokens, call.chat.stream) == ((), bound, True)


def test_headers_say_what_no_body_says() -> None:
    """
    Guardrail, latency, tier and metadata come in headers, for every family.
    """
    call = parse_invoke(json.dumps(LLAMA_BODY).encode(), headers=HEADERS, model=LLAMA, stream=False)
    assert call.chat.guardrail == Guardrail(identifier="abc", version="1", trace="enabled_full")
    assert (call.chat.latency, call.chat.service_tier) == ("optimized", "flex")
    assert call.chat.request_metadata == {"team": "a"}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amzn-bedrock-guardrailidentifier": "abc"},
        {**HEADERS, "x-amzn-bedrock-trace": "yes"},
        {"x-amzn-bedrock-service-tier": "gold"},
        {"x-amzn-bedrock-performanceconfig-latency": "none"},
        {"x-amzn-bedrock-request-metadata": "[1]"},
        {"x-amzn-bedrock-request-metadata": "{"},
    ],
)
def test_a_malformed_header_is_refused(headers: dict[str, str]) -> None:
    """
    A header that says what there is not is refused.
    """
    with pytest.raises(RequestError):
        parse_invoke(json.dumps(LLAMA_BODY).encode(), headers=headers, model=LLAMA, stream=False)


def test_a_body_that_disagrees_with_its_path_is_refused() -> None:
    """
    A body can't call another model than the path names, nor another operation, nor be beyond Bedrock's bound.
    """
    with pytest.raises(RequestError, match="expected it in the path alone"):
        parse({"messages": [], "model": "openai.gpt-x"}, LLAMA)
    with pytest.raises(RequestError, match="not what the path says"):
        parse({"messages": [], "stream": True}, LLAMA, stream=False)
    with pytest.raises(RequestError, match="max_tokens is '5'"):
        parse({"messages": [], "max_tokens": "5"}, LLAMA)
    with pytest.raises(RequestTooLarge):
        parse_invoke(b" " * 25_000_001, headers={}, model=LLAMA, stream=False)


@settings(deadline=None)
@given(places=st.lists(st.integers(0, 20), min_size=1, max_size=6), junk=JSON)
def test_a_mangled_body_is_a_request_error_or_a_request(places: list[int], junk: Any) -> None:
    """
    Whatever stands anywhere in a native body, it is understood or refused; nothing else is raised.
    """
    for body, model in ((NATIVE, CLAUDE), (LLAMA_BODY, LLAMA)):
        try:
            parse(mangle(body, places, junk), model)
        except RequestError:
            continue


@pytest.mark.parametrize(
    "content",
    [
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://others/secret"}}}},
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}},
        {"type": "image_url", "image_url": " S3://others/secret"},
    ],
)
def test_a_body_that_goes_on_unread_makes_bedrock_fetch_nothing(content: Any) -> None:
    """
    Bedrock would read S3 with the gateway's own rights, so locations are refused wherever they stand in a body.
    """
    with pytest.raises(RequestError, match="nothing is fetched for a client"):
        parse({"messages": [{"role": "user", "content": [content]}]}, LLAMA)
    inline = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
    use = {"toolUse": {"input": {"s3Location": "x"}}}
    assert parse({"messages": [{"role": "user", "content": [inline, use]}]}, LLAMA).native_body is not None


def test_counting_takes_both_kinds_of_request() -> None:
    """
    CountTokens takes a conversation by Converse, or a native body in base64.
    """
    converse = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    body = json.dumps({"input": {"converse": converse}}).encode()
    expected = parse_converse(json.dumps(converse).encode(), model=CLAUDE, stream=False).chat
    assert parse_count_tokens(body, model=CLAUDE) == InvokeCall(chat=expected)
    native = json.dumps({"anthropic_version": "x", "max_tokens": 9, "messages": HI["messages"]}).encode()
    wrapped = json.dumps({"input": {"invokeModel": {"body": b64encode(native).decode()}}}).encode()
    assert parse_count_tokens(wrapped, model=CLAUDE).chat.messages == expected.messages
    with pytest.raises(RequestError, match="exactly one"):
        parse_count_tokens(b'{"input":{"converse":{},"invokeModel":{}}}', model=CLAUDE)
    assert encode_count(7) == b'{"inputTokens":7}'


def read_chunks(stream: bytes) -> list[dict[str, Any]]:
    """
    Read a stream of InvokeModelWithResponseStream with botocore, and return the models' own JSON.
    """
    events = read_events(stream, "InvokeModelWithResponseStream")
    return [json.loads(event["chunk"]["bytes"]) for event in events]


@settings(deadline=None)
@given(answers(), st.data())
def test_claudes_chunks_are_the_events_of_the_messages_api(log: list[LogEntry], data: st.DataObject) -> None:
    """
    The chunks hold the events that the Anthropic dialect sends, the last with Bedrock's counts; the SDK reads them.
    """
    cut = data.draw(st.integers(0, len(log)))
    chunks = AnthropicChunks(OPENING)
    stream = chunks.render(log[:cut]) + chunks.render(log[cut:]) + chunks.close(latency_ms=5, first_byte_ms=2)
    found = read_chunks(stream)
    sse = AnthropicSse(OPENING).render(log).decode()
    expected = [json.loads(line.removeprefix("data: ")) for line in sse.split("\n") if line.startswith("data: ")]
    usage = find_usage(log)
    metrics = found[-1].pop(METRICS)
    assert found == expected
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (usage.input_tokens, usage.output_tokens)
    events = [EVENTS.validate_json(sse.data) for sse in AWSEventStreamDecoder().iter_bytes(iter([stream]))]
    assert accumulate(events)["content"] == json.loads(render_message(log, OPENING))["content"]


def test_claudes_chunks_end_with_an_exception_where_the_turn_failed() -> None:
    """
    A failure is an exception frame, not a chunk; seams are left out; nothing follows.
    """
    failure = StreamFailed(code="model_failed", message="broke")
    log = to_log([MessageStart(), TextDelta("x"), AnswerContinued(reason="r"), failure])
    chunks = AnthropicChunks(OPENING)
    events = read_events(chunks.render(log), "InvokeModelWithResponseStream")
    assert events[-1]["Error"]["Code"] == "modelStreamErrorException"
    assert len(events) == 4
    assert chunks.close(latency_ms=5, first_byte_ms=2) == b""


def test_llamas_chunks() -> None:
    """
    Llama's first chunk counts the prompt, its last one the answer, with Bedrock's metrics.
    """
    chunks = LlamaChunks()
    found = read_chunks(
        chunks.render(LLAMA_LOG[:4]) + chunks.render(LLAMA_LOG[4:]) + chunks.close(latency_ms=5, first_byte_ms=2)
    )
    assert [chunk["generation"] for chunk in found] == ["Hi", " you", ""]
    assert [chunk["prompt_token_count"] for chunk in found] == [9, None, 9]
    assert (found[-1]["stop_reason"], found[-1]["generation_token_count"]) == ("length", 3)
    assert found[-1][METRICS] == {
        "inputTokenCount": 9, "outputTokenCount": 3, "invocationLatency": 5, "firstByteLatency": 2,
    }  # fmt: skip


def test_llamas_failure_and_whole_answer() -> None:
    """
    A failed turn ends with an exception frame; a whole answer has Llama's four fields and its counts in headers.
    """
    chunks = LlamaChunks()
    failed = [*LLAMA_LOG[:3], LogEntry(4, StreamFailed(code="throttled", message="slow", status=429))]
    events = read_events(chunks.render(failed), "InvokeModelWithResponseStream")
    assert events[-1]["Error"]["Code"] == "throttlingException"
    assert chunks.close(latency_ms=5, first_byte_ms=2) == b""
    assert json.loads(render_generation(LLAMA_LOG)) == {
        "generation": "Hi you", "prompt_token_count": 9, "generation_token_count": 3, "stop_reason": "length",
    }  # fmt: skip
    assert dict(answer_headers(find_usage(LLAMA_LOG), latency_ms=5)) == {
        b"content-type": b"application/json",
        b"x-amzn-bedrock-input-token-count": b"9",
        b"x-amzn-bedrock-output-token-count": b"3",
        b"x-amzn-bedrock-invocation-latency": b"5",
    }
