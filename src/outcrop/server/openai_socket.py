"""
The route of the Responses dialect's WebSocket: `WS /v1/responses`.
"""

from starlette.types import Scope

from outcrop.accounts.authorise import authorise
from outcrop.dialects.openai.responses_socket import MAX_SOCKET_SECONDS
from outcrop.server.direct import DirectSocket
from outcrop.server.openai_session import ResponsesLimits, ResponsesSession
from outcrop.server.sockets import SocketEndpoint
from outcrop.server.starting import find_conversation_id


class ResponsesEndpoint(SocketEndpoint):
    """
    Serve `WS /v1/responses`. A socket ends after `max_seconds`.
    """

    max_seconds: float = MAX_SOCKET_SECONDS

    def open(self, scope: Scope, socket: DirectSocket) -> ResponsesSession:
        """
        Make the session. The caller's rights are looked up again for every event. See `SocketEndpoint.open`.
        """
        services = self._services
        headers, subprotocols = scope["headers"], scope["subprotocols"]

        def identify() -> str:
            principal = services.authenticator.authenticate(headers, subprotocols)
            authorise(principal, self.action)
            return principal.principal_id

        identify()
        bounds = services.chat_limits
        limits = ResponsesLimits(
            max_frame_bytes=bounds.max_frame_bytes,
            max_waiting_bytes=bounds.max_starting_bytes,
            max_seconds=self.max_seconds,
        )
        # A little more than the bound itself, so that ours is the error that a client sees.
        socket.conn.max_message_size = limits.max_frame_bytes + (64 << 10)
        return ResponsesSession(socket, services, limits, identify, conversation_id=find_conversation_id(headers))
