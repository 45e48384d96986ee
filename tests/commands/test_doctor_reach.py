"""
The way to an endpoint, step by step.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trustme

from outcrop.commands.doctor import reach as doctor_reach
from outcrop.commands.doctor.reach import StepFailed, describe_reach, explain_step, reach
from outcrop.upstream.endpoint import Endpoint, parse_endpoint
from outcrop.upstream.proxy import Proxy

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
ANSWER = f"HTTP/1.1 404 Not Found\r\nserver: x\r\ndate: {DATE}\r\ncontent-length: 0\r\n\r\n".encode()

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[..., Awaitable[int]]


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """
    Run small servers on free ports.
    """
    async with AsyncExitStack() as cleanup:

        async def listen(behave: Behave, tls: ssl.SSLContext | None = None) -> int:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await behave(reader, writer)
                except ConnectionError:
                    pass
                finally:
                    writer.transport.abort()

            server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
            cleanup.push_async_callback(server.wait_closed)
            cleanup.callback(server.close)
            port: int = server.sockets[0].getsockname()[1]
            return port

        yield listen


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    Answer one request.
    """
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    await reader.read()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """
    Make a certificate authority.
    """
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """
    Make the context of a server for "localhost".
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """
    Make the context of a client that trusts the authority.
    """
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def at(port: int, scheme: str = "http") -> Endpoint:
    """
    Name a local endpoint.
    """
    return parse_endpoint(f"{scheme}://localhost:{port}")


async def test_steps_are_timed_and_the_date_is_read(listen: Listen) -> None:
    """
    Without TLS there are two steps, and the Date of the answer is kept.
    """
    endpoint = at(await listen(answer))
    reached = await reach(endpoint, None, None)
    assert list(reached.seconds) == ["DNS", "TCP"]
    assert reached.date == DATE
    assert describe_reach(endpoint, None, reached).level == "good"


async def test_tls_is_a_step(listen: Listen, server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """
    With TLS there are three steps, and the request is made inside it.
    """
    endpoint = at(await listen(answer, server_tls), "https")
    reached = await reach(endpoint, None, trusting)
    assert list(reached.seconds) == ["DNS", "TCP", "TLS"]
    assert reached.date == DATE


async def test_an_unknown_authority_is_explained(listen: Listen, server_tls: ssl.SSLContext) -> None:
    """
    A certificate of an unknown authority fails at TLS, and AWS_CA_BUNDLE is the remedy.
    """
    endpoint = at(await listen(answer, server_tls), "https")
    with pytest.raises(StepFailed) as caught:
        await reach(endpoint, None, ssl.create_default_context())
    finding = explain_step(endpoint, None, caught.value)
    assert caught.value.step == "TLS"
    assert finding.text.startswith("the certificate of localhost is not trusted: ")
    assert "AWS_CA_BUNDLE" in (finding.remedy or "")


async def test_a_proxy_is_gone_through(listen: Listen, server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """
    With a proxy the tunnel is a step of its own, and TLS is spoken through it.
    """
    port = await listen(answer, server_tls)
    asked: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.transport.abort()

    proxy = Proxy(host="127.0.0.1", port=await listen(relay))
    endpoint = at(port, "https")
    reached = await reach(endpoint, proxy, trusting)
    assert list(reached.seconds) == ["DNS", "TCP", "tunnel", "TLS"]
    assert reached.date == DATE
    assert asked[0].startswith(f"CONNECT localhost:{port} HTTP/1.1\r\n".encode())
    assert f"through the proxy 127.0.0.1:{proxy.port}" in describe_reach(endpoint, proxy, reached).text


async def test_a_proxy_that_refuses_is_named(listen: Listen, trusting: ssl.SSLContext) -> None:
    """
    A proxy that wants credentials is named with what to do.
    """

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        await writer.drain()

    proxy = Proxy(host="127.0.0.1", port=await listen(refuse))
    endpoint = at(9, "https")
    with pytest.raises(StepFailed) as caught:
        await reach(endpoint, proxy, trusting)
    assert "asks for credentials (407)" in explain_step(endpoint, proxy, caught.value).text


async def test_silence_ends_a_step(listen: Listen, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A peer that says nothing ends the step after its time.
    """
    monkeypatch.setattr(doctor_reach, "STEP_SECONDS", 0.2)

    async def be_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass

    endpoint = at(await listen(be_silent), "https")
    with pytest.raises(StepFailed) as caught:
        await reach(endpoint, None, trusting)
    assert explain_step(endpoint, None, caught.value).text.startswith("TLS to localhost:")
    assert "took longer than 0.2 s" in explain_step(endpoint, None, caught.value).text


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"x" * 100_000])
async def test_an_answer_without_a_date_is_none(listen: Listen, said: bytes) -> None:
    """
    A peer that closes early, or answers without a Date, or with anything but HTTP, was reached all the same.
    """

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    assert (await reach(at(await listen(say)), None, None)).date is None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(4096):
        writer.write(piece)
        await writer.drain()
    writer.transport.abort()
