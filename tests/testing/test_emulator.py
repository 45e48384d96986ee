"""
The emulator in a thread.
"""

import socket

import pytest

from outcrop.emulator.settings import EmulatorConfig
from outcrop.testing.emulator import run_emulator


def test_nothing_listens_after_the_context() -> None:
    """
    When the context closes, the port is free again.
    """
    with run_emulator(EmulatorConfig()) as emulator:
        port = int(emulator.endpoint_url.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_taken_port_is_an_error() -> None:
    """
    An address that can't be bound raises where the context is opened.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = EmulatorConfig(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"), run_emulator(config):
            pass
