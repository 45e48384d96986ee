"""
What is kept of a response: its note, and its input as a list of items.
"""

from typing import Any

import msgspec
import pytest

from outcrop.dialects.openai.conversation import Conversation, drop_reasoning
from outcrop.dialects.openai.responses_input_items import list_input_items
from outcrop.dialects.openai.responses_note import ResponseNote, encode_note, parse_note
from outcrop.dialects.openai.responses_stream import ResponseOpening, ResponsesRenderer
from outcrop.errors import RequestError
from outcrop.types import (
    DocumentPart,
    ImagePart,
    Message,
    ReasoningPart,
    StreamFailed,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

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
