"""
What Bedrock stumbles over is put right where that changes nothing that was said, and refused by name where it would.
"""

import json
from typing import Any

import pytest

from outcrop.adapters.converse import ConverseAdapter
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    CacheTtl,
    ChatRequest,
    DocumentPart,
    GenerationParams,
    Guardrail,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

Json = dict[str, Any]

CLAUDE = "anthropic.claude-sonnet-4-6"
NOVA = "amazon.nova-pro-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
MISTRAL = "mistral.pixtral-large-2502-v1:0"
TOOL = ToolSpec(name="weather", input_schema={})
CALL = ToolUsePart(tool_use_id="t1", name="weather", input={})
RESULT = ToolResultPart(tool_use_id="t1", content=(TextPart(text="sun"),))
PAGE = DocumentPart(media_type="text/plain", data=b"x")


def text(said: str = "hi", ttl: CacheTtl | None = None) -> TextPart:
    """
    Make a text.
    """
    return TextPart(text=said, cache_ttl=ttl)


def user(*parts: Part) -> Message:
    """
    Make a user's message.
    """
    return Message("user", parts)


def assistant(*parts: Part) -> Message:
    """
    Make an assistant's message.
    """
    return Message("assistant", parts)


def build(*messages: Message, base_id: str = CLAUDE, refuses: tuple[str, ...] = (), **fields: Any) -> Json:
    """
    Build a body and decode it.
    """
    model = ResolvedModel(
        name="ours", model_id=base_id, base_id=base_id, family="any", route="converse", refuses=frozenset(refuses)
    )
    request = ChatRequest(model="ours", messages=messages or (user(text()),), **fields)
    body: Json = json.loads(ConverseAdapter().build_call(request, model).body)
    return body


def said(body: Json) -> list[tuple[Role, list[str]]]:
    """
    Tell who said which texts.
    """
    return [
        (each["role"], [block["text"] for block in each["content"] if "text" in block]) for each in body["messages"]
    ]


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_text_beside_others_is_left_out(blank: str) -> None:
    """
    Blank text says nothing, and Bedrock refuses it.
    """
    assert said(build(user(text(blank), text("a"), text(blank)))) == [("user", ["a"])]


@pytest.mark.parametrize("parts", [(text(" "),), (text(""), text("\n")), ()])
def test_a_blank_message_of_the_user_is_refused_by_its_position(parts: tuple[Part, ...]) -> None:
    """
    Somebody meant to say something, so it is not left out.
    """
    with pytest.raises(RequestError, match=r"messages\[2\] is blank, expected at least one character"):
        build(user(text()), assistant(text("yes")), user(*parts))


@pytest.mark.parametrize("parts", [(text(" "),), ()])
def test_an_empty_answer_in_the_conversation_is_left_out(parts: tuple[Part, ...]) -> None:
    """
    Clients send back answers that were stopped before their first word.
    """
    assert said(build(user(text("a")), assistant(*parts), user(text("b")))) == [("user", ["a", "b"])]


def test_neighbours_of_one_role_become_one_message() -> None:
    """
    Roles alternate, and every text stays where it was.
    """
    body = build(user(text("a")), user(text("b")), assistant(text("c")), assistant(text("d")), user(text("e")))
    assert said(body) == [("user", ["a", "b"]), ("assistant", ["c", "d"]), ("user", ["e"])]


@pytest.mark.parametrize("base_id", [CLAUDE, "qwen.qwen3-32b-v1:0", "zai.glm-5", "moonshotai.kimi-k2.5"])
def test_some_families_take_a_leading_answer(base_id: str) -> None:
    """
    The assistant may speak first.
    """
    assert said(build(assistant(text("a")), user(text("b")), base_id=base_id))[0] == ("assistant", ["a"])


@pytest.mark.parametrize("base_id", [LLAMA, NOVA, MISTRAL, "openai.gpt-6-sol", "acme.new-1"])
def test_other_families_refuse_a_leading_answer(base_id: str) -> None:
    """
    It is refused before the call, by its position.
    """
    with pytest.raises(RequestError, match=r"messages\[0\].parts\[0\] is the assistant's.*'ours' must start with"):
        build(assistant(text("a")), user(text("b")), base_id=base_id)


def test_a_conversation_of_nothing_is_refused() -> None:
    """
    At least one message must be left.
    """
    with pytest.raises(RequestError, match="nothing that could be sent"):
        build(assistant(text("")))


def test_a_last_answer_that_ends_with_white_space_is_refused() -> None:
    """
    Taking it off would change what the model goes on from, so the client is asked to.
    """
    with pytest.raises(RequestError, match=r"messages\[1\].parts\[1\] ends with white space"):
        build(user(text()), assistant(text("a "), text("b ")))
    assert said(build(user(text()), assistant(text("b "), text("a"))))[1] == ("assistant", ["b ", "a"])


def test_tool_results_stand_first() -> None:
    """
    Texts beside results follow them; results keep their order, also over messages that become one.
    """
    again = ToolResultPart(tool_use_id="t2", content=(text("rain"),))
    call = ToolUsePart(tool_use_id="t2", name="weather", input={})
    body = build(user(text()), assistant(CALL, call), user(text("a"), RESULT), user(text("b"), again), tools=(TOOL,))
    blocks = body["messages"][2]["content"]
    assert [block.get("text") or block["toolResult"]["toolUseId"] for block in blocks] == ["t1", "t2", "a", "b"]


@pytest.mark.parametrize("base_id", [LLAMA, MISTRAL])
def test_tool_results_stand_alone_for_llama_and_mistral(base_id: str) -> None:
    """
    Nothing may stand beside them, also not after neighbours have become one message.
    """
    with pytest.raises(RequestError, match=r"messages\[2\] holds something beside tool results.*'ours'"):
        build(user(text()), assistant(CALL), user(RESULT), user(text("and?")), base_id=base_id)
    assert len(build(user(text()), assistant(CALL), user(RESULT), base_id=base_id)["messages"]) == 3


def test_claude_takes_no_document_beside_tool_results() -> None:
    """
    It may go into the result itself.
    """
    with pytest.raises(RequestError, match=r"messages\[2\] holds a document beside tool results.*'ours'"):
        build(user(text()), assistant(CALL), user(RESULT, text("x"), PAGE))
    inside = ToolResultPart(tool_use_id="t1", content=(PAGE,))
    assert (
        "document"
        in build(user(text()), assistant(CALL), user(inside))["messages"][2]["content"][0]["toolResult"]["content"][0]
    )


def test_a_document_needs_a_text_beside_it() -> None:
    """
    Bedrock wants to know what to do with it; a neighbour's text will do.
    """
    with pytest.raises(RequestError, match=r"messages\[0\] holds a document without text"):
        build(user(PAGE))
    assert len(build(user(PAGE), user(text("read")))["messages"][0]["content"]) == 2


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (
            assistant(ImagePart(media_type="image/png", data=b"x")),
            "is 'image', which a message of the 'assistant' can't hold",
        ),
        (assistant(RESULT), "is 'tool_result', which a message of the 'assistant' can't"),
        (user(CALL), "is 'tool_use', which a message of the 'user' can't hold"),
        (user(ReasoningPart(text="x")), "is 'reasoning', which a message of the 'user' can't hold"),
        (user(ImagePart(media_type="image/tiff", data=b"x")), "is an image of type 'image/tiff', expected one of"),
        (user(ImagePart(media_type="image/png", data=b"")), "is empty, expected at least one byte"),
        (user(text(), DocumentPart(media_type="image/png", data=b"x")), "is a document of type 'image/png'"),
        (user(TextPart(text="a", provider_details={"citations": []})), "'citations', which can't be sent"),
        (user(TextPart(text="a", provider_details={"guardContent": 1})), "'guardContent' that is not an object"),
        (
            user(TextPart(text="a", provider_details={"guardContent": {"qualifiers": ["x"]}})),
            "has the qualifier 'x', expected one of 'grounding_source'",
        ),
        (
            user(ToolResultPart(tool_use_id="a", content=(TextPart(text="a", provider_details={"guardContent": {}}),))),
            "holds 'guardContent', which can't be sent inside a tool's result",
        ),
        (assistant(ReasoningPart(redacted="?")), "is redacted reasoning that is not base64"),
        (assistant(ToolUsePart(tool_use_id="a b", name="x", input={})), "has the tool use id 'a b', expected 1 to 64"),
        (assistant(ToolUsePart(tool_use_id="a", name="x y", input={})), "names the tool 'x y', expected 1 to 64"),
        (user(RESULT), "a tool's result, but neither its call nor any tools"),
    ],
)
def test_a_part_that_no_model_takes_is_refused_by_its_position(message: Message, complaint: str) -> None:
    """
    The message says where it is and what was expected.
    """
    with pytest.raises(RequestError, match=complaint) as refused:
        build(user(text()), assistant(text("a")) if message.role == "user" else user(text()), message)
    assert "messages" in str(refused.value)


@pytest.mark.parametrize(
    ("refusal", "fields"),
    [
        ("tools", {"tools": (TOOL,)}),
        ("streaming+tools", {"tools": (TOOL,)}),
        ("forced_tool_choice", {"tools": (TOOL,), "tool_choice": ToolChoice(mode="any")}),
        ("system", {"system": (text(),)}),
        ("streaming", {}),
        ("guardrail", {"guardrail": Guardrail(identifier="a", version="1")}),
        ("temperature+top_p", {"params": GenerationParams(temperature=1, top_p=1)}),
        ("stop_sequences", {"params": GenerationParams(stop_sequences=("a",))}),
    ],
)
def test_what_a_model_refuses_is_refused_before_the_call(refusal: str, fields: dict[str, Any]) -> None:
    """
    The message names the model.
    """
    with pytest.raises(RequestError, match="model 'ours' does not take"):
        build(refuses=(refusal,), **fields)
    assert build(refuses=("something else",), **fields)


def test_tools_in_the_conversation_count_as_tools() -> None:
    """
    A model that can't stream with tools can't stream with calls in its conversation either, but answers whole.
    """
    conversation = (user(text()), assistant(CALL), user(RESULT))
    with pytest.raises(RequestError, match=r"does not take streaming .* together with tools"):
        build(*conversation, refuses=("streaming+tools",))
    assert build(*conversation, refuses=("streaming+tools",), stream=False)


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ("images", user(ImagePart(media_type="image/png", data=b"x"))),
        ("documents", user(text(), PAGE)),
        ("prefill", assistant(text("So"))),
    ],
)
def test_parts_that_a_model_refuses_are_refused_before_the_call(refusal: str, message: Message) -> None:
    """
    The message names the model and the feature.
    """
    with pytest.raises(RequestError, match="model 'ours' does not take"):
        build(user(text()), message, refuses=(refusal,))


def test_an_empty_last_answer_is_no_answer_begun() -> None:
    """
    What is left out is not held against the request.
    """
    assert said(build(user(text("a")), assistant(text("")), refuses=("prefill",))) == [("user", ["a"])]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"params": GenerationParams(max_tokens=0)}, "max_tokens is 0, expected at least 1"),
        ({"params": GenerationParams(temperature=2)}, "temperature is 2, expected 0 to 1"),
        ({"params": GenerationParams(stop_sequences=("",))}, r"stop_sequences\[0\] is empty"),
        ({"params": GenerationParams(stop_sequences=("a",) * 2501)}, "stop_sequences has 2501 entries"),
        ({"guardrail": Guardrail(identifier="A b", version="1")}, "the guardrail is 'A b', expected its id"),
        ({"guardrail": Guardrail(identifier="a", version="0")}, "the guardrail's version is '0', expected 'DRAFT'"),
        ({"request_metadata": {str(key): "" for key in range(17)}}, "request_metadata has 17 pairs, limit is 16"),
        ({"request_metadata": {"": "x"}}, "request_metadata '' is 'x', expected"),
        ({"request_metadata": {"a": "é!"}}, "request_metadata 'a' is 'é!', expected"),
        ({"request_metadata": {"a": "\u2003"}}, "request_metadata 'a' is"),
        ({"request_metadata": {"a": "x" * 257}}, "request_metadata 'a' is"),
        ({"tool_choice": ToolChoice(mode="any")}, "tool_choice is 'any' but the request has no tools"),
        ({"tools": (TOOL,), "tool_choice": ToolChoice(mode="tool")}, "names the tool None, expected"),
        ({"tools": (TOOL,), "tool_choice": ToolChoice(mode="tool", name="x")}, "names the tool 'x', expected"),
        ({"tools": (TOOL,), "tool_choice": ToolChoice(mode="auto", allow_parallel=False)}, "one tool call at a time"),
        ({"tools": (ToolSpec(name="", input_schema={}),)}, r"tools\[0\] names the tool '', expected"),
        ({"provider_options": {"max_tokens": 9}}, "provider option 'max_tokens' can't be given"),
        ({"provider_options": {"outputConfig": {"x": 1}}}, "provider option 'outputConfig' is not an object"),
        ({"provider_options": {"additionalModelResponseFieldPaths": "x"}}, "is not a list of at most 10"),
        (
            {"provider_options": {"top_k": 3}, "params": GenerationParams(top_k=4)},
            "provider option 'top_k' is 3, but the request itself says 4",
        ),
    ],
)
def test_what_bedrock_can_not_take_is_refused_before_the_call(fields: dict[str, Any], complaint: str) -> None:
    """
    Limits of AWS's model are known here, and told in words.
    """
    with pytest.raises(RequestError, match=complaint):
        build(**fields)


def test_an_answer_longer_than_the_model_gives_is_refused() -> None:
    """
    The catalogue's bound is told in words; a bound that is not known is left to Bedrock.
    """
    model = ResolvedModel(
        name="ours", model_id=NOVA, base_id=NOVA, family="nova", route="converse", max_output_tokens=10
    )
    request = ChatRequest(model="ours", messages=(user(text()),), params=GenerationParams(max_tokens=11))
    with pytest.raises(RequestError, match="max_tokens is 11, model 'ours' gives at most 10"):
        ConverseAdapter().build_call(request, model)
    assert build(params=GenerationParams(max_tokens=10**6))["inferenceConfig"] == {"maxTokens": 10**6}


def test_cache_points_stand_behind_what_they_mark() -> None:
    """
    Claude takes them among tools, in the system prompt and in messages; five minutes go unsaid.
    """
    body = build(
        user(text("a", "1h"), text("b")),
        system=(text("s", "5m"),),
        tools=(ToolSpec(name="t", input_schema={}, cache_ttl="1h"),),
    )
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["messages"][0]["content"] == [{"text": "a"}, hour, {"text": "b"}]
    assert body["system"] == [{"text": "s"}, {"cachePoint": {"type": "default"}}]
    assert body["toolConfig"]["tools"][1] == hour


def test_a_mark_inside_a_tools_result_stands_behind_the_result() -> None:
    """
    A result's content can't hold a cache point, and a result moves together with its mark.
    """
    marked = ToolResultPart(tool_use_id="t1", content=(text("sun", "5m"),))
    blocks = build(user(text()), assistant(CALL), user(text("a"), marked))["messages"][2]["content"]
    assert [next(iter(block)) for block in blocks] == ["toolResult", "cachePoint", "text"]


def test_a_mark_on_a_blank_text_goes_with_it() -> None:
    """
    No message begins with a cache point, and no two stand in a row.
    """
    blocks = build(user(text(" ", "5m"), text("a", "5m"), text("", "5m")))["messages"][0]["content"]
    assert [next(iter(block)) for block in blocks] == ["text", "cachePoint"]


def test_nova_caches_for_five_minutes_and_no_tools() -> None:
    """
    A time to live that a family does not know is left to its default; tools get no cache points.
    """
    body = build(user(text("a", "1h")), tools=(ToolSpec(name="t", input_schema={}, cache_ttl="5m"),), base_id=NOVA)
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert len(body["toolConfig"]["tools"]) == 1


@pytest.mark.parametrize(("base_id", "refuses"), [(LLAMA, ()), ("acme.new-1", ()), (CLAUDE, ("cache",))])
def test_a_cache_mark_is_a_hint_that_others_do_not_get(base_id: str, refuses: tuple[str, ...]) -> None:
    """
    A model without a prompt cache would refuse a cache point; leaving it out changes no answer.
    """
    body = build(user(text("a", "5m")), base_id=base_id, refuses=refuses)
    assert body["messages"][0]["content"] == [{"text": "a"}]


def test_a_fifth_cache_point_is_refused() -> None:
    """
    Bedrock takes four in a request.
    """
    assert build(user(*[text("a", "5m")] * 4))
    with pytest.raises(RequestError, match="marks 5 places for the cache, expected at most 4"):
        build(user(*[text("a", "5m")] * 4), system=(text("s", "5m"),))
