"""
What is known about a turn besides its events: how it began, where it stands, how it ended.
"""

from typing import Literal

import msgspec

from outcrop.types import MessageStop, StreamEvent, StreamFailed, TerminalEvent, Usage

TurnState = Literal["running", "completed", "stopped", "failed", "interrupted"]


class TurnOpening(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what begins: written with the log's beginning, never changed.

    Attributes:
        model: what the client wrote; `model_id` is what Bedrock gets.
        started_at: when the turn was accepted, in seconds since 1970.
        whole: the client asked for the answer in one piece; whoever renders the log renders it so.
        message_id: the client's own message that this answer goes on with; None where the answer is a new message.
        chat_id: the conversation; it has at most one running turn of one owner.
        idempotency_key: a second turn of this owner with this key does not begin.
        fingerprint: a digest of the request: the same key with another request is a mistake, and is told.
        request: the encoded request; only where another replica may continue the answer.
        note: what the dialect that began the turn needs to tell of it later; nobody else reads it.
        is_kept: the answer is stored where conversations are, before its terminal event is published.
        is_local: only the replica that runs the turn knows it, because the store of the log was down.
    """

    turn_id: str
    owner: str
    model: str
    model_id: str
    region: str
    started_at: float
    whole: bool = False
    message_id: str | None = None
    chat_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""
    request: bytes | None = None
    note: bytes | None = None
    is_local: bool = False
    is_kept: bool = False


class TurnSummary(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a turn took: written with its terminal event.

    `ttft_ms` is None where nothing came, `cost_usd` where the list price of the model is not known.
    """

    usage: Usage
    duration_ms: int
    ttft_ms: int | None = None
    cost_usd: float | None = None
    attempts: int = 1


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a finished answer that is to be kept: its whole log, neighbours merged, the terminal event last.
    """

    events: tuple[StreamEvent, ...]
    summary: TurnSummary


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """
    Name a call whose end is not written, or whose answer isn't. `opened_at` is in seconds since 1970.
    """

    turn_id: str
    call: int
    principal_id: str
    model_id: str
    opened_at: float
    is_kept: bool


class TurnStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say where a turn stands. A position is `(turn_id, epoch, seq)`; a changed epoch means that the log lost entries.

    `ended_at` (seconds since 1970) and `summary` are None while the turn runs. `first_seq` is the position of the log's
    first entry: 1, unless its store has lost the beginning.
    """

    opening: TurnOpening
    epoch: str
    last_seq: int
    state: TurnState
    ended_at: float | None = None
    summary: TurnSummary | None = None
    first_seq: int = 1

    @property
    def turn_id(self) -> str:
        """
        Name the turn.
        """
        return self.opening.turn_id


class Lease(msgspec.Struct, frozen=True):
    """
    Prove that its holder is a turn's one producer. `token` grows with every lease (a fencing token).
    """

    turn_id: str
    token: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what was committed of a kept turn by its own replica; of other turns nothing is said.

    Attributes:
        is_accepted: its question is kept. Where it isn't, nobody was told that the turn was accepted.
        terminal: how its answer ended; None where that was not committed.
        usage: what the call used, where its answer has ended.
    """

    is_accepted: bool = True
    terminal: TerminalEvent | None = None
    usage: Usage = Usage()


def state_after(terminal: TerminalEvent | None) -> TurnState:
    """
    Name the state that a terminal event leads to; without one, the turn runs.
    """
    match terminal:
        case None:
            return "running"
        case MessageStop(stop_reason="stopped"):
            return "stopped"
        case StreamFailed(code="interrupted"):
            return "interrupted"
        case StreamFailed():
            return "failed"
        case _:
            return "completed"
