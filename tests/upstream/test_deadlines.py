"""
The four deadlines: each passes alone, says which it is, and closes the connection.
"""

import asyncio
from typing import Any

import pytest

from outcrop.errors import UpstreamTimeout
from outcrop.upstream.deadlines import Deadlines, Watch
from outcrop.upstream.pool import PoolLimits
from tests.upstream.conftest import OK, Collector, Connect, Peer, Serve, a_call, a_chunk, chunked, serving

LONG = {"connect_seconds": 60, "first_byte_seconds": 60, "idle_seconds": 60, "total_seconds": 60}


def only(**short: Any) -> Deadlines:
    """
    Make deadlines of which only the given ones can pass in a test.
    """
    return Deadlines(**(LONG | short))


async def test_a_server_that_never_answers_misses_the_first_byte(serve: Serve, connect: Connect) -> None:
    """
    Silence before the headers passes the first byte's deadline, is not retried, and closes the connection.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.wait_closed()

    server = await serve(script)
    client = connect(server, deadlines=only(first_byte_seconds=0.1))
    with pytest.raises(UpstreamTimeout, match=r"deadline of 0\.1 s for the first byte"):
        await client.stream(a_call(), Collector())
    await server.closed.wait()
    assert (len(server.requests), client.pool.open_count) == (1, 0)


async def test_headers_are_no_first_byte_of_a_stream(serve: Serve, connect: Connect) -> None:
    """
    For a stream the first byte is that of its body: headers alone do not keep the call alive.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.wait_closed()

    server = await serve(script)
    with pytest.raises(UpstreamTimeout, match=r"first byte.*passed"):
        await connect(server, deadlines=only(first_byte_seconds=0.1)).stream(a_call(), Collector())
    await server.closed.wait()


async def test_headers_are_the_first_byte_of_a_whole_answer(serve: Serve, connect: Connect) -> None:
    """
    For a whole answer the headers are the first byte; what follows is silence.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK + b"content-length: 2\r\n\r\n")
        await peer.wait_closed()

    server = await serve(script)
    with pytest.raises(UpstreamTimeout, match=r"deadline of 0\.1 s for silence") as caught:
        await connect(server, deadlines=only(idle_seconds=0.1)).fetch(a_call("invoke"))
    assert caught.value.aws_request_id == "r-1"
    await server.closed.wait()


async def test_silence_in_the_middle_interrupts(serve: Serve, connect: Connect) -> None:
    """
    Silence between two chunks passes its own deadline; what came before was given.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(a_chunk(b"1"))
        await peer.wait_closed()

    server = await serve(script)
    sink = Collector()
    with pytest.raises(UpstreamTimeout, match=r"deadline of 0\.1 s for silence"):
        await connect(server, deadlines=only(idle_seconds=0.1)).stream(a_call(), sink)
    assert sink.payloads == [b"1"]
    await server.closed.wait()


async def test_a_slow_stream_is_not_silent(serve: Serve, connect: Connect) -> None:
    """
    A stream may last many times the deadline for silence, as long as each pause is shorter.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        for _ in range(12):
            await asyncio.sleep(0.05)
            await peer.send_chunk(a_chunk(b"1"))
        await peer.end_stream()
        await peer.wait_closed()

    sink = Collector()
    client = connect(await serve(script), deadlines=only(idle_seconds=0.3))
    await client.stream(a_call(), sink)
    assert len(sink.messages) == 12


async def test_an_endless_stream_meets_the_total(serve: Serve, connect: Connect) -> None:
    """
    A stream that never falls silent ends with the whole call's deadline.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        while True:
            await peer.send_chunk(a_chunk(b"1"))
            await asyncio.sleep(0.01)

    client = connect(await serve(script), deadlines=only(total_seconds=0.2))
    with pytest.raises(UpstreamTimeout, match=r"deadline of 0\.2 s for the whole call"):
        await client.stream(a_call(), Collector())
    assert client.pool.open_count == 0


async def test_attempts_share_the_total(serve: Serve, connect: Connect) -> None:
    """
    A retry that would begin after the whole call's deadline is not made: the failure is raised at once.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(503, b"{}", "retry-after: 1")
        await peer.wait_closed()

    server = await serve(script)
    client = connect(server, deadlines=only(total_seconds=0.5))
    with pytest.raises(Exception, match="no capacity"):
        await client.fetch(a_call("invoke"))
    assert len(server.requests) == 1


async def test_waiting_for_a_place_is_part_of_connecting(serve: Serve, connect: Connect) -> None:
    """
    A call that finds every connection of a bounded pool in use gives up with the connect deadline.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(a_chunk(b"1"))
        await peer.wait_closed()

    server = await serve(script)
    # Long enough for the first call to connect, whatever else the machine does.
    client = connect(server, deadlines=only(connect_seconds=2), limits=PoolLimits(max_connections=1))
    sink = Collector()
    first = asyncio.create_task(client.stream(a_call(), sink))
    await sink.seen.wait()
    with pytest.raises(UpstreamTimeout, match=r"deadline of 2 s for a connection to .*'eu-central-1'.*pool"):
        await client.stream(a_call(), Collector())
    assert (client.pool.open_count, client.pool.waiting_count) == (1, 0)
    first.cancel()
    await asyncio.wait([first])


async def test_a_server_that_never_speaks_tls_misses_the_connect_deadline(serve: Serve, connect: Connect) -> None:
    """
    A handshake that never ends passes the connect deadline and leaves no connection open.
    """

    async def script(peer: Peer) -> None:
        await peer.wait_closed()

    server = await serve(script)
    client = connect(f"https://127.0.0.1:{server.port}", deadlines=only(connect_seconds=0.1))
    with pytest.raises(UpstreamTimeout, match=r"deadline of 0\.1 s for a connection"):
        await client.stream(a_call(), Collector())
    assert client.pool.open_count == 0
    await server.closed.wait()


async def test_the_total_is_named_when_it_ends_the_connecting(serve: Serve, connect: Connect) -> None:
    """
    Where the whole call's deadline passes first, it is the one that is named.
    """

    async def script(peer: Peer) -> None:
        await peer.wait_closed()

    server = await serve(script)
    client = connect(f"https://127.0.0.1:{server.port}", deadlines=only(total_seconds=0.1))
    with pytest.raises(UpstreamTimeout, match="whole call"):
        await client.stream(a_call(), Collector())


async def test_a_finished_call_leaves_no_timer(serve: Serve, connect: Connect) -> None:
    """
    After a call no deadline is left that could end another exchange of its connection.
    """
    server = await serve(serving(chunked(a_chunk(b"1"))))
    client = connect(server, deadlines=only(idle_seconds=0.05, first_byte_seconds=0.05, total_seconds=0.15))
    for _ in range(5):
        await client.stream(a_call(), Collector())
        await asyncio.sleep(0.06)
    assert (server.connections, client.pool.idle_count) == (1, 1)


async def test_a_pause_of_ours_is_no_silence() -> None:
    """
    While it is us who do not read, the watch waits.
    """
    expired: asyncio.Future[UpstreamTimeout] = asyncio.get_running_loop().create_future()
    asked: list[None] = []

    def is_held() -> bool:
        asked.append(None)
        return len(asked) < 4

    watch = Watch(
        only(first_byte_seconds=0.02),
        asyncio.get_running_loop().time() + 60,
        is_held=is_held,
        expire=expired.set_result,
    )
    assert "first byte" in (await expired).message
    watch.stop()
    assert len(asked) == 4


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_deadline_is_a_positive_time(value: float) -> None:
    """
    A deadline that never or always passes is refused.
    """
    with pytest.raises(ValueError, match="idle_seconds"):
        Deadlines(idle_seconds=value)
