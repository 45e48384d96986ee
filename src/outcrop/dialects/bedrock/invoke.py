"""
The Bedrock dialect, what comes in by InvokeModel and CountTokens: `/model/{id}/invoke` and its neighbours.

Claude's native body is read like any request of the Anthropic dialect. Other families' bodies go on as they came: what
is read of them is only how long the answer may be. What Bedrock is told in headers is read for all.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.options import CLAUDE
from outcrop.dialects.anthropic.request import read_invoke_body
from outcrop.dialects.bedrock import tables
from outcrop.dialects.bedrock.fetches import refuse_fetches
from outcrop.dialects.bedrock.request import read_counted
from outcrop.dialects.fields import Fields, decode_object, describe, require_one
from outcrop.errors import RequestError, RequestTooLarge
from outcrop.types import ChatRequest, GenerationParams, Guardrail

MAX_BODY_BYTES = 25_000_000
HEADER_PREFIX = "x-amzn-bedrock-"

_BOUNDS: tuple[tuple[str, ...], ...] = (
    ("max_gen_len",),
    ("max_tokens",),
    ("max_completion_tokens",),
    ("textGenerationConfig", "maxTokenCount"),
    ("inferenceConfig", "maxTokens"),
    ("inferenceConfig", "max_new_tokens"),
)
"""
Where the families' bodies bound the answer (docs/bedrock_wire.md §4).
"""

_LATENCIES: tuple[Literal["standard", "optimized"], ...] = ("standard", "optimized")
_TIERS: tuple[Literal["priority", "default", "flex", "reserved"], ...] = ("priority", "default", "flex", "reserved")
_TRACES: Mapping[str, Literal["enabled", "disabled", "enabled_full"]] = {
    "ENABLED": "enabled",
    "DISABLED": "disabled",
    "ENABLED_FULL": "enabled_full",
}
_Word = TypeVar("_Word", bound=str)


class InvokeCall(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request by InvokeModel.

    `native_body` is the body as it came where it goes on untouched; `chat` then has no messages, only what was said in
    headers and the bound of the answer. It is None where `chat` says all.
    """

    chat: ChatRequest
    native_body: bytes | None = None


def parse_invoke(body: bytes, *, headers: Mapping[str, str], model: ResolvedModel, stream: bool) -> InvokeCall:
    """
    Parse a call of InvokeModel or InvokeModelWithResponseStream; `headers` have names in lower case.

    Raises:
        RequestError: the body or a header is malformed, or asks for what can't be served; the message names the place.
    """
    call = _read_body(body, model, stream=stream)
    return InvokeCall(chat=_with_headers(call.chat, headers), native_body=call.native_body)


def parse_count_tokens(body: bytes, *, model: ResolvedModel) -> InvokeCall:
    """
    Parse the body of CountTokens: a request of either kind whose answer is not wanted, only its input's count.

    Raises:
        RequestError: the body is malformed, or asks for what can't be served; the message names the place.
    """
    value = Fields(decode_object(body), "", tables.COUNT_TOKENS).need("input")
    kind = require_one(value, "input", "request")
    fields = Fields(value, "input", tables.COUNTED)
    if kind == "converse":
        return InvokeCall(chat=read_counted(fields.need(kind), model))
    inner = Fields(fields.need(kind), f"input.{kind}", tables.COUNTED_BODY)
    return _read_body(inner.base64("body"), model, stream=False)


def encode_count(input_tokens: int) -> bytes:
    """
    Encode the answer of CountTokens.
    """
    return msgspec.json.encode({"inputTokens": input_tokens})


def _read_body(body: bytes, model: ResolvedModel, *, stream: bool) -> InvokeCall:
    if len(body) > MAX_BODY_BYTES:
        raise RequestTooLarge(f"the body is {len(body)} bytes, limit is {MAX_BODY_BYTES}")
    value = decode_object(body)
    if model.family == CLAUDE:
        return InvokeCall(chat=read_invoke_body(value, model, stream=stream))
    if value.get("stream") is not None and value["stream"] is not stream:
        raise RequestError(f"stream is {describe(value['stream'])}, which is not what the path says")
    if value.get("model") is not None and value["model"] != model.model_id:
        raise RequestError(f"model is {describe(value['model'])}, expected it in the path alone")
    refuse_fetches(value, "")
    params = GenerationParams(max_tokens=_read_bound(value))
    return InvokeCall(chat=ChatRequest(model=model.name, messages=(), params=params, stream=stream), native_body=body)


def _read_bound(value: Mapping[str, Any]) -> int | None:
    for path in _BOUNDS:
        found: Any = value
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is not None:
            if type(found) is not int or found < 0:
                raise RequestError(f"{'.'.join(path)} is {describe(found)}, expected a whole number")
            return found
    return None


def _with_headers(chat: ChatRequest, headers: Mapping[str, str]) -> ChatRequest:
    return msgspec.structs.replace(
        chat,
        guardrail=_read_guardrail(headers),
        latency=_read_word(headers, "performanceconfig-latency", _LATENCIES),
        service_tier=_read_word(headers, "service-tier", _TIERS) or chat.service_tier,
        request_metadata=_read_metadata(headers),
    )


def _read_word(headers: Mapping[str, str], name: str, allowed: tuple[_Word, ...]) -> _Word | None:
    value = headers.get(HEADER_PREFIX + name)
    if value is None:
        return None
    for word in allowed:
        if word == value:
            return word
    raise RequestError(f"header {HEADER_PREFIX}{name} is {value[:40]!r}, expected one of {', '.join(allowed)}")


def _read_guardrail(headers: Mapping[str, str]) -> Guardrail | None:
    identifier = headers.get(f"{HEADER_PREFIX}guardrailidentifier")
    version = headers.get(f"{HEADER_PREFIX}guardrailversion")
    if not identifier and not version:
        return None
    if not identifier or not version:
        raise RequestError("a guardrail needs both its identifier and its version in the headers")
    trace = headers.get(f"{HEADER_PREFIX}trace")
    if trace is not None and trace not in _TRACES:
        raise RequestError(f"header {HEADER_PREFIX}trace is {trace[:40]!r}, expected one of {', '.join(_TRACES)}")
    return Guardrail(identifier=identifier, version=version, trace=_TRACES.get(trace or ""))


def _read_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    header = headers.get(f"{HEADER_PREFIX}request-metadata")
    if header is None:
        return {}
    try:
        return msgspec.json.decode(header, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise RequestError(f"header {HEADER_PREFIX}request-metadata is not a JSON object of strings") from error
