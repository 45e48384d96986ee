"""
Tests of `outcrop.emulator.engine`: a server with a model answers, through every family's own shapes.

The server here speaks the protocol as public servers of this kind do: chunks in server-sent events, usage in a chunk of
its own with no choices, then `[DONE]`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from outcrop.emulator.engine.settings import EngineConfig
from tests.emulator.native import DIALECTS, streamed_text

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Say it."}]}]}
PIECES = ("Gra", "nite ", "is ", "hard: ", "花崗岩 ", "🪨", ".")
TEXT = "".join(PIECES)


def chunk(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    """
    Return one chunk as an event.
    """
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":17,"completion_tokens":23,"total_tokens":40}}\n\n'
DONE = b"data: [DONE]\n\n"
PLAIN = (*(chunk(piece) for piece in PIECES), chunk(finish="stop"), USAGE, DONE)


@dataclass
class ModelServer:
    """
    Hold a small server: what it says, what it was asked, and whether it was left in mid-stream.
    """

    events: tuple[bytes, ...] = PLAIN
    status: str = "200 OK"
    is_cut: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Any] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer one request. After a `pause` event it says nothing more until the gate opens.
        """
        try:
            await self._serve(reader, writer)
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if head.startswith("GET /v1/models "):
            listing = b'{"object":"list","data":[{"id":"tiny","object":"model"}]}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(listing), listing))
            return
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        self.asked.append(json.loads(await reader.readexactly(length)))
        kind = "text/event-stream" if self.status == "200 OK" else "application/json"
        writer.write(f"HTTP/1.1 {self.status}\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for event in self.events:
            if event == b"pause":
                await self._pause(reader)
                continue
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
        if not self.is_cut:
            writer.write(b"0\r\n\r\n")

    async def _pause(self, reader: asyncio.StreamReader) -> None:
        gone, opened = asyncio.create_task(reader.read()), asyncio.create_task(self.gate.wait())
        await asyncio.wait({gone, opened}, return_when=asyncio.FIRST_COMPLETED)
        is_gone = gone.done()
        for task in (gone, opened):
            task.cancel()
        await asyncio.gather(gone, opened, return_exceptions=True)
        if is_gone:
            raise ConnectionResetError


StartEngine = Callable[..., Awaitable[ModelServer]]


@pytest.fixture
async def start_engine() -> AsyncIterator[StartEngine]:
    """
    Return a function that starts a server with a model.
    """
    servers: list[asyncio.Server] = []

    async def start(**settings: Any) -> ModelServer:
        model = ModelServer(**settings)
        server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
        servers.append(server)
        model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return model

    yield start
    for server in servers:
        server.close()


async def start_both(start_emulator: Any, start_engine: StartEngine, **settings: Any) -> tuple[Any, ModelServer]:
    """
    Start an emulator with an engine.
    """
    model = await start_engine(**settings)
    return await start_emulator(engine=EngineConfig(url=model.url)), model


def converse_text(reply: Any) -> str:
    """
    Return the text of a Converse stream.
    """
    return "".join(payload["delta"]["text"] for payload in reply.payloads() if "delta" in payload)


async def test_converse_says_what_the_engine_says(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    Whole and streaming, Converse has the engine's text, its usage and its end.
    """
    wire, _ = await start_both(start_emulator, start_engine)
    whole = (await wire.call("converse", CLAUDE, CONVERSE)).json()
    stream = await wire.call("converse-stream", CLAUDE, CONVERSE)
    assert whole["output"]["message"]["content"] == [{"text": TEXT}]
    assert converse_text(stream) == TEXT
    assert whole["stopReason"] == "end_turn"
    assert (whole["usage"]["inputTokens"], whole["usage"]["outputTokens"]) == (17, 23)
    assert stream.payloads()[-1]["usage"] == whole["usage"]
    assert stream.ending == "clean"
    calls = await wire.calls()
    assert [call["outcome"] for call in calls] == ["completed", "completed"]
    assert [call["usage"]["output"] for call in calls] == [23, 23]
    assert [call["text_emitted"]["text"] for call in calls] == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("anthropic", CLAUDE),
        ("llama3", LLAMA),
        ("titan", "amazon.titan-text-express-v1"),
        ("nova", "us.amazon.nova-lite-v1:0"),
        ("mistral_text", "mistral.mistral-7b-instruct-v0:2"),
        ("openai_chat", "openai.gpt-oss-20b-1:0"),
        ("deepseek_text", "us.deepseek.r1-v1:0"),
    ],
)
async def test_native_bodies_say_what_the_engine_says(
    start_emulator: Any, start_engine: StartEngine, family: str, model: str
) -> None:
    """
    Each family's own body carries the engine's text, whole and streaming.
    """
    wire, _ = await start_both(start_emulator, start_engine)
    body = DIALECTS[family].write([("user", "Say it.")], 50)
    whole = await wire.call("invoke", model, body)
    stream = await wire.call("invoke-with-response-stream", model, body)
    assert whole.status == 200, whole.body
    assert DIALECTS[family].text(whole.json()) == TEXT
    assert streamed_text(family, stream.payloads()) == TEXT
    assert stream.ending == "clean"


async def test_pieces_come_before_the_engine_has_ended(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    A piece that the engine has said is at the client while the engine still thinks about the next.
    """
    wire, model = await start_both(
        start_emulator, start_engine, events=(chunk("early"), b"pause", chunk("late"), chunk(finish="stop"), DONE)
    )
    reader, writer = await wire.open("POST", f"/model/{LLAMA}/converse-stream", json.dumps(CONVERSE).encode())
    async with asyncio.timeout(5):
        seen = await reader.readuntil(b"early")
        model.gate.set()
        rest = await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    assert b"late" not in seen
    assert b"late" in rest


async def test_the_engine_is_asked_what_the_client_asked(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    Messages, system, limits, sampling and stop sequences reach the engine; its first model is asked.
    """
    wire, model = await start_both(start_emulator, start_engine)
    turns = [("user", "one"), ("assistant", "two"), ("user", "three")]
    body = {
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in turns],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
    }
    await wire.call("converse", LLAMA, body)
    assert model.asked == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                *({"role": role, "content": text} for role, text in turns),
            ],
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["END"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


async def test_the_key_and_the_model_are_sent(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    A model that is given is asked without looking at the list, and the key is a bearer token.
    """
    model = await start_engine()
    config = EngineConfig(url=model.url, model="big", key="the-key")
    wire = await start_emulator(engine=config)
    await wire.call("converse", CLAUDE, CONVERSE)
    assert [asked["model"] for asked in model.asked] == ["big"]
    assert "authorization: Bearer the-key\r\n" in model.heads[0]
    assert "the-key" not in repr(config)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (chunk(finish="length"), "max_tokens"),
        (chunk(finish="stop"), "end_turn"),
        (chunk(finish="stop", stop_reason="END"), "stop_sequence"),
        (b"", "end_turn"),
    ],
)
async def test_the_end_is_the_engines(start_emulator: Any, start_engine: StartEngine, last: bytes, reason: str) -> None:
    """
    Finish reasons become stop reasons, and without usage the tokens are estimated.
    """
    events = tuple(event for event in (chunk("one two three"), last, DONE) if event)
    wire, _ = await start_both(start_emulator, start_engine, events=events)
    whole = (await wire.call("converse", CLAUDE, CONVERSE)).json()
    stream = (await wire.call("converse-stream", CLAUDE, CONVERSE)).payloads()
    assert (whole["stopReason"], stream[-2]["stopReason"]) == (reason, reason)
    assert whole["usage"]["outputTokens"] == stream[-1]["usage"]["outputTokens"] == 3
    assert whole["usage"]["inputTokens"] > 0


async def test_an_answer_without_text_is_whole(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    An engine may say nothing at all.
    """
    wire, _ = await start_both(start_emulator, start_engine, events=(chunk(finish="stop"), DONE))
    reply = await wire.call("converse-stream", CLAUDE, CONVERSE)
    assert converse_text(reply) == ""
    assert reply.ending == "clean"


@pytest.mark.parametrize("operation", ["converse", "converse-stream", "invoke", "invoke-with-response-stream"])
@pytest.mark.parametrize(
    "settings",
    [
        {"status": "500 Oops", "events": (b'{"error":{"message":"out of granite"}}',)},
        {"events": (b'data: {"error":{"message":"out of granite"}}\n\n',)},
    ],
)
async def test_an_engine_that_fails_first_is_424(
    start_emulator: Any, start_engine: StartEngine, operation: str, settings: dict[str, Any]
) -> None:
    """
    A failure before the first piece is a ModelErrorException with the engine's words.
    """
    wire, _ = await start_both(start_emulator, start_engine, **settings)
    body = CONVERSE if operation.startswith("converse") else {"prompt": "Say it."}
    reply = await wire.call(operation, LLAMA, body)
    assert (reply.status, reply.error) == (424, "modelerrorexception")
    assert "out of granite" in reply.json()["message"]


async def test_an_engine_that_is_not_there_is_424(start_emulator: Any, unused_tcp_port: int) -> None:
    """
    An engine that can't be reached is a failure of the model.
    """
    wire = await start_emulator(engine=EngineConfig(url=f"http://127.0.0.1:{unused_tcp_port}/v1"))
    reply = await wire.call("converse-stream", CLAUDE, CONVERSE)
    assert (reply.status, reply.error) == (424, "modelerrorexception")


@pytest.mark.parametrize(
    "settings",
    [
        {"events": (chunk("one"), b'data: {"error":"broken"}\n\n')},
        {"events": (chunk("one"), b"data: not json\n\n")},
        {"events": (chunk("one"),), "is_cut": True},
        {"events": (chunk("one"),)},
    ],
)
async def test_an_engine_that_fails_later_is_an_exception_in_the_stream(
    start_emulator: Any, start_engine: StartEngine, settings: dict[str, Any]
) -> None:
    """
    What was said is kept, and the stream ends with a modelStreamErrorException; a whole answer is refused.
    """
    wire, _ = await start_both(start_emulator, start_engine, **settings)
    stream = await wire.call("converse-stream", CLAUDE, CONVERSE)
    whole = await wire.call("converse", CLAUDE, CONVERSE)
    assert converse_text(stream) == "one"
    assert stream.messages()[-1][0][":exception-type"] == "modelStreamErrorException"
    assert stream.ending == "clean"
    assert (whole.status, whole.error) == (424, "modelerrorexception")
    outcomes = [call["outcome"] for call in await wire.calls()]
    assert outcomes == ["engine_failed", "refused:ModelErrorException"]


@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
async def test_a_client_that_leaves_stops_the_engine(
    start_emulator: Any, start_engine: StartEngine, operation: str
) -> None:
    """
    When the client goes, also in silence, the engine's connection is closed at once.
    """
    wire, model = await start_both(start_emulator, start_engine, events=(chunk("one"), b"pause"))
    _reader, writer = await wire.open("POST", f"/model/{CLAUDE}/{operation}", json.dumps(CONVERSE).encode())
    async with asyncio.timeout(5):
        while not model.asked:
            await asyncio.sleep(0)
        writer.close()
        await model.left.wait()
        while not (await wire.calls())[0]["outcome"]:
            await asyncio.sleep(0)
    assert [call["outcome"] for call in await wire.calls()] == ["client_closed"]


async def test_faults_strike_an_engines_stream_too(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    A fault after some tokens counts the engine's pieces.
    """
    wire, _ = await start_both(start_emulator, start_engine)
    await wire.add_fault(kind="cut", after_tokens=2)
    reply = await wire.call("converse-stream", CLAUDE, CONVERSE)
    assert (converse_text(reply), reply.ending) == ("".join(PIECES[:2]), "cut")


async def test_what_an_engine_can_not_be_given_is_refused(start_emulator: Any, start_engine: StartEngine) -> None:
    """
    Tools and images are refused by name, and the engine isn't asked.
    """
    wire, model = await start_both(start_emulator, start_engine)
    tools = {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]}
    image = {"image": {"format": "png", "source": {"bytes": "aGk="}}}
    with_tools = await wire.call("converse", CLAUDE, CONVERSE | {"toolConfig": tools})
    with_image = await wire.call("converse", CLAUDE, {"messages": [{"role": "user", "content": [image]}]})
    assert "Remove the tools" in with_tools.json()["message"]
    assert "Remove the images" in with_image.json()["message"]
    assert model.asked == []
