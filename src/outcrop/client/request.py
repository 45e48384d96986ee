"""
The state of one request for an answer, over any number of connections. No I/O.

Whoever has the socket sends `opening` on each new one, gives every frame of the request to `take`, and says `drop` when
a socket has ended.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from outcrop.client.failures import AnswerLost, ChatFailed, ProtocolViolated
from outcrop.client.frames import BadFrame, ServerFrame, Trigger, encode_abort, encode_resume, encode_send, parse_chunk
from outcrop.client.parts import Assembly, TooManyParts
from outcrop.client.pieces import Piece
from outcrop.client.waiting import WaitingPieces

MAX_VIOLATIONS = 3
MAX_RESTARTS = 8
LOST_CODES = frozenset({"expired", "epoch_changed", "not_found", "interrupted"})
"""
Codes with which a gateway says that it can't go on with an answer.
"""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is asked. `idempotency_key` is this question's own: it is asked once, however often it is sent.
    """

    request_id: str
    chat_id: str
    idempotency_key: str
    trigger: Trigger
    messages: list[dict[str, Any]]
    body: dict[str, Any]
    message_id: str | None = None


class Request:
    """
    Follow one answer from its question to its end.

    `pieces` is what nobody has taken yet.
    `ended` tells that nothing follows, `failure` why, where it is not a success. `on_change` is called after both.

    Args:
        max_answer_bytes: largest answer.
        max_waiting_pieces: most pieces that may wait; beyond it the answer fails.
    """

    def __init__(self, question: Question, *, max_answer_bytes: int, max_waiting_pieces: int) -> None:
        self.request_id = question.request_id
        self.assembly = Assembly()
        self.pieces = WaitingPieces(max_waiting_pieces)
        self.ended = False
        self.failure: ChatFailed | None = None
        self.is_accepted = False
        self.is_sent = False
        self.must_move = False
        self.last_sequence: int | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._question = question
        self._max_answer_bytes = max_answer_bytes
        self._size = 0
        self._violations = 0
        self._restarts = 0
        self._stopping = False
        self._was_sent = False
        self._turn_id: str | None = None
        self._epoch: str | None = None

    def opening(self) -> list[str]:
        """
        Return the frames to send on a new connection: the question as long as it is not accepted, else a resume.
        """
        self.is_sent = self._was_sent = True
        question = self._question
        if self.is_accepted:
            frame = encode_resume(
                self.request_id,
                question.chat_id,
                last_sequence=self.last_sequence,
                turn_id=self._turn_id or self.assembly.metadata.get("turnId"),
                epoch=self._epoch,
            )
        else:
            frame = encode_send(
                self.request_id,
                question.chat_id,
                trigger=question.trigger,
                messages=question.messages,
                body=question.body,
                idempotency_key=question.idempotency_key,
                message_id=question.message_id,
            )
        return [frame, *([encode_abort(self.request_id)] if self._stopping else [])]

    def stop(self) -> list[str]:
        """
        Stop the answer. Returns the frames to send now. What was never sent ends at once, as stopped.
        """
        if self.ended or self._stopping:
            return []
        self._stopping = True
        if not self._was_sent:
            self.assembly.take({"type": "abort"})
            self._end(None)
        return [encode_abort(self.request_id)] if self.is_sent else []

    def take(self, frame: ServerFrame) -> bool:
        """
        Take a frame of this request. Returns whether it went further: duplicates change nothing.

        Raises:
            BadFrame: it does not follow the protocol; drop the connection, and resume on another.
        """
        match frame.type:
            case "chunk":
                return self._take_chunk(frame)
            case "start":
                self.is_accepted = True
                self._turn_id, self._epoch = frame.turn_id or self._turn_id, frame.epoch or self._epoch
            case "end":
                self._finish()
            case "error":
                self._refuse(frame)
            case "no-active" if self.is_accepted:
                self.fail(AnswerLost("no_active", "the gateway no longer has this answer, and so can't go on with it"))
            case _:
                raise BadFrame(f"a frame of type {frame.type[:50]!r} came", request_id=self.request_id)
        return False

    def drop(self) -> None:
        """
        Say that the connection has ended. An answer whose end has come, but for its frame, is then over.
        """
        self.is_sent = False
        self.must_move = False
        if self.assembly.is_over and not self.ended:
            self._finish()

    def blame(self, error: BadFrame) -> None:
        """
        Count a breach of the protocol. The third one without anything good between them fails the answer.
        """
        self._violations += 1
        if self._violations >= MAX_VIOLATIONS:
            self.fail(
                ProtocolViolated("protocol_violated", f"the gateway does not follow the protocol: {error.message}")
            )

    def fail(self, failure: ChatFailed) -> None:
        """
        End the answer with a failure, to which its text so far is added.
        """
        failure.text_so_far = self.assembly.text
        self._end(failure)

    def _refuse(self, frame: ServerFrame) -> None:
        if frame.code is not None:
            told = {"code": frame.code, "retryable": frame.retryable, "retryAfterMs": frame.retry_after_ms}
            self.assembly.take({"type": "data-error", "data": told})
        self.assembly.take({"type": "error", "errorText": frame.error_text})
        self._finish()

    def _take_chunk(self, frame: ServerFrame) -> bool:
        if frame.sequence is None or frame.sequence < 0:
            raise BadFrame("a chunk has no sequence", request_id=self.request_id)
        self.is_accepted = True
        expected = 0 if self.last_sequence is None else self.last_sequence + 1
        if frame.sequence > expected:
            problem = f"chunk {frame.sequence} came, expected {expected}"
            raise BadFrame(problem, request_id=self.request_id)
        if frame.sequence < expected:
            self._check_repeated(frame)
            return False
        self._fold(frame)
        self.last_sequence = frame.sequence
        self._violations = 0
        return True

    def _check_repeated(self, frame: ServerFrame) -> None:
        """
        Notice the replay of another answer of this chat: its numbers would look like those of this one.
        """
        if frame.sequence != 0:
            return
        repeated = parse_chunk(frame)
        told = repeated.get("messageMetadata")
        turn_id = told.get("turnId") if isinstance(told, dict) else None
        known = self.assembly.metadata.get("turnId")
        is_same = repeated.get("messageId") == self.assembly.message_id and (turn_id is None or turn_id == known)
        if not is_same:
            self.fail(AnswerLost("not_found", "the gateway went on with another answer of this chat"))

    def _fold(self, frame: ServerFrame) -> None:
        chunk = parse_chunk(frame)
        delta = chunk.get("delta")
        self._size += len(delta.encode("utf-8", "replace")) if isinstance(delta, str) else len(bytes(frame.chunk))
        if self._size > self._max_answer_bytes:
            self.fail(_too_large(f"the answer is larger than {self._max_answer_bytes} bytes, which is the limit here"))
            return
        try:
            piece = self.assembly.take(chunk)
        except TooManyParts:
            self.fail(_too_large("the answer has too many parts"))
        except (KeyError, TypeError, ValueError) as error:
            raise BadFrame(f"a {chunk['type'][:50]!r} part is malformed", request_id=self.request_id) from error
        else:
            if piece is not None:
                self._keep(piece)

    def _keep(self, piece: Piece) -> None:
        if self.pieces.add(piece):
            self.on_change()
        else:
            problem = f"{len(self.pieces)} pieces of the answer wait to be taken, which is the limit"
            self.fail(ChatFailed("reader_too_slow", problem))

    def _finish(self) -> None:
        error = self.assembly.error
        if error is None:
            over = self.assembly.is_over
            self._end(None if over else self._failure("stream_interrupted", "the answer broke off before its end"))
        elif error.code == "draining" and not self.assembly.parts and self._restarts < MAX_RESTARTS:
            self._restart()
        else:
            kind = AnswerLost if error.code in LOST_CODES else ChatFailed
            failure = kind(
                error.code,
                error.message,
                retryable=error.retryable,
                retry_after_seconds=error.retry_after_seconds,
                text_so_far=self.assembly.text,
            )
            self._end(failure)

    def _restart(self) -> None:
        # A server that is stopping began nothing: the same question may go, with the same key, to another one.
        self._restarts += 1
        self.must_move = True
        self.is_accepted = False
        self.last_sequence = None
        self._turn_id = self._epoch = None
        self.assembly = Assembly()

    def _failure(self, code: str, message: str) -> ChatFailed:
        return ChatFailed(code, message, retryable=True, text_so_far=self.assembly.text)

    def _end(self, failure: ChatFailed | None) -> None:
        if not self.ended:
            self.ended = True
            self.failure = failure
            self.on_change()


def _too_large(message: str) -> ChatFailed:
    return ChatFailed("answer_too_large", message)
