"""
The one table from AWS's errors to ours, for HTTP answers and for exceptions inside a stream.

Names are those of the service model in its HTTP form (`ThrottlingException`); the lower-camel form of a stream
(`throttlingException`) is brought to it. What has no row is decided by the HTTP status.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.errors import (
    ModelFailed,
    ModelNotAvailable,
    UpstreamBroken,
    UpstreamDenied,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)

MAX_MESSAGE_CHARACTERS = 600

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_NAME = re.compile(r"[A-Za-z0-9_.]{1,100}")

_DENIED = "Bedrock refused the gateway's own AWS identity (this is for its operator)"
_CLOCK = f"{_DENIED}; check that the credentials are current and that this machine's clock is right"
_IDENTITY = f"{_DENIED}; check the access key, session token or Bedrock API key"
_QUOTA = "the AWS account's Bedrock quota for model {model!r} in region {region!r} is used up for the moment"
_CAPACITY = "Bedrock has no capacity for model {model!r} in region {region!r} at the moment"
_INSIDE = "Bedrock failed inside; the request itself may be fine"
_BROKE = "model {model!r} broke while it answered"
_REFUSED = "Bedrock refused the request"
_UNKNOWN = (
    "Bedrock knows no model {model!r} in region {region!r}: check the model id and that the model is offered there"
)
_OPERATION = "the endpoint does not know this operation: check that its URL is that of bedrock-runtime"
_LIMIT = "the AWS account's limits do not allow this request, and waiting will not help"
_SLOW = "model {model!r} took longer than Bedrock allows"
_LOADING = "model {model!r} is still being loaded"
_FORM = (
    "model {model!r} is not enabled in region {region!r}: submit the provider's use case form, once per account, in "
    "the model catalog of the Bedrock console"
)
_ENABLE = (
    "model {model!r} is not enabled in region {region!r}: enable it under model access (model catalog) in the Bedrock "
    "console of that region"
)
_PROFILE = (
    "model {model!r} can't be called by its bare id in region {region!r}: use an inference profile that contains it, "
    "for example the id with the prefix 'us.', 'eu.' or 'global.' in front"
)
_RETIRED = "model {model!r} has been retired in region {region!r}: choose a newer one"

_BY_NAME: Mapping[str, tuple[type[UpstreamError], str]] = {
    "AccessDeniedException": (UpstreamDenied, _DENIED),
    "ConflictException": (UpstreamRejected, _REFUSED),
    "ExpiredToken": (UpstreamDenied, _CLOCK),
    "ExpiredTokenException": (UpstreamDenied, _CLOCK),
    "FTUFormNotFilled": (ModelNotAvailable, _FORM),
    "IncompleteSignature": (UpstreamDenied, _IDENTITY),
    "InternalFailure": (UpstreamBroken, _INSIDE),
    "InternalServerException": (UpstreamBroken, _INSIDE),
    "InvalidAction": (UpstreamError, _OPERATION),
    "InvalidClientTokenId": (UpstreamDenied, _IDENTITY),
    "InvalidSignatureException": (UpstreamDenied, _CLOCK),
    "MissingAuthenticationTokenException": (UpstreamDenied, _IDENTITY),
    "ModelErrorException": (ModelFailed, _BROKE),
    "ModelNotReadyException": (UpstreamUnavailable, _LOADING),
    "ModelStreamErrorException": (ModelFailed, _BROKE),
    "ModelTimeoutException": (UpstreamTimeout, _SLOW),
    "NotAuthorized": (UpstreamDenied, _DENIED),
    "RequestExpired": (UpstreamDenied, _CLOCK),
    "RequestTimeTooSkewed": (UpstreamDenied, _CLOCK),
    "ResourceNotFoundException": (ModelNotAvailable, _UNKNOWN),
    "ServiceQuotaExceededException": (UpstreamRejected, _LIMIT),
    "ServiceUnavailableException": (UpstreamUnavailable, _CAPACITY),
    "SignatureDoesNotMatch": (UpstreamDenied, _CLOCK),
    "ThrottlingException": (UpstreamThrottled, _QUOTA),
    "TooManyRequestsException": (UpstreamThrottled, _QUOTA),
    "UnknownOperationException": (UpstreamError, _OPERATION),
    "UnrecognizedClientException": (UpstreamDenied, _IDENTITY),
    "ValidationException": (UpstreamRejected, _REFUSED),
    "overloaded_error": (UpstreamUnavailable, _CAPACITY),
}

_BY_STATUS: Mapping[int, tuple[type[UpstreamError], str]] = {
    400: (UpstreamRejected, _REFUSED),
    401: (UpstreamDenied, _IDENTITY),
    403: (UpstreamDenied, _DENIED),
    404: (ModelNotAvailable, _UNKNOWN),
    408: (UpstreamTimeout, _SLOW),
    413: (UpstreamRejected, _REFUSED),
    424: (ModelFailed, _BROKE),
    429: (UpstreamThrottled, _QUOTA),
    500: (UpstreamBroken, _INSIDE),
    503: (UpstreamUnavailable, _CAPACITY),
    529: (UpstreamUnavailable, _CAPACITY),
}

# Some names stand for several failures, which only Bedrock's text tells apart. The first row that fits counts. Not all
# of the texts were seen in a recording, so patterns are loose and the row of the bare name is always a truthful one.
_BY_TEXT: tuple[tuple[frozenset[str], re.Pattern[str], type[UpstreamError], str], ...] = (
    (
        frozenset({"AccessDeniedException"}),
        re.compile(r"not authorized to perform:? bedrock:", re.IGNORECASE),
        UpstreamDenied,
        f"{_DENIED}; its iam policy must allow this call",
    ),
    (
        frozenset({"AccessDeniedException", "ResourceNotFoundException", "ValidationException"}),
        re.compile(r"end of its life|marked by provider as legacy", re.IGNORECASE),
        ModelNotAvailable,
        _RETIRED,
    ),
    (
        frozenset({"AccessDeniedException"}),
        re.compile(r"\bmodel\b", re.IGNORECASE),
        ModelNotAvailable,
        _ENABLE,
    ),
    (
        frozenset({"ResourceNotFoundException"}),
        re.compile(r"use case details", re.IGNORECASE),
        ModelNotAvailable,
        _FORM,
    ),
    (
        frozenset({"ValidationException"}),
        re.compile(r"on-demand throughput isn.t supported|inference profile that contains this model", re.IGNORECASE),
        ModelNotAvailable,
        _PROFILE,
    ),
    (
        frozenset({"ValidationException"}),
        re.compile(r"model identifier is invalid|model (id|identifier)\b.{0,200}\b(not found|invalid)", re.IGNORECASE),
        ModelNotAvailable,
        _UNKNOWN,
    ),
)


class ErrorContext(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what an error names besides what Bedrock said.
    """

    model_id: str
    region: str
    request_id: str | None = None


def from_response(status: int, headers: Mapping[str, str], body: bytes, context: ErrorContext) -> UpstreamError:
    """
    Turn an HTTP answer other than 200 into an error.
    """
    fields = _parse_fields(body)
    name = _find_name(headers, fields)
    said = _find_message(fields)
    if not said and not fields:
        said = f"http status {status} without a message"
    return _make(name, status, said, context, retry_after_seconds=_find_retry_after(headers))


def from_exception_message(exception_type: str, payload: bytes, context: ErrorContext) -> UpstreamError:
    """
    Turn a message of type `exception` inside a stream into an error.
    """
    return _make(_to_name(exception_type), 0, _find_message(_parse_fields(payload)), context)


def from_error_message(code: str, message: str, context: ErrorContext) -> UpstreamError:
    """
    Turn a message of type `error`, which the service model does not know, into an error.
    """
    return _make(_to_name(code), 0, clean_text(message), context)


def clean_text(text: str) -> str:
    """
    Return the text as one line of bounded length, without control characters and marks that change its direction.
    """
    cleaned = _CONTROLS.sub(" ", text).encode(errors="replace").decode().strip()
    return cleaned if len(cleaned) <= MAX_MESSAGE_CHARACTERS else f"{cleaned[:MAX_MESSAGE_CHARACTERS]}…"


def _make(
    name: str | None, status: int, said: str, context: ErrorContext, *, retry_after_seconds: float | None = None
) -> UpstreamError:
    kind, words = _find_row(name, status, said)
    text = words.format(model=context.model_id[:300], region=context.region)
    # Where the gateway's own identity was refused, Bedrock names it: ARN, account and role are not a client's business.
    private = kind is UpstreamDenied
    return kind(
        f"{text}: {said}" if said and not private else text,
        retry_after_seconds=retry_after_seconds,
        aws_error=name or (str(status) if status else None),
        aws_request_id=context.request_id,
        operator_detail=said if private else None,
    )


def _find_row(name: str | None, status: int, said: str) -> tuple[type[UpstreamError], str]:
    for names, pattern, kind, words in _BY_TEXT:
        if name in names and pattern.search(said):
            return kind, words
    if name is not None and name in _BY_NAME:
        return _BY_NAME[name]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return UpstreamBroken, _INSIDE
    if status >= 400:
        return UpstreamRejected, _REFUSED
    return UpstreamError, "Bedrock gave an answer that is none of its own" if status else "Bedrock failed"


def _find_name(headers: Mapping[str, str], fields: Mapping[str, Any]) -> str | None:
    nested = fields.get("error")
    inner = nested.get("type") if isinstance(nested, dict) else None
    for candidate in (headers.get("x-amzn-errortype"), fields.get("code"), fields.get("__type"), inner):
        if isinstance(candidate, str) and (name := _to_name(candidate)):
            return name
    return None


def _to_name(raw: str) -> str | None:
    """
    Return the bare name in upper camel case: `a.b#Name:http://…` gives `Name`, as botocore reads it.
    """
    name = raw.partition(":")[0].rpartition("#")[2].strip()
    if not _NAME.fullmatch(name):
        return None
    return name if "_" in name else name[0].upper() + name[1:]


def _parse_fields(body: bytes) -> Mapping[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _find_message(fields: Mapping[str, Any]) -> str:
    nested = fields.get("error")
    inner = nested.get("message") if isinstance(nested, dict) else None
    candidates = (fields.get("message"), fields.get("Message"), inner, fields.get("originalMessage"))
    said = next((text for text in candidates if isinstance(text, str) and text), "")
    original = fields.get("originalStatusCode")
    if isinstance(original, int):
        said = f"{said} (the model's own status: {original})".strip()
    return clean_text(said)


def _find_retry_after(headers: Mapping[str, str]) -> float | None:
    for name, scale in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        # A date is allowed by HTTP too; nobody was seen to send one, and reading it needs both clocks to agree.
        if text.isascii() and text.isdigit() and len(text) <= 9:
            return int(text) * scale
    return None
