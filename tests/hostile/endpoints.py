"""
The routes that take a body: the SDK's schema of each, valid bodies to begin with, and what is let pass on purpose.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

from tests.hostile.exchange import Reader, read_anthropic, read_aws, read_native, read_openai
from tests.hostile.shapes import (
    PIXEL,
    Shape,
    from_typing,
    make_object,
    of_operation,
    with_flag,
    without,
)

MODEL = "anthropic"
OBJECT = {"type": "object", "properties": {}}
OPAQUE = "it goes on as it is, for the model that wrote it"
IGNORED = "the field is ignored, whatever it says"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """
    Be one route. `lenient` are names of fields that take more than the schema says, and why; `omissible` those that may
    be missing, null or empty. Both hold below them too, and a name may be given with the field that it is in. Of the
    mutants every `stride`-th is sent: what streams reads its body as its twin does. `fresh` stands
    for a name that every body must have for itself.
    """

    name: str
    path: str
    schema: Shape
    seeds: tuple[Any, ...]
    read: Reader
    lenient: Mapping[str, str] = {}
    omissible: Mapping[str, str] = {}
    stride: int = 1
    fresh: bytes = b""


def _let_pass(why: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, why)


CHAT_SEED = {
    "model": MODEL,
    "max_tokens": 2,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": "calling",
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "get_weather", "arguments": '{"a": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "sun"},
    ],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": OBJECT}}],
}
CHOSEN: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 2,
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": OBJECT}}],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_weather"}}]},
    },
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": OBJECT, "strict": True}},
}
PDF = {"filename": "notes.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"}
FILED = {
    "model": MODEL,
    "max_tokens": 2,
    "messages": [{"role": "user", "content": [{"type": "file", "file": PDF}, {"type": "text", "text": "?"}]}],
}
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
CHAT_SCHEMA = with_flag(from_typing(CompletionCreateParamsNonStreaming), "stream")
CHAT_LENIENT = {
    **_let_pass(
        IGNORED, "name", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
        "safety_identifier", "seed", "store", "user", "detail", "include_obfuscation", "strict",
    ),
}  # fmt: skip

CHAT_OMISSIBLE = {"tool_calls.type": "there is one type of calls, and clients that join a stream's pieces lose it"}

RESPONSES_SEED: dict[str, Any] = {
    "model": MODEL,
    "max_output_tokens": 2,
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "t1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "t1", "output": "sun"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PIXEL}"},
                {"type": "input_file", **PDF},
            ],
        },
    ],
    "tools": [{"type": "function", "name": "get_weather", "parameters": OBJECT, "strict": False}],
    "text": {"format": {"type": "text"}},
}
RESPONSES_CHOSEN: dict[str, Any] = {
    "model": MODEL,
    "max_output_tokens": 2,
    "input": "hi",
    "tools": RESPONSES_SEED["tools"],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_weather"}]},
    "text": {"format": {"type": "json_schema", "name": "answer", "schema": OBJECT}},
}
RESPONSES_SCHEMA = with_flag(from_typing(ResponseCreateParamsNonStreaming), "stream")
RESPONSES_LENIENT = _let_pass(
    IGNORED, "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "user",
    "detail", "max_tool_calls", "id", "status", "phase", "created_by", "summary", "annotations", "logprobs",
    "output_schema", "include_obfuscation", "strict", "response_input_param.FunctionCallOutput.name",
    "response_reasoning_item_param.ResponseReasoningItemParam.content", "response_reasoning_item_param.Content",
)  # fmt: skip
RESPONSES_LENIENT["response_output_message_param.ResponseOutputMessageParam.content"] = "a string is its one text"
RESPONSES_OMISSIBLE = {
    "tools.parameters": "a function without arguments needs no schema",
    "response_output_message_param.ResponseOutputMessageParam.type": "what has a role is a message",
}

CLAUDE_SEED: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "notes"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "calling"},
                {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sun"}]},
            ],
        },
    ],
    "tools": [{"name": "get_weather", "input_schema": OBJECT}],
    "tool_choice": {"type": "auto"},
    "system": [{"type": "text", "text": "be brief"}],
}
MESSAGES_SEED = {"model": MODEL, "max_tokens": 2, **CLAUDE_SEED}
THINKING_SEED = {
    "model": MODEL,
    "max_tokens": 2048,
    "messages": [{"role": "user", "content": "hi"}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"format": {"type": "json_schema", "schema": {**OBJECT, "additionalProperties": False}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["stop"],
}
MESSAGES_SCHEMA = with_flag(from_typing(MessageCreateParamsNonStreaming), "stream")
MESSAGES_OMISSIBLE = {"source.media_type": "a text is plain text"}
MESSAGES_LENIENT = {
    **_let_pass(IGNORED, "eager_input_streaming"),
    **_let_pass(OPAQUE, "citations"),
    "input_schema": "a JSON Schema is the model's to judge",
    "caller": "it must be direct, and may say more",
}
INVOKE_SEED = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2, **CLAUDE_SEED}
INVOKE_SCHEMA = without(MESSAGES_SCHEMA, "model", "stream", "betas", anthropic_version=from_typing(str))

CONVERSE_SEED: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "hi"},
                {"image": {"format": "png", "source": {"bytes": PIXEL}}},
                {"document": {"format": "pdf", "name": "notes", "source": {"bytes": PIXEL}}},
                {"cachePoint": {"type": "default"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"text": "calling"},
                {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Oslo"}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"text": "sun"}]}}],
        },
    ],
    "system": [{"text": "be brief"}],
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": OBJECT}}}],
        "toolChoice": {"auto": {}},
    },
    "inferenceConfig": {"maxTokens": 2},
}
COUNT_SEED = {"input": {"converse": {name: CONVERSE_SEED[name] for name in ("messages", "system", "toolConfig")}}}
BEDROCK_OMISSIBLE = {"toolSpec.description": "an empty description describes nothing, and does no harm"}

TEXT: Shape = from_typing(str)
ANY: Shape = from_typing(object)
UI_PART = make_object("ui_part", {"type": TEXT, "text": TEXT}, ("type", "text"))
UI_MESSAGE = make_object(
    "ui_message",
    {
        "id": TEXT,
        "role": Shape(name="role", kind="word", words=("user", "assistant", "system")),
        "parts": Shape(name="parts", kind="list", inner=(UI_PART,)),
        "metadata": ANY,
    },
    ("role", "parts"),
)
UI_TOOL = make_object(
    "ui_tool",
    {"name": TEXT, "inputSchema": from_typing(dict[str, object]), "description": TEXT, "strict": from_typing(bool)},
    ("name", "inputSchema"),
)
UI_SCHEMA = make_object(
    "ui_body",
    {
        "id": TEXT,
        "messages": Shape(name="messages", kind="list", inner=(UI_MESSAGE,)),
        "trigger": Shape(name="trigger", kind="word", words=("submit-message", "regenerate-message")),
        "messageId": TEXT,
        "model": TEXT,
        "system": TEXT,
        "temperature": from_typing(float),
        "topP": from_typing(float),
        "topK": from_typing(int),
        "maxTokens": from_typing(int),
        "stop": Shape(name="stop", kind="either", inner=(TEXT, from_typing(list[str]))),
        "stream": from_typing(bool),
        "temporary": from_typing(bool),
        "tools": Shape(name="tools", kind="list", inner=(UI_TOOL,)),
        "toolChoice": Shape(name="choice", kind="word", words=("auto", "any", "required", "none")),
        "reasoning": make_object(
            "reasoning", {"mode": Shape(name="mode", kind="word", words=("disabled",))}, ("mode",)
        ),
    },
    ("id", "messages", "model"),
)
UI_SEED = {
    "id": "chat-1",
    "model": MODEL,
    "maxTokens": 2,
    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}],
    "tools": [{"name": "get_weather", "inputSchema": OBJECT}],
}
UI_LENIENT = {
    "messages.zz_unknown": "a page's message may say more than a model is told",
    "parts.zz_unknown": "a page's message may say more than a model is told",
}

ENDPOINTS = (
    Endpoint(
        name="chat completions", path="/v1/chat/completions", schema=CHAT_SCHEMA, read=read_openai,
        seeds=(CHAT_SEED, CHOSEN, FILED), lenient=CHAT_LENIENT, omissible=CHAT_OMISSIBLE,
    ),
    Endpoint(
        name="chat completions, streaming", path="/v1/chat/completions", schema=CHAT_SCHEMA, read=read_openai,
        seeds=({**CHAT_SEED, **STREAMED},), lenient=CHAT_LENIENT, omissible=CHAT_OMISSIBLE, stride=7,
    ),
    Endpoint(
        name="responses", path="/v1/responses", schema=RESPONSES_SCHEMA, read=read_openai,
        seeds=(RESPONSES_SEED, RESPONSES_CHOSEN), lenient=RESPONSES_LENIENT, omissible=RESPONSES_OMISSIBLE,
    ),
    Endpoint(
        name="messages", path="/v1/messages", schema=MESSAGES_SCHEMA, read=read_anthropic,
        seeds=(MESSAGES_SEED, THINKING_SEED), omissible=MESSAGES_OMISSIBLE, lenient=MESSAGES_LENIENT,
    ),
    Endpoint(
        name="messages, streaming", path="/v1/messages", schema=MESSAGES_SCHEMA, read=read_anthropic,
        seeds=({**MESSAGES_SEED, "stream": True},), omissible=MESSAGES_OMISSIBLE, lenient=MESSAGES_LENIENT, stride=7,
    ),
    Endpoint(
        name="count_tokens", path="/v1/messages/count_tokens", schema=from_typing(MessageCountTokensParams),
        seeds=({"model": MODEL, **CLAUDE_SEED},), read=read_anthropic,
        omissible=MESSAGES_OMISSIBLE, lenient=MESSAGES_LENIENT, stride=3,
    ),
    Endpoint(
        name="converse", path=f"/model/{MODEL}/converse", schema=of_operation("Converse"), read=read_aws,
        seeds=(CONVERSE_SEED,), omissible=BEDROCK_OMISSIBLE,
    ),
    Endpoint(
        name="converse-stream", path=f"/model/{MODEL}/converse-stream", schema=of_operation("ConverseStream"),
        seeds=(CONVERSE_SEED,), read=read_aws, omissible=BEDROCK_OMISSIBLE, stride=7,
    ),
    Endpoint(
        name="count-tokens", path=f"/model/{MODEL}/count-tokens", schema=of_operation("CountTokens"), read=read_aws,
        seeds=(COUNT_SEED,), omissible=BEDROCK_OMISSIBLE, stride=3,
    ),
    Endpoint(
        name="invoke", path=f"/model/{MODEL}/invoke", schema=INVOKE_SCHEMA, read=read_aws,
        seeds=(INVOKE_SEED,), omissible=MESSAGES_OMISSIBLE, lenient=MESSAGES_LENIENT, stride=3,
    ),
    Endpoint(
        name="invoke-with-response-stream", path=f"/model/{MODEL}/invoke-with-response-stream", schema=INVOKE_SCHEMA,
        seeds=(INVOKE_SEED,), read=read_aws, omissible=MESSAGES_OMISSIBLE, lenient=MESSAGES_LENIENT, stride=7,
    ),
    Endpoint(
        name="native chat", path="/api/chat", schema=UI_SCHEMA, seeds=(UI_SEED,), read=read_native,
        lenient=UI_LENIENT, fresh=b"chat-1",
    ),
)  # fmt: skip
