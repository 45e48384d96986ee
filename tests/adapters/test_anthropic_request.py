"""
A request becomes the Anthropic body, or is refused with words that name what and where.
"""

import base64
from typing import Any

import msgspec
import pytest

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    Part,
    Reasoning,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

MODEL = ResolvedModel(name="claude", model_id="us.claude", base_id="claude", family="anthropic")
TOOL = ToolSpec(name="add", input_schema={"type": "object"})


def user(*parts: Part) -> Message:
    """
    Build a message from the user.
    """
    return Message("user", parts)


def assistant(*parts: Part) -> Message:
    """
    Build a message from the assistant.
    """
    return Message("assistant", parts)


def text(content: str) -> TextPart:
    """
    Build a text part.
    """
    return TextPart(text=content)


def request(*messages: Message, **fields: Any) -> ChatRequest:
    """
    Build a request; without messages it says "hi".
    """
    return ChatRequest(model="claude", messages=messages or (user(text("hi")),), **fields)


def call(made: ChatRequest, **model: Any) -> UpstreamCall:
    """
    Build the call for a request to a model with these fields.
    """
    return AnthropicAdapter().build_call(made, msgspec.structs.replace(MODEL, **model))


def body(made: ChatRequest, **model: Any) -> dict[str, Any]:
    """
    Build the body for a request.
    """
    return msgspec.json.decode(call(made, **model).body, type=dict[str, Any])


def block(part: Part) -> dict[str, Any]:
    """
    Build the block for one part of a user's message.
    """
    found: dict[str, Any] = body(request(user(part)))["messages"][0]["content"][0]
    return found


def test_the_smallest_request_has_the_smallest_body() -> None:
    """
    Nothing that was not asked for is in the body.
    """
    assert body(request()) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


@pytest.mark.parametrize(("stream", "operation"), [(True, "invoke_stream"), (False, "invoke")])
def test_the_request_says_which_operation_is_called(stream: bool, operation: str) -> None:
    """
    `stream` chooses between Bedrock's two operations; the model's ID goes along.
    """
    made = call(request(stream=stream))
    assert (made.operation, made.model_id, made.headers) == (operation, "us.claude", ())


@pytest.mark.parametrize(("limit", "expected"), [(None, 4096), (1000, 1000), (64_000, 4096)])
def test_an_unset_bound_is_the_smaller_of_the_models_and_ours(limit: int | None, expected: int) -> None:
    """
    The body must bound the answer, so one is filled in.
    """
    assert body(request(), max_output_tokens=limit)["max_tokens"] == expected


def test_the_sampling_parameters_are_sent() -> None:
    """
    All parameters of the body have their field, zero included.
    """
    params = GenerationParams(max_tokens=7, temperature=0.0, top_p=0.5, top_k=0, stop_sequences=("END",))
    made = body(request(params=params))
    assert {name: made[name] for name in ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences")} == {
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 0,
        "stop_sequences": ["END"],
    }


def test_the_system_prompt_is_sent_in_blocks() -> None:
    """
    The system's texts stay apart, with their marks for the cache.
    """
    system = (text("be brief"), TextPart(text="long law", cache_ttl="1h"))
    assert body(request(system=system))["system"] == [
        {"type": "text", "text": "be brief"},
        {"type": "text", "text": "long law", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]


def test_five_minutes_of_cache_go_unsaid() -> None:
    """
    The default lifetime is not written, because older models know no `ttl`.
    """
    assert block(TextPart(text="x", cache_ttl="5m"))["cache_control"] == {"type": "ephemeral"}


def test_an_image_is_sent_as_base64() -> None:
    """
    An image's bytes stand in the body as base64 with their media type.
    """
    assert block(ImagePart(media_type="image/png", data=b"\x89PNG", cache_ttl="5m")) == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()},
        "cache_control": {"type": "ephemeral"},
    }


def test_a_pdf_is_sent_as_base64() -> None:
    """
    A PDF goes with its title, its context, and the wish for citations.
    """
    part = DocumentPart(media_type="application/pdf", data=b"%PDF", name="law", context="of the land", citations=True)
    assert block(part) == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()},
        "title": "law",
        "context": "of the land",
        "citations": {"enabled": True},
    }


@pytest.mark.parametrize("media_type", ["text/csv", "text/html", "text/markdown", "text/plain"])
def test_a_text_document_is_sent_as_text(media_type: str) -> None:
    """
    A text of any kind goes out as plain text, the one kind that Claude has, and needs no base64.
    """
    source = block(DocumentPart(media_type=media_type, data="wört".encode()))["source"]
    assert source == {"type": "text", "media_type": "text/plain", "data": "wört"}


def test_reasoning_goes_back_as_it_came() -> None:
    """
    Signatures and encrypted blocks are sent unmodified.
    """
    parts = (ReasoningPart(text="hm", signature="sig"), ReasoningPart(redacted="abc"), text("so"))
    assert body(request(user(text("?")), assistant(*parts), user(text("go on"))))["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "text", "text": "so"},
    ]


def test_a_tool_call_and_its_result_are_sent() -> None:
    """
    A call goes with its arguments, a result with its content and whether it failed.
    """
    result = ToolResultPart(tool_use_id="t1", content=(text("no"),), is_error=True, cache_ttl="5m")
    made = body(
        request(
            user(text("?")),
            assistant(ToolUsePart(tool_use_id="t1", name="add", input={"a": [1]})),
            user(result),
            tools=(TOOL,),
        )
    )
    assert made["messages"][1]["content"] == [{"type": "tool_use", "id": "t1", "name": "add", "input": {"a": [1]}}]
    assert made["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": "no"}],
            "is_error": True,
            "cache_control": {"type": "ephemeral"},
        }
    ]


@pytest.mark.parametrize("content", [(), (TextPart(text=" "),)])
def test_a_tool_that_said_nothing_has_a_result_without_content(content: tuple[TextPart, ...]) -> None:
    """
    An empty result is a result; Claude refuses blank text but takes no content.
    """
    assert block(ToolResultPart(tool_use_id="t1", content=content)) == {"type": "tool_result", "tool_use_id": "t1"}


def test_citations_of_an_earlier_answer_go_back() -> None:
    """
    What the model cited belongs to its text.
    """
    citations = [{"type": "page_location"}]
    assert block(TextPart(text="x", provider_details={"citations": citations}))["citations"] == citations


def test_tools_are_sent_with_all_their_fields() -> None:
    """
    A tool goes with its description, its strictness and its mark for the cache.
    """
    tool = ToolSpec(name="add", input_schema={"type": "object"}, description="adds", strict=True, cache_ttl="1h")
    assert body(request(tools=(tool, TOOL)))["tools"] == [
        {
            "name": "add",
            "input_schema": {"type": "object"},
            "description": "adds",
            "strict": True,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        {"name": "add", "input_schema": {"type": "object"}},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="auto"), {"type": "auto"}),
        (ToolChoice(mode="any", allow_parallel=False), {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="none", allow_parallel=False), {"type": "none"}),
        (ToolChoice(mode="tool", name="add"), {"type": "tool", "name": "add"}),
    ],
)
def test_a_tool_choice_is_sent(choice: ToolChoice, expected: dict[str, Any]) -> None:
    """
    Every mode of choice has its form.
    """
    assert body(request(tools=(TOOL,), tool_choice=choice))["tool_choice"] == expected


def test_a_choice_among_no_tools_is_left_out() -> None:
    """
    `auto` and `none` say nothing where there are no tools.
    """
    assert "tool_choice" not in body(request(tool_choice=ToolChoice(mode="auto")))


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        (Reasoning(mode="enabled", budget_tokens=2048), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (Reasoning(mode="disabled"), {"thinking": {"type": "disabled"}}),
        (
            Reasoning(mode="adaptive", effort="high"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
    ],
)
def test_reasoning_is_sent(reasoning: Reasoning, expected: dict[str, Any]) -> None:
    """
    Every mode of reasoning has its form; effort stands in `output_config`.
    """
    made = body(request(params=GenerationParams(reasoning=reasoning)))
    assert {name: made[name] for name in ("thinking", "output_config") if name in made} == expected


@pytest.mark.parametrize(
    ("refusal", "fields", "words"),
    [
        ("temperature", {"params": GenerationParams(temperature=0.0)}, "temperature"),
        ("top_k", {"params": GenerationParams(top_k=1)}, "top_k"),
        ("temperature+top_p", {"params": GenerationParams(temperature=1, top_p=1)}, "temperature together with top_p"),
        ("reasoning_enabled", {"params": GenerationParams(reasoning=Reasoning(mode="enabled"))}, "reasoning with a"),
        ("forced_tool_choice", {"tools": (TOOL,), "tool_choice": ToolChoice(mode="any")}, "tool choice"),
        ("streaming", {}, "streaming"),
        ("tools", {"tools": (TOOL,)}, "tools"),
    ],
)
def test_what_the_model_refuses_is_refused_before_the_call(refusal: str, fields: Any, words: str) -> None:
    """
    A field that the model refuses is refused by name, and no call is made.
    """
    with pytest.raises(RequestError, match=f"model 'claude' does not take {words}"):
        call(request(**fields), refuses=frozenset({refusal}))


def test_half_of_a_pair_that_is_refused_together_is_taken() -> None:
    """
    `temperature+top_p` refuses both together, not either.
    """
    refuses = frozenset({"temperature+top_p"})
    assert body(request(params=GenerationParams(temperature=1.0)), refuses=refuses)["temperature"] == 1.0


def test_a_refused_prefill_is_refused() -> None:
    """
    A last message from the assistant is an answer begun by the client, which newer models refuse.
    """
    made = request(user(text("?")), assistant(text("It")))
    assert body(made)["messages"][-1]["role"] == "assistant"
    with pytest.raises(RequestError, match="an answer begun by the client"):
        call(made, refuses=frozenset({"prefill"}))


def test_a_blank_text_of_an_answer_is_left_out() -> None:
    """
    Blank texts and empty answers, which the model wrote and a client sends back, are left out.
    """
    use = ToolUsePart(tool_use_id="t1", name="add", input={})
    result = ToolResultPart(tool_use_id="t1", content=(text("1"),))
    made = request(user(text("a")), assistant(text(" ")), user(text("?")), assistant(text("\n\n"), use), user(result))
    messages = body(made)["messages"]
    assert [message["role"] for message in messages] == ["user", "user", "assistant", "user"]
    assert [part["type"] for part in messages[2]["content"]] == ["tool_use"]


def test_messages_stay_as_they_are() -> None:
    """
    Neighbours of one role, and a beginning by the assistant, are left to Claude, which joins them itself.
    """
    made = request(assistant(text("hello")), user(text("a")), user(text("b")))
    assert [message["role"] for message in body(made)["messages"]] == ["assistant", "user", "user"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (ChatRequest(model="claude", messages=()), "messages is empty"),
        (request(user(text("a")), user()), r"messages\[1\] has no parts"),
        (request(user(text(""))), r"messages\[0\].parts\[0\] is blank text"),
        (request(user(text("a"), text("\n \t"))), r"messages\[0\].parts\[1\] is blank text"),
        (request(system=(text(" "),)), r"system\[0\] is blank text"),
        (request(user(text("a")), assistant(text("So "))), r"messages\[1\] ends with white space: take it off"),
        (request(user(ImagePart(media_type="image/tiff", data=b"x"))), "type 'image/tiff', expected one of image/gif"),
        (
            request(user(DocumentPart(media_type="text/rtf", data=b"x"))),
            "'text/rtf', expected one of application/pdf, ",
        ),
        (request(user(DocumentPart(media_type="text/plain", data=b"a\xff"))), "not utf-8 at byte 1"),
        (request(user(text("a")), assistant(ReasoningPart(text="hm"))), "reasoning without its signature"),
        (request(user(TextPart(text="a", provider_details={"x": 1}))), "'x', which can't be sent"),
        (
            request(user(ToolResultPart(tool_use_id="t", content=(ImagePart(media_type="a/b", data=b""),)))),
            r"messages\[0\].parts\[0\].content\[0\] is an image",
        ),
        (request(tool_choice=ToolChoice(mode="any")), "tool_choice is 'any' but the request has no tools"),
        (request(tools=(TOOL,), tool_choice=ToolChoice(mode="tool")), "'tool' without a name"),
        (request(params=GenerationParams(reasoning=Reasoning(mode="enabled"))), "budget is None tokens"),
        (
            request(params=GenerationParams(reasoning=Reasoning(mode="enabled", budget_tokens=1023))),
            "budget is 1023 tokens, expected at least 1024",
        ),
        (request(params=GenerationParams(temperature=1.5)), "temperature is 1.5, expected 0 to 1"),
        (request(params=GenerationParams(temperature=float("nan"))), "temperature is nan, expected 0 to 1"),
        (request(params=GenerationParams(top_p=-0.1)), "top_p is -0.1, expected 0 to 1"),
        (request(params=GenerationParams(top_k=-1)), "top_k is -1, expected at least 0"),
        (request(params=GenerationParams(max_tokens=-1)), "max_tokens is -1, expected at least 0"),
        (request(params=GenerationParams(stop_sequences=("a", ""))), r"stop_sequences\[1\] is empty"),
        (request(user(text("\ud800"))), "half of a surrogate pair"),
    ],
)
def test_what_bedrock_would_refuse_is_refused_by_position(made: ChatRequest, words: str) -> None:
    """
    A request that can't succeed is refused with where and why.
    """
    with pytest.raises(RequestError, match=words):
        call(made)


def test_a_request_nested_too_deeply_is_refused() -> None:
    """
    Depth is an error of the request, not of the server.
    """
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"a": nested}
    with pytest.raises(RequestError, match="nested too deeply"):
        call(request(user(ToolUsePart(tool_use_id="t", name="n", input=nested))))
