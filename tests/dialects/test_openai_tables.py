"""
The tables of the OpenAI dialects against the official SDK's own types.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest
from openai.types.chat import (
    chat_completion_assistant_message_param,
    chat_completion_content_part_image_param,
    chat_completion_content_part_param,
    chat_completion_content_part_refusal_param,
    chat_completion_content_part_text_param,
    chat_completion_developer_message_param,
    chat_completion_message_function_tool_call_param,
    chat_completion_stream_options_param,
    chat_completion_system_message_param,
    chat_completion_tool_message_param,
    chat_completion_user_message_param,
    completion_create_params,
)
from openai.types.responses import (
    function_tool_param,
    response_create_params,
    response_function_tool_call_param,
    response_input_file_param,
    response_input_image_param,
    response_input_item_param,
    response_input_text_param,
    response_output_message_param,
    response_output_text_param,
    response_reasoning_item_param,
    response_text_config_param,
    responses_client_event_param,
)
from openai.types.shared_params import function_definition, reasoning

from outcrop.dialects.fields import Field, Table
from outcrop.dialects.openai import responses_tables as responses
from outcrop.dialects.openai import tables as chat

OURS = {"top_k"}
"""
Fields of the body that the SDK does not know.
"""


def fields_of(module: ModuleType, name: str) -> set[str]:
    """
    List a type's fields.
    """
    return set(get_type_hints(getattr(module, name)))


def test_every_field_of_a_chat_request_has_a_fate() -> None:
    """
    The table of a chat request has all fields of the SDK's type, and none but `top_k` beside them.
    """
    known = fields_of(completion_create_params, "CompletionCreateParamsStreaming")
    assert chat.CHAT_REQUEST.keys() - OURS == known


def test_every_field_of_a_response_request_has_a_fate() -> None:
    """
    The table of a Responses request has all fields of the SDK's type, and no others.
    """
    assert responses.RESPONSES_REQUEST.keys() == fields_of(response_create_params, "ResponseCreateParamsStreaming")


def test_every_field_of_a_sockets_request_has_a_fate() -> None:
    """
    The table of `response.create` has all fields of the SDK's type, and no others.
    """
    assert responses.SOCKET_REQUEST.keys() == fields_of(responses_client_event_param, "ResponseCreate")


@pytest.mark.parametrize(
    ("table", "module", "name"),
    [
        (chat.MESSAGES["system"], chat_completion_system_message_param, "ChatCompletionSystemMessageParam"),
        (chat.MESSAGES["developer"], chat_completion_developer_message_param, "ChatCompletionDeveloperMessageParam"),
        (chat.MESSAGES["user"], chat_completion_user_message_param, "ChatCompletionUserMessageParam"),
        (chat.MESSAGES["assistant"], chat_completion_assistant_message_param, "ChatCompletionAssistantMessageParam"),
        (chat.MESSAGES["tool"], chat_completion_tool_message_param, "ChatCompletionToolMessageParam"),
        (chat.PARTS["text"], chat_completion_content_part_text_param, "ChatCompletionContentPartTextParam"),
        (chat.PARTS["refusal"], chat_completion_content_part_refusal_param, "ChatCompletionContentPartRefusalParam"),
        (chat.PARTS["image_url"], chat_completion_content_part_image_param, "ChatCompletionContentPartImageParam"),
        (chat.IMAGE_URL, chat_completion_content_part_image_param, "ImageURL"),
        (chat.PARTS["file"], chat_completion_content_part_param, "File"),
        (chat.FILE, chat_completion_content_part_param, "FileFile"),
        (chat.STREAM_OPTIONS, chat_completion_stream_options_param, "ChatCompletionStreamOptionsParam"),
        (chat.FUNCTION, function_definition, "FunctionDefinition"),
        (
            chat.TOOL_CALL,
            chat_completion_message_function_tool_call_param,
            "ChatCompletionMessageFunctionToolCallParam",
        ),
        (responses.REASONING, reasoning, "Reasoning"),
        (responses.TEXT, response_text_config_param, "ResponseTextConfigParam"),
        (responses.FUNCTION_TOOL, function_tool_param, "FunctionToolParam"),
        (responses.ITEMS["message"], response_input_item_param, "Message"),
        (responses.ITEMS["message"], response_output_message_param, "ResponseOutputMessageParam"),
        (responses.ITEMS["function_call"], response_function_tool_call_param, "ResponseFunctionToolCallParam"),
        (responses.ITEMS["function_call_output"], response_input_item_param, "FunctionCallOutput"),
        (responses.ITEMS["reasoning"], response_reasoning_item_param, "ResponseReasoningItemParam"),
        (responses.ITEMS["item_reference"], response_input_item_param, "ItemReference"),
        (responses.PARTS["input_text"], response_input_text_param, "ResponseInputTextParam"),
        (responses.PARTS["input_image"], response_input_image_param, "ResponseInputImageParam"),
        (responses.PARTS["input_file"], response_input_file_param, "ResponseInputFileParam"),
        (responses.PARTS["output_text"], response_output_text_param, "ResponseOutputTextParam"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_inner_field_has_a_fate(table: Table, module: ModuleType, name: str) -> None:
    """
    The tables of what is inside of a request have all fields of the SDK's types.
    """
    assert fields_of(module, name) <= table.keys()


def test_every_item_is_taken_or_refused_by_its_type() -> None:
    """
    Every kind of item that the SDK knows is in the table, or belongs to a tool that OpenAI runs itself.
    """
    kinds: set[str] = set()
    for item in get_args(response_input_item_param.ResponseInputItemParam):
        hint = item.model_fields["type"].annotation if hasattr(item, "model_fields") else get_type_hints(item)["type"]
        kinds |= {word for word in _words(hint) if word}
    assert responses.ITEMS.keys() <= kinds
    assert {"mcp_call", "custom_tool_call", "web_search_call", "compaction"} <= kinds - responses.ITEMS.keys()


def _words(hint: Any) -> set[str]:
    inner = get_args(hint)
    return {hint} if isinstance(hint, str) else {word for one in inner for word in _words(one)}


TABLES: list[Mapping[str, Field]] = [
    value
    for module in (chat, responses)
    for name, content in vars(module).items()
    if name.isupper()
    for value in (content.values() if name in {"MESSAGES", "PARTS", "ITEMS", "FORMATS"} else [content])
    if isinstance(value, Mapping) and all(isinstance(row, Field) for row in value.values())
]


def test_what_is_not_taken_says_why() -> None:
    """
    Every row of every table that is ignored or refused has its reason.
    """
    rows = [row for table in TABLES for row in table.values()]
    assert len(rows) > 150
    assert all(row.why for row in rows if row.fate != "taken")
