"""
The native chat protocol over HTTP, against a real gateway: ask, resume, stop, and every way to be refused.
"""

import asyncio
import contextlib
import http.client
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.e2e.chat_client import HttpAnswer, chat_body, request, text_of
from tests.e2e.conftest import Book
from tests.support import Process


@pytest.fixture
def url(gateway: tuple[Process, str]) -> str:
    """
    Where the gateway listens.
    """
    return gateway[1]


@contextlib.contextmanager
def begun(url: str, body: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
    """
    Ask, and leave the answer unread.
    """
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("POST", "/api/chat", msgspec.json.encode(body), {"content-type": "application/json"})
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def first_part(response: http.client.HTTPResponse) -> dict[str, Any]:
    """
    Read the `start` part.
    """
    line = response.readline()
    response.readline()
    part: dict[str, Any] = msgspec.json.decode(line.removeprefix(b"data: "))
    assert part["type"] == "start"
    return part


async def test_an_answer_is_a_stream_of_parts(url: str, book: Book) -> None:
    """
    The answer's events are the parts of the protocol, then `[DONE]`, with the headers that a stock client wants.
    """
    answer = await asyncio.to_thread(request, url, "POST", "/api/chat", chat_body("emulate 40 tokens"))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [answer.parts[0]["type"], answer.parts[-1]["type"]] == ["start", "finish"]
    assert text_of(answer.parts) == (await book.ended_calls(1))[0]["text_emitted"]["text"]


async def test_a_dropped_answer_is_resumed(url: str, book: Book) -> None:
    """
    A client that leaves in mid-answer stops nothing: it resumes and reads the whole; an unknown chat answers 204.
    """
    with begun(url, chat_body("emulate 200 tokens", "dropped")) as response:
        first_part(response)
    answer = await asyncio.to_thread(request, url, "GET", "/api/chat/dropped/stream")
    call = (await book.ended_calls(1))[0]
    assert call["outcome"] == "completed"
    assert text_of(answer.parts) == call["text_emitted"]["text"]
    nothing = await asyncio.to_thread(request, url, "GET", "/api/chat/no-such-chat/stream")
    assert (nothing.status, nothing.content) == (204, b"")


async def test_stop_has_its_own_route(url: str, book: Book) -> None:
    """
    Stopping a chat closes the call to Bedrock, ends the stream with `abort`, and answers 202; then 200; unknown 404.
    """
    with begun(url, chat_body("emulate 1000 tokens", "stopped")) as response:
        first_part(response)
        stopped = await asyncio.to_thread(request, url, "POST", "/api/chat/stopped/stop")
        rest = HttpAnswer(200, {}, await asyncio.to_thread(response.read))
    assert (stopped.status, stopped.json["state"]) == (202, "running")
    assert rest.parts[-1]["type"] == "abort"
    assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"
    again = await asyncio.to_thread(request, url, "POST", "/api/chat/stopped/stop")
    assert (again.status, again.json["state"]) == (200, "stopped")
    unknown = await asyncio.to_thread(request, url, "POST", "/api/chat/no-such-chat/stop")
    assert (unknown.status, unknown.error["code"]) == (404, "not_found")


async def test_one_key_is_one_call(url: str, book: Book) -> None:
    """
    Repeated with its `Idempotency-Key`, a request gets the same answer again and makes no second call.
    """
    headers = {"Idempotency-Key": "sse-key"}
    body = chat_body("emulate 30 tokens", "idempotent")
    answers = [await asyncio.to_thread(request, url, "POST", "/api/chat", body, headers) for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    assert len(await book.ended_calls(1)) == 1
    other = await asyncio.to_thread(request, url, "POST", "/api/chat", chat_body("hello", "idempotent"), headers)
    assert (other.status, other.error["code"]) == (422, "idempotency_mismatch")


async def test_a_failure_within_the_answer_is_told_in_parts(url: str, book: Book) -> None:
    """
    A failure after the first byte is told by `data-error` and `error`; what came before is kept.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5})
    answer = await asyncio.to_thread(request, url, "POST", "/api/chat", chat_body("emulate 40 tokens", "failing"))
    *_, details, error = answer.parts
    assert (details["type"], details["data"]["code"], error["type"]) == ("data-error", "throttled", "error")
    assert text_of(answer.parts)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", {"content-type": "text/plain"}, 415, "invalid_request"),
        (b"{}", {"content-type": "multipart/form-data; boundary=application/json"}, 415, "invalid_request"),
        (b"{", {}, 400, "invalid_request"),
        (b"[" * 100_000, {}, 400, "invalid_request"),
        (b"\xff", {}, 400, "invalid_request"),
        (b"x" * 26_000_000, {}, 413, "too_large"),
        (chat_body("hello", model="nosuchmodel"), {}, 404, "unknown_model"),
        (chat_body("hello", "x" * 10_000), {}, 400, "invalid_request"),
        (chat_body("hello", "a\nb"), {}, 400, "invalid_request"),
        (chat_body("hello", "refused", temprature=1), {}, 400, "invalid_request"),
        (chat_body("hello", "refused"), {"Idempotency-Key": "k" * 300}, 400, "invalid_request"),
        (chat_body("hello", "refused"), {"Origin": "https://evil.example"}, 403, "not_allowed"),
        (chat_body("hello", "refused"), {"Origin": "null"}, 403, "not_allowed"),
        (chat_body("hello", "refused"), {"Host": "evil.example"}, 403, "not_allowed"),
    ],
)
def test_a_request_that_is_refused(
    url: str, book: Book, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    """
    What can't be served is refused before the stream, with a status and a typed error, and costs no call.
    """
    answer = request(url, "POST", "/api/chat", body, headers)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.json["error"]["message"]
    assert book.calls() == []


@pytest.mark.parametrize("path", ["/api/chat/c/stop", "/api/turns/turn_x/stop"])
def test_a_form_of_another_site_can_not_stop(url: str, path: str) -> None:
    """
    A POST that is not JSON is refused, also where no body is needed.
    """
    assert request(url, "POST", path, None, {"content-type": "text/plain"}).status == 415
    assert request(url, "POST", path, None, {"Origin": "https://evil.example"}).status == 403


async def test_nothing_is_left_over(url: str, book: Book, gateway: tuple[Process, str]) -> None:
    """
    A second round of fifty readers that vanish in mid-answer leaves the gateway no more files than the first.
    """
    port = int(book.url.rpartition(":")[2])

    def count() -> int:
        # Connections to Bedrock stay in the pool: as many as were ever needed at once.
        return gateway[0].count_files() - gateway[0].count_connections(port)

    await vanish_fifty_times(url, book, "first")
    before = count()
    await vanish_fifty_times(url, book, "second")
    async with asyncio.timeout(20):
        while count() > before + 4:
            await asyncio.sleep(0.05)
    assert gateway[0].count_connections(port) > 0


async def vanish_fifty_times(url: str, book: Book, name: str) -> None:
    """
    Begin fifty answers, leave each after its first part, and wait until all have ended.
    """
    ended = len(book.calls())
    for number in range(50):
        with begun(url, chat_body("emulate 100 tokens", f"{name}-{number}")) as response:
            first_part(response)
    await book.ended_calls(ended + 50)
