"""
Build the Anthropic Messages body from a request (bedrock_wire §4.1).

Consecutive messages of one role stay as they are, since Claude joins them itself; so does a leading message from the
assistant. What the service is known to refuse is refused here, with words that say what to change. Numbers that only
Bedrock knows for sure (a model's largest max_tokens, how small a prompt may be cached) are left to it.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.adapters.payloads import Json
from outcrop.adapters.request_rules import check_request, drop_empty
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    CacheTtl,
    ChatRequest,
    DocumentPart,
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

ANTHROPIC_VERSION = "bedrock-2023-05-31"
DEFAULT_MAX_TOKENS = 4096
MIN_REASONING_BUDGET = 1024
IMAGE_MEDIA_TYPES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
TEXT_MEDIA_TYPES = frozenset({"text/csv", "text/html", "text/markdown", "text/plain"})
"""
Documents that are text as they stand. They go out as plain text, the one kind of text that the Messages API takes.
"""

PROVIDER_OPTIONS = frozenset({"anthropic_beta", "context_management", "metadata", "output_config", "thinking"})
"""
The further body fields that a request may carry in `provider_options`.

`anthropic_beta` (names of beta features), `context_management` (edits of the context by the service) and `metadata`
(an opaque user ID) go out as they are. `output_config` (for example `format`, a JSON schema for the answer) and
`thinking` (for example `display`) are objects that fields of the request itself complete, and win over.
"""


def build_body(request: ChatRequest, model: ResolvedModel) -> Json:
    """
    Build the body, still as values; bytes in it stand for base64.

    Raises:
        RequestError: the model can't take something that the request holds.
    """
    check_request(request, model, options=PROVIDER_OPTIONS, takes_json_schema=True)
    params = request.params
    body: Json = {
        "anthropic_version": ANTHROPIC_VERSION,
        "max_tokens": _bound_answer(params.max_tokens, model),
        "messages": _to_messages(request.messages),
        "system": [_to_text(part, f"system[{position}]") for position, part in enumerate(request.system)],
        "temperature": params.temperature,
        "top_p": params.top_p,
        "top_k": params.top_k,
        "stop_sequences": params.stop_sequences,
        "tools": [_to_tool(tool) for tool in request.tools],
        "tool_choice": _to_tool_choice(request.tool_choice, request.tools),
        **request.provider_options,
        "thinking": _to_thinking(params.reasoning, _read_object(request.provider_options, "thinking")),
        "output_config": _to_output_config(request),
    }
    return drop_empty(body)


def _bound_answer(max_tokens: int | None, model: ResolvedModel) -> int:
    if max_tokens is not None:
        return max_tokens
    return min(model.max_output_tokens or DEFAULT_MAX_TOKENS, DEFAULT_MAX_TOKENS)


def _read_object(options: Mapping[str, Any], name: str) -> Json:
    value = options.get(name, {})
    if not isinstance(value, Mapping):
        raise RequestError(f"provider option {name!r} is {type(value).__name__}, expected an object")
    return dict(value)


def _to_messages(messages: tuple[Message, ...]) -> list[Json]:
    last = messages[-1]
    ending = last.parts[-1]
    if last.role == "assistant" and isinstance(ending, TextPart) and ending.text != ending.text.rstrip():
        raise RequestError(
            f"messages[{len(messages) - 1}] ends with white space: take it off, because the model continues an"
            " assistant's message right after its last visible character"
        )
    converted = [
        (message.role, _to_content(message, f"messages[{position}]")) for position, message in enumerate(messages)
    ]
    return [{"role": role, "content": content} for role, content in converted if content]


def _to_content(message: Message, where: str) -> list[Json]:
    """
    Convert a message's parts.

    A blank text of the assistant's is left out: models write such texts before a call of a tool, clients send back
    what they got, and Claude refuses it.
    """
    is_answer = message.role == "assistant"
    return [
        _to_block(part, f"{where}.parts[{index}]")
        for index, part in enumerate(message.parts)
        if not (is_answer and isinstance(part, TextPart) and not part.text.strip())
    ]


def _to_block(part: Part, where: str) -> Json:
    match part:
        case TextPart():
            return _to_text(part, where)
        case ImagePart():
            return _to_image(part, where)
        case DocumentPart():
            return _to_document(part, where)
        case ReasoningPart():
            return _to_reasoning(part, where)
        case ToolUsePart():
            block = {"type": "tool_use", "id": part.tool_use_id, "name": part.name, "input": part.input}
            return block | _cache_control(part.cache_ttl)
        case ToolResultPart():
            return _to_tool_result(part, where)


def _to_text(part: TextPart, where: str) -> Json:
    if not part.text or part.text.isspace():
        raise RequestError(f"{where} is blank text, expected at least one character that is not white space")
    block: Json = {"type": "text", "text": part.text}
    for name, value in (part.provider_details or {}).items():
        if name != "citations":
            raise RequestError(f"{where} holds {name!r}, which can't be sent to an anthropic model")
        block["citations"] = value
    return block | _cache_control(part.cache_ttl)


def _to_image(part: ImagePart, where: str) -> Json:
    if part.media_type not in IMAGE_MEDIA_TYPES:
        expected = ", ".join(sorted(IMAGE_MEDIA_TYPES))
        raise RequestError(f"{where} is an image of type {part.media_type!r}, expected one of {expected}")
    source = {"type": "base64", "media_type": part.media_type, "data": part.data}
    return {"type": "image", "source": source} | _cache_control(part.cache_ttl)


def _to_document(part: DocumentPart, where: str) -> Json:
    if part.media_type == "application/pdf":
        source: Json = {"type": "base64", "media_type": part.media_type, "data": part.data}
    elif part.media_type in TEXT_MEDIA_TYPES:
        source = {"type": "text", "media_type": "text/plain", "data": _decode_text(part.data, where)}
    else:
        expected = ", ".join(["application/pdf", *sorted(TEXT_MEDIA_TYPES)])
        raise RequestError(f"{where} is a document of type {part.media_type!r}, expected one of {expected}")
    block: Json = {"type": "document", "source": source, "title": part.name}
    if part.context is not None:
        block["context"] = part.context
    if part.citations:
        block["citations"] = {"enabled": True}
    return block | _cache_control(part.cache_ttl)


def _decode_text(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"{where} is a text document that is not utf-8 at byte {error.start}") from error


def _to_reasoning(part: ReasoningPart, where: str) -> Json:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if not part.signature:
        raise RequestError(f"{where} is reasoning without its signature: send it as the model gave it, or leave it out")
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _to_tool_result(part: ToolResultPart, where: str) -> Json:
    """
    Convert a tool's result.

    A blank text in it is left out: a tool may have nothing to say, and Claude takes a result without content but
    refuses a blank text.
    """
    block: Json = {"type": "tool_result", "tool_use_id": part.tool_use_id}
    content = [
        _to_block(inner, f"{where}.content[{index}]")
        for index, inner in enumerate(part.content)
        if not (isinstance(inner, TextPart) and not inner.text.strip())
    ]
    if content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block | _cache_control(part.cache_ttl)


def _cache_control(ttl: CacheTtl | None) -> Json:
    """
    Mark a block as the end of a prefix to cache. Five minutes is the default and goes unsaid: older models know no ttl.
    """
    if ttl is None:
        return {}
    return {"cache_control": {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}}


def _to_tool(tool: ToolSpec) -> Json:
    spec: Json = {"name": tool.name, "input_schema": tool.input_schema}
    if tool.description is not None:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return spec | _cache_control(tool.cache_ttl)


def _to_tool_choice(choice: ToolChoice | None, tools: tuple[ToolSpec, ...]) -> Json | None:
    if choice is None or not tools:
        return None
    if choice.mode == "none":
        return {"type": "none"}
    converted: Json = {"type": choice.mode}
    if choice.mode == "tool":
        converted["name"] = choice.name
    if not choice.allow_parallel:
        converted["disable_parallel_tool_use"] = True
    return converted


def _to_thinking(reasoning: Reasoning | None, option: Json) -> Json:
    if reasoning is None:
        return option
    if reasoning.mode != "enabled":
        return option | {"type": reasoning.mode}
    budget = reasoning.budget_tokens
    if budget is None or budget < MIN_REASONING_BUDGET:
        raise RequestError(f"the reasoning budget is {budget} tokens, expected at least {MIN_REASONING_BUDGET}")
    return option | {"type": "enabled", "budget_tokens": budget}


def _to_output_config(request: ChatRequest) -> Json:
    config = _read_object(request.provider_options, "output_config")
    reasoning, wanted = request.params.reasoning, request.answer_format
    if reasoning is not None and reasoning.effort is not None:
        config |= {"effort": reasoning.effort}
    if wanted is not None:
        # The API takes the schema alone: it has no place for a name or a description.
        config |= {"format": {"type": "json_schema", "schema": wanted.json_schema}}
    return config
