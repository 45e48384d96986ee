"""
What holds for every native family: streamed like whole, counted, interrupted when cut, refused when malformed.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.registry import ADAPTERS
from outcrop.errors import InvalidMessage, RequestError, StreamInterrupted
from outcrop.turns.fold import fold
from outcrop.types import (
    GenerationParams,
    Guardrail,
    MessageStart,
    MessageStop,
    TextDelta,
    TextPart,
    ToolResultPart,
    Usage,
    UsageReport,
)
from tests.adapters.forms import (
    FORMS,
    HEADERS,
    METRICS,
    READ,
    WRITTEN,
    ask,
    body,
    call,
    stop_of,
    stream,
    stream_bytes,
    user,
    whole,
)

families = pytest.mark.parametrize("family", FORMS)
CLOSED = "</think>"
pieces_of_text = st.lists(
    st.one_of(
        st.sampled_from(
            ["<reasoning>", "</reasoning>", "<think>", CLOSED, "<", "</", "think>", "reasoning>", " ", "\n"]
        ),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    ),
    max_size=8,
)


def test_every_family_is_tested() -> None:
    """
    A family without a form here would go untested; the two that are left out have files of their own.
    """
    assert ADAPTERS.keys() - FORMS.keys() <= {"anthropic", "llama4", "converse"}


@families
@given(pieces_of_text, st.integers(0, 1))
@settings(deadline=None, max_examples=40)
def test_a_streamed_answer_folds_like_the_whole_answer(family: str, pieces: list[str], at: int) -> None:
    """
    The same answer, streamed in any pieces or sent whole, folds to the same parts, usage and terminal.
    """
    form = FORMS[family]
    said = list(form.reasons)[at]
    streamed = fold(stream(family, *form.stream(pieces, said)))
    assert streamed == fold(whole(family, form.whole("".join(pieces), said)))
    assert isinstance(streamed.terminal, MessageStop)
    assert streamed.terminal.stop_reason == form.reasons[said]


@families
def test_an_answer_obeys_the_law_of_streams(family: str) -> None:
    """
    It opens with one start, counts, and ends with one stop.
    """
    form = FORMS[family]
    for events in (
        stream(family, *form.stream([CLOSED, "a", "b"], next(iter(form.reasons)))),
        whole(family, form.whole(f"{CLOSED}ab", next(iter(form.reasons)))),
    ):
        assert [type(event) for event in events if isinstance(event, MessageStart | MessageStop)] == [
            MessageStart,
            MessageStop,
        ]
        assert isinstance(events[0], MessageStart)
        assert events[-2] == UsageReport(Usage(input_tokens=READ, output_tokens=WRITTEN))
        assert "".join(event.text for event in events if isinstance(event, TextDelta)).endswith("ab")


@families
def test_a_stream_cut_anywhere_is_interrupted(family: str) -> None:
    """
    Whatever came, a stream that has not said why it ended is a failure at its end.
    """
    form = FORMS[family]
    chunks = form.stream(["a", "b"], next(iter(form.reasons)))
    last = next(at for at, chunk in enumerate(chunks) if next(iter(form.reasons)) in json.dumps(chunk))
    for cut in range(last + 1):
        with pytest.raises(StreamInterrupted, match="expected one with a stop reason"):
            stream(family, *chunks[:cut])


@families
def test_a_stream_without_metrics_ends_with_its_body(family: str) -> None:
    """
    Where Bedrock's metrics never come, the end of the body ends the answer; counts of the body hold.
    """
    form = FORMS[family]
    *chunks, last = form.stream([CLOSED, "a"], next(iter(form.reasons)))
    without = {name: value for name, value in last.items() if name not in METRICS}
    assert stop_of(stream(family, *chunks, without)).stop_reason == "end_turn"


@families
def test_an_unknown_stop_reason_is_named(family: str) -> None:
    """
    A reason that has no name here reaches the terminal.
    """
    stop = stop_of(whole(family, FORMS[family].whole("a", "BOREDOM")))
    assert stop == MessageStop(stop_reason="other", provider_details={"stop_reason": "BOREDOM"})


@families
def test_unknown_fields_reach_the_terminal(family: str) -> None:
    """
    What an answer says beyond the known fields is passed on, streamed or whole.
    """
    form = FORMS[family]
    said = next(iter(form.reasons))
    *chunks, last = form.stream(["a"], said)
    assert stop_of(whole(family, form.whole("a", said) | {"news": [1]})).provider_details == {"news": [1]}
    assert stop_of(stream(family, *chunks, last | {"news": [1]})).provider_details == {"news": [1]}


@families
def test_a_guardrail_that_intervened_is_the_reason(family: str) -> None:
    """
    What a guardrail did is said, whatever the model gave as its reason.
    """
    answer = FORMS[family].whole("blocked", next(iter(FORMS[family].reasons)))
    stop = stop_of(whole(family, answer | {"amazon-bedrock-guardrailAction": "INTERVENED"}))
    assert stop.stop_reason == "guardrail_intervened"


@families
def test_content_after_the_stop_reason_is_refused(family: str) -> None:
    """
    Nothing may be said after the end.
    """
    form = FORMS[family]
    chunks = form.stream(["a"], next(iter(form.reasons)))
    text = next(chunk for chunk in chunks if '"a"' in json.dumps(chunk))
    with pytest.raises(InvalidMessage, match="after the one with the stop reason"):
        stream(family, *chunks, text)


@families
@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b"{", b'{"x":"\xff"}', b'{"choices":3}', b'{"x":' + b"[" * 9999]
)
def test_a_payload_that_is_no_answer_is_refused(family: str, payload: bytes) -> None:
    """
    Bytes that are not the family's are refused as a message of the wire, streamed or whole.
    """
    with pytest.raises((InvalidMessage, StreamInterrupted)):
        stream_bytes(family, payload)
    with pytest.raises(InvalidMessage):
        ADAPTERS[family].parse_answer(payload, {})


@families
def test_a_whole_answer_needs_its_reason(family: str) -> None:
    """
    An answer that does not say why it ended is not a whole one.
    """
    answer = json.dumps(FORMS[family].whole("a", "REASON")).replace('"REASON"', "null")
    with pytest.raises(InvalidMessage, match="the answer has no "):
        ADAPTERS[family].parse_answer(answer.encode(), HEADERS)


@families
def test_another_event_type_is_refused(family: str) -> None:
    """
    The stream of this operation has one event type.
    """
    with pytest.raises(InvalidMessage, match="event type is 'metadata', expected 'chunk'"):
        ADAPTERS[family].decoder().feed("metadata", b"{}")


@families
@pytest.mark.parametrize(("wanted", "operation"), [(True, "invoke_stream"), (False, "invoke")])
def test_the_request_says_which_operation_is_called(family: str, wanted: bool, operation: str) -> None:
    """
    `stream` chooses between Bedrock's two operations, and is not in the body.
    """
    made = call(family, ask(stream=wanted))
    assert (made.operation, made.model_id, made.headers) == (operation, "maker.m", ())
    assert not body(family, ask(stream=wanted)).keys() & {"stream", "model"}


@pytest.mark.parametrize("family", sorted(ADAPTERS.keys() - {"converse"}))
def test_bedrocks_own_wishes_travel_as_headers(family: str) -> None:
    """
    Guardrail, latency, tier and metadata are headers of every native family, and no part of the body.
    """
    plain = ask(params=GenerationParams(max_tokens=9))
    wishes: dict[str, Any] = {
        "guardrail": Guardrail(identifier="abc", version="DRAFT", trace="enabled"),
        "latency": "optimized",
        "service_tier": "flex",
        "request_metadata": {"team": "ours"},
    }
    made = call(family, ask(params=GenerationParams(max_tokens=9), **wishes))
    assert dict(made.headers) == {
        "x-amzn-bedrock-guardrailidentifier": "abc",
        "x-amzn-bedrock-guardrailversion": "DRAFT",
        "x-amzn-bedrock-trace": "ENABLED",
        "x-amzn-bedrock-performanceconfig-latency": "optimized",
        "x-amzn-bedrock-service-tier": "flex",
        "x-amzn-bedrock-request-metadata": '{"team":"ours"}',
    }
    assert made.body == call(family, plain).body


@pytest.mark.parametrize("family", sorted(ADAPTERS.keys() - {"converse"}))
def test_a_guardrails_reading_goes_into_the_body(family: str) -> None:
    """
    How a guardrail reads the body is part of the body, and comes only with a guardrail.
    """
    option: dict[str, Any] = {"amazon-bedrock-guardrailConfig": {"tagSuffix": "xyz"}}
    guarded = ask(guardrail=Guardrail(identifier="abc", version="1"), provider_options=option)
    assert body(family, guarded)["amazon-bedrock-guardrailConfig"] == {"tagSuffix": "xyz"}
    with pytest.raises(RequestError, match="'amazon-bedrock-guardrailConfig' came without a guardrail"):
        call(family, ask(provider_options=option))


@families
@pytest.mark.parametrize(
    ("request_fields", "words"),
    [
        ({"messages": ()}, "messages is empty"),
        ({"params": GenerationParams(temperature=float("nan"))}, "temperature is nan, expected 0 to 1"),
        ({"params": GenerationParams(max_tokens=0)}, "max_tokens is 0, expected at least 1"),
        ({"messages": (user("\udfff"),)}, "half of a surrogate pair"),
        ({"provider_options": {"raw_prompting": True}}, "model 'm' does not take the provider option 'raw_prompting'"),
    ],
)
def test_a_request_that_can_not_be_sent_is_refused(family: str, request_fields: dict[str, Any], words: str) -> None:
    """
    The checks of all adapters hold for each.
    """
    with pytest.raises(RequestError, match=words):
        call(family, ask(**request_fields))


@families
def test_a_bound_beyond_the_models_is_refused(family: str) -> None:
    """
    More than the model gives is refused, not cut in silence.
    """
    with pytest.raises(RequestError, match="max_tokens is 101, model 'm' gives at most 100"):
        call(family, ask(params=GenerationParams(max_tokens=101)), max_output_tokens=100)


@families
def test_what_the_catalogue_says_is_refused(family: str) -> None:
    """
    A model's own refusals hold beside its family's.
    """
    request = ask(params=GenerationParams(temperature=0.5))
    with pytest.raises(RequestError, match="model 'm' does not take temperature"):
        call(family, request, refuses=frozenset({"temperature"}))


@pytest.mark.parametrize("family", ["cohere", "deepseek_text", "llama3", "mistral_text", "titan"])
def test_a_family_without_tools_refuses_them(family: str) -> None:
    """
    A tool's result has no place in a text.
    """
    with pytest.raises(RequestError, match="model 'm' does not take tools"):
        call(family, ask(ToolResultPart(tool_use_id="t", content=(TextPart(text="x"),))))
