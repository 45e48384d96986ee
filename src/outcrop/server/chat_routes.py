"""
The native chat protocol over HTTP: ask, resume and stop, with answers as server-sent events.
"""

import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from outcrop.dialects.chat.sse import SSE_DONE, SSE_HEADERS, encode_events
from outcrop.dialects.chat.turn import parse_chat_body
from outcrop.dialects.ui_stream.blocks import encode_part
from outcrop.dialects.ui_stream.endings import UiStreamClosing, render_ending
from outcrop.dialects.ui_stream.parts import MessageMetadata
from outcrop.dialects.ui_stream.renderer import UiStreamRenderer
from outcrop.errors import StoreError, UnknownTurn
from outcrop.server.chat_http import NO_STORE, JsonEndpoint, check_name, read_body
from outcrop.server.chat_run import find_to_resume, to_closing, to_opening
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.services import Services
from outcrop.server.sse import open_stream
from outcrop.server.starting import start_chat
from outcrop.server.turn_routes import stop_turn
from outcrop.turns.endings import to_failure
from outcrop.turns.records import TurnStatus
from outcrop.types import LogEntry


class ChatRoutes:
    """
    Serve `POST /api/chat` and what is below it.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = services.turns
        self._limits = services.chat_limits

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        services = self._services
        resume = Route("/api/chat/{chat_id}/stream", JsonEndpoint(services, "chat", self.resume), methods=["GET"])
        # Starlette adds HEAD to GET: it would follow a turn to its end and show nothing.
        (resume.methods or set()).discard("HEAD")
        return [
            Route("/api/chat", JsonEndpoint(services, "chat", self.send), methods=["POST"]),
            resume,
            Route("/api/chat/{chat_id}/stop", JsonEndpoint(services, "chat", self.stop), methods=["POST"]),
        ]

    async def send(self, request: Request, owner: str) -> ASGIApp:
        """
        Begin a turn, or follow the one that began with the same idempotency key.
        """
        turn = parse_chat_body(await read_body(request, self._limits.max_frame_bytes))
        key, grace_seconds = find_idempotency_key(request.scope["headers"]), self._limits.grace_seconds
        started = await start_chat(self._services, turn, owner=owner, grace_seconds=grace_seconds, key=key)
        return await self._follow(started.turn_id, owner)

    async def resume(self, request: Request, owner: str) -> ASGIApp:
        """
        Replay the chat's running turn from its beginning; 204 where there is none.
        """
        status = await self._find(request, owner)
        if status is None:
            return Response(status_code=204, headers=NO_STORE)
        return await self._follow(status.turn_id, owner)

    async def stop(self, request: Request, owner: str) -> ASGIApp:
        """
        Stop the chat's running turn; harmless when it has ended.
        """
        chat_id = _chat_id(request)
        status = await self._turns.find_chat(chat_id, owner=owner)
        if status is None:
            raise UnknownTurn(f"there is no turn of a chat {chat_id[:80]!r}")
        return await stop_turn(self._turns, status.turn_id, owner=owner)

    async def _find(self, request: Request, owner: str) -> TurnStatus | None:
        grace_seconds = self._limits.grace_seconds
        return await find_to_resume(
            self._turns, _chat_id(request), owner=owner, grace_seconds=grace_seconds, now=time.time()
        )

    async def _follow(self, turn_id: str, owner: str) -> ASGIApp:
        view = PartsView()
        return await open_stream(
            self._turns,
            turn_id,
            view.render,
            view.render_failure,
            owner=owner,
            headers=SSE_HEADERS,
        )


class PartsView:
    """
    Render one turn's entries as parts in events, then `[DONE]`.
    """

    def __init__(self) -> None:
        self._renderer: UiStreamRenderer | None = None

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        if self._renderer is None:
            self._renderer = UiStreamRenderer(to_opening(status))
        parts = self._renderer.render(entries)
        if self._renderer.terminal is None:
            return encode_events(parts)
        return encode_events([*parts, *self._renderer.close(to_closing(status))]) + SSE_DONE

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        parts = render_ending(to_failure(error), MessageMetadata(), UiStreamClosing(), has_step=False)
        return encode_events([encode_part(part) for part in parts]) + SSE_DONE


def _chat_id(request: Request) -> str:
    return check_name(str(request.path_params["chat_id"]), "the chat's ID")
