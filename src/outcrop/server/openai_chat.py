"""
Chat Completions: `POST /v1/chat/completions`, and one model of `/v1/models`.

A client of this dialect can't come back for an answer: when it goes, its answer is stopped.
"""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.chat_stream import ChatAnswerOpening, ChatChunkRenderer, encode_chat_completion
from outcrop.dialects.openai.errors import to_error_object
from outcrop.errors import StoreError
from outcrop.server.follow import open_answer, read_to_end
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.openai_http import (
    Caller,
    OpenAiEndpoint,
    answer_json,
    answer_value,
    make_route,
    read_json,
)
from outcrop.server.services import Services
from outcrop.server.starting import find_conversation_id, start_turn
from outcrop.turns.endings import to_failure
from outcrop.turns.records import TurnStatus
from outcrop.types import LogEntry, StreamFailed


class ChatCompletionsRoutes:
    """
    Serve `POST /v1/chat/completions` and `GET /v1/models/{model}`.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        services = self._services
        return [
            make_route("/v1/chat/completions", "POST", OpenAiEndpoint(services, "chat", self.create)),
            make_route("/v1/models/{model:path}", "GET", OpenAiEndpoint(services, "list_models", self.describe)),
        ]

    async def create(self, request: Request, caller: Caller) -> ASGIApp:
        """
        Answer, in chunks or whole; or follow the turn that began with the same idempotency key.
        """
        services = self._services
        call = parse_chat_completion(await read_json(request, services.chat_limits.max_frame_bytes))
        started = await start_turn(
            services,
            call.request,
            owner=caller.owner,
            conversation_id=find_conversation_id(request.scope["headers"]),
            grace_seconds=0,
            whole=not call.stream,
            key=find_idempotency_key(request.scope["headers"]),
        )
        if call.stream:
            view = ChatView(include_usage=call.include_usage)
            return await open_answer(services, request, caller, started.turn_id, view)
        status, entries = await read_to_end(services, started.turn_id, owner=caller.owner, receive=request.receive)
        terminal = entries[-1].event
        if isinstance(terminal, StreamFailed):
            return caller.refuse(terminal, started.turn_id)
        body = encode_chat_completion(_to_opening(status), entries, status.summary.usage if status.summary else None)
        return answer_json(body, caller, started.turn_id)

    async def describe(self, request: Request, caller: Caller) -> ASGIApp:
        """
        Describe one model, as the list does.
        """
        name = str(request.path_params["model"])
        listed = {model.name: model.provider for model in self._services.models.listed}
        provider = listed.get(name) or self._services.turns.check_model(name).base_id.partition(".")[0]
        return answer_value({"id": name, "object": "model", "created": 0, "owned_by": provider}, caller)


class ChatView:
    """
    Render one turn as chunks, then `[DONE]`.
    """

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._renderer: ChatChunkRenderer | None = None

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        if self._renderer is None:
            self._renderer = ChatChunkRenderer(_to_opening(status, include_usage=self._include_usage))
        chunks = self._renderer.render(entries)
        if self._renderer.terminal is None:
            return chunks
        return chunks + self._renderer.close(status.summary.usage if status.summary else None)

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return b"data: %s\n\n" % msgspec.json.encode({"error": to_error_object(to_failure(error))})


def _to_opening(status: TurnStatus, *, include_usage: bool = False) -> ChatAnswerOpening:
    opening = status.opening
    return ChatAnswerOpening(
        turn_id=opening.turn_id, model=opening.model, created=int(opening.started_at), include_usage=include_usage
    )
