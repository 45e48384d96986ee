"""
A request becomes Nova's native body or is refused; its wrapped chunks become events.
"""

import base64
from typing import Any

import pytest

from outcrop.errors import InvalidMessage, RequestError
from outcrop.turns.fold import fold
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    MessageStart,
    MessageStop,
    Reasoning,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.adapters.forms import METRICS, Json, ask, body, call, stop_of, stream, texts, user, whole

TOOL = ToolSpec(name="t", input_schema={"type": "object"}, description="look")
PNG = ImagePart(media_type="image/png", data=b"x")
STOP: Json = {"messageStop": {"stopReason": "end_turn"}}


def delta(index: int, **content: Any) -> Json:
    """
    Build a chunk with a piece of block `index`.
    """
    return {"contentBlockDelta": {"delta": content, "contentBlockIndex": index}}


def metadata(**usage: int) -> Json:
    """
    Build the chunk with the counts.
    """
    return {"metadata": {"usage": usage, "metrics": {}, "trace": {}}, **METRICS}


def answer(*content: Json, **fields: Any) -> Json:
    """
    Build a whole answer with this content.
    """
    message = {"role": "assistant", "content": list(content)}
    return {"output": {"message": message}, "stopReason": "end_turn", **fields}


def test_the_smallest_body_is_its_messages() -> None:
    """
    Content is a list of blocks; nothing is sent that was not given.
    """
    assert body("nova", ask()) == {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
    }


def test_the_sampling_parameters_are_sent() -> None:
    """
    They stand in an object of their own, in camel case.
    """
    params = GenerationParams(max_tokens=9, temperature=0.0, top_p=0.5, top_k=3, stop_sequences=("x",))
    assert (
        body("nova", ask(params=params, system=texts("S", "T"))).items()
        >= {
            "system": [{"text": "S"}, {"text": "T"}],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.0, "topP": 0.5, "topK": 3, "stopSequences": ["x"]},
        }.items()
    )


def test_an_image_is_a_block() -> None:
    """
    Its bytes are base64, its format a short word.
    """
    assert body("nova", ask(PNG))["messages"][0]["content"] == [
        {"image": {"format": "png", "source": {"bytes": base64.b64encode(b"x").decode()}}}
    ]


def test_tools_calls_and_results_are_sent() -> None:
    """
    They have the form that Converse has.
    """
    conversation = (
        user("a"),
        Message("assistant", (ToolUsePart(tool_use_id="t1", name="t", input={"q": 1}),)),
        Message("user", (ToolResultPart(tool_use_id="t1", content=texts("no"), is_error=True),)),
    )
    made = body("nova", ask(messages=conversation, tools=(TOOL,), tool_choice=ToolChoice(mode="tool", name="t")))
    assert made["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "t", "description": "look", "inputSchema": {"json": {"type": "object"}}}}],
        "toolChoice": {"tool": {"name": "t"}},
    }
    assert [message["content"] for message in made["messages"][1:]] == [
        [{"toolUse": {"toolUseId": "t1", "name": "t", "input": {"q": 1}}}],
        [{"toolResult": {"toolUseId": "t1", "content": [{"text": "no"}], "status": "error"}}],
    ]


@pytest.mark.parametrize("mode", ["auto", "any"])
def test_a_tool_choice_is_an_object(mode: Any) -> None:
    """
    The choice is named by its key.
    """
    made = body("nova", ask(tools=(TOOL,), tool_choice=ToolChoice(mode=mode)))
    assert made["toolConfig"]["toolChoice"] == {mode: {}}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ask(DocumentPart(media_type="text/plain", data=b"x")), "model 'm' does not take documents"),
        (ask(ReasoningPart(text="hm")), "model 'm' does not take reasoning in earlier messages"),
        (ask(params=GenerationParams(reasoning=Reasoning(mode="adaptive"))), "model 'm' does not take reasoning"),
        (ask(params=GenerationParams(top_k=129)), "top_k is 129, model 'm' takes at most 128"),
        (ask(tools=(TOOL,), tool_choice=ToolChoice(mode="none")), "model 'm' does not take tool choice 'none'"),
        (ask(tools=(TOOL,), tool_choice=ToolChoice(mode="auto", allow_parallel=False)), "does not take a bound of one"),
        (ask(ImagePart(media_type="image/bmp", data=b"x")), "'image/bmp', expected one of image/gif, image/jpeg"),
        (ask(tool_choice=ToolChoice(mode="any")), "tool_choice is 'any' but the request has no tools"),
    ],
)
def test_what_the_body_has_no_place_for_is_refused(request_: ChatRequest, words: str) -> None:
    """
    What can't be sent, or whose form nobody knows, is refused by name.
    """
    with pytest.raises(RequestError, match=words):
        call("nova", request_)


def test_a_document_in_a_tools_result_is_refused() -> None:
    """
    What a tool found counts like what the user sent.
    """
    inner = DocumentPart(media_type="text/plain", data=b"x")
    with pytest.raises(RequestError, match="model 'm' does not take documents"):
        call("nova", ask(ToolResultPart(tool_use_id="t1", content=(inner,))))


def test_tools_without_a_choice_are_sent_alone() -> None:
    """
    A tool needs no description, and a request no choice.
    """
    made = body("nova", ask(tools=(ToolSpec(name="t", input_schema={}),)))
    assert made["toolConfig"] == {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}


def test_wrapped_chunks_become_events() -> None:
    """
    Text and a tool call, each with its own block, and the end where the counts are.
    """
    events = stream(
        "nova",
        {"messageStart": {"role": "assistant"}},
        delta(0, text="Let me"),
        delta(0, text=""),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {
            "contentBlockStart": {
                "start": {"toolUse": {"toolUseId": "t1", "name": "look"}},
                "contentBlockIndex": 1,
            }
        },
        delta(1, toolUse={"input": '{"q":'}),
        delta(1, toolUse={"input": "1}"}),
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
        metadata(inputTokens=3, outputTokens=4, cacheReadInputTokenCount=5, cacheWriteInputTokenCount=6),
    )
    usage = Usage(input_tokens=3, output_tokens=4, cache_read_tokens=5, cache_write_tokens=6)
    assert events == [
        MessageStart(),
        TextDelta("Let me"),
        ToolUseStart(index=1, tool_use_id="t1", name="look"),
        ToolUseDelta(index=1, input_json='{"q":'),
        ToolUseDelta(index=1, input_json="1}"),
        UsageReport(usage),
        MessageStop(stop_reason="tool_use"),
    ]


def test_a_whole_answer_folds_like_its_stream() -> None:
    """
    Text and a tool call without arguments are the same, whole or streamed.
    """
    use = {"toolUse": {"toolUseId": "t1", "name": "now", "input": {}}}
    usage = {"inputTokens": 3, "outputTokens": 4}
    made = whole("nova", answer({"text": "a"}, use, stopReason="tool_use", usage=usage))
    streamed = stream(
        "nova",
        delta(0, text="a"),
        {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t1", "name": "now"}}, "contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
        metadata(**usage),
    )
    assert fold(made) == fold(streamed)
    assert fold(made).parts == (TextPart(text="a"), ToolUsePart(tool_use_id="t1", name="now", input={}))


@pytest.mark.parametrize("reasoning", [{"text": "hm"}, {"reasoningText": {"text": "hm"}}])
def test_reasoning_is_read(reasoning: Json) -> None:
    """
    Both forms that Converse has for it are understood.
    """
    events = stream("nova", delta(0, reasoningContent=reasoning), delta(1, text="a"), STOP, metadata())
    assert events[1:3] == [ReasoningDelta(text="hm"), TextDelta("a", 1)]


def test_content_of_another_kind_is_passed_on() -> None:
    """
    A block that has no event of its own travels as the details of an empty text.
    """
    image = {"image": {"format": "png"}}
    passed = TextDelta("", 0, {"content": image})
    assert stream("nova", delta(0, **image), STOP, metadata())[1] == passed
    assert whole("nova", answer(image))[1] == passed


def test_unknown_members_reach_the_terminal() -> None:
    """
    What a stop, the metadata or a whole chunk says beyond the known is passed on.
    """
    events = stream(
        "nova",
        delta(0, text="a"),
        {"weather": {"is": "fine"}},
        {"messageStop": {"stopReason": "end_turn", "extra": 1}},
        {"metadata": {"usage": {}, "trace": {"g": 2}}},
    )
    assert stop_of(events).provider_details == {"weather": {"is": "fine"}, "extra": 1, "trace": {"g": 2}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("max_tokens", "max_tokens"),
        ("content_filtered", "content_filtered"),
        ("malformed_tool_use", "malformed_output"),
        ("model_context_window_exceeded", "context_window_exceeded"),
    ],
)
def test_a_reason_has_our_name(said: str, meant: str) -> None:
    """
    The reasons map to ours by a table.
    """
    assert stop_of(whole("nova", answer({"text": "a"}, stopReason=said))).stop_reason == meant


@pytest.mark.parametrize(
    "bad",
    [
        {"contentBlockDelta": {}},
        {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 0}},
        {"messageStop": {}},
        {"metadata": {"usage": {"inputTokens": -1}}},
    ],
)
def test_what_is_no_nova_chunk_is_refused(bad: Json) -> None:
    """
    A member without its fields, and a call without its name, are refused.
    """
    with pytest.raises(InvalidMessage):
        stream("nova", bad)
