"""
What a log refuses, and with which words: the same for a turn that does not exist and for another's.
"""

from collections.abc import Sequence

from outcrop.errors import (
    ChatBusy,
    DuplicateTurn,
    EpochChanged,
    IdempotencyMismatch,
    LeaseLost,
    PositionExpired,
    UnknownTurn,
)
from outcrop.turns.records import Lease, TurnOpening
from outcrop.turns.redis.keys import is_turn_id
from outcrop.turns.redis.mirror import Mirror


def check_acquired(opening: TurnOpening, answer: Sequence[bytes]) -> None:
    """
    Raise what the script that begins a turn said.

    Raises:
        LeaseLost, ChatBusy, DuplicateTurn, IdempotencyMismatch: see `TurnLog.acquire`.
    """
    match answer[0]:
        case b"exists":
            raise LeaseLost(f"turn {opening.turn_id!r} has a producer already")
        case b"busy":
            raise ChatBusy("a turn of this chat is already active; stop it, or wait", turn_id=answer[1].decode())
        case b"duplicate":
            raise refuse_key(answer[1], opening.fingerprint)
        case _:
            return


def refuse_key(taken: bytes, fingerprint: str) -> DuplicateTurn | IdempotencyMismatch:
    """
    Make the error for a request whose idempotency key is taken; `taken` is what is stored under it.
    """
    turn_id, _, asked = taken.decode().partition(" ")
    if asked != fingerprint:
        return IdempotencyMismatch("this idempotency key was used for another request")
    return DuplicateTurn("this idempotency key has begun a turn already", turn_id=turn_id)


def check_position(mirror: Mirror, after: int, epoch: str | None, last_seq: int) -> None:
    """
    Insist that a reader can begin after a position.

    Raises:
        EpochChanged, PositionExpired: see `TurnLog.subscribe`.
    """
    if epoch is not None and epoch != mirror.epoch:
        raise EpochChanged("the log has lost entries since then")
    if not mirror.log_first_seq - 1 <= after <= last_seq:
        raise PositionExpired(f"position {after} is not in the log, which has {mirror.log_first_seq} to {last_seq}")


def checked_turn_id(turn_id: str) -> str:
    """
    Insist that a name can be a turn's.

    Raises:
        UnknownTurn: it can't.
    """
    if not is_turn_id(turn_id):
        raise unknown(turn_id)
    return turn_id


def unknown(turn_id: str) -> UnknownTurn:
    """
    Make the error for a turn that is not there, or is another's.
    """
    return UnknownTurn(f"there is no turn {turn_id[:80]!r}")


def lost(lease: Lease) -> LeaseLost:
    """
    Make the error for a lease that is worth nothing.
    """
    return LeaseLost(f"turn {lease.turn_id!r} is not this producer's any more")
