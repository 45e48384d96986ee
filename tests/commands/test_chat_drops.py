"""
`outcrop chat` over connections that end, through a gateway that follows a script.
"""

import asyncio
import http
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from outcrop.commands.chat.link import Gateway, LinkFailed
from outcrop.commands.chat.talk import Talk
from tests.client.conftest import Fault, ScriptedGateway, encode, text_parts


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedGateway]:
    """
    Run a scripted gateway that also says how it is.
    """
    found = ScriptedGateway()

    def say(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(http.HTTPStatus.OK, "{}") if request.path == "/healthz" else None

    async with serve(found.serve, "127.0.0.1", 0, process_request=say, ping_interval=None) as server:
        found.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield found


async def read_all(talk: Talk) -> str:
    """
    Read an answer to its end.
    """
    texts = []
    while (text := await talk.read()) is not None:
        texts.append(text)
    return "".join(texts)


async def test_the_conversation_survives_a_drop(scripted: ScriptedGateway) -> None:
    """
    A drop in an answer, and one between two prompts, lose neither the answer nor what was said before.
    """
    scripted.faults.extend([Fault(cut_after=4), Fault(cut_after=6)])
    talk = Talk(Gateway(url=scripted.url), "llama3", {})
    async with asyncio.timeout(30):
        await talk.open()
        for prompt in ("one", "two"):
            await talk.ask(prompt)
            assert await read_all(talk) == "Hello world"
        await talk.close()
    sends = [frame for frame in scripted.received if frame["type"] == "send"]
    assert [len(frame["messages"]) for frame in sends] == [1, 3]


async def test_a_stop_returns_what_still_came(scripted: ScriptedGateway) -> None:
    """
    What the gateway had made when it heard of the stop is still shown.
    """
    scripted.answers[0] = text_parts("Hello", " world", " again")
    scripted.hold_at = 5
    talk = Talk(Gateway(url=scripted.url), "llama3", {})
    async with asyncio.timeout(30):
        await talk.open()
        await talk.ask("one")
        first = await talk.read()
        assert f"{first}{await talk.stop()}" == "Hello world"
        assert await talk.stop() == ""
        await talk.close()


async def test_leaving_stops_the_running_answer(scripted: ScriptedGateway) -> None:
    """
    Who leaves in the middle of an answer does not pay for the rest.
    """
    scripted.hold_at = 4
    talk = Talk(Gateway(url=scripted.url), "llama3", {})
    async with asyncio.timeout(30):
        await talk.open()
        await talk.ask("one")
        await talk.read()
        await talk.close()
    assert [frame["type"] for frame in scripted.received] == ["send", "abort"]


async def test_an_answer_that_is_lost_is_told(scripted: ScriptedGateway) -> None:
    """
    Where the gateway can't go on, there is a sentence and never a silent end.
    """
    scripted.faults.append(Fault(cut_after=4))
    scripted.on_resume = lambda frame: [encode("no-active", frame["requestId"])]
    talk = Talk(Gateway(url=scripted.url), "llama3", {})
    async with asyncio.timeout(30):
        await talk.open()
        await talk.ask("one")
        with pytest.raises(LinkFailed, match="no longer has this answer"):
            await read_all(talk)
        await talk.close()
