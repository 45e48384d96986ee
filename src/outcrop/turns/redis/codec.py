"""
The bytes in Redis: batches of entries, and what a turn's hash says.
"""

from collections.abc import Sequence

import msgspec

from outcrop.turns.records import TurnOpening, TurnState, TurnStatus, TurnSummary
from outcrop.types import LogEntry, StreamEvent


class Batch(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """
    Hold neighbouring entries of one turn: what is stored in one stream entry, and published.

    `summary` and `ended_at` come with the terminal event, which is the last of its batch.
    """

    epoch: str
    first_seq: int
    events: list[StreamEvent]
    summary: TurnSummary | None = None
    ended_at: float | None = None

    @property
    def entries(self) -> list[LogEntry]:
        """
        Number the events.
        """
        return [LogEntry(seq, event) for seq, event in enumerate(self.events, self.first_seq)]


class TurnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a turn's hash says. `owner` is a digest; `replica` names the life that runs the turn.
    """

    owner: str
    state: TurnState
    epoch: str
    first_seq: int
    last_seq: int
    opening: TurnOpening
    summary: TurnSummary | None
    ended_at: float | None
    replica: str
    token: int
    size: int

    @property
    def status(self) -> TurnStatus:
        """
        Say where the turn stands.
        """
        return TurnStatus(
            opening=self.opening,
            epoch=self.epoch,
            last_seq=self.last_seq,
            state=self.state,
            ended_at=self.ended_at,
            summary=self.summary,
            first_seq=self.first_seq,
        )


RECORD_FIELDS = ("owner", "state", "epoch", "first", "last", "opening", "summary", "ended", "replica", "token", "bytes")
"""
The fields of the hash, in the order in which `parse_record` takes them.
"""

DISCARDED = b"discarded"
"""
What is published instead of a batch when a turn is discarded; no batch begins like it.
"""

_ENCODER = msgspec.msgpack.Encoder()
_BATCHES = msgspec.msgpack.Decoder(Batch)
_JSON_BATCHES = msgspec.json.Decoder(Batch)
_OPENINGS = msgspec.msgpack.Decoder(TurnOpening)
_SUMMARIES = msgspec.msgpack.Decoder(TurnSummary)


def encode_batch(
    epoch: str, entries: Sequence[LogEntry], summary: TurnSummary | None = None, ended_at: float | None = None
) -> bytes:
    """
    Encode neighbouring entries, at least one.
    """
    batch = Batch(epoch, entries[0].seq, [entry.event for entry in entries], summary, ended_at)
    try:
        return _ENCODER.encode(batch)
    except OverflowError:
        # What a model says besides its text may hold integers of more than 64 bits: JSON has them, msgpack has not.
        return msgspec.json.encode(batch)


def parse_batch(encoded: bytes) -> Batch:
    """
    Read what `encode_batch` wrote.
    """
    return (_JSON_BATCHES if encoded.startswith(b"[") else _BATCHES).decode(encoded)


def encode_opening(opening: TurnOpening) -> bytes:
    """
    Encode an opening without its request, which can be large and is kept beside it.
    """
    return _ENCODER.encode(msgspec.structs.replace(opening, request=None))


def encode_summary(summary: TurnSummary) -> bytes:
    """
    Encode a summary.
    """
    return _ENCODER.encode(summary)


def parse_record(fields: Sequence[bytes | None]) -> TurnRecord:
    """
    Read a hash's `RECORD_FIELDS`.
    """
    owner, state, epoch, first, last, opening, summary, ended, replica, token, size = fields
    return TurnRecord(
        owner=(owner or b"").decode(),
        state=msgspec.convert((state or b"").decode(), TurnState),
        epoch=(epoch or b"").decode(),
        first_seq=int(first or 1),
        last_seq=int(last or 0),
        opening=_OPENINGS.decode(opening or b""),
        summary=_SUMMARIES.decode(summary) if summary else None,
        ended_at=float(ended) if ended else None,
        replica=(replica or b"").decode(),
        token=int(token or 0),
        size=int(size or 0),
    )
