"""
Every fault of the emulator, while a raw client reads: the right close code in time, a true prefix, nothing left over.
"""

import asyncio
from typing import Any

import pytest

from tests.e2e.conftest import FIRST_BYTE_SECONDS, IDLE_SECONDS, TURN_SECONDS, Book, RawClient
from tests.support import Process

LONG = "emulate 120 tokens"
RETRY_SECONDS = 3.0
"""
What three attempts with their full jitter may take at most.
"""

MID_STREAM: list[tuple[dict[str, Any], int, float]] = [
    ({"kind": "exception", "name": "throttlingException"}, 4429, 0),
    ({"kind": "exception", "name": "validationException"}, 4400, 0),
    ({"kind": "exception", "name": "internalServerException"}, 4502, 0),
    ({"kind": "exception", "name": "modelStreamErrorException"}, 4502, 0),
    ({"kind": "exception", "name": "serviceUnavailableException"}, 4503, 0),
    ({"kind": "exception", "name": "modelTimeoutException"}, 4408, 0),
    ({"kind": "error_message", "code": "InternalFailure", "message": "something broke"}, 4502, 0),
    ({"kind": "corrupt", "what": "prelude"}, 4502, 0),
    ({"kind": "corrupt", "what": "message"}, 4502, 0),
    ({"kind": "corrupt", "what": "length"}, 4502, IDLE_SECONDS),
    ({"kind": "cut"}, 4502, 0),
    ({"kind": "reset"}, 4502, 0),
    ({"kind": "end_without_terminal"}, 4502, 0),
]
BEFORE_THE_FIRST_TOKEN: list[tuple[dict[str, Any], int, float]] = [
    ({"kind": "http_error", "name": "ThrottlingException"}, 4429, RETRY_SECONDS),
    ({"kind": "http_error", "name": "ServiceUnavailableException"}, 4503, RETRY_SECONDS),
    ({"kind": "http_error", "name": "InternalServerException"}, 4502, RETRY_SECONDS),
    ({"kind": "http_error", "name": "ModelNotReadyException"}, 4503, RETRY_SECONDS),
    ({"kind": "http_error", "name": "ValidationException"}, 4400, 0),
    ({"kind": "http_error", "name": "ResourceNotFoundException"}, 4404, 0),
    ({"kind": "http_error", "name": "ModelTimeoutException"}, 4408, 0),
    ({"kind": "http_error", "name": "ModelErrorException"}, 4502, 0),
    ({"kind": "http_error", "name": "UnrecognizedClientException", "status": 403}, 4503, 0),
    ({"kind": "silence", "where": "before_headers", "seconds": 30}, 4408, FIRST_BYTE_SECONDS),
    ({"kind": "cut", "after_bytes": 0}, 4502, 0),
    ({"kind": "cut", "after_bytes": 50}, 4502, 0),
    ({"kind": "reset", "after_tokens": 0}, 4502, 0),
]
STREAMED_ONLY: list[tuple[dict[str, Any], int, float]] = [
    ({"kind": "silence", "where": "before_first_token", "seconds": 30}, 4408, FIRST_BYTE_SECONDS),
    ({"kind": "slow", "tokens_per_second": 5}, 4408, TURN_SECONDS),
]


def name_of(value: object) -> str:
    """
    Name a case by its fault.
    """
    return "-".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value)


async def check_fault(
    client: RawClient, book: Book, fault: dict[str, Any], code: int, seconds: float, *, streaming: bool, model: str
) -> str:
    """
    Ask under a fault; returns the text that the client saw.
    """
    book.inject(fault)
    outcome = await client.ask(LONG, model=model, streaming=str(streaming))
    assert outcome.close_code == code, outcome
    assert outcome.close_reason
    assert outcome.seconds < seconds + 1.5
    calls = await book.ended_calls(1)
    assert calls[-1]["text_emitted"]["text"].startswith(outcome.text)
    return outcome.text


@pytest.mark.parametrize("after_tokens", [0, 1, 7])
@pytest.mark.parametrize(("fault", "code", "seconds"), MID_STREAM, ids=name_of)
async def test_a_fault_in_mid_stream(
    client: RawClient, book: Book, fault: dict[str, Any], code: int, seconds: float, after_tokens: int
) -> None:
    """
    A fault after k tokens closes with its code, the client has exactly those tokens, and no call is made again.
    """
    model = "llama3" if after_tokens else "anthropic"
    fault = fault | {"after_tokens": after_tokens}
    text = await check_fault(client, book, fault, code, seconds, streaming=True, model=model)
    assert bool(text) == bool(after_tokens)
    assert len(book.calls()) == 1


async def test_silence_in_mid_stream(client: RawClient, book: Book) -> None:
    """
    Silence after k tokens ends at the idle deadline; the emulator sees its client close in time.
    """
    fault = {"kind": "silence", "where": "after_tokens", "tokens": 5, "seconds": 30}
    text = await check_fault(client, book, fault, 4408, IDLE_SECONDS, streaming=True, model="llama3")
    assert text
    call = book.calls()[0]
    assert call["outcome"] == "client_closed"
    assert call["closed_by_client_ms_after_start"] < (IDLE_SECONDS + 1) * 1000


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("fault", "code", "seconds"), BEFORE_THE_FIRST_TOKEN, ids=name_of)
async def test_a_fault_before_the_first_token(
    client: RawClient, book: Book, fault: dict[str, Any], code: int, seconds: float, streaming: bool
) -> None:
    """
    A fault before the first token closes with its code and no text, streaming or whole.
    """
    assert await check_fault(client, book, fault, code, seconds, streaming=streaming, model="llama3") == ""


@pytest.mark.parametrize(("fault", "code", "seconds"), STREAMED_ONLY, ids=name_of)
async def test_a_fault_of_pace(client: RawClient, book: Book, fault: dict[str, Any], code: int, seconds: float) -> None:
    """
    A model that is silent or slow meets the deadline that is meant for it.
    """
    await check_fault(client, book, fault, code, seconds, streaming=True, model="llama3")
    assert book.calls()[0]["outcome"] == "client_closed"


@pytest.mark.parametrize("streaming", ["true", "false"])
async def test_a_passing_fault_is_retried_before_the_first_byte(client: RawClient, book: Book, streaming: str) -> None:
    """
    A fault that strikes once, before the first byte, is retried; the answer is whole.
    """
    book.inject({"kind": "http_error", "name": "ServiceUnavailableException"}, times=1)
    outcome = await client.ask("emulate 20 tokens", streaming=streaming)
    assert outcome.close_code is None
    calls = await book.ended_calls(2)
    assert [call["outcome"] for call in calls] == ["fault:http_error", "completed"]
    assert outcome.text == calls[1]["text_emitted"]["text"]


async def test_nothing_is_left_over(
    client: RawClient, book: Book, gateway: tuple[Process, str], emulator_process: tuple[Process, str]
) -> None:
    """
    After a storm of faults and vanishing clients, files of both processes return to where they were, and no turn runs.
    """
    await client.ask("warm up")
    before = gateway[0].count_files(), emulator_process[0].count_files()
    for fault in ({"kind": "cut", "after_tokens": 3}, {"kind": "reset", "after_tokens": 3}):
        book.inject(fault)
        await asyncio.gather(*(client.ask(LONG, streaming="true") for _ in range(20)))
        book.clear()
    await asyncio.gather(*(vanish(client) for _ in range(20)))
    await asyncio.gather(*(client.ask("emulate 5 tokens", streaming="true") for _ in range(5)))
    async with asyncio.timeout(10):
        # Idle connections to Bedrock are kept for the next call: at most as many as ran at once.
        while (
            gateway[0].count_files() > before[0] + 6
            or emulator_process[0].count_files() > before[1] + 6
            or running_turns(gateway[1])
        ):
            await asyncio.sleep(0.05)


def running_turns(url: str) -> int:
    """
    Ask the gateway how many turns run.
    """
    health = Book(url).request("GET", "/healthz")
    return int(health["running_turns"])


async def vanish(client: RawClient) -> None:
    """
    Leave in mid-answer, without a close frame.
    """
    async with client.open(streaming="true") as socket:
        await socket.send(LONG)
        await socket.recv()
        socket.transport.abort()


async def test_killing_the_client_closes_the_call(client: RawClient, book: Book) -> None:
    """
    When the client vanishes in mid-answer, the call to Bedrock is closed within 250 ms, by the emulator's clock.
    """
    loop = asyncio.get_running_loop()
    async with client.open(streaming="true") as socket:
        await socket.send(LONG)
        await socket.recv()
        killed_at = loop.time()
        socket.transport.abort()
    call = (await book.ended_calls(1))[0]
    assert call["outcome"] == "client_closed"
    assert call["client_closed_at_monotonic"] - killed_at < 0.25


async def test_killing_a_client_that_sent_more_prompts_closes_the_call(client: RawClient, book: Book) -> None:
    """
    Prompts that wait on the socket do not keep the server from noticing that the client has gone.
    """
    loop = asyncio.get_running_loop()
    async with client.open(streaming="true") as socket:
        for _ in range(5):
            await socket.send(LONG)
        await socket.recv()
        killed_at = loop.time()
        socket.transport.abort()
    call = (await book.ended_calls(1))[0]
    assert call["client_closed_at_monotonic"] - killed_at < 0.25
    assert len(book.calls()) == 1


async def test_a_whole_answer_is_stopped_too(client: RawClient, book: Book) -> None:
    """
    A client that leaves while a whole answer is made closes the call.
    """
    book.inject({"kind": "silence", "where": "before_headers", "seconds": 30})
    async with client.open(streaming="false") as socket:
        await socket.send(LONG)
        async with asyncio.timeout(5):
            while not book.calls():
                await asyncio.sleep(0.01)
    assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"
