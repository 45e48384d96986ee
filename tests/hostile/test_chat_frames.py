"""
Frames that no decent client sends, against a real gateway: each ends its own request or socket, and nothing else.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.chat_client import ChatSocket, open_chat, send_frame
from tests.hostile.test_raw_bytes import resident_bytes
from tests.support import Process, run_outcrop

FRAME_LIMIT = 300_000


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[Process, str]]:
    """
    Run a gateway with a small limit for frames.
    """
    environ = {"OUTCROP_MAX_REQUEST_BYTES": str(FRAME_LIMIT), "OUTCROP_MAX_UNSENT_BYTES": "20000"}
    pace = ["--first-token-ms", "0", "--tokens-per-second", "200"]
    with run_outcrop("serve", "--port", "0", "--emulate", *pace, environ=environ) as running:
        yield running


@pytest.fixture
def url(gateway: tuple[Process, str]) -> str:
    """
    Where the gateway listens.
    """
    return gateway[1]


async def serves(url: str) -> None:
    """
    Check that the gateway answers somebody else.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "hello", f"chat-{id(chat)}")
        assert (await chat.answer("r1")).last["type"] == "end"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[]",
        '"send"',
        "NaN",
        "{}",
        '{"type":"send"}',
        '{"type":"send","requestId":7}',
        '{"type":"nonsense","requestId":"r1"}',
        '{"type":["send"],"requestId":"r1"}',
        '{"type":"send","requestId":""}',
        '{"type":"abort","requestId":"' + "x" * 10_000 + '"}',
        '{"type":"send","requestId":"a\\nb"}',
        '{"type":"send","requestId":"\\u0000"}',
        '{"type":"send","requestId":"\\ud800"}',
        '{"type":"send","requestId":"$server"}',
        '{"type":"send","requestId":"r1","x":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"type":"send","requestId":"r1","x":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}",
        '{"type":"send","requestId":"r1","x":"\\udfff"}',
        b"\xff\xfe",
        b"\x00" * 100,
    ],
    ids=range(22),
)
async def test_a_frame_without_a_request_closes_the_socket(url: str, message: str | bytes) -> None:
    """
    What is no frame, or names no request, closes its socket with 4400 and a reason; others are served on.
    """
    async with open_chat(url) as chat:
        await chat.connection.send(message)
        code, reason = await chat.close_code()
    assert code == 4400
    assert reason
    await serves(url)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": None},
        {"messages": []},
        {"messages": [[]]},
        {"messages": [{"id": "m", "role": "god", "parts": []}]},
        {"id": 5},
        {"id": "x" * 10_000},
        {"id": "a\r\nb"},
        {"trigger": "explode"},
        {"body": None},
        {"body": []},
        {"body": {}},
        {"body": {"model": "llama3", "endpoint_url": "http://169.254.169.254/"}},
        {"body": {"model": "llama3", "region": "evil"}},
        {"body": {"model": "arn:aws:bedrock:us-east-1:123:x/../../y"}},
        {"body": {"model": "x" * 10_000}},
        {"body": {"model": "llama3", "temperature": "hot"}},
        {"body": {"model": "llama3", "maxTokens": 1e300}},
        {"body": {"model": "llama3", "maxTokens": -1}},
        {"body": {"model": "llama3", "stop": ["x"] * 1000}},
        {"headers": {"idempotency-key": ""}},
        {"headers": {"idempotency-key": "k" * 10_000}},
        {"headers": {"idempotency-key": "a", "IDEMPOTENCY-KEY": "b"}},
        {"headers": ["idempotency-key"]},
        {"type": "resume", "id": ["x"]},
        {"type": "resume", "lastSequence": -1, "body": {"turnId": "t"}},
        {"type": "resume", "lastSequence": 1.5, "body": {"turnId": "t"}},
        {"type": "resume", "lastSequence": 1 << 80, "body": {"turnId": "t"}},
        {"type": "resume", "lastSequence": 1},
        {"type": "resume", "body": {"turnId": "x" * 10_000}},
        {"type": "resume", "body": {"turnId": "../../etc/passwd"}},
    ],
    ids=range(30),
)
async def test_a_bad_request_gets_an_error_frame(url: str, change: dict[str, Any]) -> None:
    """
    A request that is wrong in itself gets its own `error` frame with a code, and the socket serves on.
    """
    async with open_chat(url) as chat:
        await chat.write({**send_frame("bad", "hello", "bad-chat"), **change})
        refused = (await chat.answer("bad")).last
        assert refused["type"] == "error", refused
        assert refused["code"] in {"invalid_request", "unknown_model", "not_found"}
        await chat.send("good", "hello", "good-chat")
        assert (await chat.answer("good")).last["type"] == "end"


async def test_a_huge_frame_closes_the_socket(url: str) -> None:
    """
    A frame beyond the bound closes its socket with 4413, a little beyond as well as far beyond.
    """
    for size in (FRAME_LIMIT + 1, FRAME_LIMIT + (80 << 10), 10 * FRAME_LIMIT):
        async with open_chat(url) as chat:
            with contextlib.suppress(ConnectionClosed):
                await chat.connection.send("x" * size)
            assert (await chat.close_code())[0] == 4413
    await serves(url)


async def test_a_request_id_in_use_closes_the_socket(url: str) -> None:
    """
    Two running requests with one name can't be told apart: the socket closes with 4400.
    """
    async with open_chat(url) as chat:
        await chat.send("same", "emulate 500 tokens", "chat-1")
        await chat.send("same", "emulate 500 tokens", "chat-2")
        assert (await chat.close_code())[0] == 4400


async def test_requests_on_a_socket_are_bounded(url: str) -> None:
    """
    Beyond 64 running requests a socket gets `rate_limited`, and the others go on.
    """
    async with open_chat(url) as chat:
        for number in range(80):
            await chat.send(f"r{number}", "emulate 100 tokens", f"bounded-{number}")
        answers = await chat.read_all(*(f"r{number}" for number in range(80)))
    last = [answer.last for answer in answers.values()]
    assert sum(frame["type"] == "end" for frame in last) >= 64
    assert {frame["code"] for frame in last if frame["type"] == "error"} == {"rate_limited"}


@pytest.mark.parametrize("frame", [{"type": "resume", "id": "no-chat", "body": {}}, {"type": "send", "id": "c"}])
async def test_a_flood_that_is_not_read_is_cut_off(
    gateway: tuple[Process, str], frame: dict[str, Any], url: str
) -> None:
    """
    A client that floods the gateway and reads none of the refusals is cut off, and memory stays bounded.
    """
    before, closed = resident_bytes(gateway[0]), count_floods(gateway[0])
    async with open_chat(url, ping_interval=None, max_queue=1) as chat:
        chat.connection.transport.pause_reading()
        flood = asyncio.create_task(send_without_end(chat, frame))
        async with asyncio.timeout(60):
            while count_floods(gateway[0]) == closed:
                await asyncio.sleep(0.05)
        assert resident_bytes(gateway[0]) - before < 48 << 20
        flood.cancel()
        await asyncio.wait({flood})
        chat.connection.transport.abort()
    await serves(url)


async def send_without_end(chat: ChatSocket, frame: dict[str, Any]) -> None:
    """
    Send a frame again and again, at most 400,000 times.
    """
    with contextlib.suppress(ConnectionClosed):
        for number in range(400_000):
            await chat.write({**frame, "requestId": f"r{number}"})


def count_floods(process: Process) -> int:
    """
    Count the sockets that the gateway closed because of a flood.
    """
    return sum(event.get("close_code") == 4429 for event in process.events())


async def test_aborts_without_end_are_harmless(url: str) -> None:
    """
    A flood of aborts for unknown requests is passed over, and the socket serves on.
    """
    async with open_chat(url) as chat:
        for number in range(5_000):
            await chat.abort(f"unknown-{number}")
        await chat.send("r1", "hello", "after-aborts")
        assert (await chat.answer("r1")).last["type"] == "end"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://127.0.0.1:1@evil.example"},
        {"Host": "evil.example"},
    ],
)
async def test_a_handshake_of_another_site_is_refused(url: str, headers: dict[str, str]) -> None:
    """
    A page of another site gets no chat socket.
    """
    with pytest.raises(InvalidStatus) as refused:
        async with _connect(url, headers):
            pass
    assert refused.value.response.status_code in {400, 403}


async def test_names_never_reach_the_log_raw(gateway: tuple[Process, str], url: str) -> None:
    """
    What a client writes as a name, an ID or a prompt can't forge a line of the log, nor is the prompt in it.
    """
    forged = 'x\n{"event": "forged-line"}'
    async with open_chat(url) as chat:
        await chat.write(send_frame("r1", f"prompt-canary {forged}", forged))
        await chat.write(send_frame("r2", f"prompt-canary {forged}", "log-chat", model=forged))
        await chat.write(send_frame("r3", f"prompt-canary {forged}", "log-chat"))
        await chat.read_all("r1", "r2", "r3")
    assert all(event.get("event") != "forged-line" for event in gateway[0].events())
    assert all("prompt-canary" not in line for line in gateway[0].lines)


def _connect(url: str, headers: dict[str, str]) -> connect:
    address = url.replace("http://", "ws://") + "/api/chat"
    return connect(address, compression=None, additional_headers=headers)


async def test_random_frames_leave_others_alone(url: str) -> None:
    """
    While fifty sockets send noise and vanish, one that behaves gets its whole answer, without a foreign word.
    """

    async def make_noise(number: int) -> None:
        with contextlib.suppress(ConnectionClosed):
            async with open_chat(url) as chat:
                await chat.write(send_frame("r1", f"repeat after me: canary-{number}", f"noise-{number}"))
                await chat.connection.send(msgspec.json.encode({"type": "noise"}).decode() * number)
                _abort(chat)

    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 200 tokens", "quiet")
        _, answers = await asyncio.gather(
            asyncio.gather(*(make_noise(number) for number in range(50))), chat.read_all("r1")
        )
    assert answers["r1"].last["type"] == "end"
    assert answers["r1"].parts[-1]["type"] == "finish"
    assert "canary" not in answers["r1"].text


def _abort(chat: ChatSocket) -> None:
    connection: ClientConnection = chat.connection
    connection.transport.abort()
