"""
Write one request as each dialect's own JSON, as a client of that dialect would; from its documentation, not our code.

Requests of `conversations` have no blank texts, and in each message reasoning, texts and calls come in that order.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from outcrop.dialects.openai.reasoning import seal_reasoning
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

Json = dict[str, Any]
CACHE_MARKS: Mapping[str | None, Json] = {
    "5m": {"prompt_cache_breakpoint": {"mode": "explicit"}},
    "1h": {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
    None: {},
}


def given(**fields: Any) -> Json:
    """
    Keep the fields that say something.
    """
    return {name: value for name, value in fields.items() if value is not None and value not in ([], {}, ())}


def base64_of(content: bytes) -> str:
    """
    Write bytes as base64.
    """
    return b64encode(content).decode()


def data_url(part: ImagePart | DocumentPart) -> str:
    """
    Write a file as a `data:` URL.
    """
    return f"data:{part.media_type};base64,{base64_of(part.data)}"


def to_native(said: ChatRequest) -> Json:
    """
    Write the body of `POST /api/chat`.
    """
    results = {
        part.tool_use_id: part
        for message in said.messages
        for part in message.parts
        if isinstance(part, ToolResultPart)
    }
    messages: list[Json] = [
        {"id": "s", "role": "system", "parts": [{"type": "text", "text": part.text}]} for part in said.system
    ]
    for message in said.messages:
        parts = [_native_part(part, results) for part in message.parts if not isinstance(part, ToolResultPart)]
        if parts:
            messages.append({"id": "m", "role": message.role, "parts": parts})
    params, reasoning, choice = said.params, said.params.reasoning, said.tool_choice
    return {"id": "chat", "model": said.model, "messages": messages, "stream": said.stream} | given(
        temperature=params.temperature,
        topP=params.top_p,
        topK=params.top_k,
        maxTokens=params.max_tokens,
        stop=list(params.stop_sequences),
        reasoning=reasoning
        and given(mode=reasoning.mode, budgetTokens=reasoning.budget_tokens, effort=reasoning.effort),
        tools=[
            {
                "name": tool.name,
                "inputSchema": tool.input_schema,
                **given(description=tool.description, strict=tool.strict),
            }
            for tool in said.tools
        ],
        toolChoice=choice and ({"type": "tool", "toolName": choice.name} if choice.name else choice.mode),
    )


def _native_part(part: Part, results: Mapping[str, ToolResultPart]) -> Json:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart():
            return {"type": "file", "mediaType": part.media_type, "url": data_url(part)}
        case DocumentPart():
            return {"type": "file", "mediaType": part.media_type, "url": data_url(part), "filename": part.name}
        case ReasoningPart():
            known = given(signature=part.signature, redactedData=part.redacted)
            return {"type": "reasoning", "text": part.text, "providerMetadata": {"bedrock": known}}
        case ToolUsePart():
            return _native_call(part, results[part.tool_use_id])
        case _:
            raise AssertionError(part)


def _native_call(call: ToolUsePart, result: ToolResultPart) -> Json:
    [only] = result.content
    assert isinstance(only, TextPart)
    said = (
        {"state": "output-error", "errorText": only.text}
        if result.is_error
        else {"state": "output-available", "output": only.text}
    )
    return {"type": f"tool-{call.name}", "toolCallId": call.tool_use_id, "input": call.input, **said}


def to_chat(said: ChatRequest) -> Json:
    """
    Write the body of `POST /v1/chat/completions`.
    """
    messages: list[Json] = [{"role": "system", "content": part.text} for part in said.system]
    for message in said.messages:
        messages += _chat_answer(message, said.model) if message.role == "assistant" else _chat_question(message)
    params, choice = said.params, said.tool_choice
    return {"model": said.model, "messages": messages, "stream": said.stream, **_openai_options(said)} | given(
        max_completion_tokens=params.max_tokens,
        top_k=params.top_k,
        stop=list(params.stop_sequences),
        reasoning_effort=_effort(said),
        tools=[{"type": "function", "function": _function(tool)} for tool in said.tools],
        tool_choice=choice
        and ({"type": "function", "function": {"name": choice.name}} if choice.name else _word(choice.mode)),
    )


def _openai_options(said: ChatRequest) -> Json:
    return given(
        temperature=said.params.temperature,
        top_p=said.params.top_p,
        service_tier=said.service_tier,
        metadata=said.request_metadata,
        parallel_tool_calls=said.tool_choice and said.tool_choice.allow_parallel,
    )


def _effort(said: ChatRequest) -> str | None:
    wanted = said.params.reasoning
    return None if wanted is None else wanted.effort or "none"


def _word(mode: str) -> str:
    return "required" if mode == "any" else mode


def _function(tool: ToolSpec) -> Json:
    return {
        "name": tool.name,
        "parameters": tool.input_schema,
        **given(description=tool.description, strict=tool.strict),
    }


def _chat_answer(message: Message, model: str) -> list[Json]:
    calls = [
        {
            "id": part.tool_use_id,
            "type": "function",
            "function": {"name": part.name, "arguments": json.dumps(part.input)},
        }
        for part in message.parts
        if isinstance(part, ToolUsePart)
    ]
    thoughts = [
        {"type": "reasoning.encrypted", "data": seal_reasoning(part, model)}
        for part in message.parts
        if isinstance(part, ReasoningPart)
    ]
    texts = [{"type": "text", "text": part.text} for part in message.parts if isinstance(part, TextPart)]
    return [{"role": "assistant", **given(content=texts, tool_calls=calls, reasoning_details=thoughts)}]


def _chat_question(message: Message) -> list[Json]:
    results: list[Json] = [
        {
            "role": "tool",
            "tool_call_id": part.tool_use_id,
            "content": [{"type": "text", "text": one.text} for one in part.content if isinstance(one, TextPart)],
        }
        for part in message.parts
        if isinstance(part, ToolResultPart)
    ]
    rest = [_chat_part(part) for part in message.parts if not isinstance(part, ToolResultPart)]
    return [*results, {"role": "user", "content": rest}] if rest else results


def _chat_part(part: Part) -> Json:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text, **CACHE_MARKS[part.cache_ttl]}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": data_url(part)}, **CACHE_MARKS[part.cache_ttl]}
        case DocumentPart():
            file = {"file_data": data_url(part), "filename": part.name}
            return {"type": "file", "file": file, **CACHE_MARKS[part.cache_ttl]}
        case _:
            raise AssertionError(part)


def to_responses(said: ChatRequest) -> Json:
    """
    Write the body of `POST /v1/responses`: the first system text as the instructions.
    """
    first = said.system[0].text if said.system else None
    items: list[Json] = [{"role": "developer", "content": part.text} for part in said.system[1:]]
    for message in said.messages:
        items += [_item(part, message.role, said.model) for part in message.parts]
    effort, choice = _effort(said), said.tool_choice
    return {"model": said.model, "input": items, "stream": said.stream, **_openai_options(said)} | given(
        instructions=first,
        max_output_tokens=said.params.max_tokens,
        reasoning=effort and {"effort": effort},
        tools=[{"type": "function", **_function(tool)} for tool in said.tools],
        tool_choice=choice and ({"type": "function", "name": choice.name} if choice.name else _word(choice.mode)),
    )


def _item(part: Part, role: str, model: str) -> Json:
    match part:
        case ToolUsePart():
            call = {"call_id": part.tool_use_id, "name": part.name, "arguments": json.dumps(part.input)}
            return {"type": "function_call", **call}
        case ToolResultPart():
            output = [_input_part(one) for one in part.content]
            return {"type": "function_call_output", "call_id": part.tool_use_id, "output": output}
        case ReasoningPart():
            return {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": seal_reasoning(part, model)}
        case TextPart() if role == "assistant":
            return {"type": "message", "role": role, "content": [{"type": "output_text", "text": part.text}]}
        case _:
            return {"type": "message", "role": role, "content": [_input_part(part)]}


def _input_part(part: Part) -> Json:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text, **CACHE_MARKS[part.cache_ttl]}
        case ImagePart():
            return {"type": "input_image", "image_url": data_url(part), **CACHE_MARKS[part.cache_ttl]}
        case DocumentPart():
            file = {"file_data": data_url(part), "filename": part.name}
            return {"type": "input_file", **file, **CACHE_MARKS[part.cache_ttl]}
        case _:
            raise AssertionError(part)


def to_anthropic(said: ChatRequest) -> Json:
    """
    Write the body of `POST /v1/messages`.
    """
    params, wanted, choice = said.params, said.params.reasoning, said.tool_choice
    messages = [
        {"role": message.role, "content": [_block(part) for part in message.parts]} for message in said.messages
    ]
    return {"model": said.model, "messages": messages, "max_tokens": params.max_tokens, "stream": said.stream} | given(
        system=[{"type": "text", "text": part.text} for part in said.system],
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        stop_sequences=list(params.stop_sequences),
        thinking=wanted and given(type=wanted.mode, budget_tokens=wanted.budget_tokens),
        output_config=wanted and given(effort=wanted.effort),
        tools=[
            {"name": tool.name, "input_schema": tool.input_schema}
            | given(description=tool.description, strict=tool.strict)
            for tool in said.tools
        ],
        tool_choice=choice
        and given(type=choice.mode, name=choice.name, disable_parallel_tool_use=not choice.allow_parallel),
    )


def _block(part: Part) -> Json:
    match part:
        case ReasoningPart(redacted=None):
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        case ReasoningPart():
            return {"type": "redacted_thinking", "data": part.redacted}
        case ToolUsePart():
            return {"type": "tool_use", "id": part.tool_use_id, "name": part.name, "input": part.input}
        case ToolResultPart():
            content = [_block(one) for one in part.content]
            return {
                "type": "tool_result", "tool_use_id": part.tool_use_id, "content": content, "is_error": part.is_error
            }  # fmt: skip
        case _:
            mark = given(cache_control=part.cache_ttl and {"type": "ephemeral", "ttl": part.cache_ttl})
            return {**_plain_block(part), **mark}


def _plain_block(part: TextPart | ImagePart | DocumentPart) -> Json:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    source = {"type": "base64", "media_type": part.media_type, "data": base64_of(part.data)}
    if isinstance(part, ImagePart):
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": part.name}


def to_invoke(said: ChatRequest) -> tuple[Json, dict[str, str]]:
    """
    Write Claude's body of InvokeModel, and the headers beside it.
    """
    body = {name: value for name, value in to_anthropic(said).items() if name not in {"model", "stream"}}
    metadata = json.dumps(said.request_metadata) if said.request_metadata else None
    headers = {"x-amzn-bedrock-service-tier": said.service_tier, "x-amzn-bedrock-request-metadata": metadata}
    return (
        {"anthropic_version": "bedrock-2023-05-31", **body},
        {name: value for name, value in headers.items() if value is not None},
    )


def to_converse(said: ChatRequest, *, is_claude: bool) -> Json:
    """
    Write the body of Converse. Claude is told of its reasoning in its own fields.
    """
    params, wanted = said.params, said.params.reasoning
    thinking = wanted and given(type=wanted.mode, budget_tokens=wanted.budget_tokens)
    own = given(top_k=params.top_k, thinking=thinking) if is_claude else {}
    effort = wanted.effort if wanted else None
    messages = [
        {"role": message.role, "content": [block for part in message.parts for block in _converse_blocks(part)]}
        for message in said.messages
    ]
    return {"messages": messages} | given(
        system=[{"text": part.text} for part in said.system],
        inferenceConfig=given(
            maxTokens=params.max_tokens,
            temperature=params.temperature,
            topP=params.top_p,
            stopSequences=list(params.stop_sequences),
        ),
        toolConfig=_converse_tools(said),
        additionalModelRequestFields=own,
        outputConfig=given(effort=effort),
        requestMetadata=said.request_metadata,
        serviceTier=said.service_tier and {"type": said.service_tier},
    )


def _converse_tools(said: ChatRequest) -> Json | None:
    if not said.tools:
        return None
    tools = [
        {
            "toolSpec": {"name": tool.name, "inputSchema": {"json": tool.input_schema}}
            | given(description=tool.description, strict=tool.strict)
        }
        for tool in said.tools
    ]
    choice = said.tool_choice
    return {"tools": tools, **({} if choice is None else {"toolChoice": {choice.mode: given(name=choice.name)}})}


def _converse_blocks(part: Part) -> list[Json]:
    if isinstance(part, ReasoningPart):
        thought = (
            {"redactedContent": part.redacted}
            if part.redacted
            else {"reasoningText": {"text": part.text, "signature": part.signature}}
        )
        return [{"reasoningContent": thought}]
    mark = [{"cachePoint": {"type": "default", "ttl": part.cache_ttl}}] if part.cache_ttl else []
    return [_converse_block(part), *mark]


def _converse_block(part: Part) -> Json:
    match part:
        case TextPart():
            return {"text": part.text}
        case ImagePart():
            form = part.media_type.removeprefix("image/")
            return {"image": {"format": form, "source": {"bytes": base64_of(part.data)}}}
        case DocumentPart():
            return {"document": {"format": "pdf", "name": part.name, "source": {"bytes": base64_of(part.data)}}}
        case ToolUsePart():
            return {"toolUse": {"toolUseId": part.tool_use_id, "name": part.name, "input": part.input}}
        case ToolResultPart():
            status = "error" if part.is_error else "success"
            content = [_converse_block(one) for one in part.content]
            return {"toolResult": {"toolUseId": part.tool_use_id, "content": content, "status": status}}
        case _:
            raise AssertionError(part)
