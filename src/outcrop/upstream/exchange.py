"""
What one exchange collects: a whole answer, or the messages of a stream; under deadlines, with one future at its end.

Everything between the socket and the sink runs synchronously inside `Connection.data_received`.
"""

import asyncio
from types import TracebackType
from typing import Literal

import msgspec

from outcrop.calls import MessageSink, UpstreamMessage
from outcrop.errors import InvalidMessage, StreamInterrupted, TruncatedStream, UpstreamError, UpstreamTimeout, WireError
from outcrop.upstream import exceptions
from outcrop.upstream.connection import Connection, ConnectionLost, ResponseHead
from outcrop.upstream.deadlines import Deadlines, Watch
from outcrop.upstream.exceptions import ErrorContext
from outcrop.wire.eventstream import EventMessage, EventStreamDecoder

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 1024 * 1024

_JSON = msgspec.json.Decoder(msgspec.Raw)


class Answer(msgspec.Struct, frozen=True):
    """
    Hold how an exchange ended: its head, and its body unless that went to a sink.
    """

    head: ResponseHead
    body: bytes


class Exchange:
    """
    Collect an answer whole.

    Make it, `start` it, await `done`; on any other way out, call `stop`. Every failure closes the connection at once.
    """

    def __init__(self, connection: Connection, context: ErrorContext) -> None:
        self.done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._context = context
        self._watch: Watch | None = None
        self._head: ResponseHead | None = None
        self._body = bytearray()

    def start(self, head: bytes, body: bytes, *, deadlines: Deadlines, total_at: float) -> None:
        """
        Send the request and start the deadlines.
        """
        connection = self._connection
        self._watch = Watch(deadlines, total_at, is_held=lambda: connection.reading_paused, expire=self._expire)
        connection.start(head, body, self)

    def stop(self) -> None:
        """
        End the deadlines and forget the exchange; the caller gives the connection back.
        """
        if self._watch is not None:
            self._watch.stop()
        if not self.done.cancel() and not self.done.cancelled():
            # A failure that came in the very step in which the caller was cancelled is nobody's any more.
            self.done.exception()

    def fail(self, error: BaseException) -> None:
        """
        Close the connection and end the exchange with `error`.
        """
        self._connection.abort()
        if self._watch is not None:
            self._watch.stop()
        if not self.done.done():
            self.done.set_exception(error)

    @property
    def context(self) -> ErrorContext:
        """
        Return what an error names, with the request's ID once that is known.
        """
        request_id = None if self._head is None else self._head.headers.get("x-amzn-requestid")
        return msgspec.structs.replace(self._context, request_id=request_id)

    def on_written(self) -> None:
        """
        Count the progress of a large request as a sign of life.
        """
        if self._watch is not None:
            self._watch.last_seen = asyncio.get_running_loop().time()

    def on_head(self, head: ResponseHead) -> None:
        """
        Keep the head.
        """
        self._head = head
        coding = head.headers.get("content-encoding", "identity").strip().lower()
        if coding != "identity":
            self.fail(self._interrupted(f"Bedrock's answer is encoded as {coding[:40]!r}, which nobody asked for"))
        elif self._watch is not None and not self._waits_for_body(head):
            self._watch.begin()

    def on_body(self, chunk: bytes) -> None:
        """
        Collect a chunk, up to the bound.
        """
        if self._watch is not None:
            self._watch.last_seen = asyncio.get_running_loop().time()
        limit = MAX_ANSWER_BYTES if self._head is not None and self._head.status == 200 else MAX_ERROR_BYTES
        if len(self._body) + len(chunk) > limit:
            self.fail(self._interrupted(f"Bedrock's answer is longer than {limit} bytes"))
            return
        self._body += chunk

    def on_end(self, *, framed: bool) -> None:
        """
        End the exchange well, if the answer is whole.
        """
        if not framed and self._head is not None and self._head.status == 200 and not _is_json(self._body):
            # Nothing but the end of the connection says how long it is: only its own syntax shows a cut.
            self.fail(self._interrupted("the connection to Bedrock was closed before the answer was complete"))
            return
        self._succeed()

    def on_lost(self, error: ConnectionLost) -> None:
        """
        End the exchange badly.
        """
        error.aws_request_id = self.context.request_id
        self.fail(error)

    def _expire(self, error: UpstreamTimeout) -> None:
        error.aws_request_id = self.context.request_id
        self.fail(error)

    def _waits_for_body(self, _head: ResponseHead) -> bool:
        return False

    def _succeed(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        if self._head is not None and not self.done.done():
            self.done.set_result(Answer(self._head, bytes(self._body)))

    def _interrupted(self, message: str) -> StreamInterrupted:
        return StreamInterrupted(message, aws_request_id=self.context.request_id)


class StreamExchange(Exchange):
    """
    Give the messages of a 200 answer to a sink; collect any other answer whole.
    """

    def __init__(
        self,
        connection: Connection,
        context: ErrorContext,
        sink: MessageSink,
        operation: Literal["invoke_stream", "converse_stream"],
    ) -> None:
        super().__init__(connection, context)
        self._sink = sink
        self._unwraps = operation == "invoke_stream"
        self._decoder = EventStreamDecoder()
        self._loop_time = asyncio.get_running_loop().time
        self._guard = _Guard(self)
        self._streaming = False
        self._begun = False

    def on_head(self, head: ResponseHead) -> None:
        """
        Keep the head.
        """
        self._streaming = head.status == 200
        super().on_head(head)

    def on_body(self, chunk: bytes) -> None:
        """
        Decode a chunk and give its messages to the sink, in one call; then fail, if it held a failure.
        """
        if not self._streaming:
            super().on_body(chunk)
            return
        watch = self._watch
        if self._begun and watch is not None:
            watch.last_seen = self._loop_time()
        elif watch is not None:
            self._begun = True
            watch.begin()
        messages: list[UpstreamMessage] = []
        failure = self._decode(chunk, messages)
        if messages:
            with self._guard:
                self._sink(messages)
        if failure is not None:
            self.fail(failure)

    def _decode(self, chunk: bytes, messages: list[UpstreamMessage]) -> UpstreamError | None:
        """
        Append the chunk's messages, up to the first that is none; return the failure that stands there.
        """
        unwraps = self._unwraps
        try:
            for message in self._decoder.feed(chunk):
                headers = message.headers
                if headers.get(":message-type") != "event":
                    return self._read_failure(message)
                event_type = headers.get(":event-type")
                if not isinstance(event_type, str):
                    raise InvalidMessage("an event has no type")
                payload = message.payload
                messages.append((event_type, unwrap_chunk(event_type, payload) if unwraps else payload))
        except WireError as error:
            return self._broken(error)
        return None if self._decoder.failed is None else self._broken(self._decoder.failed)

    def on_end(self, *, framed: bool) -> None:
        """
        End the exchange well, unless the body ends inside a message.
        """
        if not self._streaming:
            super().on_end(framed=framed)
            return
        try:
            self._decoder.flush()
        except WireError as error:
            self.fail(self._broken(error))
            return
        self._succeed()

    def _waits_for_body(self, head: ResponseHead) -> bool:
        return head.status == 200

    def _read_failure(self, message: EventMessage) -> UpstreamError:
        headers = message.headers
        kind = headers.get(":message-type")
        if kind == "exception":
            return exceptions.from_exception_message(
                str(headers.get(":exception-type", "")), message.payload, self.context
            )
        if kind == "error":
            code, text = str(headers.get(":error-code", "")), str(headers.get(":error-message", ""))
            return exceptions.from_error_message(code, text, self.context)
        raise InvalidMessage(f"a message has type {str(kind)[:60]!r}, expected 'event', 'exception' or 'error'")

    def _broken(self, error: WireError) -> StreamInterrupted:
        what = "ends inside a message" if isinstance(error, TruncatedStream) else "is damaged"
        failure = self._interrupted(f"Bedrock's stream {what}: {error.message}")
        failure.__cause__ = error
        return failure


class _Chunk(msgspec.Struct):
    bytes: bytes


_CHUNK = msgspec.json.Decoder(_Chunk)


def unwrap_chunk(event_type: str, payload: bytes) -> bytes:
    """
    Return the model's own JSON out of a `chunk` event: base64 in `bytes`, beside padding that means nothing.

    Raises:
        InvalidMessage: the event is another, or has no such member.
    """
    if event_type != "chunk":
        raise InvalidMessage(f"a stream of model chunks holds an event {event_type[:60]!r}")
    try:
        return _CHUNK.decode(payload).bytes
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessage("the payload of a chunk is not json with base64 in 'bytes'") from error


class _Guard:
    """
    End an exchange with whatever its sink raises, unchanged.

    A context manager, because the sink runs inside the event loop's callback, from where nothing can be raised to the
    caller of `stream`. What is not an `Exception` (a keyboard interrupt) goes on to the loop besides.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if error is None:
            return False
        # A future refuses StopIteration; a coroutine would turn it into a RuntimeError too.
        self._exchange.fail(RuntimeError("the sink raised StopIteration") if kind is StopIteration else error)
        return isinstance(error, Exception)


def _is_json(body: bytearray) -> bool:
    try:
        _JSON.decode(bytes(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
