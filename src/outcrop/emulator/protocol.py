"""
The HTTP protocol of the emulator: requests carry their connection's transport, so that faults can reach it.
"""

import asyncio

from outcrop.emulator.sending.line import TRANSPORT_KEY
from outcrop.http.protocol import PatientProtocol


class EmulatorProtocol(PatientProtocol):
    """
    Serve HTTP/1.1 and HTTP/2 on one port, each request with its connection's transport in its state.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """
        Put the transport where requests carry it.
        """
        self.app_state = {**self.app_state, TRANSPORT_KEY: transport}
        super().connection_made(transport)
