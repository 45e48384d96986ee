"""
The Anthropic dialect, what comes in: `POST /v1/messages` and `POST /v1/messages/count_tokens`.

The native body of Bedrock's InvokeModel for Claude is the same without `model` and `stream`, and is read here too.
What may stand in a body, and what becomes of it, is in `anthropic_tables`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.options import (
    CLAUDE,
    Wishes,
    place_betas,
    place_wishes,
    read_output_config,
    read_output_format,
)
from outcrop.dialects.anthropic.parts import mark_last_part, read_cache_mark, read_messages, read_system
from outcrop.dialects.anthropic.tables import COUNT_REQUEST, INVOKE_REQUEST, METADATA, REQUEST, TOOL, TOOL_CHOICE
from outcrop.dialects.fields import Fields, decode_object
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, GenerationParams, ToolChoice, ToolSpec

MAX_MODEL_CHARACTERS = 2048
MAX_MESSAGES = 100_000
GUARDRAIL_OPTION = "amazon-bedrock-guardrailConfig"

Resolve = Callable[[str], ResolvedModel]
_PASSED_ON = ("context_management", GUARDRAIL_OPTION)
_NEEDLESS_BETAS = frozenset({"structured-outputs-2025-11-13", "token-counting-2024-11-01"})
"""
What these switched on is always on by now, and InvokeModel is said not to know their names (LiteLLM's table of betas).
The second one is a name of Anthropic's own API: its SDK adds it to every count of its beta client.
"""


def parse_messages_request(body: bytes, *, beta_headers: Iterable[str] = (), resolve: Resolve) -> ChatRequest:
    """
    Parse the body of `POST /v1/messages`.

    Args:
        body: the body as it came, at most as long as the server allows.
        beta_headers: the values of every `anthropic-beta` header; each may hold several names with commas between.
        resolve: finds the model for the name that the client wrote; what it raises is raised here.

    Raises:
        RequestError: the body is malformed, or asks for what can't be served; the message names the place.
    """
    fields = Fields(decode_object(body), "", REQUEST)
    return _read_request(fields, resolve(_read_model(fields)), _read_betas(beta_headers))


def parse_count_request(body: bytes, *, beta_headers: Iterable[str] = (), resolve: Resolve) -> ChatRequest:
    """
    Parse the body of `POST /v1/messages/count_tokens`: a request whose answer is not wanted, only its input's count.

    Its arguments are those of `parse_messages_request`.

    Raises:
        RequestError: the body is malformed, or asks for what can't be served; the message names the place.
    """
    fields = Fields(decode_object(body), "", COUNT_REQUEST)
    return _read_request(fields, resolve(_read_model(fields)), _read_betas(beta_headers), is_counted=True)


def read_invoke_body(value: Mapping[str, Any], model: ResolvedModel, *, stream: bool) -> ChatRequest:
    """
    Read Claude's native body of InvokeModel, already decoded.

    Raises:
        RequestError: the body is malformed, or asks for what can't be served; the message names the place.
    """
    fields = Fields(value, "", INVOKE_REQUEST)
    fields.name("anthropic_version")
    request = _read_request(fields, model, fields.texts("anthropic_beta"))
    passed = {name: fields.object(name) for name in _PASSED_ON if fields.get(name) is not None}
    return msgspec.structs.replace(request, stream=stream, provider_options={**request.provider_options, **passed})


def encode_count(input_tokens: int) -> bytes:
    """
    Encode the answer to `count_tokens`.
    """
    return msgspec.json.encode({"input_tokens": input_tokens})


def _read_model(fields: Fields) -> str:
    name = fields.name("model")
    if len(name) > MAX_MODEL_CHARACTERS:
        raise RequestError(f"model has {len(name)} characters, limit is {MAX_MODEL_CHARACTERS}")
    return name


def _read_betas(headers: Iterable[str]) -> tuple[str, ...]:
    named = (name.strip() for header in headers for name in header.split(","))
    return tuple(name for name in named if name and name not in _NEEDLESS_BETAS)


def _read_request(
    fields: Fields, model: ResolvedModel, betas: tuple[str, ...], *, is_counted: bool = False
) -> ChatRequest:
    wishes = Wishes(thinking=fields.object("thinking"), where="thinking")
    read_output_config(fields.get("output_config"), "output_config", wishes)
    read_output_format(fields, "output_format", wishes)
    reasoning, options = place_wishes(wishes, model)
    fields.word("speed", ("standard",))
    messages = _read_conversation(fields)
    if not is_counted:
        fields.need("max_tokens")
    return ChatRequest(
        model=model.name,
        messages=messages,
        system=read_system(fields.get("system")),
        params=GenerationParams(
            max_tokens=fields.count("max_tokens", 0),
            temperature=fields.share("temperature"),
            top_p=fields.share("top_p"),
            top_k=fields.count("top_k", 0),
            stop_sequences=fields.texts("stop_sequences"),
            reasoning=reasoning,
        ),
        tools=tuple(_read_tool(tool, f"tools[{n}]") for n, tool in enumerate(fields.items("tools"))),
        tool_choice=_read_tool_choice(fields),
        stream=bool(fields.flag("stream")),
        service_tier=_read_tier(fields),
        provider_options={**options, **place_betas(betas, model), **_read_metadata(fields, model)},
    )


def _read_conversation(fields: Fields) -> Any:
    fields.need("messages")
    values = fields.items("messages")
    if not 1 <= len(values) <= MAX_MESSAGES:
        raise RequestError(f"messages has {len(values)} entries, expected 1 to {MAX_MESSAGES}")
    return mark_last_part(read_messages(values), read_cache_mark(fields.get("cache_control"), "cache_control"))


def _read_tier(fields: Fields) -> Literal["default"] | None:
    """
    Read Anthropic's service tier: `standard_only` is Bedrock's default one, `auto` leaves it to the account.
    """
    tier = fields.word("service_tier", ("auto", "standard_only"))
    return "default" if tier == "standard_only" else None


def _read_metadata(fields: Fields, model: ResolvedModel) -> dict[str, Any]:
    """
    Read the opaque ID of the client's user. Only Claude's native body can carry it; for others it says nothing.
    """
    value = fields.object("metadata")
    user = None if value is None else Fields(value, "metadata", METADATA).text("user_id")
    return {"metadata": {"user_id": user}} if user and model.family == CLAUDE and model.route == "native" else {}


def _read_tool(value: Any, where: str) -> ToolSpec:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind is not None and kind != "custom":
        raise RequestError(
            f"{where} is of type {str(kind)[:80]!r}, which can't be served: describe it as a tool of type 'custom'"
        )
    fields = _open_tool(value, where)
    fields.need("input_schema")
    return ToolSpec(
        name=fields.name("name"),
        input_schema=fields.object("input_schema") or {},
        description=fields.text("description"),
        strict=fields.flag("strict"),
        cache_ttl=read_cache_mark(fields.get("cache_control"), fields.place("cache_control")),
    )


def _open_tool(value: Any, where: str) -> Fields:
    fields = Fields(value, where, TOOL)
    if fields.flag("defer_loading"):
        raise RequestError(f"{fields.place('defer_loading')} is true, but every tool is loaded from the start")
    if set(fields.texts("allowed_callers")) - {"direct"}:
        raise RequestError(f"{fields.place('allowed_callers')} names others than 'direct', which is all there is")
    return fields


def _read_tool_choice(outer: Fields) -> ToolChoice | None:
    value = outer.object("tool_choice")
    if value is None:
        return None
    fields = Fields(value, "tool_choice", TOOL_CHOICE)
    fields.need("type")
    mode: Any = fields.word("type", ("auto", "any", "none", "tool"))
    return ToolChoice(
        mode=mode,
        name=fields.name("name") if mode == "tool" else None,
        allow_parallel=not fields.flag("disable_parallel_tool_use"),
    )
