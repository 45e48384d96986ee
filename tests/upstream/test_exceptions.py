"""
The table of AWS's errors: every row, in the forms in which the service sends it.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from outcrop.upstream.exceptions import (
    MAX_MESSAGE_CHARACTERS,
    ErrorContext,
    from_error_message,
    from_exception_message,
    from_response,
)

CONTEXT = ErrorContext(model_id="vendor.model-v1:0", region="eu-west-1", request_id="r-1")
ROWS: list[tuple[str, int, type[UpstreamError]]] = [
    ("AccessDeniedException", 403, UpstreamDenied),
    ("ValidationException", 400, UpstreamRejected),
    ("ServiceQuotaExceededException", 400, UpstreamRejected),
    ("ConflictException", 400, UpstreamRejected),
    ("ResourceNotFoundException", 404, ModelNotAvailable),
    ("ModelTimeoutException", 408, UpstreamTimeout),
    ("ModelErrorException", 424, ModelFailed),
    ("ModelStreamErrorException", 424, ModelFailed),
    ("ThrottlingException", 429, UpstreamThrottled),
    ("ModelNotReadyException", 429, UpstreamUnavailable),
    ("InternalServerException", 500, UpstreamBroken),
    ("ServiceUnavailableException", 503, UpstreamUnavailable),
    ("IncompleteSignature", 400, UpstreamDenied),
    ("InvalidAction", 400, UpstreamError),
    ("NotAuthorized", 400, UpstreamDenied),
    ("RequestExpired", 400, UpstreamDenied),
    ("InvalidClientTokenId", 403, UpstreamDenied),
    ("FTUFormNotFilled", 404, ModelNotAvailable),
    ("InternalFailure", 500, UpstreamBroken),
    ("overloaded_error", 529, UpstreamUnavailable),
    ("MissingAuthenticationTokenException", 403, UpstreamDenied),
    ("InvalidSignatureException", 403, UpstreamDenied),
    ("UnrecognizedClientException", 403, UpstreamDenied),
    ("ExpiredTokenException", 403, UpstreamDenied),
    ("UnknownOperationException", 404, UpstreamError),
]
STREAM_ROWS: list[tuple[str, type[UpstreamError]]] = [
    ("internalServerException", UpstreamBroken),
    ("modelStreamErrorException", ModelFailed),
    ("validationException", UpstreamRejected),
    ("throttlingException", UpstreamThrottled),
    ("serviceUnavailableException", UpstreamUnavailable),
    ("modelTimeoutException", UpstreamTimeout),
]
STATUSES: list[tuple[int, type[UpstreamError]]] = [
    (302, UpstreamError),
    (204, UpstreamError),
    (400, UpstreamRejected),
    (401, UpstreamDenied),
    (403, UpstreamDenied),
    (404, ModelNotAvailable),
    (408, UpstreamTimeout),
    (413, UpstreamRejected),
    (418, UpstreamRejected),
    (424, ModelFailed),
    (429, UpstreamThrottled),
    (500, UpstreamBroken),
    (502, UpstreamBroken),
    (503, UpstreamUnavailable),
    (529, UpstreamUnavailable),
]


def body_of(message: str, **fields: object) -> bytes:
    """
    Make the body of an error.
    """
    return json.dumps({"message": message, **fields}).encode()


@pytest.mark.parametrize(("name", "status", "kind"), ROWS, ids=[row[0] for row in ROWS])
@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("{}:http://internal.amazon.com/coral/com.amazon.bedrock/", None),
        ("{}", None),
        ("com.amazon.coral#{}", None),
        (None, "code"),
        (None, "__type"),
    ],
)
def test_every_row_in_every_form(
    name: str, status: int, kind: type[UpstreamError], header: str | None, field: str | None
) -> None:
    """
    An error is known by its header (cut at `:` and `#`), or by its body's `code` or `__type`; its cause is told.
    """
    headers = {} if header is None else {"x-amzn-errortype": header.format(name)}
    fields = {} if field is None else {field: f"com.amazon#{name}"}
    error = from_response(status, headers, body_of("the cause", **fields), CONTEXT)
    assert type(error) is kind
    assert (error.aws_error, error.aws_request_id) == (name, "r-1")
    assert told(error).endswith("the cause")
    assert "{" not in error.message


def told(error: UpstreamError) -> str:
    """
    Return what is told of the cause: to the client, or, of the gateway's own identity, to the log alone.
    """
    if isinstance(error, UpstreamDenied):
        assert error.operator_detail is not None
        assert error.operator_detail not in error.message
        return error.operator_detail
    assert error.operator_detail is None
    return error.message


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b"\xff", b"[" * 5000, b'"x"', b"null"])
def test_without_a_name_the_status_decides(status: int, kind: type[UpstreamError], body: bytes) -> None:
    """
    An answer that is none of Bedrock's is known by its status, and no part of its body is shown.
    """
    error = from_response(status, {}, body, CONTEXT)
    assert type(error) is kind
    assert told(error).endswith(f"http status {status} without a message")
    assert error.aws_error == str(status)


@pytest.mark.parametrize(("name", "kind"), STREAM_ROWS)
def test_every_row_of_a_stream(name: str, kind: type[UpstreamError]) -> None:
    """
    An exception inside a stream, in lower camel case, is the error of its HTTP form.
    """
    error = from_exception_message(name, body_of("the cause"), CONTEXT)
    assert type(error) is kind
    assert error.aws_error == name[0].upper() + name[1:]
    assert told(error).endswith("the cause")


@pytest.mark.parametrize(
    ("name", "status", "said", "kind", "words"),
    [
        (
            "AccessDeniedException",
            403,
            "You don't have access to the model with the specified model ID.",
            ModelNotAvailable,
            "'vendor.model-v1:0' is not enabled in region 'eu-west-1': enable it under model access",
        ),
        (
            "AccessDeniedException",
            403,
            "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: model/y",
            UpstreamDenied,
            "iam policy",
        ),
        ("AccessDeniedException", 403, "Operation not allowed", UpstreamDenied, "operator"),
        (
            "AccessDeniedException",
            403,
            "Access denied. This Model is marked by provider as Legacy and you have not been actively using it",
            ModelNotAvailable,
            "has been retired",
        ),
        (
            "ResourceNotFoundException",
            404,
            "Could not resolve the foundation model",
            ModelNotAvailable,
            "knows no model",
        ),
        (
            "ResourceNotFoundException",
            404,
            "This model version has reached the end of its life. Please refer to the documentation.",
            ModelNotAvailable,
            "retired in region 'eu-west-1': choose a newer one",
        ),
        (
            "ResourceNotFoundException",
            404,
            "Model use case details have not been submitted for this account.",
            ModelNotAvailable,
            "use case form",
        ),
        (
            "ValidationException",
            400,
            "The provided model identifier is invalid.",
            ModelNotAvailable,
            "knows no model 'vendor.model-v1:0' in region 'eu-west-1'",
        ),
        (
            "ValidationException",
            400,
            "Retry your request with the ID or ARN of an inference profile that contains this model.",
            ModelNotAvailable,
            "use an inference profile",
        ),
        (
            "ValidationException",
            400,
            "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
            ModelNotAvailable,
            "use an inference profile",
        ),
        (
            "ValidationException",
            400,
            "Malformed input request: #: required key",
            UpstreamRejected,
            "refused the request",
        ),
        ("ExpiredTokenException", 403, "The security token is expired", UpstreamDenied, "clock"),
        ("InvalidSignatureException", 403, "Signature expired", UpstreamDenied, "clock"),
        ("UnrecognizedClientException", 403, "The security token is invalid.", UpstreamDenied, "API key"),
        ("ThrottlingException", 429, "Too many tokens", UpstreamThrottled, "'eu-west-1' is used up"),
    ],
)
def test_the_words_say_what_to_do(name: str, status: int, said: str, kind: type[UpstreamError], words: str) -> None:
    """
    The failures that a person can do something about say what, and keep what Bedrock said.
    """
    error = from_response(status, {"x-amzn-errortype": name}, body_of(said), CONTEXT)
    assert type(error) is kind
    assert words in error.message
    assert said in told(error)


def test_both_spellings_of_message_are_read() -> None:
    """
    Bedrock's text is in `message` or `Message`.
    """
    error = from_response(400, {"x-amzn-errortype": "ValidationException"}, b'{"Message":"capital"}', CONTEXT)
    assert error.message == "Bedrock refused the request: capital"


def test_the_header_wins_over_the_body() -> None:
    """
    Where header and body differ, the header counts.
    """
    body = body_of("x", code="ValidationException", __type="ConflictException")
    assert from_response(429, {"x-amzn-errortype": "ThrottlingException"}, body, CONTEXT).code == "throttled"
    assert from_response(429, {}, body, CONTEXT).aws_error == "ValidationException"


def test_a_models_own_status_is_told() -> None:
    """
    The extra fields of a model's error are in its text.
    """
    body = body_of("broke", originalStatusCode=507, resourceName="x")
    assert from_response(424, {}, body, CONTEXT).message.endswith("broke (the model's own status: 507)")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "1500", "retry-after": "7"}, 1.5),
        ({"x-amz-retry-after": "x", "retry-after": "7"}, 7),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "\u00b2"}, None),
        ({}, None),
    ],
)
def test_a_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """
    `retry-after` is in seconds, `x-amz-retry-after` in milliseconds and first; nonsense is none.
    """
    assert from_response(429, headers, b"{}", CONTEXT).retry_after_seconds == seconds


@given(st.text(max_size=2000), st.text(max_size=300))
def test_a_message_is_one_clean_bounded_line(said: str, name: str) -> None:
    """
    Whatever comes as a message or a name, the error is one line without control or direction marks, of bounded length.
    """
    for error in (
        from_response(400, {"x-amzn-errortype": name}, body_of(said), CONTEXT),
        from_exception_message(name, body_of(said), CONTEXT),
        from_error_message(name, said, CONTEXT),
    ):
        assert len(error.message) <= MAX_MESSAGE_CHARACTERS + 300
        assert not any(mark in error.message for mark in "\r\n\x00\x1b\x85\u2028\u202e\u2066")
        assert error.message.encode()
        assert error.aws_error is None or error.aws_error.isascii()
