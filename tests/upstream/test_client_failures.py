"""
Failing calls through the whole client: what is tried again, what is not, and the words that help.
"""

import asyncio

import pytest

from outcrop.errors import (
    ModelNotAvailable,
    OutcropError,
    StreamInterrupted,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from outcrop.upstream.exchange import MAX_ERROR_BYTES
from outcrop.upstream.retry import RetryPolicy
from tests.upstream.conftest import (
    MODEL,
    Collector,
    Connect,
    Peer,
    Serve,
    a_call,
    answering,
    chunked,
)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (429, "ThrottlingException"),
        (429, "ModelNotReadyException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
        (529, ""),
    ],
)
async def test_what_may_pass_is_tried_again(serve: Serve, connect: Connect, status: int, name: str) -> None:
    """
    After a failure that may pass the call is made again, up to three times, over the same connection.
    """
    server = await serve(answering((status, name, "a"), (status, name, "b"), (200, "", "c")))
    answer = await connect(server).fetch(a_call("invoke"))
    assert (answer.attempts, len(server.requests), server.connections) == (3, 3, 1)
    numbers = [request.headers["amz-sdk-request"] for request in server.requests]
    assert numbers == ["attempt=1; max=3", "attempt=2; max=3", "attempt=3; max=3"]
    assert len({request.headers["amz-sdk-invocation-id"] for request in server.requests}) == 1


async def test_the_third_failure_is_raised(serve: Serve, connect: Connect) -> None:
    """
    After three attempts the last failure is the call's.
    """
    server = await serve(answering(*[(503, "ServiceUnavailableException", str(number)) for number in range(3)]))
    with pytest.raises(UpstreamUnavailable, match="2"):
        await connect(server).fetch(a_call("invoke"))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "name", "message"),
    [
        (400, "ValidationException", "x"),
        (403, "AccessDeniedException", "x"),
        (404, "ResourceNotFoundException", "x"),
        (408, "ModelTimeoutException", "x"),
        (424, "ModelErrorException", "x"),
        (400, "ServiceQuotaExceededException", "x"),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again."),
        (502, "", "x"),
        (302, "", "x"),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(
    serve: Serve, connect: Connect, status: int, name: str, message: str
) -> None:
    """
    A failure that another attempt would not change is raised at once.
    """
    server = await serve(answering((status, name, message)))
    with pytest.raises(OutcropError):
        await connect(server).fetch(a_call("invoke"))
    assert len(server.requests) == 1


async def test_an_outage_is_not_amplified(serve: Serve, connect: Connect) -> None:
    """
    Once the budget of retries is spent, failing calls are made once.
    """
    server = await serve(answering(*[(503, "", "x")] * 100))
    client = connect(server, retry_policy=RetryPolicy(base_seconds=0.001, reserve=4, share=0.1))
    for _ in range(20):
        with pytest.raises(UpstreamUnavailable):
            await client.fetch(a_call("invoke"))
    assert 20 + 4 <= len(server.requests) <= 20 + 4 + 2


async def test_a_stale_connection_costs_one_attempt(serve: Serve, connect: Connect) -> None:
    """
    A kept connection that closes under the request is replaced by a fresh one, once, without a wait.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if server.connections == 1:
            await peer.answer(200, b"{}")
            await peer.reader.readuntil(b"\r\n\r\n")
            peer.reset()
        else:
            await peer.answer(200, b'"fresh"')
            await peer.wait_closed()

    server = await serve(script)
    client = connect(server, retry_policy=RetryPolicy(max_attempts=1))
    await client.fetch(a_call("invoke"))
    answer = await client.fetch(a_call("invoke"))
    assert (answer.body, answer.attempts, server.connections) == (b'"fresh"', 2, 2)


async def test_a_fresh_connection_that_breaks_is_not_tried_again(serve: Serve, connect: Connect) -> None:
    """
    A request that was sent over a fresh connection may have been run and billed: it is never sent again.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        peer.reset()

    server = await serve(script)
    with pytest.raises(StreamInterrupted, match="before the answer began"):
        await connect(server).fetch(a_call("invoke"))
    assert len(server.requests) == 1


async def test_a_server_that_closes_at_once_is_told(serve: Serve, connect: Connect) -> None:
    """
    A connection that closes as soon as it is made is a failure of ours to name, whenever the client notices it.
    """

    async def script(peer: Peer) -> None:
        peer.reset()

    client = connect(await serve(script))
    for _ in range(50):
        with pytest.raises((UpstreamUnreachable, StreamInterrupted)):
            await client.stream(a_call(), Collector())
    assert client.pool.open_count == 0


async def test_a_kept_connection_that_breaks_inside_an_answer_is_not_tried_again(
    serve: Serve, connect: Connect
) -> None:
    """
    Once a byte of an answer has come, the request has been taken: it is never sent again.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(200, b"{}")
        await peer.read_request()
        await peer.send(b"HTTP/1.1 2")
        peer.writer.close()

    server = await serve(script)
    client = connect(server)
    await client.fetch(a_call("invoke"))
    with pytest.raises(StreamInterrupted, match="inside the headers"):
        await client.fetch(a_call("invoke"))
    assert len(server.requests) == 2


async def test_a_closed_port_says_what_to_check(connect: Connect) -> None:
    """
    A service that can't be reached gives the region's name and says how to check it.
    """
    listener = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    client = connect(f"http://127.0.0.1:{port}", region="eu-west-9")
    with pytest.raises(UpstreamUnreachable, match=r"region 'eu-west-9' \(127\.0\.0\.1:\d+\).*AWS_REGION") as caught:
        await client.stream(a_call(), Collector())
    assert "AWS's list of regions" in caught.value.message
    assert client.pool.open_count == 0


async def test_an_unknown_host_says_what_to_check(connect: Connect) -> None:
    """
    A host name that does not exist, as that of an invented region, is an unreachable service.
    """
    client = connect("http://bedrock-runtime.eu-west-9.invalid", region="eu-west-9")
    with pytest.raises(UpstreamUnreachable, match="eu-west-9"):
        await client.stream(a_call(), Collector())


async def test_a_model_that_is_not_enabled_is_named(serve: Serve, connect: Connect) -> None:
    """
    A model without access gives the model's name, the region's, and where to enable it.
    """
    text = "You don't have access to the model with the specified model ID."
    server = await serve(answering((403, "AccessDeniedException", text)))
    with pytest.raises(ModelNotAvailable, match=MODEL) as caught:
        await connect(server).stream(a_call(), Collector())
    assert "'eu-central-1'" in caught.value.message
    assert "model access" in caught.value.message
    assert caught.value.aws_request_id == "r-1"


async def test_a_retry_after_reaches_the_caller(serve: Serve, connect: Connect) -> None:
    """
    A wait that Bedrock asks for and that is too long to sit out is handed on at once.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(529, b'{"error":{"type":"overloaded_error","message":"Overloaded"}}', "retry-after: 120")

    server = await serve(script)
    with pytest.raises(UpstreamUnavailable, match="Overloaded") as caught:
        await connect(server).fetch(a_call("invoke"))
    assert (caught.value.retry_after_seconds, caught.value.aws_error) == (120, "overloaded_error")
    assert len(server.requests) == 1


async def test_an_endless_error_is_cut(serve: Serve, connect: Connect) -> None:
    """
    The body of an error is read up to a bound.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(chunked(b" " * 65536))

    with pytest.raises(StreamInterrupted, match=f"longer than {MAX_ERROR_BYTES} bytes"):
        await connect(await serve(script)).stream(a_call(), Collector())
