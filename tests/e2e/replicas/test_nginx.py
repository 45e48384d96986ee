"""
Tests of `deploy/nginx`: a real nginx in front of three replicas.
"""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from websockets.asyncio.client import connect

from outcrop.settings import Settings
from tests.e2e.replicas.asks import make_ask
from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.load import stay
from tests.e2e.replicas.nginx import FOLDER, SERVER_NAME, find_port, run_nginx
from tests.e2e.replicas.plain_http import data_of, request
from tests.e2e.replicas.viewer import Habits, Transcript, open_socket, watch

SLOW = 20.0


@pytest.fixture
def paced(cluster: Cluster) -> Cluster:
    """
    Give the cluster with an empty book, and answers of 20 tokens a second.
    """
    cluster.book.clear()
    cluster.set_pace(SLOW)
    return cluster


async def test_a_socket_streams_through_piece_by_piece(paced: Cluster, seed: int) -> None:
    """
    The first piece of an answer is at the client before Bedrock has made the last one, and a ping comes back meanwhile.
    """
    transcript = Transcript(make_ask(random.Random(seed), 15))
    async with open_socket(paced.nginx.url) as socket:
        await socket.send(transcript.opening().decode())
        while not transcript.text:
            transcript.take(await socket.recv())
        assert [call["outcome"] for call in paced.book.calls()] == [None]
        async with asyncio.timeout(5):
            await (await socket.ping())
        while not transcript.take(await socket.recv()):
            pass
    assert transcript.text == transcript.ask.text
    assert transcript.ending == "completed"


async def test_events_stream_through_piece_by_piece(paced: Cluster, seed: int) -> None:
    """
    The first event of `POST /api/chat` is at the client before Bedrock has made the last piece.
    """
    ask = make_ask(random.Random(seed), 15)
    text = ""
    async with request("POST", f"{paced.nginx.url}/api/chat", ask.post_body()) as response:
        assert response.status == 200
        async for event in response.events():
            if event["data"] == "[DONE]":
                break
            part = data_of(event)
            if part["type"] == "text-delta":
                if not text:
                    assert [call["outcome"] for call in paced.book.calls()] == [None]
                text += str(part["delta"])
    assert text == ask.text


async def test_a_turn_is_followed_on_from_a_position(paced: Cluster, seed: int) -> None:
    """
    A reader of a turn's events comes back with `Last-Event-ID` through nginx, to whichever replica, and misses nothing.
    """
    ask = make_ask(random.Random(seed), 15)
    first = await watch(Transcript(ask), Habits(pick=stay(paced.replicas[0].url), dice=random.Random(seed)))
    url, text, position = f"{paced.nginx.url}/api/turns/{first.turn_id}/events", "", ""
    for _ in range(4):
        headers = {"Last-Event-ID": position} if position else {}
        async with request("GET", url, headers=headers) as response:
            events = response.events()
            for _ in range(6):
                event = await anext(events, None)
                if event is None:
                    break
                position = event["id"]
                text += str(data_of(event).get("text", ""))
            await events.aclose()
    assert text == ask.text


async def test_a_client_goes_on_when_its_replica_has_died(paced: Cluster, seed: int) -> None:
    """
    A client of nginx whose replica is killed is connected to another one, and shown the true end.
    """
    dice = random.Random(seed)
    transcript = Transcript(make_ask(dice, 100))
    watching = asyncio.create_task(watch(transcript, Habits(pick=stay(paced.nginx.url), dice=dice)))
    await transcript.has_begun.wait()
    running = [replica for replica in paced.replicas if await _running_turns(replica.url)]
    assert len(running) == 1
    running[0].kill()
    try:
        await watching
    finally:
        await asyncio.to_thread(running[0].start)
    assert transcript.ending == "failed:interrupted"
    assert transcript.ask.text.startswith(transcript.text)
    assert transcript.connections > 1


async def test_the_gateway_names_the_limit_of_a_body(paced: Cluster) -> None:
    """
    A body that is too large is refused by the gateway in its own words, not by nginx.
    """
    limit = Settings().max_request_bytes
    body = b'{"id": "' + b"x" * limit + b'"}'
    async with request("POST", f"{paced.nginx.url}/api/chat", body) as response:
        assert response.status == 413
        error = msgspec.json.decode(await response.read())["error"]
    assert error["code"] == "too_large"
    assert str(limit) in error["message"]


async def test_names_and_origins_are_judged_by_the_gateway(paced: Cluster) -> None:
    """
    The name and the origin that the browser wrote reach the gateway: its own are let in, foreign ones are not.
    """
    url = f"{paced.nginx.url}/api/models"
    own, evil = f"http://{SERVER_NAME}:8443", "http://evil.example"
    for host, origin, status in (
        (f"{SERVER_NAME}:8443", own, 200),
        (f"{SERVER_NAME}:8443", evil, 403),
        (SERVER_NAME, own, 403),
        ("evil.example", evil, 403),
    ):
        async with request("GET", url, headers={"Host": host, "Origin": origin}) as response:
            assert response.status == status, (host, origin)


async def test_only_websocket_is_upgraded(paced: Cluster) -> None:
    """
    Another protocol than WebSocket opens no tunnel to a replica.
    """
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    async with request("GET", f"{paced.nginx.url}/healthz", headers=headers) as response:
        assert response.status == 200
        assert "upgrade" not in response.headers


async def test_a_post_is_not_asked_twice(tmp_path: Path) -> None:
    """
    A question that a replica took and did not answer goes to no other one; one that none took does.
    """
    async with _replica() as (first, asked_first), _replica() as (second, asked_second):
        with run_nginx(tmp_path, [first, second]) as nginx:
            async with request("POST", f"{nginx.url}/api/chat", b"{}") as response:
                assert response.status == 502
            assert len(asked_first) + len(asked_second) == 1


async def test_a_post_that_nobody_took_goes_to_another_replica(tmp_path: Path) -> None:
    """
    A replica that takes no connections is passed over.
    """
    gone = f"http://127.0.0.1:{find_port()}"
    async with _replica(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") as (living, asked):
        with run_nginx(tmp_path, [gone, living]) as nginx:
            for _ in range(4):
                async with request("POST", f"{nginx.url}/api/chat", b"{}") as response:
                    assert response.status == 204
    assert len(asked) == 4


async def test_tls_serves_sockets_and_http2(paced: Cluster, tmp_path: Path, seed: int) -> None:
    """
    With the TLS part a secure WebSocket streams, and HTTP/2 is offered.
    """
    with run_nginx(tmp_path, [replica.url for replica in paced.replicas], is_tls=True) as nginx:
        assert nginx.tls is not None
        transcript = Transcript(make_ask(random.Random(seed), 5))
        address = f"ws{nginx.url.removeprefix('http')}/api/chat"
        async with connect(address, ssl=nginx.tls, compression=None, proxy=None) as socket:
            await socket.send(transcript.opening().decode())
            while not transcript.take(await socket.recv()):
                pass
        assert transcript.text == transcript.ask.text
        assert await _negotiated(nginx.url, nginx.tls) == "h2"


def test_limits_of_nginx_are_wider_than_the_gateways() -> None:
    """
    The time-outs and the body limit of nginx are larger than those of the gateway, so that the gateway speaks first.
    """
    settings = Settings()
    written = _directives()
    assert int(written["client_max_body_size"].removesuffix("m")) << 20 > settings.max_request_bytes
    assert float(written["proxy_read_timeout"].removesuffix("s")) > settings.turn_timeout_seconds
    assert float(written["send_timeout"].removesuffix("s")) > settings.slow_reader_timeout_seconds


def _directives() -> dict[str, str]:
    lines = (line.strip().rstrip(";").split() for line in (FOLDER / "outcrop.conf").read_text().splitlines())
    return {words[0]: words[1] for words in lines if len(words) > 1 and words[0] != "#"}


async def _running_turns(url: str) -> int:
    async with request("GET", f"{url}/healthz") as response:
        return int(msgspec.json.decode(await response.read())["running_turns"])


async def _negotiated(url: str, trusted: ssl.SSLContext) -> str | None:
    trusted.set_alpn_protocols(["h2", "http/1.1"])
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=trusted)
    chosen: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return chosen


@contextlib.asynccontextmanager
async def _replica(answer: bytes = b"") -> AsyncIterator[tuple[str, list[bytes]]]:
    """
    Take requests, note them, and close with this answer, or with none.
    """
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
