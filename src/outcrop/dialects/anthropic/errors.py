"""
Write errors as the Anthropic API does: before an answer with a status of their own, within a stream as its last event.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

import msgspec

from outcrop.errors import OutcropError
from outcrop.types import StreamFailed

OVERLOADED = (529, "overloaded_error")
BY_CODE: Mapping[str, tuple[int, str]] = {
    "deadline_exceeded": (504, "timeout_error"),
    "draining": OVERLOADED,
    "interrupted": (500, "api_error"),
    "upstream_denied": (500, "api_error"),
    "credentials_missing": (500, "api_error"),
    "throttled": (429, "rate_limit_error"),
    "upstream_unavailable": OVERLOADED,
}
BY_STATUS: Mapping[int, tuple[int, str]] = {
    400: (400, "invalid_request_error"),
    401: (401, "authentication_error"),
    402: (402, "billing_error"),
    403: (403, "permission_error"),
    404: (404, "not_found_error"),
    409: (409, "conflict_error"),
    410: (404, "not_found_error"),
    413: (413, "request_too_large"),
    422: (400, "invalid_request_error"),
    429: (429, "rate_limit_error"),
    503: OVERLOADED,
    504: (504, "timeout_error"),
    529: OVERLOADED,
}
"""
What has no row is an `invalid_request_error` where it is the client's fault, else an `api_error`.
"""

Failure = OutcropError | StreamFailed


def encode_error(failure: Failure, request_id: str) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes]:
    """
    Return the status, the headers and the body of an answer that says what went wrong.

    `request_id` must be printable ASCII. A client's SDK reads it from the header, a person from the body.
    """
    status, _ = _find_row(failure)
    headers = [(b"content-type", b"application/json"), (b"request-id", request_id.encode("ascii"))]
    if failure.retry_after_seconds is not None:
        headers.append((b"retry-after", str(ceil(failure.retry_after_seconds)).encode()))
    return status, tuple(headers), msgspec.json.encode(to_error_object(failure, request_id))


def to_error_object(failure: Failure, request_id: str) -> dict[str, Any]:
    """
    Return what an error says, before an answer and within one. `details` holds our own code, which does not change.
    """
    _, kind = _find_row(failure)
    error = {"type": kind, "message": failure.message, "details": {"error_code": failure.code}}
    return {"type": "error", "error": error, "request_id": request_id}


def _find_row(failure: Failure) -> tuple[int, str]:
    row = BY_CODE.get(failure.code) or BY_STATUS.get(failure.status)
    if row is None and 400 <= failure.status < 500:
        return BY_STATUS[400]
    return row or (max(failure.status, 500), "api_error")
