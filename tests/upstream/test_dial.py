"""
Making connections: TLS that checks certificates, and tunnels through a tiny real proxy.
"""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from outcrop.errors import UpstreamUnreachable
from tests.upstream.conftest import (
    Collector,
    Connect,
    Peer,
    RawServer,
    Script,
    Serve,
    a_call,
    a_chunk,
    chunked,
    serving,
)

HOST = "bedrock-runtime.eu-west-1.amazonaws.com"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """
    Make a certificate authority.
    """
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """
    Write the authority's certificate.
    """
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def tls_for(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    """
    Make a server's context with a certificate for `name`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def forwarding(port: int, seen: list[bytes]) -> Script:
    """
    Script a proxy that grants tunnels, all of them to `port`.
    """

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()

    async def script(peer: Peer) -> None:
        seen.append(await peer.reader.readuntil(b"\r\n\r\n"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await peer.send(b"HTTP/1.1 200 Connection established\r\nvia: us\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(peer.reader, writer))
                group.create_task(pump(reader, peer.writer))
        except* ConnectionError:
            pass
        finally:
            writer.transport.abort()

    return script


async def test_tls_is_spoken_and_checked(serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str) -> None:
    """
    With the authority named, a stream comes over TLS, over HTTP/1.1 by ALPN, and the connection is kept.
    """
    server = await serve(serving(chunked(a_chunk(b"1"))), tls=tls_for(authority))
    client = connect(f"https://localhost:{server.port}", extra_ca_file=ca_file)
    for _ in range(3):
        sink = Collector()
        await client.stream(a_call(), sink)
        assert sink.payloads == [b"1"]
    assert (server.connections, client.pool.idle_count) == (1, 1)


async def test_a_large_request_arrives_over_tls(
    serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str
) -> None:
    """
    A body far beyond every buffer arrives as it is over TLS too.
    """
    body = bytes(range(256)) * (8_000_000 // 256)
    server = await serve(serving(chunked(a_chunk(b"1"))), tls=tls_for(authority))
    client = connect(f"https://localhost:{server.port}", extra_ca_file=ca_file)
    await client.stream(a_call(body=body), Collector())
    assert server.requests[0].body == body
    assert client.pool.idle_count == 1


async def test_cancelling_closes_a_tls_connection(
    serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str
) -> None:
    """
    A cancelled call over TLS closes its socket without waiting for the peer's part of the goodbye.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(a_chunk(b"1"))
        await peer.wait_closed()

    server = await serve(script, tls=tls_for(authority))
    client = connect(f"https://localhost:{server.port}", extra_ca_file=ca_file)
    sink = Collector()
    task = asyncio.create_task(client.stream(a_call(), sink))
    await sink.seen.wait()
    task.cancel()
    await asyncio.wait([task])
    assert client.pool.open_count == 0
    await server.closed.wait()


async def test_the_bundle_of_aws_is_honoured(
    serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str
) -> None:
    """
    AWS_CA_BUNDLE names the authorities to trust.
    """
    server = await serve(serving(chunked(a_chunk(b"1"))), tls=tls_for(authority))
    client = connect(f"https://localhost:{server.port}", environ={"AWS_CA_BUNDLE": ca_file})
    await client.stream(a_call(), Collector())
    assert client.pool.idle_count == 1


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown authority", "wrong name"])
async def test_a_wrong_certificate_is_refused(
    serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str, trusted: bool
) -> None:
    """
    A certificate of an unknown authority, or for another name, ends the call before anything is sent, at once.
    """
    server = await serve(serving(), tls=tls_for(authority, "other.example"))
    client = connect(f"https://localhost:{server.port}", extra_ca_file=ca_file if trusted else None)
    with pytest.raises(UpstreamUnreachable, match=r"certificate is not trusted.*AWS_CA_BUNDLE"):
        await client.stream(a_call(), Collector())
    assert (server.requests, client.pool.open_count) == ([], 0)


async def test_a_tunnel_leads_to_bedrock(serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str) -> None:
    """
    Through a proxy TLS is spoken with Bedrock itself, and the proxy sees the host's name and its own credentials only.
    """
    server = await serve(serving(chunked(a_chunk(b"1"))), tls=tls_for(authority, HOST))
    seen: list[bytes] = []
    proxy = await serve(forwarding(server.port, seen))
    client = connect(
        f"https://{HOST}", extra_ca_file=ca_file, environ={"HTTPS_PROXY": f"http://me:pw@127.0.0.1:{proxy.port}"}
    )
    for _ in range(2):
        sink = Collector()
        await client.stream(a_call(), sink)
        assert sink.payloads == [b"1"]
    expected = f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\nproxy-authorization: Basic bWU6cHc=\r\n\r\n"
    assert seen == [expected.encode()]
    assert client.pool.idle_count == 1
    await client.aclose()


async def test_a_tunnel_does_not_hide_a_wrong_certificate(
    serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str
) -> None:
    """
    Through a proxy the certificate is checked against Bedrock's name.
    """
    server = await serve(serving(), tls=tls_for(authority, "other.example"))
    proxy = await serve(forwarding(server.port, []))
    client = connect(f"https://{HOST}", extra_ca_file=ca_file, environ={"https_proxy": f"127.0.0.1:{proxy.port}"})
    with pytest.raises(UpstreamUnreachable, match="certificate is not trusted"):
        await client.stream(a_call(), Collector())
    assert (server.requests, client.pool.open_count) == ([], 0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for credentials"),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", "status 403"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "before we did"),
        (b"SSH-2.0-x\r\n\r\n", "in http/1.1"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 17_000, "in http/1.1"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_refuses_is_named(serve: Serve, connect: Connect, answer: bytes, words: str) -> None:
    """
    A proxy that gives no tunnel is named, with what it did, and its password is not.
    """

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        for start in range(0, len(answer), 7):
            await peer.send(answer[start : start + 7])
        peer.writer.close()
        await peer.writer.wait_closed()

    proxy = await serve(script)
    client = connect(f"https://{HOST}", environ={"HTTPS_PROXY": f"http://me:hunter2@127.0.0.1:{proxy.port}"})
    with pytest.raises(UpstreamUnreachable, match=f"the proxy at 127.0.0.1:{proxy.port} .*{words}") as caught:
        await client.stream(a_call(), Collector())
    assert "hunter2" not in repr(caught.value)
    assert (proxy.connections, client.pool.open_count) == (1, 0)


async def test_a_call_through_a_tunnel_may_be_cancelled_at_any_moment(
    serve: Serve, connect: Connect, authority: trustme.CA, ca_file: str
) -> None:
    """
    A call that is cancelled after any number of rounds, in the tunnel's or TLS's handshake too, leaves nothing open.
    """
    server: RawServer = await serve(serving(chunked(a_chunk(b"1"))), tls=tls_for(authority, HOST))
    proxy = await serve(forwarding(server.port, []))
    client = connect(f"https://{HOST}", extra_ca_file=ca_file, environ={"https_proxy": f"127.0.0.1:{proxy.port}"})
    for rounds in range(40):
        task = asyncio.create_task(client.stream(a_call(), Collector()))
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert client.pool.open_count == client.pool.idle_count <= 1
    await client.aclose()
    await proxy.wait_idle()
    await server.wait_idle()
