"""
The request for one call: its path, its headers, its signature, and its bytes.

Nothing of a client's request steers host, region or credentials: the model ID is percent-encoded into one path segment,
and of the call's own headers only `x-amzn-bedrock-*` are taken.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

import msgspec

from outcrop.calls import Operation, UpstreamCall
from outcrop.errors import InvalidMessage, RequestError, RequestTooLarge, UpstreamDenied
from outcrop.upstream.credentials import Identity
from outcrop.upstream.endpoint import Endpoint
from outcrop.wire import sigv4

SIGNING_NAME = "bedrock"
MAX_BODY_BYTES = 25_000_000
MAX_MODEL_ID_CHARACTERS = 2048
"""
Bounds of the service model (`InvokeModel`'s body, `modelId`).
"""

_JSON = "application/json"
_EVENT_STREAM = "application/vnd.amazon.eventstream"
_OPERATIONS: Mapping[Operation, tuple[str, Mapping[str, str]]] = {
    "invoke": ("invoke", {"accept": _JSON}),
    "invoke_stream": ("invoke-with-response-stream", {"accept": _EVENT_STREAM, "x-amzn-bedrock-accept": _JSON}),
    "converse": ("converse", {"accept": _JSON}),
    "converse_stream": ("converse-stream", {"accept": _EVENT_STREAM}),
    "count_tokens": ("count-tokens", {"accept": _JSON}),
}
_EXTRA_PREFIX = "x-amzn-bedrock-"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """
    Number one of a call's attempts, so that a log upstream can tell a retry from a second call.
    """

    invocation_id: str
    number: int
    limit: int


def check_call(call: UpstreamCall) -> None:
    """
    Refuse a call that can't be a request.

    Raises:
        RequestTooLarge: the body is longer than Bedrock takes.
        RequestError: the model ID or a header can't be sent.
    """
    if not 0 < len(call.model_id) <= MAX_MODEL_ID_CHARACTERS or call.model_id in {".", ".."}:
        raise RequestError(
            f"model id {call.model_id[:100]!r} is not a model id of 1 to {MAX_MODEL_ID_CHARACTERS} characters"
        )
    if len(call.body) > MAX_BODY_BYTES:
        raise RequestTooLarge(f"the request for the model is {len(call.body)} bytes, limit is {MAX_BODY_BYTES} bytes")
    for name, _ in call.headers:
        if not name.startswith(_EXTRA_PREFIX):
            raise RequestError(f"header {name!r} can't be sent to Bedrock, only {_EXTRA_PREFIX}* can")


def build_target(call: UpstreamCall, endpoint: Endpoint) -> str:
    """
    Return the path as boto3 writes it: everything but unreserved characters of the model ID is percent-encoded.
    """
    try:
        segment = quote(call.model_id, safe="-_.~")
    except UnicodeEncodeError as error:
        raise RequestError(f"model id {call.model_id[:100]!r} is not text that can be encoded") from error
    return f"{endpoint.base_path}/model/{segment}/{_OPERATIONS[call.operation][0]}"


def build_head(
    call: UpstreamCall,
    *,
    endpoint: Endpoint,
    region: str,
    identity: Identity,
    attempt: Attempt,
    payload_hash: str,
    now: datetime,
) -> bytes:
    """
    Build the whole head, signed or with the API key. `payload_hash` is used for a signature only.

    Raises:
        RequestError: a header's value can't stand in a request.
        UpstreamDenied: an API key would travel in clear text.
    """
    target = build_target(call, endpoint)
    headers = {"content-type": _JSON, **_OPERATIONS[call.operation][1], **dict(call.headers)}
    if identity.kind == "bearer":
        added = _bear(identity, endpoint)
    else:
        added = _sign(target, headers, endpoint, region, identity, payload_hash, now)
    unsigned = {
        "content-length": str(len(call.body)),
        "user-agent": "outcrop",
        "amz-sdk-invocation-id": attempt.invocation_id,
        "amz-sdk-request": f"attempt={attempt.number}; max={attempt.limit}",
    }
    return encode_request(target, {"host": endpoint.authority, **headers, **added, **unsigned})


def _bear(identity: Identity, endpoint: Endpoint) -> dict[str, str]:
    if not endpoint.secure and not endpoint.is_loopback:
        raise UpstreamDenied(f"a Bedrock API key is not sent over plain http to {endpoint.host!r}: use https")
    return {"authorization": f"Bearer {identity.bearer_token}"}


def _sign(
    target: str,
    headers: Mapping[str, str],
    endpoint: Endpoint,
    region: str,
    identity: Identity,
    payload_hash: str,
    now: datetime,
) -> dict[str, str]:
    assert identity.credentials is not None
    try:
        return sigv4.sign(
            method="POST",
            host=endpoint.authority,
            path=target,
            headers=tuple(headers.items()),
            payload_hash=payload_hash,
            credentials=identity.credentials,
            region=region,
            service=SIGNING_NAME,
            now=now,
        )
    except InvalidMessage as error:
        raise RequestError(f"a header for Bedrock can't be sent: {error.message}") from error


def encode_request(target: str, headers: Mapping[str, str]) -> bytes:
    """
    Encode the head of a POST, up to and including the empty line.

    Raises:
        RequestError: a name, a value or the target holds what may not stand in a request (CR, LF, NUL, …).
    """
    if not _TARGET.fullmatch(target):
        raise RequestError(f"request target {target!r} is not a path in printable ascii")
    lines = [f"POST {target} HTTP/1.1"]
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise RequestError(f"header name {name!r} is not a token")
        if not _HEADER_VALUE.fullmatch(value):
            raise RequestError(f"the value of header {name!r} must be printable ascii without line breaks")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode("ascii")
