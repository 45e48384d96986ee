"""
The client against a gateway whose connections end, lie and fall silent.
"""

import asyncio
import socket as sockets

import pytest

from outcrop.client import AnswerLost, ChatFailed, Client, ClientClosed, GatewayRefused, GatewayUnreachable
from outcrop.client.link import Link, LinkOptions
from outcrop.client.pieces import TextPiece
from outcrop.errors import SettingsError
from tests.client.conftest import QUICK, Fault, ScriptedGateway, encode, failed_parts, frames_of, text_parts

FRAMES = len(frames_of("r", text_parts("Hello", " world")))


async def ask(gateway: ScriptedGateway, options: LinkOptions = QUICK) -> str:
    """
    Ask on a new connection, and return the joined pieces.
    """
    async with asyncio.timeout(30), Client(gateway.url, options=options) as client:
        return "".join([piece.text async for piece in client.chat(model="llama3").send("Hi")])


async def fail(gateway: ScriptedGateway, options: LinkOptions = QUICK) -> ChatFailed:
    """
    Ask on a new connection, and return why it failed.
    """
    with pytest.raises(ChatFailed) as caught:
        await ask(gateway, options)
    return caught.value


@pytest.mark.parametrize("cut_after", range(FRAMES + 1))
async def test_a_drop_at_any_frame_loses_nothing(gateway: ScriptedGateway, cut_after: int) -> None:
    """
    Wherever the connection is cut, the answer is whole, each piece comes once, and the question is asked once.
    """
    gateway.faults.append(Fault(cut_after=cut_after))
    assert await ask(gateway) == "Hello world"
    assert len(gateway.asked) == 1
    resumes = [frame for frame in gateway.received if frame["type"] == "resume"]
    # With `end`, or with nothing at all, there is nothing to resume.
    assert len(resumes) == (1 if 1 <= cut_after <= FRAMES - 2 else 0)
    assert [frame.get("lastSequence") for frame in resumes] == [
        cut_after - 2 if cut_after > 1 else None for _ in resumes
    ]


async def test_a_drop_after_every_frame_loses_nothing(gateway: ScriptedGateway) -> None:
    """
    Connections that give one new frame each still come to the whole answer.
    """
    gateway.faults.extend(Fault(cut_after=2) for _ in range(FRAMES))
    assert await ask(gateway) == "Hello world"


async def test_a_question_whose_acceptance_was_not_seen_is_sent_again(gateway: ScriptedGateway) -> None:
    """
    It goes out again with the same idempotency key.
    """
    gateway.faults.append(Fault(cut_after=0))
    await ask(gateway)
    assert list(gateway.asked.values()) == [2]
    first, second = gateway.received
    assert first == second


@pytest.mark.parametrize("close_code", [1012, 4408, 1001, 1011])
async def test_a_close_that_says_come_again_is_resumed(gateway: ScriptedGateway, close_code: int) -> None:
    """
    A gateway that stops, or that found its reader too slow, is asked to go on.
    """
    gateway.faults.append(Fault(cut_after=4, close_code=close_code))
    assert await ask(gateway) == "Hello world"
    assert [frame["type"] for frame in gateway.received] == ["send", "resume"]


@pytest.mark.parametrize(("close_code", "code"), [(4401, "not_authenticated"), (4403, "not_allowed")])
async def test_a_refusal_in_mid_answer_is_final(gateway: ScriptedGateway, close_code: int, code: str) -> None:
    """
    Rights that were taken away end the answer at once, with its text so far.
    """
    gateway.faults.append(Fault(cut_after=4, close_code=close_code))
    failure = await fail(gateway)
    assert isinstance(failure, GatewayRefused)
    assert (failure.code, failure.text_so_far, gateway.connections) == (code, "Hello", 1)


async def test_repeated_frames_are_taken_once(gateway: ScriptedGateway) -> None:
    """
    A gateway that sends each frame twice, or replays all after a resume, doubles nothing.
    """
    gateway.faults.append(Fault(mangle=lambda frames: [frame for frame in frames[:-1] for _ in "ab"] + frames[-1:]))
    assert await ask(gateway) == "Hello world"
    gateway.faults.append(Fault(cut_after=4))
    gateway.on_resume = lambda frame: frames_of(frame["requestId"], text_parts("Hello", " world"))
    assert await ask(gateway) == "Hello world"


@pytest.mark.parametrize("missing", range(1, FRAMES - 2))
async def test_a_gap_is_filled_by_a_resume(gateway: ScriptedGateway, missing: int) -> None:
    """
    Where a frame is missing, the connection is dropped and the answer resumed from the last good frame.
    """
    gateway.faults.append(Fault(mangle=lambda frames: frames[:missing] + frames[missing + 1 :]))
    assert await ask(gateway) == "Hello world"
    assert gateway.connections == 2


async def test_frames_out_of_order_are_put_right_by_a_resume(gateway: ScriptedGateway) -> None:
    """
    Two frames that changed places are seen as a gap.
    """
    gateway.faults.append(Fault(mangle=lambda frames: [*frames[:3], frames[4], frames[3], *frames[5:]]))
    assert await ask(gateway) == "Hello world"


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "[]", "null", '{"type":"chunk"}', '{"type":1,"requestId":"x"}', "[" * 100_000, '{"requestId":"x"}'],
    ids=lambda garbage: garbage[:20],
)
async def test_garbage_between_frames_is_survived(gateway: ScriptedGateway, garbage: str) -> None:
    """
    A message that is no frame costs the connection, not the answer.
    """
    gateway.faults.append(Fault(mangle=lambda frames: [*frames[:4], garbage, *frames[4:]]))
    assert await ask(gateway) == "Hello world"


async def test_a_gateway_that_never_follows_the_protocol_fails_the_answer(gateway: ScriptedGateway) -> None:
    """
    The third breach without anything new between them ends the answer with what had come.
    """
    gateway.faults.extend(Fault(mangle=lambda frames: [*frames[:4], "{", *frames[4:]]) for _ in range(1))
    gateway.on_resume = lambda frame: [encode("nonsense", frame["requestId"])]
    failure = await fail(gateway)
    assert (failure.code, failure.text_so_far) == ("protocol_violated", "Hello")


async def test_frames_of_others_are_ignored(gateway: ScriptedGateway) -> None:
    """
    A frame of an unknown request, and an event of an unknown kind, change nothing.
    """
    others = [encode("whatever", "unknown"), encode("event", "$server", event="new-kind"), encode("event", "$server")]
    gateway.faults.append(Fault(mangle=lambda frames: [*others, *frames]))
    assert await ask(gateway) == "Hello world"
    assert gateway.connections == 1


async def test_a_silent_connection_is_left(gateway: ScriptedGateway) -> None:
    """
    A connection on which not even pings come is dropped after 2.5 intervals, and the answer resumed.
    """
    gateway.faults.append(Fault(silent_after=4))
    options = LinkOptions(ping_seconds=0.2, reconnect_seconds=20)
    assert await ask(gateway, options) == "Hello world"
    assert gateway.connections == 2


async def test_an_answer_that_is_gone_fails_with_its_text(gateway: ScriptedGateway) -> None:
    """
    A resume that is answered by `no-active` never ends in silence.
    """
    gateway.faults.append(Fault(cut_after=4))
    gateway.on_resume = lambda frame: [encode("no-active", frame["requestId"])]
    failure = await fail(gateway)
    assert isinstance(failure, AnswerLost)
    assert (failure.code, failure.text_so_far) == ("no_active", "Hello")


async def test_another_answer_of_the_chat_is_not_taken_for_this_one(gateway: ScriptedGateway) -> None:
    """
    A replay that begins with another message's ID fails the answer.
    """
    gateway.faults.append(Fault(cut_after=4))
    gateway.on_resume = lambda frame: frames_of(frame["requestId"], text_parts("Other", message_id="answer-2"))
    failure = await fail(gateway)
    assert isinstance(failure, AnswerLost)
    assert failure.text_so_far == "Hello"


async def test_a_failed_answer_carries_code_and_text(gateway: ScriptedGateway) -> None:
    """
    The machine-readable error of the server is the exception's.
    """
    gateway.answers[0] = failed_parts("Hel", "lo")
    failure = await fail(gateway)
    assert (failure.code, failure.message) == ("throttled", "the quota is used up")
    assert (failure.retryable, failure.retry_after_seconds, failure.text_so_far) == (True, 1.5, "Hello")


async def test_an_answer_without_its_end_is_no_success(gateway: ScriptedGateway) -> None:
    """
    An `end` before any terminal part is a failure.
    """
    gateway.answers[0] = text_parts("Hello")[:3]
    failure = await fail(gateway)
    assert (failure.code, failure.text_so_far) == ("stream_interrupted", "Hello")


async def test_a_gateway_that_never_comes_back_is_given_up(gateway: ScriptedGateway) -> None:
    """
    Attempts end after their number, and the failure has the text so far.
    """
    gateway.faults.append(Fault(cut_after=4))
    gateway.faults.extend(Fault(cut_after=0) for _ in range(5))
    failure = await fail(gateway, LinkOptions(reconnect_attempts=3))
    assert isinstance(failure, GatewayUnreachable)
    assert (failure.text_so_far, failure.retryable, gateway.connections) == ("Hello", True, 4)


async def test_stop_is_not_a_disconnect(gateway: ScriptedGateway) -> None:
    """
    A stopped answer ends with what the gateway had, as stopped, on the same connection.
    """
    gateway.hold_at = 4
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        answer = client.chat(model="llama3").send("Hi")
        assert await anext(answer) == TextPiece(text="Hello", part_id="0")
        await answer.stop()
        whole = await answer.whole()
    assert (whole.text, whole.stop_reason, gateway.connections) == ("Hello", "stopped", 1)


async def test_a_stop_outlives_a_drop(gateway: ScriptedGateway) -> None:
    """
    An answer that was stopped while there was no connection is stopped on the next one.
    """
    gateway.faults.append(Fault(cut_after=4))
    gateway.on_resume = lambda _: []
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        answer = client.chat(model="llama3").send("Hi")
        await anext(answer)
        await answer.stop()
        while not any(frame["type"] == "abort" for frame in gateway.received):
            await asyncio.sleep(0.01)
        assert not answer.is_over
        gateway.on_resume = None


async def test_a_stopping_gateway_is_left_when_its_answers_are_whole(gateway: ScriptedGateway) -> None:
    """
    After `draining`, what runs ends where it is; the next question goes to a new connection.
    """
    draining = encode("event", "$server", event="draining", retryAfterMs=50)
    gateway.faults.append(Fault(mangle=lambda frames: [*frames[:3], draining, *frames[3:]]))
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        chat = client.chat(model="llama3")
        for _ in range(2):
            assert (await chat.send("Hi").whole()).text == "Hello world"
    assert gateway.connections == 2
    assert [frame["type"] for frame in gateway.received] == ["send", "send"]


async def test_a_question_that_met_a_stopping_gateway_is_asked_elsewhere(gateway: ScriptedGateway) -> None:
    """
    A refusal with the code `draining` sends the same question, with its key, over a new connection.
    """
    refused = frames_of("r", failed_parts(code="draining"))
    gateway.faults.append(
        Fault(
            mangle=lambda frames: [frame.replace('"r"', frames[0].split('"requestId":')[1][:-1]) for frame in refused]
        )
    )
    assert await ask(gateway) == "Hello world"
    assert (gateway.connections, list(gateway.asked.values())) == (2, [2])


async def test_many_chats_share_one_connection(gateway: ScriptedGateway) -> None:
    """
    Answers that run at once over one socket don't mix, over a drop too.
    """
    gateway.answers.clear()
    gateway.answers.extend(text_parts(*(f"{name}{n} " for n in range(50))) for name in "abcdef")
    gateway.faults.append(Fault(cut_after=20))
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        answers = [client.chat(model="llama3").send("Hi") for _ in range(6)]
        texts = [(await answer.whole()).text for answer in answers]
    assert sorted(texts) == ["".join(f"{name}{n} " for n in range(50)) for name in "abcdef"]
    assert len(gateway.asked) == 6


async def test_leaving_the_client_ends_what_runs(gateway: ScriptedGateway) -> None:
    """
    An answer that still runs when the client is closed fails, and later questions are refused.
    """
    gateway.hold_at = 4
    async with asyncio.timeout(30), Client(gateway.url, options=QUICK) as client:
        chat = client.chat(model="llama3")
        answer = chat.send("Hi")
        await anext(answer)
    with pytest.raises(ClientClosed) as caught:
        await answer.whole()
    assert caught.value.text_so_far == "Hello"
    with pytest.raises(ClientClosed):
        chat.send("Hi")


async def test_the_key_is_a_bearer_token(gateway: ScriptedGateway) -> None:
    """
    The key goes out in the handshake's Authorization header, and is in no representation.
    """
    async with Client(gateway.url, key="secret-key", options=QUICK) as client:
        assert "secret-key" not in repr(client)
    assert gateway.headers[0]["Authorization"] == "Bearer secret-key"


async def test_nobody_there_is_told_at_once() -> None:
    """
    Entering the client fails where nobody answers.
    """
    with sockets.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(GatewayUnreachable) as caught:
            await client.__aenter__()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_client_that_failed_to_open_takes_no_question() -> None:
    """
    A chat of a client that was never entered refuses to send.
    """
    with pytest.raises(ClientClosed):
        Client("http://127.0.0.1:9").chat(model="llama3").send("Hi")


@pytest.mark.parametrize("url", ["ftp://host", "http://me:secret@host:1", "127.0.0.1:8080", "http://h:99999", ""])
def test_a_url_that_is_no_gateways_is_refused(url: str) -> None:
    """
    A URL of another form is refused without quoting what may be a password.
    """
    with pytest.raises(SettingsError) as caught:
        Client(url)
    assert "secret" not in str(caught.value)


async def test_a_reader_that_never_reads_costs_a_bounded_count(gateway: ScriptedGateway) -> None:
    """
    Texts that wait are joined; pieces that can't be joined fail the answer beyond their bound, and stop it.
    """
    data = [{"type": "data-tick", "data": n, "transient": True} for n in range(6)]
    parts = text_parts(*"abcdef")
    gateway.answers[0] = [*parts[:-2], *data, *parts[-2:]]
    gateway.faults.append(Fault())
    failure = await fail_unread(gateway, LinkOptions(max_waiting_pieces=4))
    assert (failure.code, failure.text_so_far) == ("reader_too_slow", "abcdef")


async def fail_unread(gateway: ScriptedGateway, options: LinkOptions) -> ChatFailed:
    """
    Ask, read nothing until the end, and return why it failed.
    """
    async with asyncio.timeout(30), Client(gateway.url, options=options) as client:
        answer = client.chat(model="llama3").send("Hi")
        while not answer.is_over:
            await asyncio.sleep(0.01)
        with pytest.raises(ChatFailed) as caught:
            await answer.whole()
    return caught.value


async def test_an_answer_beyond_its_bound_fails(gateway: ScriptedGateway) -> None:
    """
    An answer that is larger than the client's bound fails with what came until then, and is stopped.
    """
    gateway.answers[0] = text_parts("x" * 400, "y" * 400)
    failure = await fail(gateway, LinkOptions(max_answer_bytes=700))
    assert (failure.code, failure.text_so_far) == ("answer_too_large", "x" * 400)


def test_links_need_no_socket_to_be_made() -> None:
    """
    Making a client connects nothing.
    """
    assert Client("http://localhost:1/base/")._link.__class__ is Link
