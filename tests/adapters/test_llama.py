"""
A request becomes the Llama body or is refused; a generation becomes events, streamed or whole.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.llama import LlamaAdapter
from outcrop.adapters.llama_template import LLAMA3, LLAMA4
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import InvalidMessage, RequestError, StreamInterrupted
from outcrop.turns.fold import fold
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    MessageStart,
    MessageStop,
    Part,
    Reasoning,
    ReasoningPart,
    StreamEvent,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
    Usage,
    UsageReport,
)

FIXTURES = Path(__file__).parent / "fixtures"
NO_HEADERS: Mapping[str, str] = {}
MODEL = ResolvedModel(name="llama3", model_id="meta.llama3", base_id="meta.llama3", family="llama3")


def request(*parts: Part, **fields: Any) -> ChatRequest:
    """
    Build a request with one message from the user; without parts it says "hi".
    """
    return ChatRequest(model="llama3", messages=(Message("user", parts or (TextPart(text="hi"),)),), **fields)


def call(made: ChatRequest, adapter: LlamaAdapter | None = None, **model: Any) -> UpstreamCall:
    """
    Build the call for a request to a model with these fields.
    """
    return (adapter or LlamaAdapter(LLAMA3)).build_call(made, msgspec.structs.replace(MODEL, **model))


def body(made: ChatRequest, adapter: LlamaAdapter | None = None, **model: Any) -> dict[str, Any]:
    """
    Build the body for a request.
    """
    return msgspec.json.decode(call(made, adapter, **model).body, type=dict[str, Any])


def bound(max_tokens: int | None, adapter: LlamaAdapter | None = None, **model: Any) -> Any:
    """
    Return the `max_gen_len` that a request with this bound gets.
    """
    return body(request(params=GenerationParams(max_tokens=max_tokens)), adapter, **model)["max_gen_len"]


def stream(*chunks: dict[str, Any]) -> list[StreamEvent]:
    """
    Decode a whole stream of chunks.
    """
    decoder = LlamaAdapter(LLAMA3).decoder()
    events = [event for chunk in chunks for event in decoder.feed("chunk", json.dumps(chunk).encode())]
    return events + decoder.flush()


def whole(headers: Mapping[str, str] = NO_HEADERS, **fields: Any) -> list[StreamEvent]:
    """
    Parse a whole answer with these fields.
    """
    return LlamaAdapter(LLAMA3).parse_answer(json.dumps({"stop_reason": "stop", **fields}).encode(), headers)


def test_the_smallest_request_has_the_defaults() -> None:
    """
    Length and temperature have the defaults of the tutorials; nothing else is sent.
    """
    made = body(request())
    assert made.keys() == {"prompt", "max_gen_len", "temperature"}
    assert (made["max_gen_len"], made["temperature"]) == (512, 0.5)
    assert made["prompt"].endswith("\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")


def test_the_sampling_parameters_are_sent() -> None:
    """
    A temperature of zero is not the default.
    """
    made = body(request(params=GenerationParams(max_tokens=9, temperature=0.0, top_p=0.3)))
    assert (made["max_gen_len"], made["temperature"], made["top_p"]) == (9, 0.0, 0.3)


@pytest.mark.parametrize(("stream_wanted", "operation"), [(True, "invoke_stream"), (False, "invoke")])
def test_the_request_says_which_operation_is_called(stream_wanted: bool, operation: str) -> None:
    """
    `stream` chooses between Bedrock's two operations.
    """
    made = call(request(stream=stream_wanted))
    assert (made.operation, made.model_id) == (operation, "meta.llama3")


def test_the_models_own_bound_wins_over_the_templates() -> None:
    """
    The catalogue's bound replaces the 2048 of Llama 3.
    """
    assert bound(4096, max_output_tokens=4096) == 4096
    assert bound(None, max_output_tokens=100) == 100


def test_a_llama_4_of_unknown_bound_is_left_to_bedrock() -> None:
    """
    Where no bound is known, Bedrock has the last word.
    """
    assert bound(100_000, LlamaAdapter(LLAMA4)) == 100_000
    assert bound(None, LlamaAdapter(LLAMA4)) == 512


@pytest.mark.parametrize(
    ("max_tokens", "words"),
    [(2049, "max_tokens is 2049, model 'llama3' gives at most 2048"), (0, "max_tokens is 0, expected at least 1")],
)
def test_a_bound_outside_of_the_models_is_refused(max_tokens: int, words: str) -> None:
    """
    More than the model gives is refused, not cut in silence.
    """
    with pytest.raises(RequestError, match=words):
        bound(max_tokens)


def test_images_go_beside_the_prompt() -> None:
    """
    Images are a list of base64 texts, in the order of their tokens in the prompt.
    """
    parts = [ImagePart(media_type="image/png", data=data) for data in (b"one", b"two")]
    made = body(request(*parts, TextPart(text="compare")), LlamaAdapter(LLAMA4))
    assert made["images"] == [base64.b64encode(data).decode() for data in (b"one", b"two")]
    assert "<|image|><|image|>compare" in made["prompt"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (request(tools=(ToolSpec(name="t", input_schema={}),)), "tools"),
        (request(ToolUsePart(tool_use_id="t", name="n", input={})), "tools"),
        (request(ToolResultPart(tool_use_id="t", content=())), "tools"),
        (request(DocumentPart(media_type="text/plain", data=b"x")), "documents"),
        (request(ReasoningPart(text="hm")), "reasoning in earlier messages"),
        (request(params=GenerationParams(stop_sequences=("x",))), "stop_sequences"),
        (request(params=GenerationParams(top_k=1)), "top_k"),
        (request(params=GenerationParams(reasoning=Reasoning(mode="adaptive"))), "reasoning"),
        (request(provider_options={"images": []}), "the provider option 'images': it takes none"),
    ],
)
def test_what_the_body_has_no_place_for_is_refused(made: ChatRequest, words: str) -> None:
    """
    What can't be sent is refused by name, never left out.
    """
    with pytest.raises(RequestError, match=f"model 'llama3' does not take {words}"):
        call(made)


def test_a_model_that_sees_nothing_refuses_images() -> None:
    """
    What the model refuses is refused, beside what its family refuses.
    """
    with pytest.raises(RequestError, match="model 'llama3' does not take images"):
        call(request(ImagePart(media_type="image/png", data=b"x")), refuses=frozenset({"images"}))


def test_switched_off_reasoning_is_no_reasoning() -> None:
    """
    A model that can't reason takes the wish not to.
    """
    assert body(request(params=GenerationParams(reasoning=Reasoning(mode="disabled")))).keys() == {
        "prompt",
        "max_gen_len",
        "temperature",
    }


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (ChatRequest(model="llama3", messages=()), "messages is empty"),
        (request(params=GenerationParams(temperature=1.1)), "temperature is 1.1, expected 0 to 1"),
        (request(TextPart(text="\udfff")), "half of a surrogate pair"),
    ],
)
def test_a_request_that_can_not_be_sent_is_refused(made: ChatRequest, words: str) -> None:
    """
    The checks of every family hold here too.
    """
    with pytest.raises(RequestError, match=words):
        call(made)


@pytest.mark.parametrize("name", ["llama_text", "llama_length"])
def test_a_recorded_stream_gives_the_recorded_events(name: str) -> None:
    """
    The golden streams decode to the golden events.
    """
    decoder = LlamaAdapter(LLAMA3).decoder()
    lines = (FIXTURES / f"{name}.jsonl").read_bytes().splitlines()
    events = [event for line in lines for event in decoder.feed("chunk", line)] + decoder.flush()
    expected = (FIXTURES / f"{name}.events.jsonl").read_bytes().splitlines()
    assert events == [msgspec.json.decode(line, type=StreamEvent) for line in expected]


def test_a_stream_cut_anywhere_is_interrupted() -> None:
    """
    Whatever came, a stream without a stop reason is a failure at its end.
    """
    lines = (FIXTURES / "llama_text.jsonl").read_bytes().splitlines()
    for cut in range(len(lines)):
        decoder = LlamaAdapter(LLAMA3).decoder()
        for line in lines[:cut]:
            decoder.feed("chunk", line)
        with pytest.raises(StreamInterrupted, match="expected one with a stop reason"):
            decoder.flush()


@pytest.mark.parametrize(
    ("said", "meant", "details"),
    [
        ("stop", "end_turn", None),
        ("length", "max_tokens", None),
        ("boredom", "other", {"stop_reason": "boredom"}),
    ],
)
def test_a_stop_reason_has_our_name(said: str, meant: str, details: dict[str, Any] | None) -> None:
    """
    Known reasons map to ours; an unknown one is named in the details.
    """
    stop = whole(generation="x", stop_reason=said)[-1]
    assert isinstance(stop, MessageStop)
    assert (stop.stop_reason, stop.provider_details) == (meant, details)


def test_unknown_fields_reach_the_terminal() -> None:
    """
    What the answer says beyond the known fields is passed on.
    """
    action: dict[str, Any] = {"amazon-bedrock-guardrailAction": "NONE"}
    stop = whole(generation="x", **action)[-1]
    assert stop == MessageStop(stop_reason="end_turn", provider_details=action)


def test_the_prompts_count_is_reported_at_the_start() -> None:
    """
    A turn that is stopped half-way knows what it read.
    """
    decoder = LlamaAdapter(LLAMA3).decoder()
    events = decoder.feed("chunk", b'{"generation":"Hi","prompt_token_count":15,"generation_token_count":1}')
    early = Usage(input_tokens=15, output_tokens=1, estimated=True)
    assert events == [MessageStart(), UsageReport(early), TextDelta("Hi")]


def test_the_prompts_count_may_come_last() -> None:
    """
    A count that stands in the last chunk holds.
    """
    events = stream({"generation": "x"}, {"generation": "", "prompt_token_count": 3, "stop_reason": "stop"})
    assert events[-2] == UsageReport(Usage(input_tokens=3, estimated=True))


def test_the_metrics_complete_the_usage() -> None:
    """
    Where the chunks have no counts, Bedrock's own hold.
    """
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}}
    events = stream({"generation": "x"}, {"generation": "", "stop_reason": "stop", **metrics})
    assert events[-2] == UsageReport(Usage(input_tokens=3, output_tokens=4))


def test_the_headers_complete_the_usage_of_a_whole_answer() -> None:
    """
    A whole answer without counts is counted by Bedrock's headers.
    """
    headers = {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "4"}
    assert whole(headers, generation="x")[-2] == UsageReport(Usage(input_tokens=3, output_tokens=4))


def test_usage_that_nobody_reported_is_marked() -> None:
    """
    Without any counts the usage is an estimate.
    """
    assert whole(generation="x")[-2] == UsageReport(Usage(estimated=True))


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"null", b'{"generation":null}', b'{"generation":"\xff"}', b'{"generation":"x","y":' + b"[" * 9999],
)
def test_a_payload_that_is_no_generation_is_refused(payload: bytes) -> None:
    """
    Bytes that are not a generation are refused as a message of the wire, streamed or whole.
    """
    with pytest.raises(InvalidMessage):
        LlamaAdapter(LLAMA3).decoder().feed("chunk", payload)
    with pytest.raises(InvalidMessage):
        LlamaAdapter(LLAMA3).parse_answer(payload, {})


def test_a_whole_answer_needs_a_stop_reason() -> None:
    """
    An answer without its end is not a whole one.
    """
    with pytest.raises(InvalidMessage, match="no 'stop_reason'"):
        whole(generation="x", stop_reason=None)


def test_nothing_may_follow_the_stop_reason() -> None:
    """
    A chunk after the last one is refused.
    """
    with pytest.raises(InvalidMessage, match="after the one with the stop reason"):
        stream({"generation": "", "stop_reason": "stop"}, {"generation": "x"})


def test_another_event_type_is_refused() -> None:
    """
    The stream of this operation has one event type.
    """
    with pytest.raises(InvalidMessage, match="event type is 'metadata', expected 'chunk'"):
        LlamaAdapter(LLAMA3).decoder().feed("metadata", b"{}")


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=6),
    st.sampled_from(["stop", "length"]),
)
@settings(deadline=None, max_examples=100)
def test_a_streamed_answer_folds_like_the_whole_answer(pieces: list[str], reason: str) -> None:
    """
    The same answer, streamed in any pieces or sent whole, folds to the same text, usage and terminal.
    """
    chunks = [
        {"generation": piece, "prompt_token_count": None if at else 7, "generation_token_count": at + 1}
        for at, piece in enumerate(pieces)
    ]
    counts: dict[str, Any] = {"prompt_token_count": 7, "generation_token_count": len(pieces) + 1}
    last = {"generation": "", "prompt_token_count": None if pieces else 7, "stop_reason": reason}
    streamed = stream(*chunks, {**last, "generation_token_count": len(pieces) + 1})
    assert fold(streamed) == fold(whole(generation="".join(pieces), stop_reason=reason, **counts))
