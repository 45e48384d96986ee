"""
The pool: reuse, bounds, fairness, and what is never kept.
"""

import asyncio

import pytest

from outcrop.errors import UpstreamTimeout, UpstreamUnreachable
from outcrop.upstream.connection import Connection
from outcrop.upstream.dial import Route, dial
from outcrop.upstream.endpoint import parse_endpoint
from outcrop.upstream.pool import ConnectionPool, PoolLimits
from tests.upstream.conftest import Collector, Connect, Peer, RawServer, Serve, a_call, a_chunk


async def idle(peer: Peer) -> None:
    """
    Take a connection and do nothing.
    """
    await peer.wait_closed()


def pool_for(server: RawServer, **limits: float) -> ConnectionPool:
    """
    Make a pool for a server.
    """
    route = Route(endpoint=parse_endpoint(server.url), region="eu-west-1")
    return ConnectionPool(lambda: dial(route), PoolLimits(**limits), place=route.place)  # type: ignore[arg-type]  # table


async def test_the_newest_connection_is_used_first(serve: Serve) -> None:
    """
    Of the kept connections the one that came back last goes out first.
    """
    pool = pool_for(await serve(idle))
    first, second = await pool.acquire(5), await pool.acquire(5)
    pool.release(first)
    pool.release(second)
    assert await pool.acquire(5) is second
    assert await pool.acquire(5) is first
    pool.release(first)
    pool.release(second)
    await pool.aclose()
    assert pool.open_count == 0


async def test_a_fresh_connection_is_not_a_kept_one(serve: Serve) -> None:
    """
    Who asks for a fresh connection gets one, also where the bound makes a kept one go for it.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    kept = await pool.acquire(5)
    pool.release(kept)
    fresh = await pool.acquire(5, fresh=True)
    assert fresh is not kept
    assert not kept.usable
    assert pool.open_count == 1
    pool.release(fresh)
    await pool.aclose()


async def test_only_so_many_are_kept(serve: Serve) -> None:
    """
    Beyond the bound of idle connections the oldest are closed.
    """
    pool = pool_for(await serve(idle), max_idle=2)
    connections = [await pool.acquire(5) for _ in range(4)]
    for connection in connections:
        pool.release(connection)
    assert [connection.usable for connection in connections] == [False, False, True, True]
    assert (pool.idle_count, pool.open_count) == (2, 2)
    await pool.aclose()


async def test_an_old_connection_is_not_used(serve: Serve) -> None:
    """
    A connection that was kept too long is closed, not used.
    """
    pool = pool_for(await serve(idle), max_idle_seconds=0.02)
    old = await pool.acquire(5)
    pool.release(old)
    await asyncio.sleep(0.03)
    young = await pool.acquire(5)
    assert young is not old
    assert not old.usable
    pool.release(young)
    await pool.aclose()


async def test_a_connection_closed_by_its_peer_is_forgotten(serve: Serve) -> None:
    """
    A kept connection whose peer closes leaves the pool at once.
    """
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await gone.wait()
        peer.writer.close()

    server = await serve(script)
    pool = pool_for(server)
    connection = await pool.acquire(5)
    pool.release(connection)
    gone.set()
    async with asyncio.timeout(5):
        while pool.idle_count:
            await asyncio.sleep(0)
    assert pool.open_count == 0
    await pool.aclose()


async def test_bytes_on_a_kept_connection_discard_it(serve: Serve) -> None:
    """
    A kept connection on which something comes unasked leaves the pool at once.
    """
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await gone.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
        await peer.wait_closed()

    server = await serve(script)
    pool = pool_for(server)
    pool.release(await pool.acquire(5))
    gone.set()
    await server.closed.wait()
    assert (pool.idle_count, pool.open_count) == (0, 0)
    await pool.aclose()


async def test_an_unusable_connection_is_not_kept(serve: Serve) -> None:
    """
    A connection that was aborted is closed when it comes back.
    """
    pool = pool_for(await serve(idle))
    connection = await pool.acquire(5)
    connection.abort()
    pool.release(connection)
    assert (pool.idle_count, pool.open_count) == (0, 0)
    await pool.aclose()


async def test_waiters_are_served_in_their_order(serve: Serve) -> None:
    """
    Who waits longest gets the next connection, kept or new, and nobody overtakes.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    held = await pool.acquire(5)
    served: list[int] = []

    async def wait(number: int) -> Connection:
        connection = await pool.acquire(5)
        served.append(number)
        return connection

    waiting = []
    for number in range(4):
        waiting.append(asyncio.create_task(wait(number)))
        await asyncio.sleep(0)
    assert pool.waiting_count == 4
    pool.release(held)
    waiting.append(asyncio.create_task(wait(4)))
    for number in range(5):
        connection = await waiting[number]
        if number % 2:
            connection.abort()
        pool.release(connection)
    assert served == [0, 1, 2, 3, 4]
    assert (pool.open_count, pool.idle_count) == (1, 1)
    await pool.aclose()


async def test_a_cancelled_waiter_loses_nothing(serve: Serve) -> None:
    """
    What a waiter was given in the very step in which it is cancelled goes to the next.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    held = await pool.acquire(5)
    first, second = (asyncio.create_task(pool.acquire(5)) for _ in range(2))
    await asyncio.sleep(0)
    pool.release(held)
    first.cancel()
    assert await second is held
    assert first.cancelled()
    held.abort()
    third = asyncio.create_task(pool.acquire(5))
    fourth = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    pool.release(held)
    third.cancel()
    pool.release(await fourth)
    assert (pool.open_count, pool.waiting_count) == (1, 0)
    await pool.aclose()


async def test_a_connection_that_ends_on_its_way_to_a_waiter_is_replaced(serve: Serve) -> None:
    """
    A kept connection that closes between being given and being taken costs its waiter a new one, no failure.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    held = await pool.acquire(5)
    waiter = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    pool.release(held)
    held.abort()
    taken = await waiter
    assert taken is not held
    assert taken.usable
    assert pool.open_count == 1
    pool.release(taken)
    await pool.aclose()


async def test_a_waiter_gives_up_in_time(serve: Serve) -> None:
    """
    A waiter whose time is over is not served later.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    held = await pool.acquire(5)
    with pytest.raises(UpstreamTimeout, match="waiting for one of the pool's connections"):
        await pool.acquire(0.02)
    pool.release(held)
    assert (pool.idle_count, pool.open_count, pool.waiting_count) == (1, 1, 0)
    await pool.aclose()


async def test_a_failed_dial_frees_its_place(serve: Serve) -> None:
    """
    A connection that can't be made does not use up the pool.
    """

    async def fail() -> Connection:
        raise UpstreamUnreachable("no")

    pool = ConnectionPool(fail, PoolLimits(max_connections=1), place="nowhere")
    for _ in range(3):
        with pytest.raises(UpstreamUnreachable):
            await pool.acquire(5)
    assert pool.open_count == 0


async def test_closing_ends_waiting(serve: Serve) -> None:
    """
    Waiters of a pool that closes are told, and nothing stays open.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    held = await pool.acquire(5)
    waiter = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    await pool.aclose()
    with pytest.raises(UpstreamUnreachable, match="closed"):
        await waiter
    pool.release(held)
    assert (pool.open_count, held.usable) == (0, False)


async def test_closing_reaches_a_waiter_that_was_just_served(serve: Serve) -> None:
    """
    A connection that was given to a waiter in the round in which the pool closes is not used.
    """
    pool = pool_for(await serve(idle), max_connections=1)
    held = await pool.acquire(5)
    waiter = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    pool.release(held)
    await pool.aclose()
    with pytest.raises(UpstreamUnreachable, match="closed"):
        await waiter
    assert (pool.open_count, held.usable) == (0, False)


async def test_a_storm_of_cancellations_leaves_nothing_behind(serve: Serve, connect: Connect) -> None:
    """
    After 300 calls over 8 places, cancelled at all stages, the pool is back at its baseline.
    """

    async def script(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.open_stream()
            await peer.send_chunk(a_chunk(b"1"))
            await peer.send_chunk(a_chunk(b"2"))
            await peer.end_stream()

    client = connect(await serve(script), limits=PoolLimits(max_connections=8))
    sinks = [Collector() for _ in range(300)]
    tasks = [asyncio.create_task(client.stream(a_call(), sink)) for sink in sinks]
    for number, task in enumerate(tasks):
        if number % 3:
            await asyncio.sleep(0)
            task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() or task.exception() is None for task in tasks)
    assert all(tasks[number].result() for number in range(0, 300, 3))
    assert all(sink.payloads == [b"1", b"2"] for sink in sinks[::3])
    assert client.pool.waiting_count == 0
    assert client.pool.open_count == client.pool.idle_count <= 8
