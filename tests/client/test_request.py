"""
One request over any number of connections, without any connection.
"""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.client.failures import AnswerLost, ProtocolViolated
from outcrop.client.frames import BadFrame, parse_frame
from outcrop.client.pieces import Piece, ReasoningPiece, TextPiece
from outcrop.client.request import MAX_RESTARTS, Question, Request
from tests.client.conftest import encode, failed_parts, frames_of, text_parts

QUESTION = Question(
    request_id="r", chat_id="c", idempotency_key="k", trigger="submit-message", messages=[], body={"model": "m"}
)
TEXTS = ("one ", "two ", "three ", "four")


def make() -> Request:
    """
    Make a request with roomy bounds.
    """
    return Request(QUESTION, max_answer_bytes=1 << 20, max_waiting_pieces=100)


def feed(request: Request, frames: list[str]) -> None:
    """
    Give frames to a request until it ends.
    """
    for frame in frames:
        if not request.ended:
            request.take(parse_frame(frame))


def take_all(request: Request) -> list[Piece]:
    """
    Take all that waits.
    """
    found = []
    while (piece := request.pieces.take()) is not None:
        found.append(piece)
    return found


def opening(request: Request) -> list[dict[str, Any]]:
    """
    Decode what goes out on a new connection.
    """
    return [msgspec.json.decode(frame) for frame in request.opening()]


@given(st.integers(0, 1 << 30), st.integers(1, 12))
def test_any_mixture_of_drops_repeats_and_losses_gives_the_same_text(seed: int, connections: int) -> None:
    """
    Whatever connections lose, repeat or mix up, the text is always a beginning of the answer, and in the end all of it.
    """
    chance = random.Random(seed)
    request, whole = make(), "".join(TEXTS)
    parts = text_parts(*TEXTS)
    for _ in range(connections):
        frame = opening(request)[0]
        frames = frames_of("r", parts, after=frame.get("lastSequence", -1))
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(frames))
            frames[at:at] = [frames[chance.randrange(len(frames))]] if chance.random() < 0.5 else []
        frames = [frame for frame in frames if chance.random() > 0.05 and '"end"' not in frame]
        try:
            feed(request, frames[: chance.randrange(len(frames) + 1)])
        except BadFrame:
            assert not request.ended
        assert whole.startswith(request.assembly.text)
        request.drop()
    if not request.ended:
        feed(request, frames_of("r", parts, after=-1 if request.last_sequence is None else request.last_sequence))
    assert (request.failure, request.assembly.text) == (None, whole)
    assert "".join(piece.text for piece in take_all(request)) == whole


def test_waiting_texts_are_joined() -> None:
    """
    Pieces of one part that nobody has taken yet are one piece.
    """
    request = make()
    feed(request, frames_of("r", text_parts(*TEXTS)))
    assert take_all(request) == [TextPiece(text="".join(TEXTS), part_id="0")]


def test_pieces_of_other_parts_wait_apart() -> None:
    """
    Only neighbours of one part and kind are joined.
    """
    request = make()
    feed(
        request,
        [
            encode("chunk", "r", sequence=number, chunk={"type": f"{kind}-delta", "id": part, "delta": "x"})
            for number, (kind, part) in enumerate(
                [("text", "0"), ("text", "0"), ("reasoning", "0"), ("reasoning", "0"), ("text", "0"), ("text", "1")]
            )
        ],
    )
    assert take_all(request) == [
        TextPiece(text="xx", part_id="0"),
        ReasoningPiece(reasoning="xx", part_id="0"),
        TextPiece(text="x", part_id="0"),
        TextPiece(text="x", part_id="1"),
    ]


def test_a_drop_after_the_last_part_is_the_end() -> None:
    """
    Where only the frame `end` was lost, nothing is resumed.
    """
    request = make()
    feed(request, frames_of("r", text_parts(*TEXTS))[:-1])
    assert not request.ended
    request.drop()
    assert (request.ended, request.failure) == (True, None)


def test_what_was_never_sent_is_stopped_at_once() -> None:
    """
    Nothing goes out for a question that was taken back before it could be sent.
    """
    request = make()
    assert request.stop() == []
    assert (request.ended, request.failure, request.assembly.aborted) == (True, None, True)


def test_a_stop_goes_out_once_and_with_each_resume() -> None:
    """
    The first connection is told once; every later one again.
    """
    request = make()
    opening(request)
    assert len(request.stop()) == 1
    assert request.stop() == []
    feed(request, [encode("start", "r")])
    request.drop()
    assert [frame["type"] for frame in opening(request)] == ["resume", "abort"]


def test_no_active_answers_only_a_resume() -> None:
    """
    After an accepted question it means that the answer is gone; before, it is a breach.
    """
    request = make()
    with pytest.raises(BadFrame):
        feed(request, [encode("no-active", "r")])
    feed(request, [encode("start", "r"), encode("no-active", "r")])
    assert isinstance(request.failure, AnswerLost)


@pytest.mark.parametrize("code", ["expired", "epoch_changed", "not_found"])
def test_a_gateway_that_lost_its_log_loses_the_answer(code: str) -> None:
    """
    These codes make the failure an `AnswerLost`.
    """
    request = make()
    feed(request, frames_of("r", failed_parts("a", code=code)))
    assert isinstance(request.failure, AnswerLost)
    assert (request.failure.code, request.failure.text_so_far) == (code, "a")


def test_an_error_frame_ends_the_answer() -> None:
    """
    A request that is refused before any part has the frame's sentence.
    """
    request = make()
    feed(request, [encode("error", "r", errorText="already active")])
    assert request.failure is not None
    assert (request.failure.code, request.failure.message) == ("chat_failed", "already active")


def test_an_error_frame_may_have_a_code() -> None:
    """
    Code, retryability and delay of an error frame are the failure's.
    """
    request = make()
    feed(request, [encode("error", "r", errorText="busy", code="already_active", retryable=True, retryAfterMs=500)])
    assert request.failure is not None
    assert (request.failure.code, request.failure.retryable) == ("already_active", True)
    assert request.failure.retry_after_seconds == 0.5


def test_a_resume_says_what_start_told() -> None:
    """
    Turn and epoch come back in the resume, the turn also where only the first part told it.
    """
    request = make()
    feed(request, [encode("start", "r", turnId="t", epoch="e")])
    assert opening(request)[0]["body"] == {"turnId": "t", "epoch": "e"}
    other = make()
    feed(other, [encode("chunk", "r", sequence=0, chunk={"type": "start", "messageMetadata": {"turnId": "t"}})])
    assert opening(other)[0]["body"] == {"turnId": "t"}


def test_stopping_gateways_are_not_asked_for_ever() -> None:
    """
    A question that only meets stopping gateways fails in the end, as retryable.
    """
    request = make()
    for _ in range(MAX_RESTARTS):
        opening(request)
        feed(request, frames_of("r", failed_parts(code="draining")))
        assert request.must_move
        request.drop()
    feed(request, frames_of("r", failed_parts(code="draining")))
    assert request.failure is not None
    assert (request.failure.code, request.failure.retryable) == ("draining", True)


def test_only_breaches_in_a_row_fail_the_answer() -> None:
    """
    Something new between breaches forgives them.
    """
    request, frames = make(), frames_of("r", text_parts(*TEXTS))
    error = BadFrame("as scripted")
    request.blame(error)
    request.blame(error)
    feed(request, frames[:3])
    request.blame(error)
    request.blame(error)
    assert not request.ended
    request.blame(error)
    assert isinstance(request.failure, ProtocolViolated)


@pytest.mark.parametrize("sequence", [None, -1, 5])
def test_a_sequence_that_does_not_follow_is_a_breach(sequence: int | None) -> None:
    """
    A missing, negative or too large sequence is refused before anything is taken.
    """
    request = make()
    with pytest.raises(BadFrame):
        feed(request, [encode("chunk", "r", sequence=sequence, chunk=text_parts()[0])])
    assert request.last_sequence is None
