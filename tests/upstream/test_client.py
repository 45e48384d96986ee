"""
Calls through the whole client: whole answers, reuse, cancellation, identity, secrets.
"""

import asyncio
import gc
import weakref
from datetime import UTC, datetime

import pytest

from outcrop.errors import (
    CredentialsMissing,
    OutcropError,
    RequestError,
    SettingsError,
    StreamInterrupted,
    UpstreamDenied,
    UpstreamRejected,
    UpstreamUnreachable,
)
from outcrop.turns.ports import Upstream
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import Identity, StaticCredentials
from outcrop.upstream.deadlines import Deadlines
from outcrop.wire import sigv4
from tests.upstream.conftest import (
    KEYS,
    OK,
    Collector,
    Connect,
    Peer,
    Serve,
    a_call,
    a_chunk,
    answering,
    chunked,
    serving,
)

STREAM = serving(chunked(a_chunk(b"{}")))


async def test_the_client_is_an_upstream(connect: Connect) -> None:
    """
    The client has the shape that the turn service asks for.
    """
    upstream: Upstream = connect("http://127.0.0.1:1")
    assert isinstance(upstream, BedrockClient)


@pytest.mark.parametrize("operation", ["invoke", "converse", "count_tokens"])
async def test_a_whole_answer_is_fetched(serve: Serve, connect: Connect, operation: str) -> None:
    """
    A call that does not stream gives the body and the headers in lower case.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(200, b'{"generation":"hi"}', "X-Amzn-Bedrock-Input-Token-Count: 7")
        await peer.wait_closed()

    server = await serve(script)
    answer = await connect(server).fetch(a_call(operation))
    assert answer.body == b'{"generation":"hi"}'
    assert answer.headers["x-amzn-bedrock-input-token-count"] == "7"
    assert (answer.aws_request_id, answer.attempts) == ("r-1", 1)
    assert server.requests[0].body == a_call().body


@pytest.mark.parametrize(
    ("framing", "body", "good"),
    [
        (b"transfer-encoding: chunked\r\n\r\n", chunked(b'{"a":') + chunked(b"1}") + b"0\r\n\r\n", True),
        (b"content-length: 7\r\n\r\n", b'{"a":1}', True),
        (b"\r\n", b'{"a":1}', True),
        (b"content-length: 8\r\n\r\n", b'{"a":1}', False),
        (b"transfer-encoding: chunked\r\n\r\n", chunked(b'{"a":1}'), False),
        (b"\r\n", b'{"a":', False),
        (b"\r\n", b"", False),
    ],
)
async def test_only_a_complete_answer_is_fetched(
    serve: Serve, connect: Connect, framing: bytes, body: bytes, good: bool
) -> None:
    """
    An answer is taken if its framing, or where only the connection's end frames it its JSON, says that it is complete.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK + framing + body)

    client = connect(await serve(script))
    if good:
        assert (await client.fetch(a_call("invoke"))).body == b'{"a":1}'
    else:
        with pytest.raises(StreamInterrupted):
            await client.fetch(a_call("invoke"))


async def test_the_signature_is_right(serve: Serve, connect: Connect) -> None:
    """
    A verifier with the same keys accepts the request as it came over the wire.
    """
    server = await serve(STREAM)
    await connect(server).stream(a_call(headers=(("x-amzn-bedrock-trace", "ENABLED"),)), Collector())
    request = server.requests[0]
    sigv4.verify(
        sigv4.parse_authorization(request.headers["authorization"]),
        method=request.method,
        path=request.target,
        headers=request.headers.items(),
        payload_hash=sigv4.hash_payload(request.body),
        credentials=KEYS,
        service="bedrock",
        region="eu-central-1",
        now=datetime.now(UTC),
    )


async def test_a_large_request_arrives(serve: Serve, connect: Connect) -> None:
    """
    A body of 20 MB, beyond every buffer on the way, arrives as it is.
    """
    body = bytes(range(256)) * (20_000_000 // 256)
    server = await serve(STREAM)
    client = connect(server)
    await client.stream(a_call(body=body), Collector())
    assert server.requests[0].body == body
    assert client.pool.idle_count == 1


@pytest.mark.parametrize(("method", "operation"), [("stream", "invoke"), ("fetch", "converse_stream")])
async def test_the_operation_must_fit(connect: Connect, method: str, operation: str) -> None:
    """
    Streaming a call that does not stream, or the other way round, is a mistake of the caller.
    """
    client = connect("http://127.0.0.1:1")
    call = a_call(operation)
    with pytest.raises(ValueError, match=operation):
        await (client.stream(call, Collector()) if method == "stream" else client.fetch(call))


async def test_a_connection_is_used_again(serve: Serve, connect: Connect) -> None:
    """
    Calls one after the other use one connection, errors included.
    """
    error = answering((400, "ValidationException", "no"), (400, "ValidationException", "no"))
    server = await serve(error)
    client = connect(server)
    for _ in range(2):
        with pytest.raises(UpstreamRejected):
            await client.stream(a_call(), Collector())
    assert (server.connections, client.pool.idle_count) == (1, 1)


async def test_a_cancelled_stream_closes_its_connection(serve: Serve, connect: Connect) -> None:
    """
    Cancelling a stream closes the connection to Bedrock, which never returns to the pool.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(a_chunk(b"{}"))
        await peer.wait_closed()

    server = await serve(script)
    client = connect(server)
    sink = Collector()
    task = asyncio.create_task(client.stream(a_call(), sink))
    await sink.seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (client.pool.open_count, client.pool.idle_count) == (0, 0)
    await server.closed.wait()


async def test_a_call_may_be_cancelled_at_any_moment(serve: Serve, connect: Connect) -> None:
    """
    A call that is cancelled after any number of the loop's rounds leaves no connection in use and no task.
    """
    server = await serve(serving(*[chunked(a_chunk(b"{}"))] * 3))
    client = connect(server)
    for rounds in range(60):
        task = asyncio.create_task(client.stream(a_call(), Collector()))
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert client.pool.open_count == client.pool.idle_count <= 1
    await client.aclose()
    await server.wait_idle()


async def test_a_cancelled_call_keeps_nothing_alive(serve: Serve, connect: Connect) -> None:
    """
    After a cancelled call neither a timer nor the connection holds on to its sink.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(a_chunk(b"{}"))
        await peer.wait_closed()

    server = await serve(script)
    client = connect(server)
    sink = Collector()
    task = asyncio.create_task(client.stream(a_call(), sink))
    await sink.seen.wait()
    task.cancel()
    await asyncio.wait([task])
    await server.closed.wait()
    remains = weakref.ref(sink)
    del task, sink
    gc.collect()
    assert remains() is None


async def test_closing_the_client_ends_running_calls(serve: Serve, connect: Connect) -> None:
    """
    A running stream fails when the client closes, and later calls are refused.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(a_chunk(b"{}"))
        await peer.wait_closed()

    client = connect(await serve(script))
    sink = Collector()
    task = asyncio.create_task(client.stream(a_call(), sink))
    await sink.seen.wait()
    await client.aclose()
    with pytest.raises(StreamInterrupted, match="client for Bedrock is closed"):
        await task
    with pytest.raises(UpstreamUnreachable, match="closed"):
        await client.stream(a_call(), sink)


class _Rotating:
    """
    Be a source whose first identity is out of date.
    """

    def __init__(self) -> None:
        self.refused: list[Identity] = []

    async def find_identity(self) -> Identity:
        """
        Return a new identity after each refusal.
        """
        keys = sigv4.Credentials(f"AKID{len(self.refused)}", "secret")
        return Identity(kind="sigv4", method="test", credentials=keys)

    def invalidate(self, identity: Identity) -> None:
        """
        Note the refusal.
        """
        self.refused.append(identity)

    async def aclose(self) -> None:
        """
        Do nothing.
        """


@pytest.mark.parametrize("name", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_an_expired_identity_is_looked_for_again(serve: Serve, connect: Connect, name: str) -> None:
    """
    A refused identity is the operator's matter, and is not used for the next call.
    """
    server = await serve(answering((403, name, "The security token is expired"), (200, "", "")))
    source = _Rotating()
    client = connect(server, credentials=source)
    with pytest.raises(UpstreamDenied, match="operator"):
        await client.fetch(a_call("invoke"))
    await client.fetch(a_call("invoke"))
    keys = [sigv4.parse_authorization(request.headers["authorization"]).access_key_id for request in server.requests]
    assert keys == ["AKID0", "AKID1"]


async def test_without_credentials_nothing_is_sent(connect: Connect, serve: Serve) -> None:
    """
    Without an identity the error says what to do, and no connection is made.
    """

    class Nobody(_Rotating):
        async def find_identity(self) -> Identity:
            return Identity(kind="none", method="none")

    server = await serve(STREAM)
    with pytest.raises(CredentialsMissing, match="AWS_BEARER_TOKEN_BEDROCK"):
        await connect(server, credentials=Nobody()).stream(a_call(), Collector())
    assert server.connections == 0


async def test_an_api_key_is_sent(serve: Serve, connect: Connect) -> None:
    """
    A Bedrock API key goes out as a bearer token.
    """
    server = await serve(STREAM)
    await connect(server, credentials=StaticCredentials(bearer_token="ABSK-1")).stream(a_call(), Collector())
    assert server.requests[0].headers["authorization"] == "Bearer ABSK-1"


async def test_a_bad_header_never_reaches_the_wire(serve: Serve, connect: Connect) -> None:
    """
    A header with a line break is refused before a connection is made.
    """
    server = await serve(STREAM)
    call = a_call(headers=(("x-amzn-bedrock-trace", "x\r\ninjected: 1"),))
    with pytest.raises(RequestError):
        await connect(server).stream(call, Collector())
    assert server.connections == 0


async def test_no_error_shows_a_secret(serve: Serve, connect: Connect) -> None:
    """
    Neither prompt nor key nor token is in any error's text, or in what it was caused by.
    """
    prompt = b'{"prompt":"canary-7d1f"}'
    failures: list[BaseException] = []
    for script in (
        answering((403, "InvalidSignatureException", "x")),
        answering((400, "ValidationException", "x")),
        serving(b"garbage"),
        serving(chunked(b"garbage" * 20)),
        serving(end=b""),
    ):
        client = connect(await serve(script), deadlines=Deadlines(idle_seconds=0.05, first_byte_seconds=0.05))
        with pytest.raises(OutcropError) as caught:
            await client.stream(a_call(body=prompt), Collector())
        failures.append(caught.value)
    shown = " ".join(f"{error!r} {error.__cause__!r} {error.__context__!r}" for error in failures)
    for secret in ("canary-7d1f", KEYS.secret_access_key, KEYS.session_token, "Signature="):
        assert str(secret) not in shown


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint_url": "ftp://x", "region": "eu-west-1"},
        {"endpoint_url": "http://x", "region": "eu west"},
        {"endpoint_url": "https://x", "region": "eu-west-1", "environ": {"HTTPS_PROXY": "socks5://x"}},
        {"endpoint_url": "https://x", "region": "eu-west-1", "environ": {"AWS_CA_BUNDLE": "/nowhere"}},
        {"endpoint_url": "https://x", "region": "eu-west-1", "environ": {}, "extra_ca_file": "/nowhere"},
    ],
)
async def test_wrong_settings_stop_the_start(options: dict[str, str]) -> None:
    """
    A client with unusable settings is not made.
    """
    with pytest.raises(SettingsError):
        BedrockClient(credentials=StaticCredentials(credentials=KEYS), **options)  # type: ignore[arg-type]  # a table
