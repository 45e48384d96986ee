"""
The route of the native chat protocol's WebSocket: `WS /api/chat`.
"""

from functools import partial

from starlette.types import Scope

from outcrop.accounts.authorise import authorise
from outcrop.server.chat_session import ChatSession
from outcrop.server.direct import DirectSocket
from outcrop.server.sockets import SocketEndpoint
from outcrop.server.starting import start_chat


class ChatEndpoint(SocketEndpoint):
    """
    Serve `WS /api/chat`.
    """

    def open(self, scope: Scope, socket: DirectSocket) -> ChatSession:
        """
        Make the session. The caller's rights are looked up again for every frame. See `SocketEndpoint.open`.
        """
        services = self._services
        headers, subprotocols = scope["headers"], scope["subprotocols"]

        def identify() -> str:
            principal = services.authenticator.authenticate(headers, subprotocols)
            authorise(principal, self.action)
            return principal.principal_id

        subscribe = partial(services.news.subscribe, identify())
        # A frame holds a whole conversation, so the bound is another than that of a raw prompt; a little more than the
        # bound itself, so that ours is the error that a client sees.
        socket.conn.max_message_size = services.chat_limits.max_frame_bytes + (64 << 10)
        limits = services.chat_limits
        start = partial(start_chat, services, grace_seconds=limits.grace_seconds)
        return ChatSession(socket, services.turns, start, subscribe, limits, identify)
