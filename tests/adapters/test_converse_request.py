"""
Requests become Converse bodies.
"""

import json
from typing import Any

import pytest

from outcrop.adapters.converse import ConverseAdapter
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    Guardrail,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

Json = dict[str, Any]

WEATHER = ToolSpec(name="weather", input_schema={"type": "object"}, description="tells the weather")
CALL = ToolUsePart(tool_use_id="t1", name="weather", input={"city": "Bern"})
RESULT = ToolResultPart(tool_use_id="t1", content=(TextPart(text="sun"),))
ASKED = Message("user", (TextPart(text="hi"),))
TOOL_HISTORY = (ASKED, Message("assistant", (CALL,)), Message("user", (RESULT,)))
CLAUDE = "anthropic.claude-sonnet-4-6"
NOVA = "amazon.nova-pro-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"


def model(base_id: str = CLAUDE, family: str = "any", refuses: tuple[str, ...] = ()) -> ResolvedModel:
    """
    Make a model that is called by Converse.
    """
    return ResolvedModel(
        name="ours",
        model_id=f"us.{base_id}",
        base_id=base_id,
        family=family,
        route="converse",
        refuses=frozenset(refuses),
    )


def build(*messages: Message, of: ResolvedModel | None = None, **fields: Any) -> Json:
    """
    Build a body and decode it.
    """
    request = ChatRequest(model="ours", messages=messages or (ASKED,), **fields)
    body: Json = json.loads(ConverseAdapter().build_call(request, of or model()).body)
    return body


def content(*parts: Part, of: ResolvedModel | None = None) -> list[Json]:
    """
    Build a user's message of these parts and return its blocks.
    """
    blocks: list[Json] = build(Message("user", parts), of=of)["messages"][0]["content"]
    return blocks


def history(*parts: Part, of: ResolvedModel | None = None) -> list[Json]:
    """
    Build a conversation in which the assistant said these parts, and return its messages.
    """
    messages: list[Json] = build(ASKED, Message("assistant", parts), ASKED, of=of)["messages"]
    return messages


def test_a_plain_request_is_a_plain_body() -> None:
    """
    What was not given is not sent.
    """
    assert build() == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


@pytest.mark.parametrize(("stream", "operation"), [(True, "converse_stream"), (False, "converse")])
def test_the_operation_is_what_the_request_says(stream: bool, operation: str) -> None:
    """
    Streaming and whole answers have operations of their own; the model's ID is not in the body.
    """
    call = ConverseAdapter().build_call(ChatRequest(model="ours", messages=(ASKED,), stream=stream), model())
    assert (call.operation, call.model_id, call.headers) == (operation, f"us.{CLAUDE}", ())


def test_the_common_parameters_go_to_the_inference_config() -> None:
    """
    All four have a place of their own.
    """
    params = GenerationParams(max_tokens=9, temperature=0.0, top_p=0.5, stop_sequences=("END",))
    assert build(params=params, of=model(NOVA))["inferenceConfig"] == {
        "maxTokens": 9,
        "temperature": 0.0,
        "topP": 0.5,
        "stopSequences": ["END"],
    }


def test_the_system_prompt_is_a_list_of_texts() -> None:
    """
    Blank ones are left out; if none stays, there is no system prompt.
    """
    texts = (TextPart(text=" "), TextPart(text="be kind"))
    assert build(system=texts)["system"] == [{"text": "be kind"}]
    assert "system" not in build(system=texts[:1])


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/gif", "gif"), ("image/webp", "webp")],
)
def test_an_image_has_its_format(media_type: str, expected: str) -> None:
    """
    The format comes from the media type, the bytes go as base64.
    """
    assert content(ImagePart(media_type=media_type, data=b"hi")) == [
        {"image": {"format": expected, "source": {"bytes": "aGk="}}}
    ]


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/pdf", "pdf"),
        ("text/csv", "csv"),
        ("application/msword", "doc"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
        ("application/vnd.ms-excel", "xls"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        ("text/html", "html"),
        ("Text/Plain; charset=utf-8", "txt"),
        ("text/markdown", "md"),
    ],
)
def test_a_document_has_its_format(media_type: str, expected: str) -> None:
    """
    Every format of AWS's model has a media type.
    """
    blocks = content(TextPart(text="read"), DocumentPart(media_type=media_type, data=b"hi"))
    assert blocks[1] == {"document": {"format": expected, "name": "document", "source": {"bytes": "aGk="}}}


def test_a_document_carries_its_context_and_asks_for_citations() -> None:
    """
    What belongs to a document goes with it.
    """
    part = DocumentPart(media_type="text/plain", data=b"hi", context="old", citations=True)
    document = content(TextPart(text="read"), part)[1]["document"]
    assert (document["context"], document["citations"]) == ("old", {"enabled": True})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("report.final_v2.pdf", "report final v2 pdf"),
        ("  a \t b\n", "a b"),
        ("(Zürich) [2]-x", "(Zurich) [2]-x"),
        ("文書", "document"),
        ("", "document"),
        ("x" * 300, "x" * 200),
        ("x" * 199 + " y", "x" * 199),
    ],
)
def test_a_documents_name_is_made_valid(given: str, expected: str) -> None:
    """
    Names hold at most 200 letters, digits, single spaces, hyphens and brackets.
    """
    part = DocumentPart(media_type="text/plain", data=b"hi", name=given)
    assert content(TextPart(text="read"), part)[1]["document"]["name"] == expected


def test_names_of_documents_differ() -> None:
    """
    Documents of one name are numbered, within the limit of length.
    """
    parts = [DocumentPart(media_type="text/plain", data=b"hi", name="x" * 200) for _ in range(3)]
    names = [block["document"]["name"] for block in content(TextPart(text="read"), *parts)[1:]]
    assert names == ["x" * 200, "x" * 198 + " 2", "x" * 198 + " 3"]


def test_tools_and_their_choice_go_to_the_tool_config() -> None:
    """
    A tool is its name, schema and description.
    """
    config = build(tools=(WEATHER,), tool_choice=ToolChoice(mode="auto"))["toolConfig"]
    spec = {"name": "weather", "inputSchema": {"json": {"type": "object"}}, "description": "tells the weather"}
    assert config == {"tools": [{"toolSpec": spec}], "toolChoice": {"auto": {}}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="any"), {"any": {}}),
        (ToolChoice(mode="tool", name="weather"), {"tool": {"name": "weather"}}),
    ],
)
def test_a_forced_tool_choice_is_sent(choice: ToolChoice, expected: Json) -> None:
    """
    The model can be made to call some tool, or one by name.
    """
    assert build(tools=(WEATHER,), tool_choice=choice)["toolConfig"]["toolChoice"] == expected


def test_a_tool_says_whether_it_is_strict() -> None:
    """
    A blank description is left out, `strict` is sent as given.
    """
    tool = ToolSpec(name="t", input_schema={}, description="", strict=False)
    assert build(tools=(tool,))["toolConfig"]["tools"] == [
        {"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}, "strict": False}}
    ]


def test_no_tools_are_sent_where_none_may_be_called() -> None:
    """
    Converse has no word for `none`, so the tools stay away.
    """
    assert "toolConfig" not in build(tools=(WEATHER,), tool_choice=ToolChoice(mode="none"))


def test_tools_are_sent_where_the_conversation_needs_them() -> None:
    """
    With tool blocks in the conversation Bedrock insists on tools, also where none may be called.
    """
    config = build(*TOOL_HISTORY, tools=(WEATHER,), tool_choice=ToolChoice(mode="none"))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["weather"]
    assert "toolChoice" not in config


def test_tools_are_taken_from_the_conversation_where_none_are_given() -> None:
    """
    A request without tools, but with calls in it, names the tools that were called, each once.
    """
    again = ToolUsePart(tool_use_id="t2", name="weather", input={})
    other = ToolUsePart(tool_use_id="t3", name="time", input={})
    results = tuple(ToolResultPart(tool_use_id=key, content=()) for key in ("t1", "t2", "t3"))
    config = build(ASKED, Message("assistant", (CALL, again, other)), Message("user", results))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["weather", "time"]


def test_a_call_and_its_result_are_blocks() -> None:
    """
    Claude is told how the tool fared.
    """
    messages = build(*TOOL_HISTORY, tools=(WEATHER,))["messages"]
    assert messages[1]["content"] == [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bern"}}}]
    result = {"toolUseId": "t1", "content": [{"text": "sun"}], "status": "success"}
    assert messages[2]["content"] == [{"toolResult": result}]


@pytest.mark.parametrize("base_id", [CLAUDE, NOVA])
def test_a_failed_tool_has_a_status(base_id: str) -> None:
    """
    Claude and Nova know the status of a result.
    """
    failed = ToolResultPart(tool_use_id="t1", content=(TextPart(text="rain"),), is_error=True)
    result = build(*TOOL_HISTORY[:2], Message("user", (failed,)), of=model(base_id))["messages"][2]["content"][0]
    assert result["toolResult"]["status"] == "error"


def test_a_failed_tool_is_told_in_words_to_others() -> None:
    """
    Where no status is known the failure stands before the content, so that it is not lost.
    """
    failed = ToolResultPart(tool_use_id="t1", content=(TextPart(text="rain"),), is_error=True)
    result = build(*TOOL_HISTORY[:2], Message("user", (failed,)), of=model(LLAMA))["messages"][2]["content"][0]
    assert result["toolResult"] == {"toolUseId": "t1", "content": [{"text": "The tool failed."}, {"text": "rain"}]}


@pytest.mark.parametrize("said", [(), (TextPart(text=" "),)])
def test_a_tool_that_said_nothing_gave_an_empty_object(said: tuple[TextPart, ...]) -> None:
    """
    Converse refuses a result without content.
    """
    silent = ToolResultPart(tool_use_id="t1", content=said)
    result = build(*TOOL_HISTORY[:2], Message("user", (silent,)))["messages"][2]["content"][0]
    assert result["toolResult"]["content"] == [{"json": {}}]


def test_reasoning_goes_back_as_it_came() -> None:
    """
    Signed text and redacted blocks are sent unmodified.
    """
    blocks = history(
        ReasoningPart(text="Hm", signature="c2ln"), ReasoningPart(redacted="YWI="), TextPart(text="so"), of=model()
    )[1]["content"]
    assert blocks == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "YWI="}},
        {"text": "so"},
    ]


def test_a_signature_goes_back_also_without_its_text() -> None:
    """
    Claude can be asked not to show its reasoning; what it signed must come back all the same.
    """
    blocks = history(ReasoningPart(signature="c2ln"), TextPart(text="so"))[1]["content"]
    assert blocks[0] == {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}}


def test_unsigned_reasoning_goes_back_where_no_signature_is_known() -> None:
    """
    Only Claude signs its reasoning.
    """
    blocks = history(ReasoningPart(text="Hm"), TextPart(text="so"), of=model("openai.gpt-oss-120b-1:0"))[1]["content"]
    assert blocks[0] == {"reasoningContent": {"reasoningText": {"text": "Hm"}}}


@pytest.mark.parametrize(
    "of", [model(LLAMA, refuses=("reasoning_parts",)), model(CLAUDE)], ids=["refused in history", "unsigned for claude"]
)
def test_reasoning_that_a_model_does_not_take_back_is_left_out(of: ResolvedModel) -> None:
    """
    A conversation that another model began goes on, without the reasoning.
    """
    assert history(ReasoningPart(text="Hm"), TextPart(text="so"), of=of)[1]["content"] == [{"text": "so"}]


def test_an_answer_of_nothing_but_such_reasoning_is_left_out() -> None:
    """
    The user's messages around it become one.
    """
    messages = history(ReasoningPart(text="Hm"), of=model())
    assert messages == [{"role": "user", "content": [{"text": "hi"}, {"text": "hi"}]}]


def test_text_for_the_guardrail_is_marked() -> None:
    """
    A text can be a `guardContent` block, with qualifiers or without.
    """
    details = {"guardContent": {"qualifiers": ["query"]}}
    assert content(TextPart(text="a", provider_details=details)) == [
        {"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}}
    ]
    assert build(system=(TextPart(text="a", provider_details={"guardContent": {}}),))["system"] == [
        {"guardContent": {"text": {"text": "a"}}}
    ]


def test_what_bedrock_itself_takes_has_fields_of_its_own() -> None:
    """
    Guardrail, latency, tier and metadata are sent for whichever model.
    """
    body = build(
        guardrail=Guardrail(identifier="abc1", version="DRAFT", trace="enabled"),
        latency="optimized",
        service_tier="flex",
        request_metadata={"team": "a b"},
    )
    assert body["guardrailConfig"] == {"guardrailIdentifier": "abc1", "guardrailVersion": "DRAFT", "trace": "enabled"}
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["serviceTier"] == {"type": "flex"}
    assert body["requestMetadata"] == {"team": "a b"}


def test_half_a_surrogate_pair_is_refused() -> None:
    """
    Text that is not unicode can't be sent.
    """
    with pytest.raises(RequestError, match="surrogate"):
        build(Message("user", (TextPart(text="\ud800"),)))
