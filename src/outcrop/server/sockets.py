"""
The WebSocket routes.
"""

import asyncio
from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import structlog
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from outcrop.accounts.authenticate import SUBPROTOCOL
from outcrop.accounts.authorise import Action, authorise
from outcrop.dialects.raw import parse_query, to_close
from outcrop.errors import OutcropError
from outcrop.server.direct import EXTENSION, DirectSocket
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.raw_session import RawSession
from outcrop.server.services import Services, Session
from outcrop.server.starting import find_conversation_id, start_turn
from outcrop.turns.endings import to_failure

logger = structlog.get_logger(__name__)


class SocketEndpoint(ABC):
    """
    Serve one WebSocket route: count its sockets, refuse and close them with a reason.
    """

    action: Action = "chat"

    def __init__(self, services: Services) -> None:
        self._services = services

    @abstractmethod
    def open(self, scope: Scope, socket: DirectSocket) -> Session:
        """
        Authorise the handshake and make the session; it must not begin before `run`.

        Raises:
            OutcropError: the socket is closed with this reason.
        """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Accept a socket, serve it until it ends, and close it with the reason.
        """
        await receive()
        services = self._services
        if len(services.sessions) >= services.settings.max_sockets:
            await _reject(scope, receive, send, f"{len(services.sessions)} sockets are open, which is the limit")
            return
        socket: DirectSocket = scope["extensions"][EXTENSION]
        try:
            session = self.open(scope, socket)
        except OutcropError as error:
            await send(_accept(scope))
            await _close(send, receive, to_close(to_failure(error)))
            return
        services.open_session(session)
        socket.listener = session
        try:
            await send(_accept(scope))
            await self._serve(session, socket, receive, send)
        finally:
            services.close_session(session)
            session.on_gone()

    async def _serve(self, session: Session, socket: DirectSocket, receive: Receive, send: Send) -> None:
        closing = await session.run()
        if closing is None:
            return
        logger.info("socket closed", close_code=closing[0])
        socket.listener = None
        # A peer that reads nothing would keep the close frame waiting behind its unsent answer for ever.
        drop = asyncio.get_running_loop().call_later(self._services.settings.slow_reader_timeout_seconds, socket.abort)
        try:
            await _close(send, receive, closing)
        finally:
            drop.cancel()


class RawEndpoint(SocketEndpoint):
    """
    Serve `WS /ws/model`.
    """

    def open(self, scope: Scope, socket: DirectSocket) -> RawSession:
        """
        Parse the query and make the session. See `SocketEndpoint.open`.
        """
        services = self._services
        principal = services.authenticator.authenticate(scope["headers"], scope["subprotocols"])
        authorise(principal, self.action)
        options = parse_query(scope["query_string"])
        services.turns.check_model(options.model)
        start = partial(
            start_turn,
            services,
            owner=principal.principal_id,
            conversation_id=find_conversation_id(scope["headers"]),
            grace_seconds=0,
        )
        return RawSession(
            socket,
            options,
            services.turns,
            services.raw_limits,
            start,
            owner=principal.principal_id,
            idempotency_key=find_idempotency_key(scope["headers"]),
        )


def _accept(scope: Scope) -> dict[str, Any]:
    chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
    return {"type": "websocket.accept", "subprotocol": chosen, "headers": []}


async def _close(send: Send, receive: Receive, closing: tuple[int, str]) -> None:
    code, reason = closing
    await send({"type": "websocket.close", "code": code, "reason": reason})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _reject(scope: Scope, receive: Receive, send: Send, message: str) -> None:
    response = JSONResponse({"error": {"code": "overloaded", "message": message}}, status_code=503)
    await response(scope, receive, send)
