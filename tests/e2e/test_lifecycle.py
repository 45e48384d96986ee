"""
Start, drain and end of a real gateway.
"""

import asyncio
import signal
import socket
import urllib.error
import urllib.request

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from outcrop.accounts.authenticate import make_key
from tests.e2e.conftest import Book, RawClient, read_answer
from tests.support import Process, gateway_environment, run_outcrop

SLOW = ["--first-token-ms", "10", "--tokens-per-second", "100", "--jitter", "0"]


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """
    Get a URL; returns the status and the body.
    """
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def test_without_credentials_the_emulator_answers_and_says_so() -> None:
    """
    With no AWS credentials `serve` uses the embedded emulator, and says so in its log and in /healthz.
    """
    with run_outcrop("serve", "--port", "0") as (process, url):
        health = msgspec.json.decode(get(url + "/healthz")[1])
        assert health["upstream"] == "emulator"
        assert "simulated" in health["notice"]
        assert (await RawClient(url).ask("hello", "anthropic")).text
        models = msgspec.json.decode(get(url + "/api/models")[1])["models"]
        assert [model["name"] for model in models[:2]] == ["llama3", "anthropic"]
    assert any("EMULATOR" in str(event.get("event")) for event in process.events())


def test_with_emulate_false_and_no_credentials_it_does_not_fall_back() -> None:
    """
    With `emulate=false` the emulator is never used: without credentials the start is refused, with what to do.
    """
    process = Process("serve", "--port", "0", environ={"OUTCROP_EMULATE": "false"})
    assert process.wait() == 1
    assert "AWS_ACCESS_KEY_ID" in process.lines[-1]
    process.close()


def test_an_unreachable_region_is_named() -> None:
    """
    When Bedrock can't be reached, the reason names the region and what to check.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(f"http://127.0.0.1:{port}")) as (_, url):
        outcome = asyncio.run(RawClient(url).ask("hello"))
    assert outcome.close_code == 4503
    assert "us-east-1" in outcome.close_reason


async def test_a_drain_lets_the_answer_finish_and_exits_well() -> None:
    """
    After SIGTERM a running answer is completed, then its socket closes with 1012; idle ones close at once; exit 0.
    """
    with run_outcrop("serve", "--port", "0", *SLOW) as (process, url):
        client = RawClient(url)
        async with client.open(streaming="true", done="1") as busy, client.open() as idle:
            await busy.send("emulate 80 tokens")
            first = await busy.recv()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as caught:
                await idle.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
            with pytest.raises(ConnectionRefusedError):
                await client.ask("too late")
            answer = await read_answer(busy)
            assert answer.close_code is None
            assert len(str(first) + answer.text) > 200
            farewell = await read_answer(busy)
        assert farewell.close_code == 1012
        assert await asyncio.to_thread(process.wait) == 0


async def test_a_drain_ends_at_its_deadline() -> None:
    """
    An answer that outlasts the drain is interrupted with its prefix; the socket closes with 1012, the call is closed.
    """
    with run_outcrop("emulate", "--port", "0", *SLOW) as (_, emulator_url):
        environ = gateway_environment(emulator_url, drain_timeout_seconds="0.3")
        with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
            async with RawClient(url).open(streaming="true", done="1") as busy:
                await busy.send("emulate 1000 tokens")
                await busy.recv()
                process.send_signal(signal.SIGTERM)
                answer = await read_answer(busy)
            assert answer.close_code == 1012
            assert await asyncio.to_thread(process.wait) == 0
        call = (await Book(emulator_url).ended_calls(1))[0]
        assert call["outcome"] == "client_closed"


async def test_a_second_signal_does_not_wait() -> None:
    """
    A second SIGINT interrupts what still runs; the server exits at once, and well.
    """
    with run_outcrop("serve", "--port", "0", *SLOW) as (process, url):
        async with RawClient(url).open(streaming="true", done="1") as busy:
            await busy.send("emulate 1000 tokens")
            await busy.recv()
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(5):
                while not any(event.get("event") == "waiting for running turns" for event in process.events()):
                    await asyncio.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert (await read_answer(busy)).close_code == 1012
        assert await asyncio.to_thread(process.wait, 5) == 0


async def test_keys_open_the_server_and_nothing_else_does() -> None:
    """
    With keys set every route but health and the page wants one, in any of its carriers; the query string is none.
    """
    key, digest = make_key()
    environ = {"OUTCROP_API_KEYS": msgspec.json.encode({"ci": digest}).decode()}
    with run_outcrop("serve", "--port", "0", "--host", "0.0.0.0", "--emulate", environ=environ) as (_, open_url):
        url = open_url.replace("0.0.0.0", "127.0.0.1")
        client = RawClient(url)
        assert (await client.ask("hello")).close_code == 4401
        assert get(url + "/api/models")[0] == 401
        assert get(url + f"/api/models?key={key}")[0] == 401
        assert get(url + "/api/models", {"x-api-key": key + "x"})[0] == 401
        assert get(url + "/healthz")[0] == get(url + "/")[0] == 200
        for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
            assert get(url + "/api/models", headers)[0] == 200
            async with client.open(done="1", streaming="true") as refused:
                assert (await read_answer(refused)).close_code == 4401
        async with client.open(done="1", subprotocols=["outcrop", f"outcrop.key.{key}"]) as accepted:
            await accepted.send("hello")
            assert (await read_answer(accepted)).text
            assert accepted.subprotocol == "outcrop"


async def test_a_prompt_at_its_limit_is_taken() -> None:
    """
    A prompt of exactly the limit is answered, one byte more is not: bytes of UTF-8 are counted, not characters.
    """
    environ = {"OUTCROP_MAX_PROMPT_BYTES": "2000"}
    with run_outcrop("serve", "--port", "0", "--emulate", environ=environ) as (_, url):
        client = RawClient(url)
        assert (await client.ask("é" * 1000, max_tokens="5")).close_code is None
        refused = await client.ask("é" * 1000 + "x", max_tokens="5")
    assert (refused.close_code, refused.close_reason) == (4413, "the prompt is 2001 bytes, limit is 2000")


async def test_nothing_of_a_prompt_or_key_is_logged() -> None:
    """
    Prompts, answers, system prompts and credentials stay out of the log, whatever happens.
    """
    with run_outcrop("emulate", "--port", "0") as (_, emulator_url):
        environ = gateway_environment(emulator_url, log_level="debug")
        with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
            client = RawClient(url)
            await client.ask("repeat after me: canary-one", streaming="true", system="canary-two")
            await client.ask("canary-three", "canary-four", top_p="7")
            Book(emulator_url).inject({"kind": "http_error", "name": "ValidationException", "message": "canary-five"})
            await client.ask("canary-six", "anthropic")
            get(url + "/canary-seven?key=canary-eight", {"authorization": "Bearer canary-nine"})
        log = "\n".join(process.lines)
    assert "turn ended" in log
    assert "canary" not in log


def test_a_taken_port_is_named() -> None:
    """
    A port that somebody else has ends the start with a sentence, not with a traceback.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("serve", "emulate"):
            process = Process(command, "--port", str(port))
            assert process.wait() != 0
            assert "address already in use" in "\n".join(process.lines).lower()
            assert "Traceback" not in "\n".join(process.lines)
            process.close()


def test_half_open_requests_are_dropped() -> None:
    """
    A connection that does not complete its first request is dropped in time.
    """
    with run_outcrop("serve", "--port", "0", environ={"OUTCROP_HANDSHAKE_TIMEOUT_SECONDS": "0.3"}) as (_, url):
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        for beginning in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"PRI * HT"):
            with socket.create_connection(address, timeout=5) as half:
                half.sendall(beginning)
                try:
                    assert half.recv(1000) == b""
                except ConnectionResetError:
                    continue
