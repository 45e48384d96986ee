"""
Tests of the families' own bodies and chunks: what is special to each (docs/bedrock_wire.md §4.3 to §4.10).
"""

import json
from base64 import b64decode
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from outcrop.catalogue.models import load_catalogue
from outcrop.emulator.conversation import Ask, Metrics
from outcrop.emulator.families import deepseek_text, mistral_text, titan
from outcrop.emulator.families.table import family_of
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.speech.compose import compose

METRICS = Metrics(invocation_latency_ms=1, first_byte_latency_ms=1)
GPT_OSS, MISTRAL, WRITER = "openai.gpt-oss-20b-1:0", "mistral.mistral-large-2407-v1:0", "writer.palmyra-x5-v1:0"
NOVA, NOVA_2, COHERE = "amazon.nova-lite-v1:0", "amazon.nova-2-lite-v1:0", "cohere.command-r-v1:0"
R1, TITAN, JAMBA = "deepseek.r1-v1:0", "amazon.titan-text-express-v1", "ai21.jamba-1-5-mini-v1:0"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
BLOCKS = [{"role": "user", "content": [{"text": "x"}]}]
WEATHER = [{"role": "user", "content": "weather in Oslo?"}]


def called(base_id: str) -> Called:
    """
    Return a model as if its base ID could be called.
    """
    return Called(base_id, load_catalogue().models[base_id])


def read(base_id: str, body: dict[str, Any]) -> Ask:
    """
    Read a native body.
    """
    return family_of(called(base_id)).read(body, called(base_id))


def whole(base_id: str, body: dict[str, Any]) -> Any:
    """
    Return the whole answer to a native body.
    """
    return json.loads(
        family_of(called(base_id)).whole(compose(read(base_id, body), 0), called(base_id), "request", METRICS)
    )


def chunks(base_id: str, body: dict[str, Any]) -> list[Any]:
    """
    Return the chunks of the answer to a native body.
    """
    answer = compose(read(base_id, body), 0)
    steps = family_of(called(base_id)).stream(answer, called(base_id), "request", lambda: METRICS)
    buffer: Any = EventStreamBuffer()
    buffer.add_data(b"".join(step.message for step in steps))
    return [json.loads(b64decode(json.loads(message.payload)["bytes"])) for message in buffer]


def test_mistral_turns_are_found_between_the_marks() -> None:
    """
    User and assistant alternate, and the marks of the text's edges are no part of it.
    """
    turns = mistral_text.parse_prompt("<s>[INST] Hi [/INST] Hello</s>[INST] Why? [/INST]")
    assert [(turn.speaker, turn.text) for turn in turns] == [("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]


def test_deepseek_system_text_stands_before_the_first_turn() -> None:
    """
    What R1 thought in earlier turns is no part of what it said.
    """
    system, turns = deepseek_text.parse_prompt(
        "<｜begin▁of▁sentence｜>Brief.<｜User｜>Hi<｜Assistant｜><think>\nhm\n</think>\n\nHello<｜end▁of▁sentence｜>"
        "<｜User｜>Why?<｜Assistant｜><think>\n"
    )
    assert system == "Brief."
    assert [(turn.speaker, turn.text) for turn in turns] == [("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("just text", [("user", "just text")]),
        ("User: Hi\nBot: Hello\nUser: Why?\nBot:", [("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]),
        ("Look at this.\nUser: Hi", [("user", "Look at this.\nUser: Hi")]),
    ],
)
def test_titan_turns_are_lines_with_a_name(text: str, turns: list[tuple[str, str]]) -> None:
    """
    A text is a conversation only where it opens with a speaker's name.
    """
    assert [(turn.speaker, turn.text) for turn in titan.parse_text(text)] == turns


def test_titan_stops_in_its_own_words() -> None:
    """
    A stop sequence is `STOP_CRITERIA_MET`, and the chunks count the tokens up.
    """
    body = {"inputText": "count to 9", "textGenerationConfig": {"stopSequences": ["4"]}}
    assert whole(TITAN, body)["results"][0] == {
        "tokenCount": 9,
        "outputText": "1, 2, 3, ",
        "completionReason": "STOP_CRITERIA_MET",
    }
    counts = [chunk["totalOutputTextTokenCount"] for chunk in chunks(TITAN, body)]
    assert counts == [*range(1, 10), 9]


def test_deepseek_thinks_in_the_text() -> None:
    """
    R1's reasoning comes first, up to `</think>`, and is not closed where the maximum cuts it.
    """
    text = whole(R1, {"prompt": "<｜User｜>echo hi<｜Assistant｜><think>\n"})["choices"][0]["text"]
    thought, _, said = text.partition("\n</think>\n\n")
    assert (bool(thought), said) == (True, "hi")
    cut = whole(R1, {"prompt": "<｜User｜>echo hi<｜Assistant｜><think>\n", "max_tokens": 3})["choices"][0]
    assert (cut["text"], cut["stop_reason"]) == (text[: len(cut["text"])], "length")


def test_reasoning_is_between_tags_in_chat_completions() -> None:
    """
    gpt-oss reasons unasked; the stream's text is the whole answer's, tags included.
    """
    body = {"messages": [{"role": "user", "content": "echo hi"}]}
    content = whole(GPT_OSS, body)["choices"][0]["message"]["content"]
    streamed = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks(GPT_OSS, body))
    assert content.startswith("<reasoning>")
    assert content.endswith("</reasoning>hi")
    assert streamed == content
    cut = whole(GPT_OSS, body | {"max_completion_tokens": 3})["choices"][0]["message"]["content"]
    assert "</reasoning>" not in cut


@pytest.mark.parametrize(
    ("model", "switch", "thinks"),
    [
        (GPT_OSS, {"reasoning_effort": "none"}, False),
        ("xai.grok-4.6", {}, False),
        ("xai.grok-4.6", {"reasoning": {"effort": "high"}}, True),
        ("qwen.qwen3-32b-v1:0", {"reasoning_config": "low"}, True),
        ("deepseek.v3.2", {"reasoning_effort": "high"}, True),
        ("zai.glm-5", {"reasoning_effort": "none"}, False),
    ],
)
def test_each_model_has_its_switch_of_reasoning(model: str, switch: dict[str, Any], thinks: bool) -> None:
    """
    A model reasons when its own switch says so.
    """
    assert read(model, {"messages": WEATHER} | switch).thinks is thinks


@pytest.mark.parametrize("model", [GPT_OSS, MISTRAL, WRITER, JAMBA])
def test_tool_calls_are_streamed_as_pieces_of_json(model: str) -> None:
    """
    The pieces of a streamed call are its whole arguments, and its ID and name come first.
    """
    body = {"messages": WEATHER, "tools": CHAT_TOOLS}
    (call,) = whole(model, body)["choices"][0]["message"]["tool_calls"]
    streamed = [chunk for chunk in chunks(model, body) if chunk != "[DONE]"]
    deltas = [one for chunk in streamed for one in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert deltas[0] == {"index": 0, **call, "function": {"name": "get_weather", "arguments": ""}}
    assert "".join(delta["function"]["arguments"] for delta in deltas) == call["function"]["arguments"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_mistrals_call_ids_are_short() -> None:
    """
    Mistral's call IDs have nine characters.
    """
    (call,) = whole(MISTRAL, {"messages": WEATHER, "tools": CHAT_TOOLS})["choices"][0]["message"]["tool_calls"]
    assert len(call["id"]) == 9


def test_tool_results_are_answered() -> None:
    """
    A result that follows its call is what the answer speaks of.
    """
    calls = [{"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]
    history = [*WEATHER, {"role": "assistant", "content": None, "tool_calls": calls}]
    answered = [*history, {"role": "tool", "tool_call_id": "c", "content": "18 degrees"}]
    content = whole(MISTRAL, {"messages": answered, "tools": CHAT_TOOLS})["choices"][0]["message"]["content"]
    assert content.startswith("The tool says: 18 degrees")
    with pytest.raises(Refusal, match="must be followed by tool messages"):
        read(MISTRAL, {"messages": history})
    with pytest.raises(Refusal, match="must be a response to a preceding message"):
        read(MISTRAL, {"messages": [{"role": "tool", "tool_call_id": "c", "content": "18"}]})


def test_writers_stream_ends_with_a_word() -> None:
    """
    Writer's last chunk is the string "[DONE]", after the one with the metrics.
    """
    assert chunks(WRITER, {"messages": WEATHER})[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("streaming", "stream", "is_taken"), [(True, False, False), (False, True, False), (True, True, True)]
)
def test_the_stream_flag_must_agree(streaming: bool, stream: bool, is_taken: bool) -> None:
    """
    A body that says `stream` must say what the operation is.
    """
    check = family_of(called(GPT_OSS)).check_operation
    if is_taken:
        check({"stream": stream}, streaming=streaming)
        return
    with pytest.raises(Refusal, match="contradicts InvokeModel"):
        check({"stream": stream}, streaming=streaming)


CHAT_REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    (GPT_OSS, {"messages": WEATHER, "model": "other"}, "is not the model ID of the request"),
    (GPT_OSS, {"messages": WEATHER, "reasoning_effort": "hard"}, "Invalid value: 'hard'"),
    (GPT_OSS, {"messages": [{"role": "robot", "content": "x"}]}, "#/messages/0/role: robot is not a valid enum value"),
    (GPT_OSS, {"messages": [{"role": "user"}]}, r"#/messages/0: required key \[content\] not found"),
    (GPT_OSS, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url is not a valid"),
    (GPT_OSS, {"messages": WEATHER, "tool_choice": "auto"}, "only allowed when 'tools' are specified"),
    (GPT_OSS, {"messages": WEATHER, "stop": [""]}, "#/stop/0: expected minLength: 1"),
    ("openai.gpt-6-sol", {"messages": WEATHER, "temperature": 0.5}, "'temperature' is not supported with this model"),
    (MISTRAL, {"messages": WEATHER, "reasoning_effort": "low"}, r"extraneous key \[reasoning_effort\]"),
    (MISTRAL, {"messages": WEATHER, "stream": True}, r"extraneous key \[stream\]"),
    (JAMBA, {"messages": WEATHER, "n": 2}, "#/n: 2 is not less or equal to 1"),
    (NOVA, {"messages": [{"role": "user", "content": "x"}]}, "messages.0.content has the wrong type"),
    (NOVA, {"messages": BLOCKS, "schemaVersion": "v2"}, "#/schemaVersion"),
    (NOVA, {"messages": BLOCKS, "inferenceConfig": {"topK": 200}}, "topK: 200"),
    (NOVA, {"messages": BLOCKS, "reasoningConfig": {"type": "enabled"}}, "doesn't support reasoning"),
    (COHERE, {"message": "x", "p": 1}, "#/p: 1 is not less or equal to 0.99"),
    (COHERE, {"message": "x", "chat_history": [{"role": "user", "message": "x"}]}, "user is not a valid enum value"),
    (TITAN, {"inputText": "x", "textGenerationConfig": {"topP": 0}}, "topP: 0 is not greater than 0"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "body", "words"), CHAT_REFUSALS, ids=[words for *_, words in CHAT_REFUSALS])
def test_bodies_that_are_refused(model: str, body: dict[str, Any], words: str) -> None:
    """
    Every broken rule is named, with its place.
    """
    with pytest.raises(Refusal, match=words) as refused:
        read(model, body)
    assert refused.value.name == "ValidationException"


def test_novas_chunks_are_wrapped_in_their_names() -> None:
    """
    Each chunk has its event's name around it, tools included, and the metrics stand beside the last.
    """
    spec = {"toolSpec": {"name": "get_weather", "inputSchema": {"json": CITY}}}
    messages = [{"role": "user", "content": [{"text": "weather in Oslo?"}]}]
    streamed = chunks(NOVA, {"messages": messages, "toolConfig": {"tools": [spec]}})
    kinds = list(dict.fromkeys(next(iter(chunk)) for chunk in streamed))
    assert kinds == [
        "messageStart", "contentBlockDelta", "contentBlockStop", "contentBlockStart", "messageStop", "metadata",
    ]  # fmt: skip
    deltas = [chunk["contentBlockDelta"]["delta"] for chunk in streamed if "contentBlockDelta" in chunk]
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)) == {"city": "Oslo"}


def test_nova_takes_both_spellings() -> None:
    """
    `max_new_tokens` and `maxTokens` are one, as are `top_p` and `topP`.
    """
    old = read(NOVA, {"messages": BLOCKS, "inferenceConfig": {"max_new_tokens": 7, "top_p": 0.5, "top_k": 9}})
    new = read(NOVA, {"messages": BLOCKS, "inferenceConfig": {"maxTokens": 7, "topP": 0.5, "topK": 9}})
    assert old == new
    assert (new.max_tokens, new.top_p, new.top_k) == (7, 0.5, 9)


def test_nova_2_reasons_when_it_is_told_to() -> None:
    """
    The reasoning is a block before the text, without a signature.
    """
    body = {"messages": BLOCKS, "reasoningConfig": {"type": "enabled"}}
    first, _ = whole(NOVA_2, body)["output"]["message"]["content"]
    assert list(first["reasoningContent"]["reasoningText"]) == ["text"]


def test_coheres_stream_ends_with_its_response() -> None:
    """
    The last event is finished, and has the whole response with the billed units.
    """
    tool = {
        "name": "get_weather",
        "description": "d",
        "parameter_definitions": {"city": {"type": "str", "required": True}},
    }
    body = {"message": "weather in Oslo?", "tools": [tool]}
    streamed = chunks(COHERE, body)
    assert [chunk["is_finished"] for chunk in streamed] == [False] * (len(streamed) - 1) + [True]
    assert streamed[-2]["tool_calls"] == [{"name": "get_weather", "parameters": {"city": "Oslo"}}]
    assert streamed[-1]["response"]["tool_calls"] == whole(COHERE, body)["tool_calls"]
    assert set(streamed[-1]["response"]["meta"]["billed_units"]) == {"input_tokens", "output_tokens"}
