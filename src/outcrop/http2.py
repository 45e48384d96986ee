"""
uvicorn's HTTP/2 with two changes: a connection that ends waits for its client twice.

The AWS SDK for JavaScript sends GOAWAY as soon as it has a stream's headers. uvicorn 0.54 then closes the connection
when the application is done, also while more than the client's window (64 KiB) still waits to be sent: the client sees
a cut stream ("Truncated event message received", SDK 3.1162.0, Node 24). Here the connection stays until all is sent.

And then it is closed in one direction only, until the client closes the other: the client's last WINDOW_UPDATE may be
under way, and a connection that is closed with unread bytes is reset, which the client can see before the last of the
answer ("read ECONNRESET", in two of six runs of 356 calls of the same SDK; in none of 14 since).

Both servers of this project speak it, the gateway and the emulator. There is nothing of Bedrock in it.
"""

from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol

LINGER_SECONDS = 2.0
"""
How long a client may take to close its side.
"""


class PatientProtocol(AutoZttpProtocol):
    """
    Serve HTTP/1.1 and HTTP/2 on one port.
    """

    def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
        if not http2:
            super()._switch(http2, initial_data)
            return
        protocol = PatientH2Protocol(self.config, self.server_state, self.app_state, self.loop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if initial_data:
            protocol.data_received(initial_data)


class PatientH2Protocol(ZttpH2Protocol):
    """
    Close a connection only when nothing waits for the client's window, or when the client has been idle too long.
    """

    _closes_when_sent = False
    _is_overdue = False
    _is_ended = False

    def data_received(self, data: bytes) -> None:
        """
        Take bytes; they may open the window for the last that waited. After the end they mean nothing.
        """
        if self._is_ended:
            return
        super().data_received(data)
        if self._closes_when_sent:
            self._close_connection()

    def timeout_keep_alive_handler(self) -> None:
        """
        Close in any case: the client has opened no window for as long as an idle connection may stand.
        """
        self._is_overdue = True
        super().timeout_keep_alive_handler()

    def _close_connection(self) -> None:
        if self.conn.has_pending_send() and not self._is_overdue:
            self._closes_when_sent = True
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            return
        if self._is_ended:
            return
        if not self.transport.can_write_eof():
            super()._close_connection()
            return
        self._is_ended = True
        self.conn.close()
        self.flush()
        self.transport.write_eof()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(LINGER_SECONDS, self.transport.close)
