"""
Tests of `outcrop.emulator.converse` and `outcrop.emulator.rules.shapes`.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from outcrop.emulator import converse, converse_answers
from outcrop.emulator.conversation import Metrics
from outcrop.emulator.families import anthropic, llama
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.speech.compose import compose

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
LLAMA_33 = "us.meta.llama3-3-70b-instruct-v1:0"
FindModel = Callable[[str], Called]

TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}]}
IMAGE = {"image": {"format": "png", "source": {"bytes": b64encode(b"png").decode()}}}
DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"bytes": b64encode(b"x").decode()}}}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}
TOOL_RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "18"}]}}


def user(*content: Any) -> dict[str, Any]:
    """
    Return a message of the user; strings are text blocks.
    """
    return {"role": "user", "content": [{"text": one} if isinstance(one, str) else one for one in content]}


def assistant(*content: Any) -> dict[str, Any]:
    """
    Return a message of the assistant.
    """
    return user(*content) | {"role": "assistant"}


def body(*messages: Any, **members: Any) -> dict[str, Any]:
    """
    Return a request.
    """
    return {"messages": list(messages) or [user("hi")], **members}


CASES: list[tuple[str, dict[str, Any], str]] = [
    (CLAUDE, body(foo=1), "Value at 'foo' failed to satisfy constraint"),
    (CLAUDE, {"messages": []}, "A conversation must start with a user message"),
    (CLAUDE, body(inferenceConfig={"temperature": 1.5}), "Value at 'inferenceConfig.temperature' failed to satisfy"),
    (CLAUDE, body(inferenceConfig={"topP": -1}), "greater than or equal to 0"),
    (CLAUDE, body(inferenceConfig={"maxTokens": "5"}), "inferenceConfig.maxTokens has the wrong type"),
    (CLAUDE, body(inferenceConfig={"maxTokens": 64_001}), "exceed the model limit of 64000"),
    (CLAUDE, body(inferenceConfig={"stopSequences": [""]}), "inferenceConfig.stopSequences.0"),
    (CLAUDE, body({"role": "robot", "content": []}), "Member must satisfy enum value set"),
    (
        CLAUDE,
        body({"role": "user"}),
        "Value at 'messages.0.content' failed to satisfy constraint: Member must not be null",
    ),
    (CLAUDE, body(user()), "The content field in the Message object at messages.0 is empty."),
    (CLAUDE, body(user(" ")), "The text field in the ContentBlock object at messages.0.content.0 is blank."),
    (CLAUDE, body(user({"text": "x", "cachePoint": {"type": "default"}})), "Member must have exactly one of"),
    (CLAUDE, body(user({"image": {"format": "png", "source": {"bytes": "%"}}})), "is not valid base64"),
    (CLAUDE, body(user(DOCUMENT)), "A text block must be included"),
    (CLAUDE, body(user("x", *[IMAGE] * 21)), "contains 21 images, the limit is 20"),
    (CLAUDE, body(user("x", *[DOCUMENT] * 6)), "contains 6 documents, the limit is 5"),
    (CLAUDE, body(user("x"), assistant(TOOL_USE), user(TOOL_RESULT)), "The toolConfig field must be defined"),
    (CLAUDE, body(user("x"), assistant(TOOL_USE), user("y"), toolConfig=TOOLS), "Expected toolResult blocks at"),
    (CLAUDE, body(user("x"), assistant(TOOL_USE), toolConfig=TOOLS), "messages.2.content for the following Ids: t1"),
    (CLAUDE, body(user(TOOL_RESULT), toolConfig=TOOLS), "toolResult blocks at messages.0.content exceeds the number"),
    (CLAUDE, body(user("x"), assistant("y")), "The model returned the following errors: This model does not support"),
    (CLAUDE, body(additionalModelResponseFieldPaths=["stop"]), "Paths.0 is not a valid JSON pointer"),
    (CLAUDE, body(system=[{"text": " "}]), "SystemContentBlock object at system.0 is blank"),
    (CLAUDE, body(additionalModelRequestFields={"foo": 1}), "extraneous key [foo] is not permitted"),
    (CLAUDE, body(additionalModelRequestFields={"top_k": "x"}), "top_k: Input should be a valid integer"),
    (CLAUDE, body(toolConfig=TOOLS | {"toolChoice": {"tool": {"name": "other"}}}), "Tool 'other' not found"),
    (LLAMA, body(assistant("x")), "A conversation must start with a user message"),
    (LLAMA, body(user("x"), user("y")), "A conversation must alternate between user and assistant roles"),
    (LLAMA, body(user("x"), assistant("y")), "A conversation must end with a user message"),
    (LLAMA, body(user("x", IMAGE)), "This model doesn't support the image content block"),
    (LLAMA, body(toolConfig=TOOLS), "This model doesn't support tool use."),
    (LLAMA_33, body(toolConfig=TOOLS | {"toolChoice": {"any": {}}}), "toolConfig.toolChoice.any"),
    (
        LLAMA_33,
        body(user("x"), assistant(TOOL_USE), user(TOOL_RESULT, "and?"), toolConfig=TOOLS),
        "Conversation blocks and tool result blocks cannot be provided in the same turn.",
    ),
    (
        CLAUDE,
        body(toolConfig={"tools": [{"toolSpec": {"name": "no spaces", "inputSchema": {"json": {}}}}]}),
        "regular expression pattern: [a-zA-Z0-9_-]+",
    ),
]


@pytest.mark.parametrize(("model", "request_body", "text"), CASES, ids=[case[2][:50] for case in CASES])
def test_requests_that_converse_refuses(
    model: str, request_body: dict[str, Any], text: str, find_model: FindModel
) -> None:
    """
    Every broken rule is named in Bedrock's words, with the place where it was broken.
    """
    with pytest.raises(Refusal) as refused:
        converse.read(request_body, find_model(model), streaming=False)
    assert refused.value.name == "ValidationException"
    assert text in refused.value.message


def test_llama_takes_tools_only_without_streaming(find_model: FindModel) -> None:
    """
    A model that can't stream with tools refuses on ConverseStream what it takes on Converse.
    """
    called = find_model(LLAMA_33)
    assert converse.read(body(toolConfig=TOOLS), called, streaming=False).tools
    with pytest.raises(Refusal, match="tool use in streaming mode"):
        converse.read(body(toolConfig=TOOLS), called, streaming=True)


def test_claude_merges_neighbours(find_model: FindModel) -> None:
    """
    Two messages of one role in a row are one turn.
    """
    ask = converse.read(body(user("a"), user("b")), find_model(CLAUDE), streaming=False)
    assert [turn.text for turn in ask.turns] == ["a\nb"]


def test_without_a_maximum_the_models_own_holds(find_model: FindModel) -> None:
    """
    `maxTokens` left out is the model's maximum.
    """
    assert converse.read(body(), find_model(LLAMA), streaming=False).max_tokens == 2048


def test_converse_and_claudes_own_body_get_equal_answers(find_model: FindModel) -> None:
    """
    Equal conversations with Claude get equal words, whichever operation carries them.
    """
    called = find_model(CLAUDE)
    native = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 300,
        "system": "be brief",
        "messages": [{"role": "user", "content": "why is granite hard?"}],
        "temperature": 0.5,
    }
    neutral = body(
        user("why is granite hard?"),
        system=[{"text": "be brief"}],
        inferenceConfig={"maxTokens": 300, "temperature": 0.5},
    )
    assert compose(anthropic.read(native, called), 0) == compose(converse.read(neutral, called, streaming=False), 0)


def test_converse_and_llamas_own_prompt_get_equal_words(find_model: FindModel) -> None:
    """
    Equal conversations with Llama get equal words; only the input's tokens differ by the template.
    """
    called = find_model(LLAMA)
    prompt = (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nwhy is granite hard?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    native = compose(llama.read({"prompt": prompt}, called), 0)
    assert native.text == compose(converse.read(body(user("why is granite hard?")), called, streaming=False), 0).text


def test_the_stop_sequence_is_told_on_request(find_model: FindModel) -> None:
    """
    `/stop_sequence` among the response's paths brings the sequence that ended the answer.
    """
    request_body = body(
        user("count to 9"),
        inferenceConfig={"stopSequences": ["4"]},
        additionalModelResponseFieldPaths=["/stop_sequence", "/nothing"],
    )
    called = find_model(CLAUDE)
    answer = compose(converse.read(request_body, called, streaming=False), 0)
    metrics = Metrics(invocation_latency_ms=1, first_byte_latency_ms=1)
    reply = json.loads(converse_answers.whole(answer, called, "", metrics))
    assert reply["additionalModelResponseFields"] == {"stop_sequence": "4"}
