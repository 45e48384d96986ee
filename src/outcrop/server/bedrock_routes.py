"""
The Bedrock dialect: Converse and InvokeModel, whole and streaming, for AWS's SDKs with only the endpoint changed.

A client of this dialect can't come back for an answer: when it goes, its answer is stopped. Keys travel as bearer
tokens (`AWS_BEARER_TOKEN_BEDROCK`); where no keys are configured any signature is welcome. Signatures made with keys
that we issue, CountTokens and the control plane's lists are not served.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from outcrop.accounts.authorise import Action, authorise
from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.stream import AnthropicOpening, render_message
from outcrop.dialects.bedrock.chunks import AnthropicChunks, answer_headers, encode_chunk, find_usage
from outcrop.dialects.bedrock.errors import Failure, StreamKind, encode_error, encode_exception_frame
from outcrop.dialects.bedrock.invoke import parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.bedrock.stream import ConverseFrames, render_answer
from outcrop.errors import OutcropError, StoreError
from outcrop.server.chat_http import NO_STORE, read_body
from outcrop.server.follow import View, open_answer, read_to_end
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.services import Services
from outcrop.turns.endings import to_failure
from outcrop.turns.records import TurnStatus
from outcrop.types import ChatRequest, LogEntry, MessageStop, NativePayload, StreamFailed

EVENT_STREAM = "application/vnd.amazon.eventstream"


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


Serve = Callable[[Request, BedrockCaller, ResolvedModel], Awaitable[ASGIApp]]


class BedrockEndpoint:
    """
    Be the ASGI application of one operation: authenticate, authorise, serve, and tell of errors as Bedrock does.
    """

    action: Action = "chat"

    def __init__(self, services: Services, serve: Serve, media_type: str) -> None:
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
            principal = self._services.authenticator.authenticate(scope["headers"])
            authorise(principal, self.action)
            model = self._services.turns.check_model(str(request.path_params["model_id"]))
            caller = BedrockCaller(principal.principal_id, caller.request_id, self._media_type)
            response = await self._serve(request, caller, model)
        except OutcropError as error:
            response = caller.refuse(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


class BedrockRoutes:
    """
    Serve the four operations.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        operations = {
            "converse": (self.converse, "application/json"),
            "converse-stream": (self.converse_stream, EVENT_STREAM),
            "invoke": (self.invoke, "application/json"),
            "invoke-with-response-stream": (self.invoke_stream, EVENT_STREAM),
        }
        return [
            Route(f"/model/{{model_id:path}}/{name}", BedrockEndpoint(self._services, *served), methods=["POST"])
            for name, served in operations.items()
        ]

    async def converse(self, request: Request, caller: BedrockCaller, model: ResolvedModel) -> ASGIApp:
        """
        Answer Converse.
        """
        call = parse_converse(await self._read(request), model=model, stream=False)
        turn_id = await self._start(request, caller, call.chat)
        status, entries = await read_to_end(self._services, turn_id, owner=caller.owner, receive=request.receive)
        if isinstance(failure := entries[-1].event, StreamFailed):
            return caller.refuse(failure, turn_id)
        tells = call.tells_stop_sequence
        body = render_answer(entries, latency_ms=_latency_ms(status), tells_stop_sequence=tells)
        return Response(body, 200, caller.headers(turn_id))

    async def converse_stream(self, request: Request, caller: BedrockCaller, model: ResolvedModel) -> ASGIApp:
        """
        Answer ConverseStream.
        """
        call = parse_converse(await self._read(request), model=model, stream=True)
        turn_id = await self._start(request, caller, call.chat)
        view = ConverseView(ConverseFrames(tells_stop_sequence=call.tells_stop_sequence))
        return await open_answer(self._services, request, caller, turn_id, view, ping=b"")

    async def invoke(self, request: Request, caller: BedrockCaller, model: ResolvedModel) -> ASGIApp:
        """
        Answer InvokeModel: the model's own body, or Claude's message.
        """
        chat = await self._read_invoke(request, model, stream=False)
        turn_id = await self._start(request, caller, chat)
        status, entries = await read_to_end(self._services, turn_id, owner=caller.owner, receive=request.receive)
        if isinstance(failure := entries[-1].event, StreamFailed):
            return caller.refuse(failure, turn_id)
        payloads = [entry.event.payload for entry in entries if isinstance(entry.event, NativePayload)]
        body = payloads[0] if payloads else render_message(entries, _to_opening(status))
        counts = answer_headers(find_usage(entries), latency_ms=_latency_ms(status))
        named = {name.decode(): value.decode() for name, value in counts}
        return Response(body, 200, {**caller.headers(turn_id), **named})

    async def invoke_stream(self, request: Request, caller: BedrockCaller, model: ResolvedModel) -> ASGIApp:
        """
        Answer InvokeModelWithResponseStream: the model's own payloads, or Claude's events.
        """
        chat = await self._read_invoke(request, model, stream=True)
        turn_id = await self._start(request, caller, chat)
        view: View = ClaudeView() if chat.native_body is None else PayloadView()
        return await open_answer(self._services, request, caller, turn_id, view, ping=b"")

    async def _read(self, request: Request) -> bytes:
        return await read_body(request, self._services.chat_limits.max_frame_bytes)

    async def _read_invoke(self, request: Request, model: ResolvedModel, *, stream: bool) -> ChatRequest:
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = parse_invoke(await self._read(request), headers=headers, model=model, stream=stream)
        if call.native_body is None:
            return call.chat
        return msgspec.structs.replace(call.chat, native_body=call.native_body)

    async def _start(self, request: Request, caller: BedrockCaller, chat: ChatRequest) -> str:
        started = await self._services.turns.start(
            chat,
            owner=caller.owner,
            grace_seconds=0,
            whole=not chat.stream,
            idempotency_key=find_idempotency_key(request.scope["headers"]),
        )
        return started.turn_id


class ConverseView:
    """
    Render one turn as frames of ConverseStream.
    """

    kind: StreamKind = "converse_stream"

    def __init__(self, frames: ConverseFrames) -> None:
        self._frames = frames

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        rendered = self._frames.render(entries)
        if _has_ended(entries):
            rendered += self._frames.close(latency_ms=_latency_ms(status))
        return rendered

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_exception_frame(to_failure(error), self.kind)


class ClaudeView:
    """
    Render one turn as Claude's native chunks.
    """

    def __init__(self) -> None:
        self._chunks: AnthropicChunks | None = None

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        if self._chunks is None:
            self._chunks = AnthropicChunks(_to_opening(status))
        rendered = self._chunks.render(entries)
        if _has_ended(entries):
            first = status.summary.ttft_ms if status.summary else None
            rendered += self._chunks.close(latency_ms=_latency_ms(status), first_byte_ms=first or 0)
        return rendered

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_exception_frame(to_failure(error), "invoke_stream")


class PayloadView:
    """
    Give a model's own payloads back, byte for byte.
    """

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:  # noqa: ARG002  part of the protocol
        """
        Render the next entries. See `sse.Render`.
        """
        frames = [encode_chunk(entry.event.payload) for entry in entries if isinstance(entry.event, NativePayload)]
        if entries and isinstance(failure := entries[-1].event, StreamFailed):
            frames.append(encode_exception_frame(failure, "invoke_stream"))
        return b"".join(frames)

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_exception_frame(to_failure(error), "invoke_stream")


def _has_ended(entries: Sequence[LogEntry]) -> bool:
    return bool(entries) and isinstance(entries[-1].event, MessageStop)


def _latency_ms(status: TurnStatus) -> int:
    return status.summary.duration_ms if status.summary else 0


def _to_opening(status: TurnStatus) -> AnthropicOpening:
    opening = status.opening
    return AnthropicOpening(turn_id=opening.turn_id, model=opening.model)
