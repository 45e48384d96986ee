"""
The Anthropic dialect: `POST /v1/messages` and `POST /v1/messages/count_tokens`.

A client of this dialect can't come back for an answer: when it goes, its answer is stopped. The turn's ID is in the
header `x-outcrop-turn-id`, so that the turn can be seen, followed and stopped at `/api/turns`.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outcrop.accounts.authorise import Action, authorise
from outcrop.dialects.anthropic.errors import Failure, encode_error, to_error_object
from outcrop.dialects.anthropic.request import encode_count, parse_count_request, parse_messages_request
from outcrop.dialects.anthropic.stream import AnthropicOpening, AnthropicSse, render_message
from outcrop.errors import OutcropError, StoreError
from outcrop.server.chat_http import NO_STORE, read_body, require_json
from outcrop.server.follow import open_answer, read_to_end
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.services import Services
from outcrop.server.starting import find_conversation_id, start_turn
from outcrop.turns.endings import to_failure
from outcrop.turns.records import TurnStatus
from outcrop.types import LogEntry, StreamFailed


class AnthropicCaller(msgspec.Struct, frozen=True):
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
        return {**NO_STORE, "request-id": self.request_id, **named}

    def refuse(self, failure: Failure, turn_id: str | None = None) -> Response:
        """
        Say what went wrong, before an answer has begun.
        """
        status, headers, body = encode_error(failure, self.request_id)
        named = {name.decode(): value.decode() for name, value in headers}
        return Response(body, status, {**self.headers(turn_id), **named})


Serve = Callable[[Request, AnthropicCaller], Awaitable[ASGIApp]]


class AnthropicEndpoint:
    """
    Be the ASGI application of one operation: authenticate, authorise, serve, and tell of errors as Anthropic does.
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
            response = await self._serve(request, AnthropicCaller(principal.principal_id, request_id))
        except OutcropError as error:
            response = AnthropicCaller("", request_id).refuse(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


class AnthropicRoutes:
    """
    Serve messages, streaming or whole, and counts of their tokens.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        services = self._services
        counting = AnthropicEndpoint(services, "count_tokens", self.count)
        return [
            Route("/v1/messages", AnthropicEndpoint(services, "chat", self.answer), methods=["POST"]),
            Route("/v1/messages/count_tokens", counting, methods=["POST"]),
        ]

    async def count(self, request: Request, caller: AnthropicCaller) -> ASGIApp:
        """
        Count the tokens of a request's input.
        """
        services = self._services
        require_json(request)
        body = await read_body(request, services.chat_limits.max_frame_bytes)
        betas = request.headers.getlist("anthropic-beta")
        chat = parse_count_request(body, beta_headers=betas, resolve=services.turns.check_model)
        count = await services.counter.count(chat, receive=request.receive, is_draining=services.turns.draining)
        return Response(encode_count(count), 200, caller.headers(), media_type="application/json")

    async def answer(self, request: Request, caller: AnthropicCaller) -> ASGIApp:
        """
        Answer a conversation.
        """
        services = self._services
        require_json(request)
        body = await read_body(request, services.chat_limits.max_frame_bytes)
        betas = request.headers.getlist("anthropic-beta")
        chat = parse_messages_request(body, beta_headers=betas, resolve=services.turns.check_model)
        started = await start_turn(
            services,
            chat,
            owner=caller.owner,
            conversation_id=find_conversation_id(request.scope["headers"]),
            grace_seconds=0,
            whole=not chat.stream,
            key=find_idempotency_key(request.scope["headers"]),
        )
        if chat.stream:
            view = MessagesView(caller)
            return await open_answer(services, request, caller, started.turn_id, view)
        status, entries = await read_to_end(services, started.turn_id, owner=caller.owner, receive=request.receive)
        terminal = entries[-1].event
        if isinstance(terminal, StreamFailed):
            return caller.refuse(terminal, started.turn_id)
        message = render_message(entries, _to_opening(status, caller))
        return Response(message, 200, caller.headers(started.turn_id), media_type="application/json")


class MessagesView:
    """
    Render one turn as the events of a message.
    """

    def __init__(self, caller: AnthropicCaller) -> None:
        self._caller = caller
        self._renderer: AnthropicSse | None = None

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        if self._renderer is None:
            self._renderer = AnthropicSse(_to_opening(status, self._caller))
        return self._renderer.render(entries)

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        said = to_error_object(to_failure(error), self._caller.request_id)
        return b"event: error\ndata: %s\n\n" % msgspec.json.encode(said)


def _to_opening(status: TurnStatus, caller: AnthropicCaller) -> AnthropicOpening:
    opening = status.opening
    return AnthropicOpening(turn_id=opening.turn_id, model=opening.model, request_id=caller.request_id)
