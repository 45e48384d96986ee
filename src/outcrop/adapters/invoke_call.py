"""
Make the InvokeModel call of a request: its operation, its body, and the headers that say what no body says.

Guardrail, latency, service tier and request metadata are Bedrock's own and travel as headers of both InvokeModel
operations (docs/bedrock_wire.md §1.3), whichever model is called; every native adapter makes its call here. The values
are held against the patterns and bounds of §1.5 and of the service model first, so none can carry a line break into a
header.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.adapters.request_rules import GUARDRAIL_OPTION, encode_body
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, Guardrail

MAX_METADATA_PAIRS = 16
MAX_METADATA_CHARACTERS = 256
MAX_METADATA_HEADER_CHARACTERS = 8500
LATENCIES = frozenset({"standard", "optimized"})
SERVICE_TIERS = frozenset({"priority", "default", "flex", "reserved"})
TRACES = frozenset({"enabled", "disabled", "enabled_full"})

_PREFIX = "x-amzn-bedrock-"
_IDENTIFIER = re.compile(
    r"[a-z0-9]{1,2048}|arn:aws(-[a-z0-9-]{1,20})?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]{1,1900}"
)
_VERSION = re.compile(r"[1-9][0-9]{0,7}|DRAFT")
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]*", re.ASCII)


def make_call(request: ChatRequest, model: ResolvedModel, body: Mapping[str, Any]) -> UpstreamCall:
    """
    Make the call that carries this body, which `check_request` has seen.

    Raises:
        RequestError: a header's value is not what Bedrock takes, or the body can't be encoded.
    """
    headers = to_headers(request)
    option = request.provider_options.get(GUARDRAIL_OPTION)
    if option is not None:
        if request.guardrail is None:
            raise RequestError(f"provider option {GUARDRAIL_OPTION!r} came without a guardrail, expected both")
        body = {**body, GUARDRAIL_OPTION: option}
    return UpstreamCall(
        operation="invoke_stream" if request.stream else "invoke",
        model_id=model.model_id,
        body=encode_body(body),
        headers=headers,
    )


def to_headers(request: ChatRequest) -> tuple[tuple[str, str], ...]:
    """
    Return the headers that a request's own wishes need, in lower case.

    Raises:
        RequestError: a value is not what Bedrock takes; the message names it and what is expected.
    """
    headers = [] if request.guardrail is None else _to_guardrail_headers(request.guardrail)
    if request.latency is not None:
        headers.append(("performanceconfig-latency", _check_word("latency", request.latency, LATENCIES)))
    if request.service_tier is not None:
        headers.append(("service-tier", _check_word("service_tier", request.service_tier, SERVICE_TIERS)))
    if request.request_metadata:
        headers.append(("request-metadata", _to_metadata_header(request.request_metadata)))
    return tuple((_PREFIX + name, value) for name, value in headers)


def _to_guardrail_headers(guardrail: Guardrail) -> list[tuple[str, str]]:
    if not _IDENTIFIER.fullmatch(guardrail.identifier):
        raise RequestError(f"guardrail identifier is {guardrail.identifier[:80]!r}, expected an ID or an ARN")
    if not _VERSION.fullmatch(guardrail.version):
        raise RequestError(
            f"guardrail version is {guardrail.version[:80]!r}, expected 'DRAFT' or a number of 1 to 8 digits"
        )
    headers = [("guardrailidentifier", guardrail.identifier), ("guardrailversion", guardrail.version)]
    if guardrail.trace is not None:
        headers.append(("trace", _check_word("guardrail trace", guardrail.trace, TRACES).upper()))
    return headers


def _check_word(name: str, value: str, allowed: frozenset[str]) -> str:
    """
    Return a word that the type already bounds: the type is not there at run time, and a header is not forgiving.
    """
    if value not in allowed:
        expected = ", ".join(map(repr, sorted(allowed)))
        raise RequestError(f"{name} is {value[:80]!r}, expected one of {expected}")
    return value


def _to_metadata_header(metadata: Mapping[str, str]) -> str:
    """
    Encode the metadata as one line of JSON; a line break inside of a value is escaped there.
    """
    if len(metadata) > MAX_METADATA_PAIRS:
        raise RequestError(f"request_metadata has {len(metadata)} pairs, expected at most {MAX_METADATA_PAIRS}")
    for key, value in metadata.items():
        _check_metadata("key", key, 1)
        _check_metadata(f"value of {key!r}", value, 0)
    header = msgspec.json.encode(dict(metadata)).decode()
    if len(header) > MAX_METADATA_HEADER_CHARACTERS:
        raise RequestError(
            f"request_metadata is {len(header)} characters of JSON, expected at most {MAX_METADATA_HEADER_CHARACTERS}"
        )
    return header


def _check_metadata(what: str, text: str, least: int) -> None:
    if not least <= len(text) <= MAX_METADATA_CHARACTERS:
        raise RequestError(
            f"request_metadata {what[:80]} has {len(text)} characters, expected {least} to {MAX_METADATA_CHARACTERS}"
        )
    if not _METADATA.fullmatch(text):
        raise RequestError(
            f"request_metadata {what[:80]} is {text[:80]!r}, expected letters, digits, white space and :_@$#=/+,-."
        )
