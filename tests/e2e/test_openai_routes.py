"""
The OpenAI routes, byte by byte, against a real gateway: who may ask, what is refused and how, and its socket.
"""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from outcrop.accounts.authenticate import make_key
from tests.e2e.chat_client import HttpAnswer, request
from tests.e2e.conftest import Book
from tests.support import Process, gateway_environment, run_outcrop

WAIT_SECONDS = 30
ANNE, ANNE_DIGEST = make_key()
BERT, BERT_DIGEST = make_key()
MAX_BYTES = 100_000


@pytest.fixture(scope="module")
def locked(emulator_process: tuple[Process, str]) -> Iterator[str]:
    """
    Run a gateway that wants a key, knows two of them, and takes short conversations only.
    """
    environ = gateway_environment(
        emulator_process[1],
        api_keys=json.dumps({"anne": ANNE_DIGEST, "bert": BERT_DIGEST}),
        max_request_bytes=str(MAX_BYTES),
        slow_reader_timeout_seconds="1",
    )
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        yield url


@pytest.fixture
def url(gateway: tuple[Process, str]) -> str:
    """
    Where the gateway listens that wants no key.
    """
    return gateway[1]


def chat(prompt: str = "emulate 5 tokens", **fields: Any) -> dict[str, Any]:
    """
    Build the body of a completion.
    """
    return {"model": "llama3", "messages": [{"role": "user", "content": prompt}], **fields}


def ask(prompt: str = "emulate 5 tokens", **fields: Any) -> dict[str, Any]:
    """
    Build the body of a response.
    """
    return {"model": "llama3", "input": prompt, **fields}


async def send(url: str, method: str, path: str, body: Any = None, **headers: str) -> HttpAnswer:
    """
    Make one request.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await asyncio.to_thread(request, url, method, path, body, named)


def key_of(secret: str) -> str:
    """
    Write a key as the SDKs do.
    """
    return f"Bearer {secret}"


async def test_a_key_is_needed(locked: str) -> None:
    """
    Without a key, or with a wrong one, every route answers 401 in OpenAI's words, and names its request.
    """
    for method, path, body in (
        ("POST", "/v1/chat/completions", chat()),
        ("POST", "/v1/responses", ask()),
        ("GET", "/v1/responses/resp_x", None),
        ("GET", "/v1/models/llama3", None),
    ):
        answer = await send(locked, method, path, body, authorization=key_of("wrong"))
        assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
        assert answer.json["error"]["type"] == "authentication_error"
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["cache-control"] == "no-store"


async def test_anothers_response_is_not_found(locked: str) -> None:
    """
    Only its owner finds a response: others can't read, follow, cancel, delete or go on from it.
    """
    made = await send(locked, "POST", "/v1/responses", ask(), authorization=key_of(ANNE))
    path = f"/v1/responses/{made.json['id']}"
    for method, place in (
        ("GET", path),
        ("GET", f"{path}?stream=true"),
        ("GET", f"{path}/input_items"),
        ("POST", f"{path}/cancel"),
        ("DELETE", path),
    ):
        answer = await send(locked, method, place, authorization=key_of(BERT))
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    body = ask(previous_response_id=made.json["id"])
    refused = await send(locked, "POST", "/v1/responses", body, authorization=key_of(BERT))
    assert (refused.status, refused.json["error"]["code"]) == (400, "previous_response_not_found")
    item = {"type": "item_reference", "id": made.json["output"][0]["id"]}
    body = ask() | {"input": [item]}
    assert (await send(locked, "POST", "/v1/responses", body, authorization=key_of(BERT))).status == 400
    assert (await send(locked, "GET", path, authorization=key_of(ANNE))).json == made.json


async def test_a_conversation_has_a_bound(locked: str) -> None:
    """
    A body, and a conversation that has grown from response to response, are refused beyond the limit.
    """
    key = key_of(ANNE)
    answer = await send(locked, "POST", "/v1/chat/completions", chat("x" * MAX_BYTES), authorization=key)
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    body = ask("echo x" + "y" * (MAX_BYTES * 2 // 3), max_output_tokens=1) | {"model": "anthropic"}
    first = await send(locked, "POST", "/v1/responses", body, authorization=key)
    body |= {"previous_response_id": first.json["id"]}
    second = await send(locked, "POST", "/v1/responses", body, authorization=key)
    assert (second.status, second.json["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/v1/responses/resp_none", 404, "there is no response"),
        ("/v1/responses/none", 404, "there is no response"),
        ("/v1/responses/RESP?starting_after=3", 400, "starting_after is for a stream"),
        ("/v1/responses/RESP?stream=yes", 400, "parameter stream"),
        ("/v1/responses/RESP?stream=true&starting_after=-1", 400, "parameter starting_after"),
        ("/v1/responses/RESP?colour=red", 400, "'colour' is unknown"),
        ("/v1/responses/RESP?stream=true&stream=true", 400, "given twice"),
        ("/v1/responses/RESP/input_items?limit=0", 400, "parameter limit"),
        ("/v1/responses/RESP/input_items?order=up", 400, "parameter order"),
        ("/v1/responses/RESP/input_items?after=in_none", 400, "there is no item"),
    ],
)
async def test_wrong_questions_are_refused(url: str, path: str, status: int, says: str) -> None:
    """
    An unknown response, and a parameter that is unknown or wrong, are refused with what is wrong.
    """
    made = await send(url, "POST", "/v1/responses", ask())
    answer = await send(url, "GET", path.replace("RESP", made.json["id"]))
    assert answer.status == status
    assert says in answer.json["error"]["message"]


async def test_a_form_is_refused(url: str, book: Book) -> None:
    """
    What a page on another site can send without being asked never reaches Bedrock.
    """
    for path in ("/v1/chat/completions", "/v1/responses"):
        answer = await send(url, "POST", path, json.dumps(chat()).encode(), content_type="text/plain")
        assert answer.status == 415
    assert book.calls() == []


async def test_a_completions_turn_is_no_response(url: str) -> None:
    """
    A turn that another dialect has begun can't be read as a response.
    """
    made = await send(url, "POST", "/v1/chat/completions", chat())
    turn_id = made.headers["x-outcrop-turn-id"]
    assert (await send(url, "GET", f"/v1/responses/resp_{turn_id}")).status == 404


async def test_a_throttled_answer_says_when_to_come_back(url: str, book: Book) -> None:
    """
    A refusal of Bedrock keeps its status, names its turn, and says whether and when to try again.
    """
    book.inject({"kind": "http_error", "name": "ThrottlingException", "retry_after": 0})
    answer = await send(url, "POST", "/v1/chat/completions", chat(stream=True))
    assert answer.status == 429
    assert answer.headers["x-should-retry"] == "true"
    assert answer.headers["x-outcrop-turn-id"].startswith("turn_")


async def test_a_stream_ends_with_done(url: str, book: Book) -> None:
    """
    Chunks are data lines, the last one is `[DONE]`, and the text is what Bedrock said.
    """
    answer = await send(url, "POST", "/v1/chat/completions", chat("emulate 40 tokens", stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, done = [event["data"] for event in answer.events]
    assert done == "[DONE]"
    deltas = [json.loads(chunk)["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(deltas) == (await book.ended_calls(1))[0]["text_emitted"]["text"]


async def test_a_stream_past_its_end_is_empty(url: str) -> None:
    """
    A reader that has all events is told nothing more.
    """
    made = await send(url, "POST", "/v1/responses", ask())
    answer = await send(url, "GET", f"/v1/responses/{made.json['id']}?stream=true&starting_after=1000")
    assert (answer.status, answer.content) == (200, b"")


class ResponsesSocket:
    """
    Be one socket of the Responses dialect.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def create(self, prompt: str, **fields: Any) -> None:
        """
        Ask.
        """
        await self.connection.send(json.dumps({"type": "response.create", **ask(prompt, **fields)}))

    async def read(self) -> dict[str, Any]:
        """
        Read the next event.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            event: dict[str, Any] = json.loads(await self.connection.recv())
        return event

    async def read_to_end(self, count: int = 1) -> list[dict[str, Any]]:
        """
        Read until so many responses have ended.
        """
        events = []
        while count:
            events.append(await self.read())
            count -= events[-1]["type"] in {"response.completed", "response.failed", "error"}
        return events

    async def close_code(self) -> int:
        """
        Read to the close.
        """
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.read()
        return self.connection.close_code or 0


@contextlib.asynccontextmanager
async def open_socket(url: str, **options: Any) -> AsyncIterator[ResponsesSocket]:
    """
    Connect.
    """
    address = url.replace("http://", "ws://") + "/v1/responses"
    async with connect(address, compression=None, max_size=None, **options) as connection:
        yield ResponsesSocket(connection)


async def test_one_lane_answers_in_order(url: str) -> None:
    """
    Requests of one lane are answered one after another, each with its own numbers.
    """
    async with open_socket(url) as socket:
        for _ in range(3):
            await socket.create("emulate 10 tokens")
        events = await socket.read_to_end(3)
    numbers = [event["sequence_number"] for event in events]
    begins = [place for place, number in enumerate(numbers) if number == 0]
    assert len(begins) == 3
    for begin, end in pairwise([*begins, len(numbers)]):
        assert numbers[begin:end] == list(range(end - begin))
        assert events[end - 1]["type"] == "response.completed"


@pytest.mark.parametrize(("stored", "outcome"), [(True, "completed"), (False, "client_closed")])
async def test_a_socket_that_closes_stops_what_nobody_can_find(
    url: str, book: Book, *, stored: bool, outcome: str
) -> None:
    """
    A stored response runs on without its socket, and is found over HTTP; one that is not stored is stopped.
    """
    async with open_socket(url) as socket:
        await socket.create("emulate 400 tokens", store=stored)
        response_id = (await socket.read())["response"]["id"]
        while (await socket.read())["type"] != "response.output_text.delta":
            pass
    call = (await book.ended_calls(1))[0]
    assert call["outcome"] == outcome
    found = await send(url, "GET", f"/v1/responses/{response_id}?stream=true")
    assert (found.status == 200) is stored


async def test_a_failure_on_a_socket_is_an_event(url: str, book: Book) -> None:
    """
    A response that fails says so on its lane, can't be gone on from, and leaves the socket open.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5}, times=1)
    async with open_socket(url) as socket:
        await socket.create("emulate 40 tokens", stream_id="a")
        failed = (await socket.read_to_end())[-1]
        assert (failed["type"], failed["stream_id"]) == ("response.failed", "a")
        await socket.create("go on", previous_response_id=failed["response"]["id"])
        refused = (await socket.read_to_end())[-1]
        assert (refused["status"], refused["error"]["code"]) == (409, "previous_response_not_finished")
        await socket.create("emulate 3 tokens")
        assert (await socket.read_to_end())[-1]["type"] == "response.completed"


async def test_nonsense_on_a_socket_is_answered(url: str) -> None:
    """
    What is no event is answered with an error, as text or binary, and the socket serves on.
    """
    async with open_socket(url) as socket:
        for nonsense in ("{", "[]", '{"type":"response.destroy"}', b"\xff", '{"type":"response.create"}'):
            await socket.connection.send(nonsense)
            event = await socket.read()
            assert (event["type"], event["status"]) == ("error", 400)
        await socket.create("emulate 3 tokens")
        assert (await socket.read_to_end())[-1]["type"] == "response.completed"


async def test_a_socket_takes_so_many_requests(url: str) -> None:
    """
    Requests beyond the limit of one socket are refused; those within it are answered.
    """
    async with open_socket(url) as socket:
        for number in range(80):
            await socket.create("emulate 3 tokens", stream_id=f"lane {number % 8}")
        events = await socket.read_to_end(80)
    ends = [event["type"] for event in events]
    assert ends.count("response.completed") >= 64
    refusals = [event for event in events if event["type"] == "error"]
    assert {event["error"]["code"] for event in refusals} <= {"rate_limited", "rate_limit_exceeded"}


async def test_a_socket_needs_a_key(locked: str) -> None:
    """
    A socket without a key is closed with the reason; one with a key serves, within the bound of an event.
    """
    async with open_socket(locked) as socket:
        assert await socket.close_code() == 4401
    headers = {"authorization": key_of(ANNE)}
    async with open_socket(locked, additional_headers=headers) as socket:
        await socket.create("emulate 3 tokens")
        assert (await socket.read_to_end())[-1]["type"] == "response.completed"
        await socket.create("x" * (MAX_BYTES + 1))
        assert await socket.close_code() == 4413


async def test_a_draining_server_closes_idle_sockets(emulator_process: tuple[Process, str]) -> None:
    """
    A server that is told to stop lets a running response end, then closes its socket.
    """
    environ = gateway_environment(emulator_process[1])
    with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
        async with open_socket(url) as socket:
            await socket.create("emulate 200 tokens")
            await socket.read()
            process.send_signal(signal.SIGTERM)
            assert (await socket.read_to_end())[-1]["type"] == "response.completed"
            assert await socket.close_code() == 1012


async def test_a_client_that_reads_nothing_is_cut_off(locked: str) -> None:
    """
    A client that only asks is refused beyond what may wait, and loses its socket; others are served meanwhile.
    """
    headers = {"authorization": key_of(ANNE)}
    async with asyncio.timeout(WAIT_SECONDS), open_socket(locked, additional_headers=headers, max_queue=1) as deaf:
        with pytest.raises(ConnectionClosed):
            await flood(deaf)
    async with open_socket(locked, additional_headers=headers) as socket:
        await socket.create("emulate 3 tokens")
        assert (await socket.read_to_end())[-1]["type"] == "response.completed"


async def flood(socket: ResponsesSocket) -> None:
    """
    Ask for long events, and read none.
    """
    for number in range(20_000):
        await socket.create("remember", generate=False, instructions="x" * 40_000, stream_id=f"{number % 8}")
