"""
Tests of `outcrop.emulator.server`: starting, stopping, and running as a process.
"""

import asyncio
import contextlib
import json
import signal
import sys
from typing import Any

import pytest

from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig

LLAMA = "meta.llama3-70b-instruct-v1:0"


async def test_stopping_ends_the_calls_under_way(wire: Any) -> None:
    """
    A server that stops leaves no call and no task behind.
    """
    await wire.add_fault(kind="silence", where="after_tokens", seconds=60, tokens=2)
    reader, writer = await wire.open(
        "POST", f"/model/{LLAMA}/invoke-with-response-stream", json.dumps({"prompt": "emulate 9 tokens"}).encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(2):
        await wire.server.stop()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
    writer.close()
    assert [task for task in asyncio.all_tasks() if "Emulator" in repr(task) or "Line" in repr(task)] == []


async def test_a_taken_port_is_an_error(wire: Any) -> None:
    """
    An address that can't be bound is the caller's to handle; nothing exits.
    """
    with pytest.raises(OSError, match="address already in use"):
        await EmulatorServer(EmulatorConfig(port=wire.server.port)).start()


async def test_stopping_twice_is_harmless() -> None:
    """
    Stop can be called again, and before start.
    """
    server = EmulatorServer(EmulatorConfig())
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_an_ipv6_host_has_its_brackets() -> None:
    """
    The endpoint of an IPv6 address is a valid URL.
    """
    server = EmulatorServer(EmulatorConfig(host="::1"))
    await server.start()
    assert server.url == f"http://[::1]:{server.port}"
    await server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """
    SIGTERM and SIGINT end the process with code 0 and without a word.
    """
    code = (
        "from outcrop.emulator.server import run; from outcrop.emulator.settings import EmulatorConfig; "
        "run(EmulatorConfig())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    assert line.startswith(b"emulator listens on http://127.0.0.1:")
    process.send_signal(number)
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, errors) == (0, b"")
