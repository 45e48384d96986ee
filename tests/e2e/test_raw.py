"""
The raw dialect against a real gateway: what a client of `/ws/model` may rely on.
"""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import Book, RawClient, read_answer
from tests.support import Process

PROMPTS = ["hello", "emulate 60 tokens", "Write a haiku about rain.", "repeat after me: 雪が降る 🏔️ <|eot_id|>"]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("model", ["llama3", "anthropic", "us.meta.llama3-3-70b-instruct-v1:0"])
async def test_streamed_and_whole_answers_are_equal(client: RawClient, book: Book, model: str, prompt: str) -> None:
    """
    For equal prompts the texts are equal; streamed they come in many messages, whole in one.
    """
    streamed = await client.ask(prompt, model, streaming="TRUE")
    whole = await client.ask(prompt, model, streaming="no")
    calls = await book.ended_calls(2)
    assert streamed.text == whole.text == calls[0]["text_emitted"]["text"]
    assert (len(whole.messages), len(streamed.messages) > 1) == (1, True)
    assert [call["operation"] for call in calls] == ["InvokeModelWithResponseStream", "InvokeModel"]


async def test_answers_come_in_the_kind_of_their_prompt(client: RawClient) -> None:
    """
    A binary prompt is answered in binary messages, a text prompt in text, on the same socket.
    """
    async with client.open(streaming="true", done="1") as socket:
        await socket.send(b"hello")
        binary = await read_answer(socket)
        await socket.send("hello")
        text = await read_answer(socket)
    assert all(isinstance(message, bytes) for message in binary.messages)
    assert all(isinstance(message, str) for message in text.messages)
    assert binary.text == text.text


async def test_prompts_on_one_socket_are_answered_in_order(client: RawClient, book: Book) -> None:
    """
    Prompts that are sent at once are answered one after the other, each whole.
    """
    prompts = [f"repeat after me: answer number {number}" for number in range(8)]
    async with client.open(streaming="true", done="1") as socket:
        for prompt in prompts:
            await socket.send(prompt)
        answers = [await read_answer(socket) for _ in prompts]
    for number, answer in enumerate(answers):
        assert f"answer number {number}" in answer.text
    calls = await book.ended_calls(8)
    assert [call["text_emitted"]["text"] for call in calls] == [answer.text for answer in answers]


async def test_without_memory_each_prompt_stands_alone(client: RawClient) -> None:
    """
    The same prompt on the same socket gets the same answer again.
    """
    async with client.open(streaming="true", done="1") as socket:
        texts = []
        for _ in range(2):
            await socket.send("hello")
            texts.append((await read_answer(socket)).text)
    assert texts[0] == texts[1]


async def test_with_memory_the_conversation_goes_to_the_model(client: RawClient, book: Book) -> None:
    """
    With `memory=1` each call holds the turns before it: the input grows.
    """
    async with client.open("anthropic", streaming="true", memory="1", done="1", system="Be brief.") as socket:
        for prompt in ("hello", "repeat after me: two", "repeat after me: three"):
            await socket.send(prompt)
            await read_answer(socket)
    inputs = [call["usage"]["input"] for call in await book.ended_calls(3)]
    assert inputs == sorted(inputs)
    assert inputs[2] > inputs[1] > inputs[0]


@pytest.mark.parametrize("streaming", ["true", "false"])
async def test_parameters_reach_the_model(client: RawClient, book: Book, streaming: str) -> None:
    """
    `max_tokens` cuts the answer exactly, `stop` before its text.
    """
    cut = await client.ask("emulate 60 tokens", "anthropic", streaming=streaming, max_tokens="7")
    assert (await book.ended_calls(1))[0]["usage"]["output"] == 7
    full = await client.ask("emulate 60 tokens", "anthropic", streaming=streaming)
    assert full.text.startswith(cut.text)
    word = full.text.split()[3]
    stopped = await client.ask("emulate 60 tokens", "anthropic", streaming=streaming, stop=[word])
    assert stopped.text == full.text[: full.text.index(word)]


@pytest.mark.parametrize(
    ("parameters", "prompt", "code", "words"),
    [
        ({"model": "nosuchmodel"}, None, 4404, "nosuchmodel"),
        ({"model": "lama3"}, None, 4404, "llama3"),
        ({"temprature": "1"}, None, 4400, "temprature"),
        ({"max_tokens": "many"}, None, 4400, "max_tokens"),
        ({"api_key": "canary"}, None, 4400, "unknown parameter"),
        ({}, "", 4400, "empty"),
        ({}, b"\xff", 4400, "UTF-8"),
        ({}, "x" * ((1 << 20) + 1), 4413, "1048576"),
        ({}, "x" * (1 << 21), 4413, "limit"),
        ({"max_tokens": "4000"}, "hello", 4400, "2048"),
        ({"top_k": "5"}, "hello", 4400, "top_k"),
        ({"model": "anthropic.claude-3-haiku-20240307-v1:0"}, "hello", 4404, "claude-3-haiku"),
    ],
)
async def test_a_refusal_says_what_was_wrong(
    client: RawClient, parameters: dict[str, Any], prompt: str | bytes | None, code: int, words: str
) -> None:
    """
    Bad parameters close the socket before any prompt, bad prompts after it, each with its code and the reason.
    """
    model = parameters.pop("model", "llama3")
    async with client.open(model, **parameters) as socket:
        if prompt is not None:
            await socket.send(prompt)
        outcome = await read_answer(socket)
    assert (outcome.close_code, outcome.text) == (code, "")
    assert words in outcome.close_reason
    assert len(outcome.close_reason.encode()) <= 123


async def test_waiting_prompts_are_bounded(client: RawClient, book: Book) -> None:
    """
    A client that sends prompts without end is told to stop, and its running call is closed.
    """
    async with client.open(streaming="true") as socket:
        await socket.send("emulate 400 tokens")
        await socket.recv()
        for _ in range(40):
            await socket.send("emulate 400 tokens")
        outcome = await read_answer(socket)
    assert outcome.close_code == 4429
    assert "prompts wait" in outcome.close_reason
    assert [call["outcome"] for call in await book.ended_calls(1)] == ["client_closed"]


async def test_a_reader_that_never_reads_is_bounded(
    client: RawClient, gateway: tuple[Process, str], book: Book
) -> None:
    """
    What a client does not read waits in bounded memory, and it can read the whole answer later.
    """
    async with client.open("us.anthropic.claude-opus-4-6-v1", streaming="true", done="1", max_tokens="3000") as socket:
        socket.transport.pause_reading()
        await socket.send("emulate 1000 tokens")
        call = (await book.ended_calls(1))[0]
        socket.transport.resume_reading()
        answer = await read_answer(socket)
    assert answer.text == call["text_emitted"]["text"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"]
)
async def test_pages_of_other_sites_get_no_socket(gateway: tuple[Process, str], origin: str) -> None:
    """
    A WebSocket handshake from a foreign origin is refused before it is accepted.
    """
    url = gateway[1].replace("http://", "ws://") + "/ws/model?model=llama3"
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, origin=origin):  # type: ignore[arg-type]  # the library's Origin is a string
            pass
    assert caught.value.response.status_code == 403


async def test_sockets_do_not_mix(client: RawClient) -> None:
    """
    Forty sockets at once, some of which leave early, each get their own answer and no other's.
    """

    async def ask(number: int) -> None:
        canary = f"canary {number * 7919} of {number}"
        async with client.open("anthropic", streaming="true", done="1") as socket:
            await socket.send(f"repeat after me: {canary}")
            if number % 3 == 0:
                await socket.recv()
                return
            answer = await read_answer(socket)
        assert canary in answer.text
        assert answer.text.count("canary") == 1

    await asyncio.gather(*(ask(number) for number in range(40)))
