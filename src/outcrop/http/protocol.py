"""
HTTP/1.1 and HTTP/2 on one port, by uvicorn with the changes of the modules beside.
"""

from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol

from outcrop.http.http1 import PatientH1Protocol
from outcrop.http.http2 import PatientH2Protocol


class PatientProtocol(AutoZttpProtocol):
    """
    Serve HTTP/1.1 and HTTP/2 on one port.
    """

    slow_reader_timeout_seconds: float = 60.0
    """
    How long a client may take nothing of what is unsent.
    """

    def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
        served_by = PatientH2Protocol if http2 else PatientH1Protocol
        protocol = served_by(self.config, self.server_state, self.app_state, self.loop)
        protocol.slow_reader_timeout_seconds = self.slow_reader_timeout_seconds
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if initial_data:
            protocol.data_received(initial_data)
