"""
Find responses of earlier: in the turn log, which keeps each for its retention time, with what led to it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from outcrop.dialects.openai.conversation import Conversation, add_answer, drop_reasoning
from outcrop.dialects.openai.ids import split_item_id, to_response_id, to_turn_id
from outcrop.dialects.openai.responses_items import read_output_item
from outcrop.dialects.openai.responses_note import ResponseNote, parse_note
from outcrop.dialects.openai.responses_socket import missing_previous
from outcrop.dialects.openai.responses_stream import ResponseClosing, ResponseOpening, encode_response
from outcrop.errors import PositionExpired, RequestError, UnknownTurn
from outcrop.server.turn_routes import collect
from outcrop.turns.fold import fold
from outcrop.turns.records import TurnStatus
from outcrop.turns.service import TurnService
from outcrop.types import LogEntry, Message

MAX_REFERRED = 64
"""
Responses whose items one request may refer to: each is read whole.
"""


class PreviousMissing(RequestError):
    """
    Say that there is no response to go on from.
    """

    code = "previous_response_not_found"

    def __init__(self, response_id: str) -> None:
        super().__init__(missing_previous(response_id).message)


class PreviousUnfinished(RequestError):
    """
    Refuse to go on from a response that has no end yet, or a bad one.
    """

    code = "previous_response_not_finished"
    status = 409


class Kept(msgspec.Struct, frozen=True):
    """
    Hold a response as its log has it.
    """

    status: TurnStatus
    note: ResponseNote
    entries: tuple[LogEntry, ...] = ()

    def encode(self) -> bytes:
        """
        Encode the Response object.
        """
        return encode_as_it_is(self.status, self.entries)


def encode_as_it_is(status: TurnStatus, entries: Sequence[LogEntry]) -> bytes:
    """
    Encode the Response object of a turn, as far as it has come.
    """
    return encode_response(to_opening(status), entries, to_closing(status))


def to_opening(status: TurnStatus) -> ResponseOpening:
    """
    Say what a response needs to know of its turn from the beginning.
    """
    opening = status.opening
    note = parse_note(opening.note)
    return ResponseOpening(
        turn_id=opening.turn_id,
        model=opening.model,
        created_at=int(opening.started_at),
        echo={} if note is None else note.echo,
    )


def to_closing(status: TurnStatus) -> ResponseClosing:
    """
    Say what a finished turn took; nothing is known of one that runs.
    """
    ended_at = None if status.ended_at is None else int(status.ended_at)
    return ResponseClosing(usage=status.summary.usage if status.summary else None, completed_at=ended_at)


class KeptResponses:
    """
    Find responses by their ID. Another's response, and one that was not to be stored, look like unknown ones.
    """

    def __init__(self, turns: TurnService) -> None:
        self._turns = turns

    async def find(self, response_id: str, *, owner: str) -> Kept:
        """
        Find a response, without its entries.

        Raises:
            UnknownTurn: there is none for this owner.
        """
        try:
            status = await self._turns.status(to_turn_id(response_id), owner=owner)
        except UnknownTurn as error:
            raise UnknownTurn(f"there is no response {response_id[:80]!r}") from error
        note = parse_note(status.opening.note)
        if note is None or note.conversation is None:
            raise UnknownTurn(f"there is no response {response_id[:80]!r}")
        return Kept(status, note)

    async def read(self, response_id: str, *, owner: str) -> Kept:
        """
        Find a response, as far as it has come.

        Raises:
            UnknownTurn: there is none for this owner.
            StoreError: its log can't be read.
        """
        kept = await self.find(response_id, owner=owner)
        status, events = await collect(self._turns, kept.status, owner=owner)
        entries = tuple(LogEntry(number, event) for number, event in enumerate(events, 1))
        return Kept(status, kept.note, entries)

    async def find_previous(self, response_id: str, model: str, *, owner: str) -> Conversation:
        """
        Find the conversation that a response ended, with its answer, for a request to `model`.

        Raises:
            PreviousMissing: there is no such response for this owner, or it is not kept any more.
            PreviousUnfinished: it still runs, or has failed.
            StoreError: its log can't be read.
        """
        try:
            kept = await self.read(response_id, owner=owner)
        except (UnknownTurn, PositionExpired) as error:
            raise PreviousMissing(response_id) from error
        state = kept.status.state
        if state not in {"completed", "stopped"}:
            raise PreviousUnfinished(f"previous_response_id names a response that is {state}; go on from another one")
        answer = fold([entry.event for entry in kept.entries])
        said = add_answer(kept.note.conversation or Conversation(), answer.parts, is_stopped=state == "stopped")
        return said if kept.status.opening.model == model else drop_reasoning(said)

    async def find_items(self, item_ids: Iterable[str], model: str, *, owner: str) -> dict[str, Message | None]:
        """
        Find items of responses' outputs, for a request to `model`; those that are not there are left out.

        Raises:
            RequestError: an ID can't be an item's, or there are too many.
            StoreError: a log can't be read.
        """
        outputs: dict[str, list[Any]] = {}
        found: dict[str, Message | None] = {}
        for item_id in item_ids:
            turn_id, position = split_item_id(item_id)
            if turn_id not in outputs:
                if len(outputs) == MAX_REFERRED:
                    raise RequestError(
                        f"input refers to items of more than {MAX_REFERRED} responses, which is the limit"
                    )
                outputs[turn_id] = await self._read_output(turn_id, owner=owner)
            if position < len(outputs[turn_id]) and outputs[turn_id][position]["id"] == item_id:
                found[item_id] = read_output_item(outputs[turn_id][position], model)
        return found

    async def _read_output(self, turn_id: str, *, owner: str) -> list[Any]:
        try:
            kept = await self.read(to_response_id(turn_id), owner=owner)
        except (UnknownTurn, PositionExpired):
            return []
        output: list[Any] = msgspec.json.decode(kept.encode())["output"]
        return output
