"""
One connection: framing, bounds, and what makes it unusable, over a transport that only takes notes.
"""

import asyncio

import pytest

from outcrop.upstream.connection import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    WRITE_SLICE_BYTES,
    Connection,
    ConnectionLost,
    ResponseHead,
)

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-t: 1\r\n\r\n"
)
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-A: 1\r\n\r\nhello world"
INTERIM = b"HTTP/1.1 100 Continue\r\nX-I: 1\r\n\r\n" + SIZED


class _NotingTransport(asyncio.Transport):
    """
    Be a socket that takes everything and notes it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False
        self.closing = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class _NotingReceiver:
    """
    Note what an exchange gives.
    """

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self.chunks: list[bytes] = []
        self.framed: bool | None = None
        self.lost: ConnectionLost | None = None
        self.slices = 0

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def on_written(self) -> None:
        self.slices += 1

    def on_head(self, head: ResponseHead) -> None:
        assert self.head is None
        self.head = head

    def on_body(self, chunk: bytes) -> None:
        assert self.head is not None
        self.chunks.append(chunk)

    def on_end(self, *, framed: bool) -> None:
        assert self.framed is None
        assert self.lost is None
        self.framed = framed

    def on_lost(self, error: ConnectionLost) -> None:
        assert self.framed is None
        assert self.lost is None
        self.lost = error


def begin(body: bytes = b"") -> tuple[Connection, _NotingTransport, _NotingReceiver]:
    """
    Make a connection on which an exchange has begun.
    """
    connection, transport, receiver = Connection(), _NotingTransport(), _NotingReceiver()
    connection.connection_made(transport)
    connection.start(b"HEAD", body, receiver)
    return connection, transport, receiver


@pytest.mark.parametrize("answer", [CHUNKED, SIZED, INTERIM], ids=["chunked", "sized", "interim"])
async def test_any_split_of_an_answer_is_the_same_answer(answer: bytes) -> None:
    """
    An answer cut in two at any offset gives the same head and body, and leaves the connection usable.
    """
    for cut in range(len(answer) + 1):
        connection, transport, receiver = begin()
        for piece in (answer[:cut], answer[cut:]):
            if piece:
                connection.data_received(piece)
        assert receiver.head is not None
        assert receiver.head.status == 200
        assert receiver.head.headers["x-a"] == "1"
        assert "x-i" not in receiver.head.headers
        assert receiver.lost is None
        assert (receiver.body, receiver.framed) == (b"hello world", True)
        assert connection.usable
        assert not transport.aborted


async def test_an_answer_may_come_byte_by_byte() -> None:
    """
    An answer in single bytes is the same answer.
    """
    connection, _, receiver = begin()
    for position in range(len(CHUNKED)):
        connection.data_received(CHUNKED[position : position + 1])
    assert (receiver.body, receiver.framed) == (b"hello world", True)


async def test_one_socket_chunk_is_one_body_chunk() -> None:
    """
    HTTP chunks that come in one piece from the socket are delivered in one piece.
    """
    connection, _, receiver = begin()
    connection.data_received(CHUNKED)
    assert receiver.chunks == [b"hello world"]


@pytest.mark.parametrize("answer", [CHUNKED, SIZED], ids=["chunked", "sized"])
async def test_an_answer_cut_short_is_lost(answer: bytes) -> None:
    """
    An end of the connection at any offset inside an answer is a loss that says whether an answer had begun.
    """
    for cut in range(len(answer)):
        connection, transport, receiver = begin()
        if cut:
            connection.data_received(answer[:cut])
        connection.eof_received()
        connection.connection_lost(None)
        assert receiver.framed is None
        assert receiver.lost is not None
        assert receiver.lost.answered is (cut > 0)
        assert b"hello world".startswith(receiver.body)
        assert transport.aborted
        assert not connection.usable


@pytest.mark.parametrize("extra", [b"X", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"], ids=["noise", "answer"])
async def test_bytes_behind_an_answer_spoil_the_connection(extra: bytes) -> None:
    """
    What stands behind a complete answer belongs to no exchange and makes the connection unusable.
    """
    connection, _, receiver = begin()
    connection.data_received(SIZED + extra)
    assert (receiver.body, receiver.framed) == (b"hello world", True)
    assert not connection.usable


async def test_bytes_between_exchanges_close_the_connection() -> None:
    """
    Bytes that come while no exchange runs close the connection.
    """
    connection, transport, _ = begin()
    connection.data_received(SIZED)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert transport.aborted
    assert not connection.usable


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 11\r\n\r\n",
    ],
    ids=["close", "http/1.0"],
)
async def test_an_answer_that_wants_to_close_is_not_reused(head: bytes) -> None:
    """
    A complete answer that announces the end of the connection is good, the connection is not usable after it.
    """
    connection, _, receiver = begin()
    connection.data_received(head + b"hello world")
    assert (receiver.body, receiver.framed) == (b"hello world", True)
    assert not connection.usable


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """
    An answer that only the end of the connection ends is marked as such.
    """
    connection, _, receiver = begin()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhello")
    connection.data_received(b" world")
    connection.eof_received()
    assert (receiver.body, receiver.framed) == (b"hello world", False)
    assert not connection.usable


async def test_an_answer_without_a_length_is_lost_in_a_reset() -> None:
    """
    A broken connection never ends an answer well.
    """
    connection, _, receiver = begin()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhello")
    connection.connection_lost(ConnectionResetError("reset by peer"))
    assert receiver.framed is None
    assert receiver.lost is not None
    assert "reset by peer" in receiver.lost.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not http/1.1"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi", "not http/1.1"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "not http"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nhi", "not http/1.1"),
        (b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc", "switches protocols"),
        (b"HTTP/1.1 101 S\r\n\r\n", "switches protocols"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * MAX_HEADER_BYTES + b"\r\n\r\n", "longer than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * MAX_HEADER_BYTES, "without a body"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * (MAX_HEADERS + 1) + b"\r\n", "more than 200 headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, "without a body"),
    ],
)
async def test_a_broken_answer_is_lost_before_its_head(answer: bytes, words: str) -> None:
    """
    An answer that is no HTTP, or beyond a bound, is lost and its connection closed, without a head being given.
    """
    connection, transport, receiver = begin()
    connection.data_received(answer)
    assert receiver.head is None
    assert receiver.lost is not None
    assert words in receiver.lost.message
    assert transport.aborted


async def test_the_bytes_before_a_broken_chunk_are_given() -> None:
    """
    What came well before the framing broke is delivered, then the loss.
    """
    connection, _, receiver = begin()
    connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
    assert receiver.body == b"hello"
    assert receiver.lost is not None


async def test_framing_between_bodies_does_not_add_up() -> None:
    """
    A long answer whose chunk sizes come by themselves is no answer without a body.
    """
    connection, _, receiver = begin()
    connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(MAX_HEADER_BYTES // 3 + 1):
        connection.data_received(b"1\r\n")
        connection.data_received(b"x\r\n")
    assert receiver.lost is None
    assert len(receiver.body) == MAX_HEADER_BYTES // 3 + 1


async def test_endless_trailers_are_lost() -> None:
    """
    Trailers count as headers do.
    """
    connection, transport, receiver = begin()
    connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    for _ in range(MAX_HEADERS + 1):
        connection.data_received(b"x: a\r\n")
    assert receiver.lost is not None
    assert transport.aborted


async def test_repeated_headers_are_joined() -> None:
    """
    A header that comes twice is one with both values.
    """
    connection, _, receiver = begin()
    connection.data_received(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\ncontent-length: 0\r\n\r\n")
    assert receiver.head is not None
    assert receiver.head.headers["x-a"] == "1, 2"


async def test_nothing_comes_after_an_abort() -> None:
    """
    An aborted exchange hears nothing more, and the connection can't be used again.
    """
    connection, transport, receiver = begin()
    connection.abort()
    connection.data_received(SIZED)
    connection.connection_lost(None)
    assert transport.aborted
    assert receiver.head is None
    assert receiver.framed is None
    assert receiver.lost is None
    with pytest.raises(RuntimeError, match="can't take an exchange"):
        connection.start(b"HEAD", b"", receiver)


async def test_a_small_request_is_one_write() -> None:
    """
    Head and body leave in one write.
    """
    _, transport, _ = begin(b"BODY")
    assert transport.written == [b"HEADBODY"]


async def test_a_large_request_waits_for_the_socket() -> None:
    """
    A large body leaves in slices, and no further slice while the socket takes nothing.
    """
    body = bytes(range(256)) * (WRITE_SLICE_BYTES // 256) * 3 + b"rest"
    connection, transport, receiver = Connection(), _NotingTransport(), _NotingReceiver()
    connection.connection_made(transport)
    connection.pause_writing()
    connection.start(b"HEAD", body, receiver)
    assert transport.written == [b"HEAD"]
    connection.resume_writing()
    assert b"".join(transport.written) == b"HEAD" + body
    assert receiver.slices == 4


async def test_an_answer_before_the_end_of_the_request_spoils_the_connection() -> None:
    """
    A connection whose request was not sent to its end is not used again.
    """
    connection, transport, receiver = Connection(), _NotingTransport(), _NotingReceiver()
    connection.connection_made(transport)
    connection.pause_writing()
    connection.start(b"HEAD", b"x" * (WRITE_SLICE_BYTES + 1), receiver)
    connection.data_received(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
    assert receiver.framed is True
    assert not connection.usable


async def test_reading_can_be_paused() -> None:
    """
    A receiver that has enough pauses the socket, and the end of an answer ends the pause.
    """
    connection, transport, _ = begin()
    connection.pause()
    assert (transport.reading, connection.reading_paused) == (False, True)
    connection.resume()
    assert (transport.reading, connection.reading_paused) == (True, False)
    connection.pause()
    connection.data_received(SIZED)
    assert (transport.reading, connection.usable) == (True, True)
