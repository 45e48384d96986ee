"""
uvicorn's HTTP/1.1, whose connections end also where the client reads nothing.
"""

import zttp
from uvicorn.protocols.http.zttp_impl import ZttpProtocol

from outcrop.http.unread import WatchedProtocol


class PatientH1Protocol(WatchedProtocol, ZttpProtocol):
    """
    Be uvicorn's HTTP/1.1, and look after every connection that is closed.
    """

    def data_received(self, data: bytes) -> None:
        """
        Take bytes; bad ones end the connection.
        """
        super().data_received(data)
        self._watch_if_closing()

    def handle_websocket_upgrade(self, event: zttp.Request) -> None:
        """
        Leave the connection to a socket.
        """
        self.watch.stop()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """
        Go on with the next request, or end.
        """
        super().on_response_complete()
        self._watch_if_closing()

    def shutdown(self) -> None:
        """
        Close the connection if it is idle, or when it is.
        """
        super().shutdown()
        self._watch_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        """
        Close the connection when all is sent.
        """
        super().timeout_keep_alive_handler()
        self._watch_if_closing()
