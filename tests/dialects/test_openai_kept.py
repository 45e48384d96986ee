"""
What is kept of a response: its note, and its input as a list of items.
"""

from typing import Any

import msgspec
import pytest

from outcrop.adapters.registry import find_adapter
from outcrop.dialects.openai.conversation import Conversation, add_answer, drop_reasoning
from outcrop.dialects.openai.responses_input_items import list_input_items
from outcrop.dialects.openai.responses_items import read_output_item
from outcrop.dialects.openai.responses_note import ResponseNote, encode_note, parse_note
from outcrop.dialects.openai.responses_request import complete_call, parse_response_request
from outcrop.dialects.openai.responses_stream import ResponseOpening, ResponsesRenderer, encode_response
from outcrop.errors import RequestError
from outcrop.turns.fold import fold
from outcrop.types import (
    DocumentPart,
    ImagePart,
    Message,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    ReasoningPart,
    StreamEvent,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
)
from tests.dialects.anthropic_logs import CLAUDE, CLAUDE_BY_CONVERSE, QWEN, to_log

TALK = Conversation(
    system=(TextPart(text="Be brief."),),
    messages=(
        Message(
            "user",
            (
                TextPart(text="What is this?"),
                ImagePart(media_type="image/png", data=b"png"),
                DocumentPart(media_type="application/pdf", data=b"pdf", name="page"),
            ),
        ),
        Message(
            "assistant",
            (
                ReasoningPart(text="hm", signature="s"),
                TextPart(text="I look."),
                ToolUsePart(tool_use_id="t1", name="look", input={"at": "it"}),
            ),
        ),
        Message("user", (ToolResultPart(tool_use_id="t1", content=(TextPart(text="a stone"),)),)),
    ),
)

ASKED = Conversation(messages=(Message("user", (TextPart(text="hi"),)),))
CALL: list[StreamEvent] = [ToolUseStart(index=1, tool_use_id="t1", name="look"), ToolUseDelta(index=1, input_json="{}")]
RESULT = {"type": "function_call_output", "call_id": "t1", "output": "a stone"}
ENDINGS: dict[str, tuple[list[StreamEvent], list[Any]]] = {
    "stopped while it thought": ([ReasoningDelta(text="hm"), MessageStop(stop_reason="stopped")], []),
    "cut while it thought": ([ReasoningDelta(text="hm"), MessageStop(stop_reason="max_tokens")], []),
    "blank before a call": ([TextDelta("\n\n"), *CALL, MessageStop(stop_reason="tool_use")], [RESULT]),
    "nothing but a blank": ([TextDelta(" "), MessageStop(stop_reason="end_turn")], []),
    "stopped after a call": ([TextDelta("I look"), *CALL, MessageStop(stop_reason="stopped")], []),
}
"""
How answers end that the next request must not repeat word for word, with what a client sends then.
"""


def list_items(**wanted: Any) -> dict[str, Any]:
    """
    List the items of `TALK`.
    """
    return list_input_items("t", TALK, **{"after": None, "limit": 20, "order": "asc", **wanted})


def test_a_note_comes_back_as_it_was() -> None:
    """
    A note is read as it was written; none, and one of another dialect, are nothing.
    """
    note = ResponseNote(echo={"store": True, "tools": [{"name": "look"}]}, conversation=TALK)
    assert parse_note(encode_note(note)) == note
    assert parse_note(None) is None
    assert parse_note(b"") is None
    assert parse_note(msgspec.msgpack.encode({"kind": "another", "echo": {}})) is None


def test_input_is_listed_as_items() -> None:
    """
    Neighbouring texts and files are one message; reasoning, calls and their results are items of their own.
    """
    items = list_items()["data"]
    kinds = [(item["type"], item.get("role")) for item in items]
    assert kinds == [
        ("message", "system"),
        ("message", "user"),
        ("reasoning", None),
        ("message", "assistant"),
        ("function_call", None),
        ("function_call_output", None),
    ]
    assert [part["type"] for part in items[1]["content"]] == ["input_text", "input_image", "input_file"]
    assert items[1]["content"][1]["image_url"] == "data:image/png;base64,cG5n"
    assert items[3]["content"][0]["type"] == "output_text"
    assert items[4]["arguments"] == '{"at":"it"}'
    assert items[5]["output"] == [{"type": "input_text", "text": "a stone"}]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_join_into_the_list(order: str) -> None:
    """
    Page after page, each item comes once, in either order.
    """
    whole = list_items(order=order)
    assert (whole["has_more"], whole["first_id"]) == (False, whole["data"][0]["id"])
    seen: list[Any] = []
    after = None
    for _ in range(len(whole["data"])):
        page = list_items(order=order, limit=2, after=after)
        seen += page["data"]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert seen == whole["data"]


@pytest.mark.parametrize("wanted", [{"limit": 0}, {"limit": 101}, {"order": "up"}, {"after": "in_t_99"}])
def test_impossible_pages_are_refused(wanted: dict[str, Any]) -> None:
    """
    A limit out of range, an unknown order and an unknown item are refused.
    """
    with pytest.raises(RequestError):
        list_items(**wanted)


def test_nothing_kept_is_an_empty_list() -> None:
    """
    A response without a conversation has no items.
    """
    page = list_input_items("t", None, after=None, limit=20, order="asc")
    assert (page["data"], page["first_id"], page["last_id"], page["has_more"]) == ([], None, None, False)


def test_reasoning_is_dropped_for_another_model() -> None:
    """
    What a model thought is left out, and a message that holds nothing else goes.
    """
    thought = Conversation(messages=(*TALK.messages, Message("assistant", (ReasoningPart(text="hm"),))))
    said = drop_reasoning(thought)
    assert len(said.messages) == 3
    assert not any(isinstance(part, ReasoningPart) for message in said.messages for part in message.parts)


def test_a_stream_that_cannot_go_on_says_so() -> None:
    """
    The last event of a broken stream is an error with the next number, and its code.
    """
    renderer = ResponsesRenderer(ResponseOpening(turn_id="t", model="m", created_at=1, echo={}))
    begun = [msgspec.json.decode(event) for event in renderer.render(())]
    failure = StreamFailed(code="storage", message="the log is gone", status=503)
    (event,) = [msgspec.json.decode(event) for event in renderer.fail(failure)]
    assert event == {
        "type": "error", "code": "storage", "message": "the log is gone", "param": None,
        "sequence_number": begun[-1]["sequence_number"] + 1,
    }  # fmt: skip


@pytest.mark.parametrize("model", [CLAUDE, CLAUDE_BY_CONVERSE, QWEN], ids=["claude", "claude by converse", "qwen"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_conversation_goes_on_however_its_answer_ended(ending: str, model: Any) -> None:
    """
    After an answer that was stopped or cut, or that holds blanks, the kept conversation is one that the model takes.
    """
    events, results = ENDINGS[ending]
    stop = events[-1]
    assert isinstance(stop, MessageStop)
    said = add_answer(ASKED, fold(events).parts, is_stopped=stop.stop_reason == "stopped")
    items = [*results, {"role": "user", "content": "go on"}]
    body = {"model": model.name, "input": items, "previous_response_id": "resp_1", "max_output_tokens": 9}
    request, _ = complete_call(parse_response_request(msgspec.json.encode(body)), said)
    sent = msgspec.json.decode(find_adapter(model).build_call(request, model).body)
    assert b"go on" in msgspec.json.encode(sent["messages"][-1])
    assert (b'"t1"' in msgspec.json.encode(sent)) == bool(results)


def test_what_a_model_takes_back_is_kept() -> None:
    """
    Signed and redacted reasoning, texts and the calls of an answer that ended by itself are all in the conversation.
    """
    parts = (
        ReasoningPart(text="hm", signature="c2ln"),
        ReasoningPart(redacted="c2VjcmV0"),
        TextPart(text="I look"),
        ToolUsePart(tool_use_id="t1", name="look", input={}),
    )
    assert add_answer(ASKED, parts, is_stopped=False).messages[1:] == (Message("assistant", parts),)
    assert add_answer(ASKED, parts, is_stopped=True).messages[1:] == (Message("assistant", parts[:3]),)


@pytest.mark.parametrize("ending", ["stopped while it thought", "cut while it thought", "nothing but a blank"])
def test_an_item_that_no_model_takes_is_nothing_to_refer_to(ending: str) -> None:
    """
    Blank texts and reasoning without a signature are items that can be referred to, and add nothing.
    """
    log = to_log([MessageStart(), *ENDINGS[ending][0]])
    response = msgspec.json.decode(encode_response(ResponseOpening(turn_id="t", model="m", created_at=1, echo={}), log))
    assert [read_output_item(item, "m") for item in response["output"]] == [None]
