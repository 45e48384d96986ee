"""
Counts are bounded, end when their client goes, and are refused while the server stops.
"""

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import Message as AsgiMessage

from outcrop.accounts.limits import OpenBudget
from outcrop.adapters.registry import find_adapter, find_native_adapter
from outcrop.calls import MessageSink, StreamEnd, UpstreamCall, WholeAnswer
from outcrop.catalogue.models import load_catalogue
from outcrop.catalogue.resolve import resolve
from outcrop.errors import Draining, RequestError, TooManyRequests, UpstreamThrottled
from outcrop.history.ledger import MemoryLedger
from outcrop.server.anthropic_routes import AnthropicRoutes
from outcrop.server.app import EMULATOR_CREDENTIALS, build_services
from outcrop.server.bedrock_lists import BedrockLists
from outcrop.server.bedrock_routes import BedrockRoutes
from outcrop.server.counting import COUNTED_ANSWER_TOKENS, MAX_COUNTS, TokenCounter
from outcrop.server.services import UpstreamInfo
from outcrop.settings import Settings
from outcrop.turns.memory import MemoryTurnLog
from outcrop.turns.ports import Ports
from outcrop.types import ChatRequest, GenerationParams, Message, Reasoning, TextPart
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOBODY = "http://127.0.0.1:9"
REGION = "us-east-1"
WAIT_SECONDS = 30


class CountingUpstream:
    """
    Be a Bedrock that counts when the test says so.
    """

    def __init__(self) -> None:
        self.calls: list[UpstreamCall] = []
        self.cancelled = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def stream(self, call: UpstreamCall, sink: MessageSink) -> StreamEnd:
        """
        Refuse: nothing streams here.
        """
        raise AssertionError("a count does not stream")

    async def fetch(self, call: UpstreamCall) -> WholeAnswer:
        """
        Wait for the test, then answer or fail.
        """
        self.calls.append(call)
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return WholeAnswer(body=b'{"inputTokens":7}', headers={})

    async def wait_for(self, count: int) -> None:
        """
        Wait until so many calls were made.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.calls) < count:
                await asyncio.sleep(0)


class Client:
    """
    Be a client that stays until the test says that it goes.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def receive(self) -> AsgiMessage:
        """
        Say that the client has gone, once it has.
        """
        await self.gone.wait()
        return {"type": "http.disconnect"}


@pytest.fixture
def upstream() -> CountingUpstream:
    """
    Make a Bedrock that answers at once.
    """
    made = CountingUpstream()
    made.may_answer.set()
    return made


@pytest.fixture
def counter(upstream: CountingUpstream) -> TokenCounter:
    """
    Make a counter on it.
    """
    ports = Ports(
        log=MemoryTurnLog(max_log_bytes=1000, max_retained_bytes=1000, retention_seconds=1, clock=time.time),
        upstream=upstream,
        region=REGION,
        resolve=resolve,
        find_adapter=find_adapter,
        find_native_adapter=find_native_adapter,
        ledger=MemoryLedger(),
        budget=OpenBudget(),
        price=lambda _model, _usage: None,
        clock=time.time,
    )
    return TokenCounter(ports, load_catalogue)


def ask(model: str = CLAUDE, **params: Any) -> ChatRequest:
    """
    Make a request.
    """
    messages = (Message(role="user", parts=(TextPart(text="hello"),)),)
    return ChatRequest(model=model, messages=messages, params=GenerationParams(**params))


async def count(counter: TokenCounter, request: ChatRequest, client: Client | None = None) -> int:
    """
    Count for a client that stays, if none is given.
    """
    return await counter.count(request, receive=(client or Client()).receive, is_draining=False)


def sent_max_tokens(call: UpstreamCall) -> Any:
    """
    Read the bound of the answer in the native body that is counted.
    """
    body = b64decode(json.loads(call.body)["input"]["invokeModel"]["body"])
    return json.loads(body)["max_tokens"]


@pytest.mark.parametrize(
    ("params", "bound"),
    [
        ({}, COUNTED_ANSWER_TOKENS),
        ({"max_tokens": 5}, 5),
        ({"reasoning": Reasoning(mode="enabled", budget_tokens=1024)}, 1025),
        ({"reasoning": Reasoning(mode="enabled", budget_tokens=16_000)}, 16_001),
        ({"reasoning": Reasoning(mode="disabled")}, COUNTED_ANSWER_TOKENS),
    ],
)
async def test_a_body_that_is_counted_bounds_its_answer(
    counter: TokenCounter, upstream: CountingUpstream, params: dict[str, Any], bound: int
) -> None:
    """
    The bound that a native body must have leaves room for the reasoning; one that the client gave stays.
    """
    assert await count(counter, ask(**params)) == 7
    assert sent_max_tokens(upstream.calls[0]) == bound


async def test_a_model_that_cannot_be_counted_for_is_refused_before_any_call(
    counter: TokenCounter, upstream: CountingUpstream
) -> None:
    """
    The catalogue knows for whom Bedrock counts; the refusal names some of them.
    """
    with pytest.raises(RequestError, match=r"can't count tokens for model 'llama3', only for anthropic\..* and others"):
        await count(counter, ask("llama3"))
    assert upstream.calls == []


async def test_a_client_that_goes_ends_its_count(counter: TokenCounter, upstream: CountingUpstream) -> None:
    """
    Nobody waits for the count of a client that has gone: the call to Bedrock is cancelled.
    """
    upstream.may_answer.clear()
    client = Client()
    counting = asyncio.create_task(count(counter, ask(), client))
    await upstream.wait_for(1)
    client.gone.set()
    with pytest.raises(ClientDisconnect):
        await asyncio.wait_for(counting, WAIT_SECONDS)
    assert upstream.cancelled == 1


async def test_a_count_that_is_cancelled_ends_its_call(counter: TokenCounter, upstream: CountingUpstream) -> None:
    """
    The call to Bedrock does not outlive whoever asked for it, and nothing is left running.
    """
    upstream.may_answer.clear()
    before = asyncio.all_tasks()
    counting = asyncio.create_task(count(counter, ask()))
    await upstream.wait_for(1)
    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(counting, WAIT_SECONDS)
    assert upstream.cancelled == 1
    assert asyncio.all_tasks() == before


async def test_counts_at_once_are_bounded(counter: TokenCounter, upstream: CountingUpstream) -> None:
    """
    One count too many is refused without a call, and is welcome when another has ended.
    """
    upstream.may_answer.clear()
    async with asyncio.TaskGroup() as group:
        counting = [group.create_task(count(counter, ask())) for _ in range(MAX_COUNTS)]
        await upstream.wait_for(MAX_COUNTS)
        with pytest.raises(TooManyRequests, match=f"{MAX_COUNTS} counts run"):
            await count(counter, ask())
        upstream.may_answer.set()
    assert [task.result() for task in counting] == [7] * MAX_COUNTS
    assert await count(counter, ask()) == 7


async def test_a_failed_count_gives_its_place_back(counter: TokenCounter, upstream: CountingUpstream) -> None:
    """
    What Bedrock says is raised as it is, and the next counts are welcome.
    """
    upstream.error = UpstreamThrottled("too many")
    for _ in range(MAX_COUNTS + 1):
        with pytest.raises(UpstreamThrottled):
            await count(counter, ask())
    upstream.error = None
    assert await count(counter, ask()) == 7


async def test_a_stopping_server_begins_no_count(counter: TokenCounter, upstream: CountingUpstream) -> None:
    """
    While the server stops, Bedrock is asked for no new count.
    """
    with pytest.raises(Draining):
        await counter.count(ask(), receive=Client().receive, is_draining=True)
    assert upstream.calls == []


@pytest.fixture
async def stopping() -> AsyncIterator[Starlette]:
    """
    Make the routes of a server that stops; Bedrock is out of reach.
    """
    settings = Settings(port=0, database_url="none")
    credentials = StaticCredentials(credentials=EMULATOR_CREDENTIALS)
    client = BedrockClient(endpoint_url=NOBODY, region=REGION, credentials=credentials)
    info = UpstreamInfo(kind="bedrock", region=REGION, endpoint_url=NOBODY, credentials="none needed")
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(client.aclose)
        services = await build_services(settings, client, info, cleanup)
        await services.turns.drain(0)
        routes = [part(services).routes() for part in (AnthropicRoutes, BedrockRoutes, BedrockLists)]
        yield Starlette(routes=[route for some in routes for route in some])


async def call(app: Starlette, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
    """
    Make one request of an application, and return the status, the headers and the JSON of its answer.
    """
    payload = b"" if body is None else json.dumps(body).encode()
    waiting: list[AsgiMessage] = [{"type": "http.request", "body": payload, "more_body": False}]
    said: list[Any] = []

    async def receive() -> AsgiMessage:
        return waiting.pop() if waiting else await Client().receive()

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    async with asyncio.timeout(WAIT_SECONDS):
        await app({**scope, "headers": headers, "root_path": ""}, receive, send)
    answered = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return said[0]["status"], answered, json.loads(b"".join(message["body"] for message in said[1:]))


async def test_anthropics_clients_are_told_that_the_server_stops(stopping: Starlette) -> None:
    """
    The refusal is Anthropic's own 529, after which its SDKs try again.
    """
    body = {"model": CLAUDE, "messages": [{"role": "user", "content": "hello"}]}
    status, _, said = await call(stopping, "POST", "/v1/messages/count_tokens", body)
    assert (status, said["type"], said["error"]["type"]) == (529, "error", "overloaded_error")
    assert "this server is stopping" in said["error"]["message"]


async def test_bedrocks_clients_are_told_that_the_server_stops(stopping: Starlette) -> None:
    """
    The refusal is a 503 in Bedrock's shape.
    """
    body = {"input": {"converse": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}}}
    status, headers, said = await call(stopping, "POST", f"/model/{CLAUDE}/count-tokens", body)
    assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailableException")
    assert "this server is stopping" in said["message"]


async def test_a_stopping_server_still_lists_its_models(stopping: Starlette) -> None:
    """
    Lists ask nobody, so they are answered to the end.
    """
    status, _, said = await call(stopping, "GET", f"/foundation-models/{CLAUDE}")
    assert (status, said["modelDetails"]["modelId"]) == (200, CLAUDE)
