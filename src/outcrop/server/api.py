"""
The JSON API under `/api`: each operation declares what it takes and gives, once, for the server and for its document.

A call is checked against the declared types before it is served, so the OpenAPI document (`server/openapi.py`) can't
say anything else than what is true.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outcrop.accounts.authorise import Action, authorise
from outcrop.errors import NotAllowed, NotAuthenticated, OutcropError, RequestError, RequestTooLarge, StoreError
from outcrop.server.chat_http import (
    NO_STORE,
    WrongMediaType,
    check_name,
    error_response,
    read_body,
    require_json,
)
from outcrop.server.services import Services

MAX_BODY_BYTES = 64 << 10
COMMON_ERRORS: tuple[type[OutcropError], ...] = (RequestError, NotAuthenticated, NotAllowed, StoreError)
BODY_ERRORS: tuple[type[OutcropError], ...] = (WrongMediaType, RequestTooLarge)

Method = Literal["GET", "POST", "PATCH", "DELETE"]


class NotModified(msgspec.Struct, frozen=True):
    """
    Answer that the caller's copy is still true.
    """

    etag: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold an answer: a value of a declared type, or None where the status says it all.
    """

    body: Any = None
    status: int = 200
    etag: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a checked call: whose it is, the names in its path, its query and its body as the declared types.
    """

    request: Request
    owner: str
    names: Mapping[str, str]
    query: Any
    body: Any

    def name(self, name: str) -> str:
        """
        Return one of the names in the path.
        """
        return self.names[name]


Serve = Callable[[Call], Awaitable[Reply | NotModified | ASGIApp]]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what an operation answers: the type of its JSON, or the media type of what is not declared by a type.
    """

    says: str
    type: Any = None
    media_type: str = "application/json"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Declare one operation.

    Attributes:
        name: unique, for clients that are generated.
        summary: one line; `says` may add a paragraph.
        query: a struct of what may stand in the query; nothing else may.
        body: a struct, where a JSON body is taken, of at most `max_body_bytes`; `body_name` is what errors call it.
        errors: kinds of errors besides those that every operation has.
        headers: request headers that mean something here: name → what.
    """

    method: Method
    path: str
    action: Action
    name: str
    summary: str
    serve: Serve
    given: Mapping[int, Given]
    tag: str
    says: str = ""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_name: str = "body"
    max_body_bytes: int = MAX_BODY_BYTES
    errors: tuple[type[OutcropError], ...] = ()
    headers: Mapping[str, str] = {}


class ApiEndpoint:
    """
    Be the ASGI application of one operation: authenticate, authorise, check, serve, and tell of errors in JSON.
    """

    def __init__(self, services: Services, operation: Operation) -> None:
        self.action = operation.action
        self._services = services
        self._operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        request = Request(scope, receive, send)
        try:
            principal = self._services.authenticator.authenticate(scope["headers"])
            authorise(principal, self.action)
            call = await self._check(request, principal.principal_id)
            response = _to_response(await self._operation.serve(call))
        except OutcropError as error:
            response = error_response(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _check(self, request: Request, owner: str) -> Call:
        operation = self._operation
        names = {name: check_name(str(value), name) for name, value in request.path_params.items()}
        query = _read_query(request, operation.query)
        body = None
        if operation.body is not None:
            require_json(request)
            body = _decode(await read_body(request, operation.max_body_bytes), operation.body, operation.body_name)
        return Call(request=request, owner=owner, names=names, query=query, body=body)


def build_api_routes(services: Services, operations: list[Operation]) -> list[Route]:
    """
    Make the routes of operations.
    """
    routes = []
    for operation in operations:
        route = Route(operation.path, ApiEndpoint(services, operation), methods=[operation.method])
        # Starlette adds HEAD to GET, which no operation declares.
        (route.methods or set()).discard("HEAD")
        routes.append(route)
    return routes


def _read_query(request: Request, declared: type[msgspec.Struct] | None) -> Any:
    given = request.query_params.multi_items()
    known = [] if declared is None else [field.encode_name for field in msgspec.structs.fields(declared)]
    for name, _ in given:
        if name not in known:
            raise RequestError(f"the query has the unknown field {name[:40]!r}, expected {_one_of(known)}")
    if len({name for name, _ in given}) != len(given):
        raise RequestError("the query has a field twice")
    if declared is None:
        return None
    try:
        return msgspec.convert(dict(given), declared, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError(f"the query is wrong: {_explain(error)}") from error


def _decode(content: bytes, declared: type[msgspec.Struct], name: str) -> Any:
    try:
        return msgspec.json.decode(content, type=declared)
    except msgspec.ValidationError as error:
        raise RequestError(f"the {name} is wrong: {_explain(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the {name} is not JSON") from error


def _explain(error: msgspec.ValidationError) -> str:
    message = str(error)
    return message[0].lower() + message[1:]


def _one_of(names: list[str]) -> str:
    return f"one of {', '.join(names)}" if names else "none"


def _to_response(reply: Reply | NotModified | ASGIApp) -> ASGIApp:
    if isinstance(reply, NotModified):
        return Response(status_code=304, headers={**NO_STORE, "etag": reply.etag})
    if not isinstance(reply, Reply):
        return reply
    headers = {**NO_STORE, **({} if reply.etag is None else {"etag": reply.etag, "cache-control": "no-cache, private"})}
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    content = msgspec.json.encode(reply.body)
    return Response(content, reply.status, headers, media_type="application/json")
