"""
Tests of `outcrop.emulator.tape.recorder` and `outcrop.emulator.peer`: upstreams that say anything, or nothing.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from outcrop.emulator.tape.settings import TapeConfig

CLAUDE = "us.anthropic.claude-sonnet-4-6"
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "emulate 12 tokens"}]}]}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Put the recorder's own credentials into the environment.
    """
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "a-token")


@pytest.fixture
async def raw_upstream() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """
    Return a function that starts a server which answers everything with the same bytes.
    """
    servers: list[asyncio.Server] = []

    async def start(answer: bytes, tls: ssl.SSLContext | None = None) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        return f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/behind/a/path"

    yield start
    for server in servers:
        server.close()


async def test_chunks_are_handed_on_as_they_are(start_emulator: Any, raw_upstream: Any, tmp_path: Path) -> None:
    """
    The recorder changes neither bytes nor chunks, whatever they hold, and leaves out headers that it doesn't know.
    """
    url = await raw_upstream(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nset-cookie: a=b\r\nx-amzn-bedrock-trace: yes\r\n\r\n"
        b"3\r\n\x00\xff\n\r\n5\r\nhello\r\n1\r\n\r\r\n0\r\n\r\n"
    )
    recorder = await start_emulator(tape=TapeConfig(record=str(tmp_path), upstream=url))
    recorded = await recorder.request("POST", "/anything", b"\xffnot json")
    assert recorded.chunks == [b"\x00\xff\n", b"hello", b"\r"]
    assert "set-cookie" not in recorded.headers
    assert recorded.headers["x-amzn-bedrock-trace"] == "yes"
    player = await start_emulator(tape=TapeConfig(replay=str(tmp_path)))
    assert (await player.request("POST", "/anything", b"\xffnot json")).chunks == recorded.chunks


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ],
)
async def test_an_upstream_without_headers_is_a_refusal(
    start_emulator: Any, raw_upstream: Any, tmp_path: Path, answer: bytes
) -> None:
    """
    What breaks before its headers are there, or is not HTTP, is 503.
    """
    tape = TapeConfig(record=str(tmp_path), upstream=await raw_upstream(answer))
    assert (await (await start_emulator(tape=tape)).call("converse", CLAUDE, CONVERSE)).status == 503


async def test_a_short_body_is_not_whole(start_emulator: Any, raw_upstream: Any, tmp_path: Path) -> None:
    """
    A body that ends before its length is cut, and not recorded.
    """
    url = await raw_upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
    recorder = await start_emulator(tape=TapeConfig(record=str(tmp_path), upstream=url))
    reply = await recorder.call("converse", CLAUDE, CONVERSE)
    assert (reply.body, reply.ending) == (b"half", "cut")
    assert list(tmp_path.iterdir()) == []


async def test_an_upstream_that_is_not_there_is_a_refusal(
    start_emulator: Any, unused_tcp_port: int, tmp_path: Path
) -> None:
    """
    What can't be reached is 503 and not recorded.
    """
    tape = TapeConfig(record=str(tmp_path), upstream=f"http://127.0.0.1:{unused_tcp_port}")
    reply = await (await start_emulator(tape=tape)).call("converse", CLAUDE, CONVERSE)
    assert (reply.status, reply.error) == (503, "serviceunavailableexception")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_an_upstream_with_tls_must_be_trusted(
    start_emulator: Any, raw_upstream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    """
    Over https the certificate is verified: signed requests go to nobody else.
    """
    authority, others = trustme.CA(), trustme.CA()
    trusted = tmp_path / "trusted.pem"
    (authority if is_trusted else others).cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    url = await raw_upstream(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", context)
    recorder = await start_emulator(tape=TapeConfig(record=str(tmp_path / "tape"), upstream=url))
    reply = await recorder.call("converse", CLAUDE, CONVERSE)
    assert (reply.status, reply.body == b"{}") == ((200, True) if is_trusted else (503, False))
