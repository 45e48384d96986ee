"""
The Bedrock dialect: Converse, InvokeModel and CountTokens, for AWS's SDKs with only the endpoint changed.

A client of this dialect can't come back for an answer: when it goes, its answer is stopped.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from outcrop.accounts.authorise import Action
from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.stream import render_message
from outcrop.dialects.bedrock.chunks import answer_headers, find_usage
from outcrop.dialects.bedrock.invoke import encode_count, parse_count_tokens, parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.bedrock.stream import ConverseFrames, render_answer
from outcrop.server.bedrock_endpoint import BedrockCaller, BedrockEndpoint, Serve
from outcrop.server.bedrock_views import ClaudeView, ConverseView, PayloadView, find_latency_ms, to_claude_opening
from outcrop.server.chat_http import read_body
from outcrop.server.follow import View, open_answer, read_to_end
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.services import Services
from outcrop.server.starting import find_conversation_id, start_turn
from outcrop.types import ChatRequest, NativePayload, StreamFailed

EVENT_STREAM = "application/vnd.amazon.eventstream"


class BedrockRoutes:
    """
    Serve the operations of Bedrock Runtime.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        return [
            self._route("converse", self.converse),
            self._route("converse-stream", self.converse_stream, media_type=EVENT_STREAM),
            self._route("invoke", self.invoke),
            self._route("invoke-with-response-stream", self.invoke_stream, media_type=EVENT_STREAM),
            self._route("count-tokens", self.count, action="count_tokens"),
        ]

    def _route(
        self, name: str, serve: Serve, *, action: Action = "chat", media_type: str = "application/json"
    ) -> Route:
        endpoint = BedrockEndpoint(self._services, serve, action=action, media_type=media_type)
        return Route(f"/model/{{model_id:path}}/{name}", endpoint, methods=["POST"])

    async def converse(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer Converse.
        """
        call = parse_converse(await self._read(request), model=self._model(request), stream=False)
        turn_id = await self._start(request, caller, call.chat)
        status, entries = await read_to_end(self._services, turn_id, owner=caller.owner, receive=request.receive)
        if isinstance(failure := entries[-1].event, StreamFailed):
            return caller.refuse(failure, turn_id)
        tells = call.tells_stop_sequence
        body = render_answer(entries, latency_ms=find_latency_ms(status), tells_stop_sequence=tells)
        return Response(body, 200, caller.headers(turn_id))

    async def converse_stream(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer ConverseStream.
        """
        call = parse_converse(await self._read(request), model=self._model(request), stream=True)
        turn_id = await self._start(request, caller, call.chat)
        view = ConverseView(ConverseFrames(tells_stop_sequence=call.tells_stop_sequence))
        return await open_answer(self._services, request, caller, turn_id, view, ping=b"")

    async def count(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer CountTokens.
        """
        services = self._services
        call = parse_count_tokens(await self._read(request), model=self._model(request))
        chat = msgspec.structs.replace(call.chat, native_body=call.native_body)
        count = await services.counter.count(chat, receive=request.receive, is_draining=services.turns.draining)
        return Response(encode_count(count), 200, caller.headers())

    async def invoke(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer InvokeModel: the model's own body, or Claude's message.
        """
        chat = await self._read_invoke(request, stream=False)
        turn_id = await self._start(request, caller, chat)
        status, entries = await read_to_end(self._services, turn_id, owner=caller.owner, receive=request.receive)
        if isinstance(failure := entries[-1].event, StreamFailed):
            return caller.refuse(failure, turn_id)
        payloads = [entry.event.payload for entry in entries if isinstance(entry.event, NativePayload)]
        body = payloads[0] if payloads else render_message(entries, to_claude_opening(status))
        counts = answer_headers(find_usage(entries), latency_ms=find_latency_ms(status))
        named = {name.decode(): value.decode() for name, value in counts}
        return Response(body, 200, {**caller.headers(turn_id), **named})

    async def invoke_stream(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer InvokeModelWithResponseStream: the model's own payloads, or Claude's events.
        """
        chat = await self._read_invoke(request, stream=True)
        turn_id = await self._start(request, caller, chat)
        view: View = ClaudeView() if chat.native_body is None else PayloadView()
        return await open_answer(self._services, request, caller, turn_id, view, ping=b"")

    def _model(self, request: Request) -> ResolvedModel:
        return self._services.turns.check_model(str(request.path_params["model_id"]))

    async def _read(self, request: Request) -> bytes:
        return await read_body(request, self._services.chat_limits.max_frame_bytes)

    async def _read_invoke(self, request: Request, *, stream: bool) -> ChatRequest:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await self._read(request)
        call = parse_invoke(body, headers=headers, model=self._model(request), stream=stream)
        if call.native_body is None:
            return call.chat
        return msgspec.structs.replace(call.chat, native_body=call.native_body)

    async def _start(self, request: Request, caller: BedrockCaller, chat: ChatRequest) -> str:
        started = await start_turn(
            self._services,
            chat,
            owner=caller.owner,
            conversation_id=find_conversation_id(request.scope["headers"]),
            grace_seconds=0,
            whole=not chat.stream,
            key=find_idempotency_key(request.scope["headers"]),
        )
        return started.turn_id
