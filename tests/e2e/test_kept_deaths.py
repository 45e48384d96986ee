"""
A server that is killed at named points of an answer's life: what it has acknowledged is there, and true.

Each test draws a seed and prints it; `CHAOS_SEED=N` repeats it.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.chat_client import ChatSocket, Transcript, open_chat, text_of
from tests.e2e.mortal import Mortal, run_mortal
from tests.e2e.replicas.asks import Ask, make_ask
from tests.e2e.test_kept_chats import ALICE, message, open_kept, say, texts_of
from tests.postgres_server import PostgresServer, require_postgres
from tests.support import run_outcrop

LONG, MIDDLE, SHORT = 1500, 150, 6
"""
Words of an answer: one that is running whenever it is looked at, one that ends soon, and one that has ended.
"""

PATIENCE_SECONDS = 40
NEXT = "what now?"


class Sight:
    """
    Hold what a client has seen of one chat, while its server lived.
    """

    def __init__(self, ask: Ask, socket: ChatSocket) -> None:
        self.ask = ask
        self._socket = socket
        self._seen = Transcript()

    @property
    def is_accepted(self) -> bool:
        """
        Tell whether the server has acknowledged the question.
        """
        return any(frame["type"] == "start" for frame in self._seen.frames)

    @property
    def has_ended(self) -> bool:
        """
        Tell whether the server has told the end of the answer.
        """
        return any(part["type"] == "finish" for part in self._seen.parts)

    @property
    def text(self) -> str:
        """
        The text of the answer.
        """
        return self._seen.text

    @property
    def deltas(self) -> int:
        """
        Count the pieces of that text.
        """
        return sum(part["type"] == "text-delta" for part in self._seen.parts)

    async def read(self, until: "Callable[[Sight], bool]") -> None:
        """
        Read until enough is seen.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not until(self):
                self._seen.frames.append(await self._socket.read())

    async def read_rest(self) -> None:
        """
        Read what a dead server has left on the way.
        """
        with contextlib.suppress(ConnectionClosed):
            await self.read(lambda _: False)


@pytest.fixture
def dice() -> random.Random:
    """
    Draw a seed.
    """
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"CHAOS_SEED={seed}")  # noqa: T201  shown where the test fails
    return random.Random(seed)


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """
    Run an emulator, quick but paced.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "400", "--jitter", "0.3"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, url):
        yield url


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """
    Run PostgreSQL.
    """
    require_postgres()
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "redis"])
def mortal(request: pytest.FixtureRequest, emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """
    Run a gateway with each kind of database, and once with a turn log that outlives it.
    """
    server = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    folder = tmp_path_factory.mktemp("mortal")
    with run_mortal(emulator, folder, server, has_redis=request.param == "redis") as running:
        yield running


@contextlib.asynccontextmanager
async def asking(mortal: Mortal, dice: random.Random, words: int) -> AsyncIterator[Sight]:
    """
    Ask something new on a socket of its own.
    """
    async with open_chat(mortal.url, additional_headers=ALICE) as socket:
        sight = Sight(make_ask(dice, words), socket)
        await socket.connection.send(sight.ask.send_frame("r1").decode())
        yield sight


async def test_what_was_acknowledged_outlives_the_server(mortal: Mortal, dice: random.Random) -> None:
    """
    Killed right after it accepted a question, with answers under way and one that has ended: nothing of them is lost.
    """
    counts = (1, dice.randrange(2, 20), dice.randrange(20, 60))
    async with contextlib.AsyncExitStack() as sockets:
        ended = await sockets.enter_async_context(asking(mortal, dice, SHORT))
        await ended.read(lambda sight: sight.has_ended)
        running = [await sockets.enter_async_context(asking(mortal, dice, LONG)) for _ in counts]
        for sight, count in zip(running, counts, strict=True):
            await sight.read(lambda seen, wanted=count: seen.deltas >= wanted)  # type: ignore[misc]  # a default is bound
        accepted = await sockets.enter_async_context(asking(mortal, dice, LONG))
        await accepted.read(lambda sight: sight.is_accepted)
        mortal.kill()
        for sight in (accepted, *running):
            await sight.read_rest()
    mortal.start()
    assert await check(mortal, ended) == "completed"
    for sight in (accepted, *running):
        assert await check(mortal, sight) == "interrupted"
    for sight in (ended, accepted, running[-1]):
        check_next(mortal, sight)


async def test_what_was_not_committed_was_not_acknowledged(mortal: Mortal, dice: random.Random) -> None:
    """
    Killed while the end of an answer waits for its commit, and a question for its own: nobody was told of either.
    """
    async with contextlib.AsyncExitStack() as sockets:
        ending = await sockets.enter_async_context(asking(mortal, dice, MIDDLE))
        await ending.read(lambda sight: sight.deltas > 1)
        async with mortal.store.hold():
            begun = await sockets.enter_async_context(asking(mortal, dice, SHORT))
            await ending.read(lambda sight: sight.text == sight.ask.text)
            await mortal.store.wait_until_waited_for(mortal.url, 2)
            mortal.kill()
        await ending.read_rest()
        await begun.read_rest()
    assert not ending.has_ended
    assert not begun.is_accepted
    mortal.start()
    assert await check(mortal, ending) == "interrupted"
    check_next(mortal, ending)
    await check_again(mortal, begun)


async def test_an_end_that_was_committed_stands(mortal: Mortal, dice: random.Random) -> None:
    """
    Killed when the end of an answer is committed, and told to nobody where that can be had: it is kept as complete.
    """
    async with asking(mortal, dice, MIDDLE) as sight:
        if mortal.redis is not None:
            await sight.read(lambda seen: seen.deltas > 1)
            async with mortal.store.hold():
                await sight.read(lambda seen: seen.text == seen.ask.text)
                await mortal.store.wait_until_waited_for(mortal.url, 1)
                mortal.redis.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await mortal.store.find_answer(sight.ask.chat_id) or {}).get("state") != "completed":
                await asyncio.sleep(0)
        mortal.kill()
        await sight.read_rest()
    if mortal.redis is not None:
        assert not sight.has_ended
        mortal.redis.start()
    mortal.start()
    assert await check(mortal, sight) == "completed"
    check_next(mortal, sight)


async def check(mortal: Mortal, sight: Sight) -> str:
    """
    Compare what is kept of a chat with the emulator's book, the client's sight, the ledger and the turn log.
    """
    ask = sight.ask
    branch = await mortal.open_settled(ask.chat_id)
    (_, prompt), (_, text) = texts_of(branch)
    answer = branch["messages"][1]
    state: str = answer["state"]
    assert prompt == ask.prompt
    calls = [call for call in mortal.book.calls() if call["text_emitted"]["text"].startswith(ask.canary)]
    assert len(calls) == 1 if text or sight.text else len(calls) <= 1
    given = calls[0]["text_emitted"]["text"] if calls else ""
    assert given.startswith(text)
    assert given.startswith(sight.text)
    if state == "completed":
        assert text == given == ask.text
    else:
        assert answer["failure"]["code"] == "interrupted"
        assert not sight.has_ended
        # What was shown is in the log already, and outlives the server where the log does.
        assert text.startswith(sight.text) if mortal.redis is not None else text == ""
    (row,) = await mortal.store.find_calls(answer["turnId"])
    assert (row["outcome"], row["settled_at"] is None) == (state, False)
    if state == "completed":
        assert row["output_tokens"] == calls[0]["usage"]["output"]
    described = await mortal.describe_turn(answer["turnId"])
    assert described is not None or mortal.redis is None
    if described is not None:
        assert (described["state"], described["result"]["text"]) == (state, text)
    return state


def check_next(mortal: Mortal, sight: Sight) -> None:
    """
    Go on with a chat: the model gets what is kept, as if a client had sent all of it.
    """
    chat_id = sight.ask.chat_id
    branch = open_kept(mortal.url, chat_id).json
    (_, prompt), (_, text) = texts_of(branch)
    went_on = say(mortal.url, chat_id, message(NEXT, "next"), parentId=branch["messages"][1]["id"], maxTokens=30)
    question = message(prompt, "a")
    if text:
        whole = [question, message(text, "b", "assistant"), message(NEXT, "c")]
    else:
        whole = [{**question, "parts": [*question["parts"], *message(NEXT, "c")["parts"]]}]
    other = say(mortal.url, f"whole-{chat_id}", *whole, temporary=True, maxTokens=30)
    assert (went_on.status, other.status) == (200, 200)
    assert text_of(went_on.parts) == text_of(other.parts)
    first, second = mortal.book.calls()[-2:]
    assert first["usage"] == second["usage"]
    assert texts_of(open_kept(mortal.url, chat_id).json)[2:] == [("user", NEXT), ("assistant", text_of(went_on.parts))]


async def check_again(mortal: Mortal, sight: Sight) -> None:
    """
    Ask again what was never acknowledged, with the same key: nothing was kept or called, and now it is, once.
    """
    ask = sight.ask
    assert open_kept(mortal.url, ask.chat_id).status == 404
    async with open_chat(mortal.url, additional_headers=ALICE) as socket:
        again = Sight(ask, socket)
        await socket.connection.send(ask.send_frame("r1").decode())
        await again.read(lambda seen: seen.has_ended)
    assert again.text == ask.text
    assert await check(mortal, again) == "completed"
