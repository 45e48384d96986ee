"""
What a stream's bytes become: messages, failures inside the stream, and streams that are cut or damaged.
"""

import asyncio

import pytest

from outcrop.errors import (
    InvalidMessage,
    ModelFailed,
    OutcropError,
    StreamInterrupted,
    UpstreamBroken,
    UpstreamError,
    UpstreamThrottled,
    WireError,
)
from outcrop.upstream.exchange import unwrap_chunk
from outcrop.wire.eventstream import encode_message
from tests.upstream.conftest import (
    OK,
    Collector,
    Connect,
    Peer,
    Serve,
    a_call,
    a_chunk,
    an_event,
    an_exception,
    chunked,
    serving,
)

MESSAGES = [a_chunk(b'{"generation":"%d"}' % number) for number in range(4)]
PAYLOADS = [b'{"generation":"%d"}' % number for number in range(4)]


async def test_a_stream_gives_the_models_json(serve: Serve, connect: Connect) -> None:
    """
    A stream's chunks reach the sink unwrapped, in order, and the end says the request's ID and the attempts.
    """
    server = await serve(serving(*map(chunked, MESSAGES)))
    sink = Collector()
    end = await connect(server).stream(a_call(), sink)
    assert sink.messages == [("chunk", payload) for payload in PAYLOADS]
    assert (end.aws_request_id, end.attempts) == ("r-1", 1)
    assert end.headers["transfer-encoding"] == "chunked"


async def test_a_converse_stream_gives_events_as_they_are(serve: Serve, connect: Connect) -> None:
    """
    ConverseStream's events reach the sink with their type and payload untouched.
    """
    server = await serve(serving(chunked(an_event("messageStart", b'{"role":"assistant","p":"ab"}'))))
    sink = Collector()
    await connect(server).stream(a_call("converse_stream"), sink)
    assert sink.messages == [("messageStart", b'{"role":"assistant","p":"ab"}')]
    assert server.requests[0].target.endswith("/converse-stream")


async def test_messages_that_come_together_are_given_together(serve: Serve, connect: Connect) -> None:
    """
    All messages of one chunk from the socket are one call of the sink.
    """
    server = await serve(serving(b"".join(map(chunked, MESSAGES))))
    sink = Collector()
    await connect(server).stream(a_call(), sink)
    assert [len(call) for call in sink.calls] == [4]


async def test_a_message_is_given_while_the_stream_goes_on(serve: Serve, connect: Connect) -> None:
    """
    A message reaches the sink before the next one was sent.
    """
    sink = Collector()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        for message in MESSAGES:
            sink.seen.clear()
            await peer.send_chunk(message)
            await sink.seen.wait()
        await peer.end_stream()
        await peer.wait_closed()

    server = await serve(script)
    await connect(server).stream(a_call(), sink)
    assert [len(call) for call in sink.calls] == [1, 1, 1, 1]


async def test_a_stream_cut_anywhere_is_interrupted(serve: Serve, connect: Connect) -> None:
    """
    A stream whose connection ends at any offset before its end is interrupted, after its whole messages were given.
    """
    raw = b"".join(map(chunked, MESSAGES[:2]))
    whole = [len(chunked(MESSAGES[0])) - 2, len(raw) - 2]
    cuts = iter(range(len(raw) + 5))

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n", (raw + b"0\r\n\r\n")[: next(cuts)])

    client = connect(await serve(script))
    for cut in range(len(raw) + 5):
        sink = Collector()
        with pytest.raises(StreamInterrupted):
            await client.stream(a_call(), sink)
        assert sink.payloads == PAYLOADS[: sum(cut >= length for length in whole)]
    assert client.pool.open_count == 0


async def test_a_stream_may_be_split_anywhere(serve: Serve, connect: Connect) -> None:
    """
    A stream that comes in two pieces, cut at any offset, is the same stream.
    """
    raw = OK + b"transfer-encoding: chunked\r\n\r\n" + b"".join(map(chunked, MESSAGES[:2])) + b"0\r\n\r\n"

    async def script(peer: Peer) -> None:
        for cut in range(len(raw)):
            await peer.read_request()
            await peer.send(raw[:cut])
            await asyncio.sleep(0)
            await peer.send(raw[cut:])

    server = await serve(script)
    client = connect(server)
    for _ in range(len(raw)):
        sink = Collector()
        await client.stream(a_call(), sink)
        assert sink.payloads == PAYLOADS[:2]
    assert server.connections == 1


async def test_a_stream_that_ends_inside_a_message_is_interrupted(serve: Serve, connect: Connect) -> None:
    """
    A body that HTTP calls complete but that ends inside a message is interrupted.
    """
    client = connect(await serve(serving(chunked(MESSAGES[0] + MESSAGES[1][:-1]))))
    sink = Collector()
    with pytest.raises(StreamInterrupted, match="ends inside a message"):
        await client.stream(a_call(), sink)
    assert sink.payloads == PAYLOADS[:1]


async def test_a_stream_without_a_length_ends_at_a_message(serve: Serve, connect: Connect) -> None:
    """
    A stream that only the end of the connection ends is taken if it ends between two messages.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        last = MESSAGES[1] if len(server.requests) == 1 else MESSAGES[1][:-1]
        await peer.send(OK + b"connection: close\r\n\r\n" + MESSAGES[0] + last)

    server = await serve(script)
    client = connect(server)
    sink = Collector()
    await client.stream(a_call(), sink)
    assert sink.payloads == PAYLOADS[:2]
    with pytest.raises(StreamInterrupted):
        await client.stream(a_call(), sink)


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
async def test_an_exception_comes_after_the_messages_before_it(
    serve: Serve, connect: Connect, before: int, together: bool
) -> None:
    """
    An exception at any position is raised after exactly the messages before it were given; nothing after it is.
    """
    messages = [*MESSAGES[:before], an_exception("throttlingException"), MESSAGES[3]]
    raw = [chunked(message) for message in messages]
    server = await serve(serving(b"".join(raw)) if together else serving(*raw))
    client = connect(server)
    sink = Collector()
    with pytest.raises(UpstreamThrottled, match="the cause") as caught:
        await client.stream(a_call(), sink)
    assert sink.payloads == PAYLOADS[:before]
    assert (caught.value.aws_error, caught.value.aws_request_id) == ("ThrottlingException", "r-1")
    assert (server.connections, client.pool.open_count) == (1, 0)


async def test_an_unmodelled_error_is_raised(serve: Serve, connect: Connect) -> None:
    """
    A message of type `error` gives its code and its text.
    """
    headers = {":message-type": "error", ":error-code": "internalFailure", ":error-message": "it broke"}
    client = connect(await serve(serving(chunked(MESSAGES[0] + encode_message(headers, b"")))))
    sink = Collector()
    with pytest.raises(UpstreamBroken, match="it broke") as caught:
        await client.stream(a_call(), sink)
    assert caught.value.aws_error == "InternalFailure"
    assert sink.payloads == PAYLOADS[:1]


async def test_a_models_failure_keeps_what_the_model_said(serve: Serve, connect: Connect) -> None:
    """
    The extra fields of a model's failure inside a stream are in the error's text.
    """
    fields = {"originalStatusCode": 500, "originalMessage": "CUDA"}
    frame = an_exception("modelStreamErrorException", "", **fields)
    client = connect(await serve(serving(chunked(frame))))
    with pytest.raises(ModelFailed, match=r"CUDA \(the model's own status: 500\)"):
        await client.stream(a_call(), Collector())


@pytest.mark.parametrize(
    "frame",
    [
        encode_message({":message-type": "event"}, b"{}"),
        encode_message({":message-type": "event", ":event-type": b"chunk"}, b"{}"),
        encode_message({":message-type": "novelty", ":event-type": "chunk"}, b"{}"),
        encode_message({":event-type": "chunk"}, b"{}"),
        encode_message({":message-type": "event", ":event-type": "novelty"}, b'{"bytes":"e30="}'),
        encode_message({":message-type": "event", ":event-type": "chunk"}, b'{"p":"x"}'),
        encode_message({":message-type": "event", ":event-type": "chunk"}, b'{"bytes":"not base64"}'),
        encode_message({":message-type": "event", ":event-type": "chunk"}, b'{"bytes":1}'),
        encode_message({":message-type": "event", ":event-type": "chunk"}, b"\xff"),
        encode_message({":message-type": "event", ":event-type": "chunk"}, b""),
    ],
)
async def test_a_message_of_another_kind_is_never_ignored(serve: Serve, connect: Connect, frame: bytes) -> None:
    """
    A message that nobody knows interrupts the stream, after the messages before it were given.
    """
    client = connect(await serve(serving(chunked(MESSAGES[0] + frame))))
    sink = Collector()
    with pytest.raises(StreamInterrupted, match="is damaged") as caught:
        await client.stream(a_call(), sink)
    assert isinstance(caught.value.__cause__, InvalidMessage)
    assert sink.payloads == PAYLOADS[:1]


@pytest.mark.parametrize("name", ["", "x" * 101, "a b", "noveltyException"])
async def test_an_unknown_exception_is_a_failure(serve: Serve, connect: Connect, name: str) -> None:
    """
    An exception that no table knows is an error with Bedrock's own text.
    """
    client = connect(await serve(serving(chunked(an_exception(name)))))
    with pytest.raises(UpstreamError, match="the cause"):
        await client.stream(a_call(), Collector())


async def test_every_flipped_byte_is_found(serve: Serve, connect: Connect) -> None:
    """
    One changed byte anywhere in a message interrupts the stream; the message before it was given.
    """
    frame = MESSAGES[1]
    flips = iter(range(len(frame)))

    async def script(peer: Peer) -> None:
        await peer.read_request()
        damaged = bytearray(frame)
        damaged[next(flips)] ^= 0x41
        await peer.open_stream()
        await peer.send_chunk(MESSAGES[0], bytes(damaged), MESSAGES[2])
        await peer.end_stream()

    client = connect(await serve(script))
    for _ in frame:
        sink = Collector()
        with pytest.raises(StreamInterrupted) as caught:
            await client.stream(a_call(), sink)
        assert isinstance(caught.value.__cause__, WireError)
        assert sink.payloads == PAYLOADS[:1]


async def test_damage_is_told_at_once(serve: Serve, connect: Connect) -> None:
    """
    A damaged message ends the call when it comes, not when something else does.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(MESSAGES[0], MESSAGES[1][:-1] + b"?")
        await peer.wait_closed()

    server = await serve(script)
    with pytest.raises(StreamInterrupted, match="is damaged"):
        await connect(server).stream(a_call(), Collector())
    await server.closed.wait()


async def test_a_stream_that_is_no_event_stream_is_interrupted(serve: Serve, connect: Connect) -> None:
    """
    A 200 answer that holds something else, as from a captive portal, is not taken for an answer.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(200, b"<html>Please log in to the network</html>")

    client = connect(await serve(script))
    with pytest.raises(StreamInterrupted) as caught:
        await client.stream(a_call(), Collector())
    assert "log in" not in caught.value.message


async def test_an_encoded_answer_is_refused(serve: Serve, connect: Connect) -> None:
    """
    An answer with a content encoding, which no request asks for, is refused.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(200, b"\x1f\x8b", "content-encoding: gzip")

    client = connect(await serve(script))
    for call in (client.stream(a_call(), Collector()), client.fetch(a_call("invoke"))):
        with pytest.raises(StreamInterrupted, match="'gzip'"):
            await call


class _SinkError(Exception):
    """
    Be an error that is none of ours.
    """


@pytest.mark.parametrize("error", [_SinkError("x"), OutcropError("y"), ValueError("z"), UpstreamThrottled("w")])
async def test_what_the_sink_raises_is_raised_unchanged(serve: Serve, connect: Connect, error: Exception) -> None:
    """
    An exception of the sink comes out as it is, is never retried, and the connection is closed.
    """

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.open_stream()
        await peer.send_chunk(MESSAGES[0])
        await peer.wait_closed()

    def sink(_: object) -> None:
        raise error

    server = await serve(script)
    client = connect(server)
    with pytest.raises(type(error)) as caught:
        await client.stream(a_call(), sink)
    assert caught.value is error
    assert caught.value.__cause__ is None
    await server.closed.wait()
    assert (server.connections, client.pool.open_count) == (1, 0)


async def test_a_sink_that_raises_stop_iteration_ends_the_call(serve: Serve, connect: Connect) -> None:
    """
    StopIteration, which futures and coroutines refuse, comes out as a RuntimeError instead of hanging.
    """

    def sink(_: object) -> None:
        raise StopIteration

    client = connect(await serve(serving(chunked(MESSAGES[0]))))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await client.stream(a_call(), sink)


def test_a_chunk_is_unwrapped_in_one_step() -> None:
    """
    The model's JSON is the base64 in `bytes`; padding and unknown members mean nothing.
    """
    assert unwrap_chunk("chunk", b'{"p":"abc","bytes":"eyJhIjoxfQ==","new":[1]}') == b'{"a":1}'


async def test_a_long_stream_is_complete(serve: Serve, connect: Connect) -> None:
    """
    A long stream arrives complete, however its bytes are cut by the network.
    """
    raw = b"".join(MESSAGES) * 250
    pieces = [chunked(raw[start : start + 70_001]) for start in range(0, len(raw), 70_001)]
    sink = Collector()
    client = connect(await serve(serving(*pieces)))
    await client.stream(a_call(), sink)
    assert sink.payloads == PAYLOADS * 250
    assert client.pool.idle_count == 1


async def test_two_streams_do_not_mix(serve: Serve, connect: Connect) -> None:
    """
    Streams that run at the same time each get their own messages only.
    """

    async def script(peer: Peer) -> None:
        request = await peer.read_request()
        await peer.open_stream()
        for _ in range(50):
            await peer.send_chunk(a_chunk(request.body))
        await peer.end_stream()
        await peer.wait_closed()

    client = connect(await serve(script))
    sinks = [Collector() for _ in range(20)]
    await asyncio.gather(*(client.stream(a_call(body=b"%d" % number), sink) for number, sink in enumerate(sinks)))
    assert [sink.payloads for sink in sinks] == [[b"%d" % number] * 50 for number in range(20)]
