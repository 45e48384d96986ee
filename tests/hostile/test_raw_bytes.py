"""
Bytes that no decent WebSocket client sends, against a real gateway.
"""

import base64
import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Process, run_outcrop

PROMPT_LIMIT = 100_000


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[Process, str]]:
    """
    Run a gateway with a small limit for prompts.
    """
    environ = {"OUTCROP_MAX_PROMPT_BYTES": str(PROMPT_LIMIT)}
    pace = ["--first-token-ms", "0", "--tokens-per-second", "0"]
    with run_outcrop("serve", "--port", "0", "--emulate", *pace, environ=environ) as running:
        yield running


@pytest.fixture
def wire(gateway: tuple[Process, str]) -> Iterator[socket.socket]:
    """
    Open a raw socket that has been upgraded; afterwards the gateway must still answer others.
    """
    with connect(gateway[1]) as upgraded:
        upgrade(upgraded, gateway[1])
        yield upgraded
    with connect(gateway[1]) as other:
        other.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b'"ok"' in read_all(other)


def connect(url: str) -> socket.socket:
    """
    Open a TCP connection.
    """
    return socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=30)


def handshake(url: str, *extra: str, host: str | None = None) -> bytes:
    """
    Build the upgrade request.
    """
    lines = [
        "GET /ws/model?model=llama3&streaming=true&done=1 HTTP/1.1",
        f"Host: {host or url.removeprefix('http://')}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *extra,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def upgrade(wire: socket.socket, url: str) -> None:
    """
    Shake hands.
    """
    wire.sendall(handshake(url))
    assert read_until(wire, b"\r\n\r\n").startswith(b"HTTP/1.1 101")


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """
    Build a client's frame, decent or not.
    """
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        header = struct.pack("!BB", first, mask_bit | size)
    elif size < 65_536:
        header = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        header = struct.pack("!BBQ", first, mask_bit | 127, size)
    return header + (b"\0\0\0\0" if masked else b"") + payload


def read_until(wire: socket.socket, mark: bytes) -> bytes:
    """
    Read up to a mark.
    """
    found = b""
    while mark not in found:
        chunk = wire.recv(65_536)
        assert chunk, found
        found += chunk
    return found


def read_all(wire: socket.socket) -> bytes:
    """
    Read to the end, however it comes.
    """
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := wire.recv(65_536):
            found += chunk
    return found


def close_code(received: bytes) -> int:
    """
    Take the code out of the close frame, the last thing received.
    """
    position = 0
    while position < len(received):
        opcode, size = received[position] & 0x0F, received[position + 1] & 0x7F
        position += 2
        if size == 126:
            size = struct.unpack_from("!H", received, position)[0]
            position += 2
        if opcode == 8:
            return int(struct.unpack_from("!H", received, position)[0])
        position += size
    raise AssertionError(f"no close frame in {received!r}")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"hello", masked=False), 1002),
        (frame(1, b"hello", reserved=4), 1002),
        (frame(3, b"hello"), 1002),
        (frame(11, b""), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(9, b"x", fin=False), 1002),
        (frame(0, b"hello"), 1002),
        (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"\xed\xa0\x80"), 1007),
        (frame(8, b"\x00"), 1002),
        (frame(8, struct.pack("!H", 1005)), 1002),
        (frame(8, struct.pack("!H", 1000) + b"\xff"), 1007),
        (b"\x81\xff" + struct.pack("!Q", 1 << 62), 4413),
        (b"\x81\xff" + struct.pack("!Q", (1 << 64) - 1), 4413),
        (b"\x82\xff" + struct.pack("!Q", PROMPT_LIMIT + (65 << 10)), 4413),
    ],
)
def test_a_bad_frame_closes_the_socket(wire: socket.socket, sent: bytes, code: int) -> None:
    """
    A frame that breaks the protocol closes the socket with the protocol's code; a length that lies costs no memory.
    """
    wire.sendall(sent)
    assert close_code(read_all(wire)) == code


def test_endless_continuations_are_bounded(wire: socket.socket, gateway: tuple[Process, str]) -> None:
    """
    A message that never ends is cut off at the limit.
    """
    before = resident_bytes(gateway[0])
    wire.sendall(frame(1, b"x" * 1000, fin=False))
    with contextlib.suppress(ConnectionError):
        for _ in range(20_000):
            wire.sendall(frame(0, b"x" * 1000, fin=False))
    received = b""
    with contextlib.suppress(ConnectionError):
        received = read_all(wire)
    assert resident_bytes(gateway[0]) - before < 16 << 20
    assert not received or close_code(received) == 4413


def test_empty_continuations_are_bounded(wire: socket.socket, gateway: tuple[Process, str]) -> None:
    """
    Empty pieces without end do not fill memory.
    """
    before = resident_bytes(gateway[0])
    wire.sendall(frame(1, b"x", fin=False))
    with contextlib.suppress(ConnectionError):
        for _ in range(300):
            wire.sendall(frame(0, b"", fin=False) * 1000)
    assert resident_bytes(gateway[0]) - before < 16 << 20


def test_pings_that_nobody_reads_are_bounded(wire: socket.socket, gateway: tuple[Process, str]) -> None:
    """
    A client that sends pings and reads no pongs does not fill the server's memory.
    """
    before = resident_bytes(gateway[0])
    pings = frame(9, b"x" * 125) * 500
    wire.settimeout(2)
    with contextlib.suppress(OSError):
        for _ in range(600):
            wire.sendall(pings)
    assert resident_bytes(gateway[0]) - before < 16 << 20


def test_random_bytes_after_the_upgrade(gateway: tuple[Process, str]) -> None:
    """
    Noise ends its own socket only.
    """
    for _ in range(50):
        with connect(gateway[1]) as noisy:
            upgrade(noisy, gateway[1])
            noisy.sendall(os.urandom(300))
            noisy.settimeout(5)
            with contextlib.suppress(OSError):
                noisy.shutdown(socket.SHUT_WR)
                read_all(noisy)
    with connect(gateway[1]) as other:
        upgrade(other, gateway[1])
        other.sendall(frame(1, b"hello"))
        assert b"simulated" in read_until(other, b"simulated")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /ws/model?model=llama3 HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET /ws/model?model=llama3 HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        b"GET /ws/model?model=llama3 HTTP/1.1\r\n",
        b"GET /ws/model?model=llama3 HTTP/1.1\r\nHost: localhost/../#@evil\r\n",
        b"GET /ws/model?model=llama3 HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n",
        b"GET /ws/model?model=llama3 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil\r\n",
        b"GET /ws/model?model=llama3 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost.evil.example\r\n",
        b"GET http://evil.example/ws/model?model=llama3 HTTP/1.1\r\nHost: evil.example\r\n",
    ],
)
def test_a_foreign_handshake_is_refused(gateway: tuple[Process, str], request_bytes: bytes) -> None:
    """
    A handshake with a foreign, doubled or malformed Host or Origin gets no socket.
    """
    rest = handshake(gateway[1]).split(b"\r\n", 2)[2]
    with connect(gateway[1]) as stranger:
        stranger.sendall(request_bytes + rest)
        status = stranger.recv(65_536)
    assert status.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403")), status[:100]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad\x00Name: x\r\n\r\n",
    ],
)
def test_a_malformed_request_is_refused(gateway: tuple[Process, str], request_bytes: bytes) -> None:
    """
    Too many or too long headers, other protocols and smuggling get a 4xx or a closed connection, and no answer.
    """
    with connect(gateway[1]) as stranger:
        with contextlib.suppress(ConnectionError):
            stranger.sendall(request_bytes)
        received = read_all(stranger)
    assert b" 200 " not in received.split(b"\r\n", 1)[0]


def test_a_storm_of_connections_leaves_nothing(gateway: tuple[Process, str]) -> None:
    """
    After five hundred connections that vanish at various moments, the server's files are what they were.
    """
    before = gateway[0].count_files()
    for index in range(500):
        with connect(gateway[1]) as passing:
            if index % 3:
                request = handshake(gateway[1])
                passing.sendall(request[: len(request) * (index % 5) // 4])
            else:
                upgrade(passing, gateway[1])
                passing.sendall(frame(1, b"emulate 300 tokens"))
            if index % 2:
                passing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 20
    while gateway[0].count_files() > before + 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gateway[0].count_files() <= before + 8


def resident_bytes(process: Process) -> int:
    """
    Measure a process's resident memory.
    """
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
