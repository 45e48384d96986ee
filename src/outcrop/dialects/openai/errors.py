"""
Write errors as the OpenAI API does: before an answer with a status of their own, within a stream as its last event.

The official SDKs choose their exception by the status, and retry as `x-should-retry` says.
"""

import re
from collections.abc import Mapping
from math import ceil
from typing import Any

import msgspec

from outcrop.dialects.openai.responses_tables import SOCKET_REQUEST
from outcrop.dialects.openai.tables import CHAT_REQUEST
from outcrop.errors import OutcropError
from outcrop.types import StreamFailed

Failure = OutcropError | StreamFailed

TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
"""
The types that are not `invalid_request_error` (a status below 500) or `server_error` (all others).
"""

CODES: Mapping[str, str] = {
    "not_authenticated": "invalid_api_key",
    "unknown_model": "model_not_found",
    "model_not_available": "model_not_found",
    "rate_limited": "rate_limit_exceeded",
    "throttled": "rate_limit_exceeded",
}
"""
Our codes that have another name at OpenAI, one that clients know. All others go out as they are.
"""

# A response that is gone is not found: OpenAI has no word for "gone".
_STATUSES: Mapping[int, int] = {410: 404}
_PLACE = re.compile(r"[a-z_]+(?:\.[A-Za-z_]+|\[[^\]]{1,80}\])*(?= )")
_FIELDS = frozenset({*CHAT_REQUEST, *SOCKET_REQUEST})


def encode_error(failure: Failure, request_id: str) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes]:
    """
    Return the status, the headers and the body of an answer that says what went wrong.

    `request_id` must be printable ASCII; the SDKs show it with their exceptions.
    """
    headers = [
        (b"content-type", b"application/json"),
        (b"x-request-id", request_id.encode("ascii")),
        (b"x-should-retry", b"true" if failure.retryable else b"false"),
    ]
    if failure.retry_after_seconds is not None:
        headers.append((b"retry-after", str(ceil(failure.retry_after_seconds)).encode()))
    return find_status(failure), tuple(headers), msgspec.json.encode({"error": to_error_object(failure)})


def find_status(failure: Failure) -> int:
    """
    Return the HTTP status of a failure.
    """
    return _STATUSES.get(failure.status, failure.status)


def to_error_object(failure: Failure) -> dict[str, Any]:
    """
    Return what an error says: `message`, `type`, `param` (the field that is at fault, if it is one) and `code`.
    """
    status = find_status(failure)
    return {
        "message": failure.message,
        "type": TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
        "param": _find_param(failure.message) if status == 400 else None,
        "code": CODES.get(failure.code, failure.code),
    }


def _find_param(message: str) -> str | None:
    """
    Find the place that a message begins with: all our messages about a field begin so.
    """
    found = _PLACE.match(message)
    place = found.group() if found else ""
    return place if re.split(r"[.\[]", place, maxsplit=1)[0] in _FIELDS else None
