"""
Write errors as Bedrock does: before an answer with a status and an exception's name, within a stream as its last frame.

This is the way back of the table that reads Bedrock's own exceptions. What was the gateway's own fault towards AWS (its
identity, its credentials) is a failure of the service to a client, never a refusal of the client's rights.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Literal

import msgspec

from outcrop.errors import NotAuthenticated, OutcropError
from outcrop.types import StreamFailed
from outcrop.wire.eventstream import encode_message

StreamKind = Literal["converse_stream", "invoke_stream"]
Failure = OutcropError | StreamFailed

STATUSES: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 400,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
"""
The exceptions that are said here, and their statuses (docs/bedrock_wire.md §3.1).
"""

BY_CODE: Mapping[str, str] = {
    "answer_too_large": "ModelErrorException",
    "credentials_missing": "ServiceUnavailableException",
    "deadline_exceeded": "ModelTimeoutException",
    "draining": "ServiceUnavailableException",
    "interrupted": "InternalServerException",
    "model_failed": "ModelErrorException",
    "model_not_available": "ResourceNotFoundException",
    "rate_limited": "ThrottlingException",
    "stream_interrupted": "ModelErrorException",
    "throttled": "ThrottlingException",
    "unknown_model": "ResourceNotFoundException",
    "upstream_denied": "InternalServerException",
    "upstream_unavailable": "ServiceUnavailableException",
    "upstream_unreachable": "ServiceUnavailableException",
}
BY_STATUS: Mapping[int, str] = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    409: "ValidationException",
    410: "ResourceNotFoundException",
    413: "ValidationException",
    422: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
"""
What has no row is an `InternalServerException`.
"""

_AS_AWS_SAID = frozenset({"ModelNotReadyException", "ServiceQuotaExceededException"})
_IN_STREAMS: Mapping[str, str] = {
    "InternalServerException": "internalServerException",
    "ModelErrorException": "modelStreamErrorException",
    "ModelTimeoutException": "modelTimeoutException",
    "ModelNotReadyException": "throttlingException",
    "ServiceUnavailableException": "serviceUnavailableException",
    "ThrottlingException": "throttlingException",
    "ValidationException": "validationException",
    "ServiceQuotaExceededException": "validationException",
    "ResourceNotFoundException": "validationException",
}
_NOT_IN_CONVERSE = {"modelTimeoutException": "modelStreamErrorException"}


class SignatureRefused(NotAuthenticated):
    """
    Refuse a signature. `aws_error` is the name by which AWS calls what is wrong with it.
    """

    def __init__(self, message: str, *, aws_error: str) -> None:
        super().__init__(message)
        self.aws_error = aws_error


def find_exception(failure: Failure) -> str:
    """
    Return the name of the AWS exception that a failure is to a client.
    """
    said = failure.aws_error if isinstance(failure, StreamFailed | SignatureRefused) else None
    if said is not None and (said in _AS_AWS_SAID or isinstance(failure, SignatureRefused)):
        return said
    return BY_CODE.get(failure.code) or BY_STATUS.get(failure.status, "InternalServerException")


def encode_error(failure: Failure, request_id: str) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes]:
    """
    Return the status, the headers and the body of an answer that says what went wrong.

    `request_id` must be printable ASCII.
    """
    name = find_exception(failure)
    headers = [
        (b"content-type", b"application/json"),
        (b"x-amzn-requestid", request_id.encode("ascii")),
        (b"x-amzn-errortype", name.encode("ascii")),
    ]
    if failure.retry_after_seconds is not None:
        # AWS's SDKs read milliseconds from their own header; others read seconds from the standard one.
        headers.append((b"retry-after", str(ceil(failure.retry_after_seconds)).encode()))
        headers.append((b"x-amz-retry-after", str(ceil(failure.retry_after_seconds * 1000)).encode()))
    body: dict[str, Any] = {"message": failure.message}
    if name == "ModelErrorException":
        body["originalStatusCode"] = failure.status
    return STATUSES[name], tuple(headers), msgspec.json.encode(body)


def encode_exception_frame(failure: Failure, kind: StreamKind) -> bytes:
    """
    Return the frame that ends a stream badly. Its name is one that the stream's union has.
    """
    member = _IN_STREAMS.get(find_exception(failure), "internalServerException")
    if kind == "converse_stream":
        member = _NOT_IN_CONVERSE.get(member, member)
    body: dict[str, Any] = {"message": failure.message}
    if member == "modelStreamErrorException":
        body |= {"originalStatusCode": failure.status, "originalMessage": failure.message}
    headers = {":exception-type": member, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, msgspec.json.encode(body))
