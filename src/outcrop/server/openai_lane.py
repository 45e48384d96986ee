"""
Answer one request on a lane of a Responses socket, and remember what a lane said last.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from outcrop.dialects.openai.conversation import Conversation, add_answer, drop_reasoning
from outcrop.dialects.openai.ids import to_response_id
from outcrop.dialects.openai.responses_request import ResponsesCall
from outcrop.dialects.openai.responses_socket import ResponseCreate, add_lane
from outcrop.dialects.openai.responses_stream import ResponseClosing, ResponseOpening, ResponsesRenderer
from outcrop.errors import StoreError
from outcrop.server.direct import DirectSocket
from outcrop.server.openai_responses import ResponseView, begin_response, join_call, write_note
from outcrop.server.services import Services
from outcrop.turns.fold import fold
from outcrop.types import LogEntry, MessageStart, MessageStop, StreamEvent, Usage

ENTRIES_AT_ONCE = 256
MAX_REMEMBERED = 16
"""
Lanes whose last response is remembered on the socket; beyond it the oldest is forgotten.
"""


class SlowReader(Exception):
    """
    Say that the client takes nothing of what waits for it.
    """


class LaneWriter:
    """
    Write events to a socket that many lanes share, while there is room.
    """

    def __init__(self, socket: DirectSocket, timeout_seconds: float) -> None:
        self._socket = socket
        self._timeout_seconds = timeout_seconds
        self._writable = asyncio.Event()

    @property
    def blocked(self) -> bool:
        """
        Tell whether events must wait.
        """
        return self._socket.blocked

    def write(self, events: Sequence[str]) -> None:
        """
        Send events, each as a message.
        """
        for event in events:
            self._socket.write_message(event.encode(), binary=False)

    def on_writable(self) -> None:
        """
        Let the lanes go on.
        """
        self._writable.set()

    async def wait_for_room(self) -> None:
        """
        Wait until events can be sent.

        Raises:
            SlowReader: that takes too long.
        """
        while self._socket.blocked:
            self._writable.clear()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._writable.wait()
            except TimeoutError as error:
                raise SlowReader from error


class _Said(msgspec.Struct, frozen=True):
    response_id: str
    model: str
    conversation: Conversation


class LaneMemory:
    """
    Remember the last response of each lane, also one that is not stored: the socket's client may go on from it.
    """

    def __init__(self) -> None:
        self._said: OrderedDict[str | None, _Said] = OrderedDict()

    def remember(self, lane: str | None, response_id: str, model: str, conversation: Conversation) -> None:
        """
        Remember what was said on a lane.
        """
        self._said[lane] = _Said(response_id, model, conversation)
        self._said.move_to_end(lane)
        if len(self._said) > MAX_REMEMBERED:
            self._said.popitem(last=False)

    def find(self, call: ResponsesCall) -> Conversation | None:
        """
        Find what a call goes on from, on whichever lane it was said; None where this socket does not remember it.
        """
        wanted = call.previous_response_id
        said = next((said for said in self._said.values() if said.response_id == wanted), None)
        if said is None:
            return None
        return said.conversation if said.model == call.request.model else drop_reasoning(said.conversation)


async def answer_on_lane(
    services: Services,
    writer: LaneWriter,
    memory: LaneMemory,
    create: ResponseCreate,
    *,
    owner: str,
    conversation_id: str | None,
) -> None:
    """
    Answer one request, to its last event.

    Raises:
        OutcropError: it can't be answered, or not to its end.
        SlowReader: the client takes nothing.
    """
    call, lane = create.call, create.stream_id
    await writer.wait_for_room()
    request, conversation = await join_call(services, call, owner=owner, previous=memory.find(call))
    if not create.generate:
        write_note(services, call, conversation)
        turn_id = f"prepared_{secrets.token_urlsafe(16)}"
        writer.write(add_lane(_render_prepared(turn_id, call), lane))
    else:
        started = await begin_response(
            services, call, request, conversation, owner=owner, conversation_id=conversation_id
        )
        turn_id = started.turn_id
        events = await _follow(services, writer, turn_id, lane, owner=owner)
        if not events or not isinstance(events[-1], MessageStop):
            return
        is_stopped = events[-1].stop_reason == "stopped"
        conversation = add_answer(conversation, fold(events).parts, is_stopped=is_stopped)
    memory.remember(lane, to_response_id(turn_id), call.request.model, conversation)


async def _follow(
    services: Services, writer: LaneWriter, turn_id: str, lane: str | None, *, owner: str
) -> list[StreamEvent]:
    more = asyncio.Event()
    reader = await services.turns.subscribe(turn_id, owner=owner, wake=more.set)
    view, events = ResponseView(), list[StreamEvent]()
    try:
        writer.write(add_lane(view.render_events((), reader.status), lane))
        while not reader.ended:
            if writer.blocked:
                reader.set_behind(True)
                await writer.wait_for_room()
                reader.set_behind(False)
            more.clear()
            entries = reader.take(ENTRIES_AT_ONCE)
            events += [entry.event for entry in entries]
            if entries:
                writer.write(add_lane(view.render_events(entries, reader.status), lane))
            elif not reader.ended:
                await more.wait()
            # One piece of one lane for each turn of the event loop: a long replay delays nobody.
            await asyncio.sleep(0)
    except StoreError as error:
        writer.write(add_lane(view.fail(error), lane))
    finally:
        reader.close()
    return events


def _render_prepared(turn_id: str, call: ResponsesCall) -> list[str]:
    """
    Render a response that has nothing but its place in the conversation.
    """
    now = int(time.time())
    opening = ResponseOpening(turn_id=turn_id, model=call.request.model, created_at=now, echo=call.echo)
    renderer = ResponsesRenderer(opening)
    log = (LogEntry(1, MessageStart()), LogEntry(2, MessageStop(stop_reason="end_turn")))
    return [*renderer.render(log), *renderer.close(ResponseClosing(usage=Usage(), completed_at=now))]
