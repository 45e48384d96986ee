"""
The client against real gateways, with their connections cut on the way.
"""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outcrop.accounts.authenticate import make_key
from outcrop.client import ChatFailed, Client, GatewayRefused, LinkOptions
from tests.e2e.conftest import Book
from tests.support import Process, gateway_environment, run_outcrop

ROOT = Path(__file__).parent.parent.parent
OPTIONS = LinkOptions(reconnect_seconds=30)
COUNTED = "echo " + " ".join(f"w{n}" for n in range(200))


class Cutter:
    """
    Stand between a client and a gateway, and cut the connection each time that some bytes have come back.
    """

    def __init__(self, target_port: int, cuts: list[int]) -> None:
        self._target_port = target_port
        self._cuts = cuts
        self.url = ""
        self.connections = 0

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Relay one connection.
        """
        self.connections += 1
        left = self._cuts.pop(0) if self._cuts else None
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        sending = asyncio.create_task(self._copy(reader, far_writer, None))
        await self._copy(far_reader, writer, left)
        sending.cancel()
        await asyncio.wait([sending])
        for end in (writer, far_writer):
            end.transport.abort()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> None:
        try:
            while left is None or left > 0:
                some = await reader.read(4096 if left is None else min(left, 64))
                if not some:
                    break
                writer.write(some)
                await writer.drain()
                left = None if left is None else left - len(some)
        except OSError:
            return


@pytest.fixture
async def cutter(gateway: tuple[Process, str]) -> AsyncIterator[Cutter]:
    """
    Run a relay that cuts its first connections.
    """
    found = Cutter(int(gateway[1].rpartition(":")[2]), [900, 1100, 1500, 2500, 2500])
    server = await asyncio.start_server(found.relay, "127.0.0.1", 0)
    async with server:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


async def test_a_conversation(gateway: tuple[Process, str], book: Book) -> None:
    """
    Answers stream, know what was said before, and come with their figures.
    """
    async with asyncio.timeout(30), Client(gateway[1]) as client:
        chat = client.chat(model="llama3")
        assert "".join([piece.text async for piece in chat.send("echo one fish")]) == "one fish"
        whole = await chat.send("what did I say?").whole()
    assert "one fish" in whole.text
    assert whole.usage is not None
    assert whole.usage.output_tokens > 0
    assert whole.turn_id
    assert whole.duration_ms is not None
    assert len(await book.ended_calls(2)) == 2


async def test_an_answer_over_many_connections(cutter: Cutter, book: Book) -> None:
    """
    However often the connection is cut, the answer is whole, and Bedrock was asked once.
    """
    async with asyncio.timeout(60), Client(cutter.url, options=OPTIONS) as client:
        text = "".join([piece.text async for piece in client.chat(model="anthropic").send(COUNTED)])
    assert text == COUNTED.removeprefix("echo ")
    assert cutter.connections > 3
    assert [call["outcome"] for call in await book.ended_calls(1)] == ["completed"]


async def test_stop_reaches_bedrock_and_keeps_the_prefix(gateway: tuple[Process, str], book: Book) -> None:
    """
    A stopped answer ends as stopped, with the text that came, and its call to Bedrock is closed.
    """
    async with asyncio.timeout(30), Client(gateway[1]) as client:
        answer = client.chat(model="llama3").send("emulate 1000 tokens")
        text = (await anext(answer)).text
        await answer.stop()
        whole = await answer.whole()
        assert whole.stop_reason == "stopped"
        assert whole.text.startswith(text)
        assert [call["outcome"] for call in await book.ended_calls(1)] == ["client_closed"]


async def test_a_failure_of_bedrock_is_typed(gateway: tuple[Process, str], book: Book) -> None:
    """
    A throttled account gives the gateway's code; the conversation goes on afterwards.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 2}, times=1)
    async with asyncio.timeout(30), Client(gateway[1]) as client:
        chat = client.chat(model="llama3")
        with pytest.raises(ChatFailed) as caught:
            await chat.send("echo one two three four five six").whole()
        assert (caught.value.code, caught.value.retryable) == ("throttled", True)
        assert caught.value.text_so_far.startswith("one")
        assert (await chat.send("echo ok").whole()).text == "ok"


async def test_an_unknown_model_is_named(gateway: tuple[Process, str]) -> None:
    """
    A name that stands for nothing fails its answer with the gateway's sentence.
    """
    async with asyncio.timeout(30), Client(gateway[1]) as client:
        with pytest.raises(ChatFailed, match="model 'nope' is unknown") as caught:
            await client.chat(model="nope").send("hi").whole()
    assert caught.value.code == "unknown_model"


async def test_regenerate(gateway: tuple[Process, str]) -> None:
    """
    Another answer to the same prompt takes the last one's place.
    """
    async with asyncio.timeout(30), Client(gateway[1]) as client:
        chat = client.chat(model="llama3")
        await chat.send("echo same").whole()
        assert (await chat.regenerate().whole()).text == "same"
        assert [message["role"] for message in chat.messages] == ["user", "assistant"]


async def test_many_chats_at_once(gateway: tuple[Process, str]) -> None:
    """
    Twenty answers over one socket are each their own.
    """
    async with asyncio.timeout(60), Client(gateway[1]) as client:
        answers = [client.chat(model="llama3").send(f"echo this is {n}") for n in range(20)]
        assert [(await answer.whole()).text for answer in answers] == [f"this is {n}" for n in range(20)]


async def test_a_gateway_that_wants_a_key(emulator_process: tuple[Process, str]) -> None:
    """
    Without its key the gateway refuses at once; with it, it answers.
    """
    key, digest = make_key()
    environ = gateway_environment(emulator_process[1], api_keys=f'{{"me": "{digest}"}}')
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        with pytest.raises(GatewayRefused) as caught:
            await Client(url).__aenter__()
        async with asyncio.timeout(30), Client(url, key=key) as client:
            assert (await client.chat(model="llama3").send("echo hi").whole()).text == "hi"
    assert caught.value.code == "not_authenticated"


async def test_a_gateway_that_stops_lets_the_answer_end(emulator_process: tuple[Process, str]) -> None:
    """
    An answer that runs when the gateway is told to stop comes whole.
    """
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_process[1])) as (gateway, url):
        async with asyncio.timeout(60), Client(url, options=OPTIONS) as client:
            answer = client.chat(model="anthropic").send(COUNTED)
            await anext(answer)
            gateway.send_signal(signal.SIGTERM)
            assert (await answer.whole()).text == COUNTED.removeprefix("echo ")
        await asyncio.to_thread(gateway.wait)


def test_the_page_s_first_example(gateway: tuple[Process, str]) -> None:
    """
    The first example of docs/client.md runs as it stands, but for the port.
    """
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)
    assert found is not None
    done = run("-c", found[1].replace("http://127.0.0.1:8080", gateway[1]))
    assert "Usage(" in done


def test_the_example_file(gateway: tuple[Process, str]) -> None:
    """
    examples/chat_client.py prints both answers of its conversation.
    """
    printed = run(str(ROOT / "examples" / "chat_client.py"), "llama3", gateway[1])
    assert printed.startswith("Name a river.\n")
    assert printed.count("Usage(") == 2


def run(*arguments: str) -> str:
    """
    Run Python to its end, and return what it printed.
    """
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
