"""
What the JSON routes share: errors as JSON, the caller of a request, bodies within bounds.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from outcrop.accounts.authorise import Action, authorise
from outcrop.errors import NotAuthenticated, OutcropError, RequestError, RequestTooLarge
from outcrop.server.services import Services

MAX_ID_CHARACTERS = 256
NO_STORE = {"cache-control": "no-store"}

Serve = Callable[[Request, str], Awaitable[ASGIApp]]
"""
Serve one request of an owner (a principal's ID), or raise an `OutcropError`.
"""


class WrongMediaType(RequestError):
    """
    Refuse a body that is not JSON: what a page on another site can send without being asked is never JSON.
    """

    status = 415


class JsonEndpoint:
    """
    Be the ASGI application of one route: authenticate, authorise, serve, and tell of errors in JSON.
    """

    def __init__(self, services: Services, action: Action, serve: Serve) -> None:
        self.action = action
        self._services = services
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        request = Request(scope, receive, send)
        try:
            principal = self._services.authenticator.authenticate(scope["headers"])
            authorise(principal, self.action)
            if request.method == "POST":
                require_json(request)
            response = await self._serve(request, principal.principal_id)
        except OutcropError as error:
            response = error_response(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


def error_response(error: OutcropError, *, status: int | None = None) -> Response:
    """
    Tell of an error: its status, and JSON that a program can act on.
    """
    headers = dict(NO_STORE)
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return json_response({"error": describe_error(error)}, status or error.status, headers)


def describe_error(error: OutcropError) -> dict[str, Any]:
    """
    Describe an error in JSON's values.
    """
    seconds = error.retry_after_seconds
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "retryAfterMs": None if seconds is None else round(seconds * 1000),
    }


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """
    Answer in JSON; nothing may keep a copy.
    """
    return Response(msgspec.json.encode(body), status, headers or NO_STORE, media_type="application/json")


def require_json(request: Request) -> None:
    """
    Refuse a request whose Content-Type is not JSON.

    Raises:
        WrongMediaType: it is another, or none.
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise WrongMediaType(f"the Content-Type is {given[:80]!r}, expected application/json")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """
    Read a body, no further than its bound.

    Raises:
        RequestTooLarge: it is longer.
        ClientDisconnect: the client has gone.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise RequestTooLarge(f"the body is longer than {max_bytes} bytes, which is the limit")
    return bytes(body)


def check_name(name: str, what: str) -> str:
    """
    Return an ID that a client wrote, if it can be one.

    Raises:
        RequestError: it is empty, too long, or holds control characters.
    """
    if not 0 < len(name) <= MAX_ID_CHARACTERS:
        raise RequestError(f"{what} has {len(name)} characters, expected 1 to {MAX_ID_CHARACTERS}")
    if not name.isprintable():
        raise RequestError(f"{what} holds characters that can't be printed")
    return name
