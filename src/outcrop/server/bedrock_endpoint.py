"""
What every operation of the Bedrock dialect has in common: who calls, under which request ID, and how errors are told.
"""

import uuid
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from outcrop.accounts.authorise import Action, authorise
from outcrop.dialects.bedrock.errors import Failure, encode_error
from outcrop.errors import OutcropError
from outcrop.server.chat_http import NO_STORE
from outcrop.server.services import Services
from outcrop.server.signed import authenticate_signed


class BedrockCaller(msgspec.Struct, frozen=True):
    """
    Say who asks (a principal's ID), how this one request is called, and what the answer is.
    """

    owner: str
    request_id: str
    media_type: str = "application/json"

    def headers(self, turn_id: str | None = None) -> dict[str, str]:
        """
        Return the headers of an answer, which name its request and its turn.
        """
        named = {} if turn_id is None else {"x-outcrop-turn-id": turn_id}
        kind = {"content-type": self.media_type, "x-amzn-bedrock-content-type": "application/json"}
        return {**NO_STORE, "x-amzn-requestid": self.request_id, **kind, **named}

    def refuse(self, failure: Failure, turn_id: str | None = None) -> Response:
        """
        Say what went wrong, before an answer has begun.
        """
        status, headers, body = encode_error(failure, self.request_id)
        named = {name.decode(): value.decode() for name, value in headers}
        return Response(body, status, {**self.headers(turn_id), **named})


Serve = Callable[[Request, BedrockCaller], Awaitable[ASGIApp]]


class BedrockEndpoint:
    """
    Be the ASGI application of one operation: authenticate, authorise, serve, and tell of errors as Bedrock does.
    """

    def __init__(
        self, services: Services, serve: Serve, *, action: Action = "chat", media_type: str = "application/json"
    ) -> None:
        self.action = action
        self._services = services
        self._serve = serve
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        request = Request(scope, receive, send)
        caller = BedrockCaller("", str(uuid.uuid4()))
        try:
            principal, request = await authenticate_signed(
                self._services.authenticator, request, max_body_bytes=self._services.chat_limits.max_frame_bytes
            )
            authorise(principal, self.action)
            caller = BedrockCaller(principal.principal_id, caller.request_id, self._media_type)
            response = await self._serve(request, caller)
        except OutcropError as error:
            response = caller.refuse(error)
        except ClientDisconnect:
            return
        await response(scope, request.receive, send)
