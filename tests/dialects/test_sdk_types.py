"""
What we send has no field that the SDKs' types don't know, but for those of ours; and every kind of event is looked at.

The SDKs let unknown fields pass also in strict mode, so they are looked for here.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import HealthCheck, Phase, given, settings
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from outcrop.dialects.anthropic.stream import render_message
from outcrop.dialects.openai.chat_stream import encode_chat_completion
from outcrop.types import StreamEvent, StreamFailed
from tests.dialects import test_anthropic_stream as messages
from tests.dialects import test_openai_chat_stream as chat
from tests.dialects import test_openai_responses_stream as responses
from tests.dialects.anthropic_logs import answers
from tests.dialects.ui_stream_logs import event_streams, log

OURS = {
    "ChoiceDelta.reasoning_content",
    "ChoiceDelta.reasoning_details",
    "ChoiceDelta.provider_details",
    "ChatCompletionMessage.reasoning_content",
    "ChatCompletionMessage.reasoning_details",
    "ChatCompletionMessage.provider_details",
    "Response.provider_details",
    "Response.store",
    "ResponseError.reason",
}
"""
Fields of ours, which the SDKs keep (docs/openai.md); `store` is OpenAI's own, and its SDK does not name it.
"""

RESPONSE_EVENTS = {
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.completed",
    "response.incomplete",
    "response.failed",
}
TOLD_EVENTS = {"response.reasoning_text.delta", "response.reasoning_text.done"}
SUMMARY_EVENTS = {
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
}
MESSAGE_EVENTS = {
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
}
MANY = settings(
    max_examples=150, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def find_extras(value: Any) -> Iterator[str]:
    """
    Find the fields that the SDK's types don't know, wherever they stand.
    """
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{type(value).__name__}.{name}"
        for name in type(value).model_fields:
            yield from find_extras(getattr(value, name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from find_extras(each)


def draw(strategy: Any) -> list[Any]:
    """
    Draw many values, the same ones each time.
    """
    drawn: list[Any] = []

    @MANY
    @given(strategy)
    def take(value: Any) -> None:
        drawn.append(value)

    take()
    return drawn


def test_chat_completions_have_no_field_that_the_sdk_does_not_know() -> None:
    """
    Chunks and whole answers, of every kind of answer.
    """
    extras: set[str] = set()
    for events in draw(event_streams()):
        *chunks, _ = chat.payloads(chat.render(log(*events)))
        for chunk in chunks:
            extras |= set(find_extras(ChatCompletionChunk.model_validate_json(chunk, strict=True)))
        if not isinstance(events[-1], StreamFailed):
            whole = encode_chat_completion(chat.OPENING, log(*events), chat.USAGE)
            extras |= set(find_extras(ChatCompletion.model_validate_json(whole, strict=True)))
    assert extras <= OURS
    assert extras


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (responses.BODY, RESPONSE_EVENTS | TOLD_EVENTS),
        (responses.SUMMARISED, RESPONSE_EVENTS | SUMMARY_EVENTS),
    ],
    ids=["reasoning", "summaries"],
)
def test_every_event_of_responses_is_known_and_seen(body: dict[str, Any], expected: set[str]) -> None:
    """
    Every kind of event that is sent turned up and was validated, and none has a field that the SDK does not know.
    """
    kinds, extras = look_at_responses(draw(event_streams()), body)
    assert kinds == expected
    assert extras <= OURS


def look_at_responses(streams: Sequence[Sequence[StreamEvent]], body: dict[str, Any]) -> tuple[set[str], set[str]]:
    """
    Validate all events; return their kinds, and the fields that the SDK does not know.
    """
    kinds: set[str] = set()
    extras: set[str] = set()
    for events in streams:
        for rendered in responses.render(events, body):
            event = responses.EVENT.validate_json(rendered, strict=True)
            kinds.add(event.type)
            extras |= set(find_extras(event))
    return kinds, extras


def test_a_streamed_response_has_the_usage_and_the_reasoning_of_the_whole_one() -> None:
    """
    The object in the last event is the whole one's: items, reasoning and usage.
    """
    for events in draw(event_streams()):
        last = json.loads(responses.render(events)[-1])["response"]
        whole = responses.whole(events)
        assert last["usage"] == whole["usage"]
        assert [item for item in last["output"] if item["type"] == "reasoning"] == [
            item for item in whole["output"] if item["type"] == "reasoning"
        ]


def test_every_event_of_messages_is_known_and_seen() -> None:
    """
    Every kind of event that is sent turned up and was validated, and none has a field that the SDK does not know.
    """
    kinds: set[str] = set()
    extras: set[str] = set()
    for entries in draw(answers()):
        for event in messages.read_events(messages.render(entries)):
            kinds.add(event.type)
            extras |= set(find_extras(event))
        extras |= set(find_extras(Message.model_validate_json(render_message(entries, messages.OPENING), strict=True)))
    assert kinds == MESSAGE_EVENTS
    assert extras == set()
