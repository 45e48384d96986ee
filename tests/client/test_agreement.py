"""
The client and the gateway's dialect, each written from the protocol's page, read each other.
"""

from outcrop.client.frames import parse_frame
from outcrop.client.parts import to_message
from outcrop.client.pieces import ReasoningPiece, TextPiece, Usage
from outcrop.client.request import Question, Request
from outcrop.dialects.chat import frames, replies
from outcrop.dialects.ui_stream.endings import UiStreamClosing
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.errors import ChatBusy
from outcrop.turns.endings import to_failure
from outcrop.types import (
    LogEntry,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    ReasoningPart,
    StreamEvent,
    StreamFailed,
    TextDelta,
    TextPart,
)
from outcrop.types import Usage as CountedUsage

QUESTION = Question(
    request_id="r-1",
    chat_id="c-1",
    idempotency_key="key-1",
    trigger="regenerate-message",
    messages=[{"id": "u-1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}],
    body={"model": "llama3", "maxTokens": 5, "temperature": 0.5, "topP": 1.0, "topK": 3, "stop": ["x"], "system": "s"},
    message_id="a-1",
)


def make() -> Request:
    """
    Make a request with roomy bounds.
    """
    return Request(QUESTION, max_answer_bytes=1 << 20, max_waiting_pieces=100)


def render(*events: StreamEvent) -> list[str]:
    """
    Let the gateway's dialect write the frames of an answer.
    """
    renderer = UiStreamRenderer(UiStreamOpening(turn_id="t-1", model="llama3", region="us-east-1"))
    parts = renderer.render([LogEntry(seq, event) for seq, event in enumerate(events, 1)])
    usage = CountedUsage(input_tokens=3, output_tokens=2)
    parts += renderer.close(UiStreamClosing(usage=usage, duration_ms=40, ttft_ms=12, cost_usd=0.5))
    framer = replies.ChunkFramer("r-1")
    frames = [framer.frame(number, part) for number, part in enumerate(parts)]
    start = replies.encode_start("r-1", turn_id="t-1", epoch="e-1")
    return [frame.decode() for frame in (start, *frames, replies.encode_end("r-1"))]


def feed(request: Request, frames: list[str]) -> None:
    """
    Give frames to the client's request.
    """
    for frame in frames:
        request.take(parse_frame(frame))


def test_the_gateway_reads_the_client_s_question() -> None:
    """
    All that the client asks for arrives, the key included.
    """
    turn = frames.to_turn(frames.parse_frame(make().opening()[0]))
    assert (turn.chat_id, turn.trigger, turn.message_id, turn.idempotency_key) == (
        "c-1",
        "regenerate-message",
        "a-1",
        "key-1",
    )
    params = turn.request.params
    assert (turn.request.model, params.max_tokens, params.temperature, params.stop_sequences) == (
        "llama3",
        5,
        0.5,
        ("x",),
    )
    assert len(turn.request.messages) == 1


def test_the_gateway_reads_the_client_s_conversation() -> None:
    """
    An answer goes back as it came: its reasoning with the model's mark, and its text.
    """
    request = make()
    events: list[StreamEvent] = [
        ReasoningDelta(index=0, text="hm"),
        ReasoningDelta(index=0, signature="mark"),
        TextDelta(index=1, text="Hello"),
    ]
    feed(request, render(MessageStart(), *events, MessageStop(stop_reason="end_turn")))
    said = to_message("a-1", request.assembly.parts)
    assert said is not None
    messages = [*QUESTION.messages, said, *QUESTION.messages]
    question = Question(
        request_id="r-2",
        chat_id="c-1",
        idempotency_key="key-2",
        trigger="submit-message",
        messages=messages,
        body={"model": "anthropic"},
    )
    again = Request(question, max_answer_bytes=1 << 20, max_waiting_pieces=100)
    turn = frames.to_turn(frames.parse_frame(again.opening()[0]))
    assert turn.request.messages[1].parts == (
        ReasoningPart(text="hm", signature="mark"),
        TextPart(text="Hello"),
    )


def test_the_gateway_reads_the_client_s_resume() -> None:
    """
    Position, turn and epoch arrive.
    """
    request = make()
    request.opening()
    feed(request, render(MessageStart(), TextDelta(index=0, text="Hello"), MessageStop(stop_reason="end_turn"))[:3])
    request.drop()
    resume = frames.to_resume(frames.parse_frame(request.opening()[0]))
    assert (resume.chat_id, resume.turn_id, resume.epoch, resume.last_sequence) == ("c-1", "t-1", "e-1", 1)


def test_the_client_reads_the_gateway_s_answer() -> None:
    """
    Texts, reasoning and figures are the turn's.
    """
    request = make()
    feed(
        request,
        render(
            MessageStart(),
            ReasoningDelta(index=0, text="hm"),
            TextDelta(index=1, text="Hello"),
            TextDelta(index=1, text=" world"),
            MessageStop(stop_reason="end_turn"),
        ),
    )
    reasoning, text = request.assembly.parts
    assert isinstance(reasoning, ReasoningPiece)
    assert isinstance(text, TextPiece)
    assert (request.failure, reasoning.reasoning, text.text) == (None, "hm", "Hello world")
    metadata = request.assembly.metadata
    assert (metadata["turnId"], metadata["stopReason"], metadata["ttftMs"]) == ("t-1", "end_turn", 12)
    assert set(Usage.__struct_encode_fields__) == metadata["usage"].keys()


def test_a_stopped_answer_is_stopped_for_both() -> None:
    """
    The gateway's `abort` is the client's stopped answer, with its figures.
    """
    request = make()
    feed(request, render(MessageStart(), TextDelta(index=0, text="He"), MessageStop(stop_reason="stopped")))
    assert (request.ended, request.failure, request.assembly.aborted) == (True, None, True)
    assert request.assembly.metadata["durationMs"] == 40


def test_a_failure_is_the_same_for_both() -> None:
    """
    Code, sentence and delay are those of the gateway, within an answer and in place of one.
    """
    failure = StreamFailed(code="throttled", message="the quota is used up", status=429, retryable=True)
    request = make()
    feed(request, render(MessageStart(), TextDelta(index=0, text="He"), failure))
    assert request.failure is not None
    assert (request.failure.code, request.failure.text_so_far) == ("throttled", "He")
    assert (request.failure.message, request.failure.retryable) == ("the quota is used up", True)
    busy = make()
    refusal = to_failure(ChatBusy("the chat has a running turn", turn_id="t-1"))
    feed(busy, [replies.encode_error("r-1", refusal, turn_id="t-1").decode()])
    assert busy.failure is not None
    assert (busy.failure.code, busy.failure.retryable) == ("already_active", True)


def test_the_connection_s_events_are_read() -> None:
    """
    Pings and the delay of a stopping gateway arrive.
    """
    assert parse_frame(replies.PING.decode()).event == "ping"
    draining = parse_frame(replies.encode_draining(1500).decode())
    assert (draining.request_id, draining.event, draining.retry_after_ms) == ("$server", "draining", 1500)
