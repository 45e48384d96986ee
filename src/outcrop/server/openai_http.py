"""
What the OpenAI routes share: errors as OpenAI writes them, who asks, and answers with the names of both.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outcrop.accounts.authorise import Action, authorise
from outcrop.dialects.openai.errors import Failure, encode_error
from outcrop.errors import OutcropError, RequestError
from outcrop.server.chat_http import NO_STORE, read_body, require_json
from outcrop.server.services import Services

JSON_TYPE = "application/json"


class Caller(msgspec.Struct, frozen=True):
    """
    Say who asks (a principal's ID), and how this one request is called.
    """

    owner: str
    request_id: str

    def headers(self, turn_id: str | None = None) -> dict[str, str]:
        """
        Return the headers of an answer, which name its request and its turn.
        """
        named = {} if turn_id is None else {"x-outcrop-turn-id": turn_id}
        return {**NO_STORE, "x-request-id": self.request_id, **named}

    def refuse(self, failure: Failure, turn_id: str | None = None) -> Response:
        """
        Say what went wrong, before an answer has begun.
        """
        return failure_response(failure, self.request_id, self.headers(turn_id))


Serve = Callable[[Request, Caller], Awaitable[ASGIApp]]
"""
Serve one request, or raise an `OutcropError`.
"""


class OpenAiEndpoint:
    """
    Be the ASGI application of one route: authenticate, authorise, serve, and tell of errors as OpenAI does.
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
        request_id = f"req_{secrets.token_hex(16)}"
        try:
            principal = self._services.authenticator.authenticate(scope["headers"])
            authorise(principal, self.action)
            response = await self._serve(request, Caller(principal.principal_id, request_id))
        except OutcropError as error:
            response = failure_response(error, request_id)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


def make_route(path: str, method: str, endpoint: OpenAiEndpoint) -> Route:
    """
    Make a route of one method.
    """
    route = Route(path, endpoint, methods=[method])
    # Starlette adds HEAD to GET: it would follow a turn to its end and show nothing.
    (route.methods or set()).discard("HEAD")
    return route


def failure_response(failure: Failure, request_id: str, headers: Mapping[str, str] = NO_STORE) -> Response:
    """
    Say what went wrong, before it is known who asks.
    """
    status, own, body = encode_error(failure, request_id)
    return Response(body, status, {**headers, **{name.decode(): value.decode() for name, value in own}})


def answer_json(body: bytes, caller: Caller, turn_id: str | None = None) -> Response:
    """
    Answer with JSON that is encoded already.
    """
    return Response(body, 200, caller.headers(turn_id), media_type=JSON_TYPE)


def answer_value(value: Any, caller: Caller) -> Response:
    """
    Answer with a value, as JSON.
    """
    return answer_json(msgspec.json.encode(value), caller)


async def read_json(request: Request, max_bytes: int) -> bytes:
    """
    Read a body that must be JSON.

    Raises:
        RequestError: it is something else, or too long.
        ClientDisconnect: the client has gone.
    """
    require_json(request)
    return await read_body(request, max_bytes)


def check_query(request: Request, known: frozenset[str]) -> None:
    """
    Refuse parameters that are not known, or given twice. Lists (`include[]`) may have many entries.

    Raises:
        RequestError: there is one.
    """
    for name in set(request.query_params):
        if name not in known or (not name.endswith("[]") and len(request.query_params.getlist(name)) > 1):
            raise RequestError(f"parameter {name[:40]!r} is unknown or given twice")
