"""
Tests of a page's messages as a conversation.
"""

from typing import Any

import pytest

from outcrop.dialects.chat.messages import Conversation, to_conversation, to_messages
from outcrop.errors import RequestError
from outcrop.types import (
    DocumentPart,
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)


def convert(*messages: tuple[str, list[dict[str, Any]]], metadata: Any = None) -> Conversation:
    """
    Convert messages, given as role and parts.
    """
    fields = [{"id": "m", "role": role, "parts": parts, "metadata": metadata} for role, parts in messages]
    return to_conversation(to_messages(fields), "claude")


def text(words: str) -> dict[str, Any]:
    """
    Write a text part.
    """
    return {"type": "text", "text": words, "state": "done", "providerMetadata": {"x": {}}}


def tool(state: str, **fields: Any) -> dict[str, Any]:
    """
    Write a call of a tool.
    """
    return {"type": "tool-search", "toolCallId": "c1", "state": state, "input": {"q": "x"}} | fields


def result(words: str, *, is_error: bool = False) -> ToolResultPart:
    """
    Expect a tool's result.
    """
    return ToolResultPart(tool_use_id="c1", content=(TextPart(text=words),), is_error=is_error)


CALL = ToolUsePart(tool_use_id="c1", name="search", input={"q": "x"})


def test_system_messages_are_the_system_prompt() -> None:
    """
    Messages of the system leave the conversation.
    """
    found = convert(("system", [text("be kind")]), ("user", [text("hi")]))
    assert found.system == (TextPart(text="be kind"),)
    assert [message.role for message in found.messages] == ["user"]


def test_what_only_the_page_shows_is_passed_over() -> None:
    """
    Steps, sources and data parts are not for the model.
    """
    shown: list[dict[str, Any]] = [
        {"type": "step-start"},
        {"type": "source-url", "url": "x"},
        {"type": "data-seam", "data": {}},
    ]
    found = convert(("user", [*shown, text("a")]), ("assistant", [*shown, text("b")]))
    assert found.messages == (
        Message("user", (TextPart(text="a"),)),
        Message("assistant", (TextPart(text="b"),)),
    )


def test_neighbours_of_one_role_are_one_message() -> None:
    """
    An answer in which nothing was said leaves no gap: the user's messages around it become one.
    """
    found = convert(("user", [text("a")]), ("assistant", [text(" ")]), ("user", [text("b")]))
    assert found.messages == (Message("user", (TextPart(text="a"), TextPart(text="b"))),)


def test_blank_text_beside_a_file_is_left_out() -> None:
    """
    A page that sends a file with an empty text sends the file; blank text alone is for the model to refuse.
    """
    image = {"type": "file", "mediaType": "image/png", "url": "data:;base64,AAAA"}
    assert convert(("user", [image, text("")])).messages[0].parts == (
        ImagePart(media_type="image/png", data=b"\0\0\0"),
    )
    assert convert(("user", [text("")])).messages[0].parts == (TextPart(text=""),)


@pytest.mark.parametrize(
    ("media_type", "url", "expected"),
    [
        ("image/jpg", "data:image/png;base64,AAAA", ImagePart(media_type="image/jpeg", data=b"\0\0\0")),
        ("image", "data:image/webp;base64,", ImagePart(media_type="image/webp", data=b"")),
        ("image/*", "DATA:image/gif;BASE64,AAAA", ImagePart(media_type="image/gif", data=b"\0\0\0")),
        ("application/pdf", "data:;base64,AAAA", DocumentPart(media_type="application/pdf", data=b"\0\0\0", name="a")),
        ("", "data:text/plain;charset=utf-8,a%20b", DocumentPart(media_type="text/plain", data=b"a b", name="a")),
    ],
)
def test_files_are_images_or_documents(media_type: str, url: str, expected: Any) -> None:
    """
    A file comes in its URL; its media type says what it is, or else the URL does.
    """
    part = {"type": "file", "mediaType": media_type, "url": url, "filename": "a"}
    assert convert(("user", [part])).messages[0].parts == (expected,)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"url": "https://example.com/a.png"}, "parts[0].url is no data: URL; no URL is fetched"),
        ({"url": "data:image/png"}, "parts[0].url is no valid data: URL"),
        ({"url": "data:image/png;base64,A"}, "parts[0].url is not valid base64"),
        ({"url": "data:image/png;base64,AA AA"}, "parts[0].url is not valid base64"),
        ({"url": "data:audio/mp3;base64,AAAA"}, "parts[0].mediaType is 'audio/mp3', expected image/*"),
        ({"url": "data:,", "providerReference": {"a": "b"}}, "parts[0].providerReference is not supported"),
        ({"url": 1}, "parts[0].url: expected `str`, got `int`"),
    ],
)
def test_other_files_are_refused(part: dict[str, Any], sentence: str) -> None:
    """
    A file that is elsewhere, malformed, or of a kind that no model takes is refused.
    """
    with pytest.raises(RequestError) as caught:
        convert(("user", [{"type": "file"} | part]))
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (tool("output-available", output="found"), result("found")),
        (tool("output-available", output={"n": 1}), result('{"n":1}')),
        (tool("output-available", output=""), ToolResultPart(tool_use_id="c1", content=())),
        (tool("output-error", errorText="no"), result("no", is_error=True)),
        (tool("output-denied"), result("the user denied the tool call", is_error=True)),
        (tool("input-available"), result("the tool call was not carried out", is_error=True)),
        (tool("approval-requested"), result("the tool call was not carried out", is_error=True)),
    ],
)
def test_a_call_has_a_result(part: dict[str, Any], expected: ToolResultPart) -> None:
    """
    A call of a tool goes to the model with its result, which stands before what the user says next.
    """
    assert convert(("user", [text("a")]), ("assistant", [part]), ("user", [text("b")])).messages[1:] == (
        Message("assistant", (CALL,)),
        Message("user", (expected, TextPart(text="b"))),
    )


def test_a_dynamic_tool_names_itself() -> None:
    """
    A `dynamic-tool` part has its tool's name in a field.
    """
    part = tool("output-available", output=1, type="dynamic-tool", toolName="search")
    assert convert(("assistant", [part])).messages[0].parts == (CALL,)
    with pytest.raises(RequestError, match="toolName is missing"):
        convert(("assistant", [part | {"toolName": None}]))


def test_an_unfinished_call_was_none() -> None:
    """
    A call whose arguments never came complete is not sent; arguments that were no object go as what they were.
    """
    assert convert(("assistant", [tool("input-streaming")])).messages == ()
    (said, _) = convert(("assistant", [tool("output-error", input='{"q', errorText="bad")])).messages
    assert said.parts == (ToolUsePart(tool_use_id="c1", name="search", input={"unparsed": '{"q'}),)


def test_a_message_of_many_steps_is_many_turns() -> None:
    """
    What was said after a tool's result stands after it; calls of one step stay together.
    """
    second = tool("output-available", output="2", toolCallId="c2")
    found = convert(
        ("assistant", [text("a"), tool("output-available", output="1"), second, {"type": "step-start"}, text("b")])
    )
    assert [(message.role, len(message.parts)) for message in found.messages] == [
        ("assistant", 3),
        ("user", 2),
        ("assistant", 1),
    ]


def test_reasoning_goes_back_to_its_model_only() -> None:
    """
    Reasoning with a signature or encrypted goes back to the model that it came from; any other stays here.
    """
    signed = {"type": "reasoning", "text": "hm", "providerMetadata": {"bedrock": {"signature": "s"}, "other": None}}
    hidden = {"type": "reasoning", "text": "", "providerMetadata": {"bedrock": {"redactedData": "r"}}}
    plain = {"type": "reasoning", "text": "hm"}
    parts: list[dict[str, Any]] = [signed, hidden, plain, text("b")]
    messages = ("assistant", parts)
    kept = (ReasoningPart(text="hm", signature="s"), ReasoningPart(redacted="r"), TextPart(text="b"))
    assert convert(messages).messages[0].parts == kept
    assert convert(messages, metadata={"model": "claude"}).messages[0].parts == kept
    assert convert(messages, metadata={"model": "llama"}).messages[0].parts == kept[2:]


@pytest.mark.parametrize(
    ("role", "part", "sentence"),
    [
        ("user", {"type": "txt", "text": ""}, "messages[0].parts[0] has the unknown type 'txt'; did you mean 'text'?"),
        ("user", {}, "messages[0].parts[0].type is missing"),
        ("user", {"type": "text"}, "messages[0].parts[0]: object missing required field `text`"),
        ("user", {"type": "text", "text": 1}, "messages[0].parts[0].text: expected `str`, got `int`"),
        ("user", {"type": "reasoning", "text": ""}, "is a reasoning part in a user message"),
        ("system", {"type": "file"}, "is a file part in a system message"),
        ("assistant", {"type": "file", "url": ""}, "is a file part in an assistant message"),
        ("assistant", {"type": "tool-", "toolCallId": "c", "state": "input-available"}, "toolName is missing"),
        ("assistant", tool("done"), "messages[0].parts[0].state: invalid enum value 'done'"),
        ("assistant", tool("input-available", toolCallId=""), "toolCallId: expected `str` of length >= 1"),
    ],
)
def test_what_cannot_be_sent_is_refused(role: str, part: dict[str, Any], sentence: str) -> None:
    """
    A part that says something to the model and can't be sent is refused by its place.
    """
    with pytest.raises(RequestError) as caught:
        convert((role, [part]))
    assert sentence in caught.value.message
