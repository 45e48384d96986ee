"""
Errors in OpenAI's shape, and names made of a turn's ID.
"""

import inspect
import json

import httpx2
import pytest
from openai import OpenAI

from outcrop import errors
from outcrop.dialects.openai.errors import encode_error, to_error_object
from outcrop.dialects.openai.ids import split_item_id, to_item_id, to_response_id, to_turn_id
from outcrop.errors import (
    ChatBusy,
    DuplicateTurn,
    NotAuthenticated,
    OutcropError,
    PositionExpired,
    RequestError,
    TooManyRequests,
    UnknownModel,
    UnknownTurn,
    UpstreamUnavailable,
)
from outcrop.types import StreamFailed

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, OutcropError) and kind not in {ChatBusy, DuplicateTurn}
]


@pytest.mark.parametrize(
    ("failure", "exception"),
    [
        (RequestError("n is 2"), "BadRequestError"),
        (NotAuthenticated("who are you"), "AuthenticationError"),
        (errors.NotAllowed("no"), "PermissionDeniedError"),
        (UnknownModel("no model"), "NotFoundError"),
        (PositionExpired("gone"), "NotFoundError"),
        (ChatBusy("busy", turn_id="t"), "ConflictError"),
        (errors.IdempotencyMismatch("other"), "UnprocessableEntityError"),
        (TooManyRequests("slow down", retry_after_seconds=1.2), "RateLimitError"),
        (UpstreamUnavailable("not now"), "InternalServerError"),
        (StreamFailed(code="interrupted", message="cut", status=502), "InternalServerError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sdk_raises_its_exception(failure: OutcropError | StreamFailed, exception: str) -> None:
    """
    The SDK makes of our answer the exception that belongs to it, with message, type, code and request ID.
    """
    status, headers, body = encode_error(failure, "req-1")
    request = httpx2.Request("POST", "http://gateway/v1/chat/completions")
    response = httpx2.Response(status, headers=list(headers), content=body, request=request)
    with OpenAI(api_key="k", base_url="http://gateway/v1") as client:
        raised = client._make_status_error_from_response(response)
    assert type(raised).__name__ == exception
    assert failure.message in str(raised)
    assert raised.request_id == "req-1"
    assert raised.code == to_error_object(failure)["code"]
    assert raised.type == to_error_object(failure)["type"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_shape(kind: type[OutcropError]) -> None:
    """
    Every error that the server knows becomes a status, a type, a code and a word on trying again.
    """
    failure = kind("no luck")
    status, headers, body = encode_error(failure, "r")
    error = json.loads(body)["error"]
    assert 400 <= status < 600
    assert error["message"] == "no luck"
    assert error["type"].endswith("_error")
    assert error["code"]
    assert dict(headers)[b"x-should-retry"] == (b"true" if kind.retryable else b"false")


def test_seconds_to_wait_are_whole() -> None:
    """
    The time to wait is rounded up to whole seconds.
    """
    _, headers, _ = encode_error(TooManyRequests("slow down", retry_after_seconds=1.2), "r")
    assert dict(headers)[b"retry-after"] == b"2"


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("temperature is 3, expected a number from 0 to 2", "temperature"),
        ("messages[0].content[1].image_url.url is no data: URL", "messages[0].content[1].image_url.url"),
        ("metadata['a b'] is 1, expected a string", "metadata['a b']"),
        ("the body is not JSON", None),
        ("payload is 17 MiB", None),
    ],
)
def test_the_field_at_fault_is_named(message: str, param: str | None) -> None:
    """
    A message that begins with a field's place names it as the `param`.
    """
    assert to_error_object(RequestError(message))["param"] == param


def test_names_lead_back_to_their_turn() -> None:
    """
    A response's name, and an item's, say which turn they belong to.
    """
    assert to_turn_id(to_response_id("a_b")) == "a_b"
    assert split_item_id(to_item_id("reasoning", "a_b", 12)) == ("a_b", 12)


@pytest.mark.parametrize("name", ["", "resp_", "chatcmpl-1", "resp_\n", "resp_é", "resp_" + "a" * 300])
def test_other_names_are_no_response(name: str) -> None:
    """
    A name that this server can't have given is not found.
    """
    with pytest.raises(UnknownTurn):
        to_turn_id(name)


@pytest.mark.parametrize("name", ["", "msg_", "msg_1", "msg__1", "msg_a_", "msg_a_x", "item_a_1", "msg_a_" + "1" * 20])
def test_other_names_are_no_item(name: str) -> None:
    """
    A name that this server can't have given is refused.
    """
    with pytest.raises(RequestError):
        split_item_id(name)
