"""
Responses over HTTP: `POST /v1/responses`, and all that is below it.
"""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from outcrop.dialects.openai.conversation import Conversation
from outcrop.dialects.openai.ids import to_response_id
from outcrop.dialects.openai.responses_input_items import list_input_items
from outcrop.dialects.openai.responses_note import ResponseNote, encode_note
from outcrop.dialects.openai.responses_request import ResponsesCall, complete_call, parse_response_request
from outcrop.dialects.openai.responses_stream import ResponsesRenderer, encode_sse
from outcrop.errors import LeaseLost, RequestError, RequestTooLarge, StoreError
from outcrop.server.follow import open_answer, read_to_end
from outcrop.server.idempotency import find_idempotency_key
from outcrop.server.openai_http import (
    Caller,
    OpenAiEndpoint,
    answer_json,
    answer_value,
    check_query,
    make_route,
    read_json,
)
from outcrop.server.openai_kept import KeptResponses, encode_as_it_is, to_closing, to_opening
from outcrop.server.services import Services
from outcrop.server.starting import find_conversation_id, start_turn
from outcrop.server.turn_routes import StillRunning
from outcrop.turns.endings import to_failure
from outcrop.turns.records import TurnStatus
from outcrop.turns.service import Started
from outcrop.types import ChatRequest, LogEntry, StreamFailed

CANCEL_SECONDS = 10.0
"""
How long `cancel` waits for the end of what it stops, to tell of it.
"""

RETRIEVE_PARAMETERS = frozenset({"stream", "starting_after", "include_obfuscation", "include", "include[]"})
ITEMS_PARAMETERS = frozenset({"after", "limit", "order", "include", "include[]"})
PATH = "/v1/responses/{response_id}"


class ResponsesRoutes:
    """
    Serve `POST /v1/responses`, and `/v1/responses/{response_id}` with what is below it.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = services.turns
        self._kept = KeptResponses(services.turns)

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        services = self._services
        return [
            make_route("/v1/responses", "POST", OpenAiEndpoint(services, "chat", self.create)),
            make_route(PATH, "GET", OpenAiEndpoint(services, "read_turns", self.retrieve)),
            make_route(PATH, "DELETE", OpenAiEndpoint(services, "delete_turns", self.delete)),
            make_route(f"{PATH}/cancel", "POST", OpenAiEndpoint(services, "stop_turns", self.cancel)),
            make_route(f"{PATH}/input_items", "GET", OpenAiEndpoint(services, "read_turns", self.list_input)),
        ]

    async def create(self, request: Request, caller: Caller) -> ASGIApp:
        """
        Answer as a stream, whole, or in the background; or follow the turn that began with the same idempotency key.
        """
        services = self._services
        call = parse_response_request(await read_json(request, services.chat_limits.max_frame_bytes))
        headers = request.scope["headers"]
        key, conversation_id = find_idempotency_key(headers), find_conversation_id(headers)
        started = await start_response(services, call, owner=caller.owner, conversation_id=conversation_id, key=key)
        turn_id = started.turn_id
        if call.stream:
            return await open_answer(services, request, caller, turn_id, ResponseView(), waits=not call.background)
        if call.background:
            kept = await self._kept.read(to_response_id(turn_id), owner=caller.owner)
            return answer_json(kept.encode(), caller, turn_id)
        status, entries = await read_to_end(services, turn_id, owner=caller.owner, receive=request.receive)
        terminal = entries[-1].event
        if isinstance(terminal, StreamFailed):
            return caller.refuse(terminal, turn_id)
        return answer_json(encode_as_it_is(status, entries), caller, turn_id)

    async def retrieve(self, request: Request, caller: Caller) -> ASGIApp:
        """
        Return a response as far as it has come, or go on with its stream after an event.
        """
        check_query(request, RETRIEVE_PARAMETERS)
        wanted = request.query_params
        response_id = _response_id(request)
        if _read_flag("stream", wanted.get("stream")):
            kept = await self._kept.find(response_id, owner=caller.owner)
            view = ResponseView(_read_count("starting_after", wanted.get("starting_after"), -1))
            return await open_answer(self._services, request, caller, kept.status.turn_id, view, waits=False)
        if "starting_after" in wanted:
            raise RequestError("starting_after is for a stream, expected stream to be true")
        kept = await self._kept.read(response_id, owner=caller.owner)
        return answer_json(kept.encode(), caller, kept.status.turn_id)

    async def cancel(self, request: Request, caller: Caller) -> ASGIApp:
        """
        Stop a response, and return it; harmless when it has ended.
        """
        response_id = _response_id(request)
        kept = await self._kept.find(response_id, owner=caller.owner)
        turn_id = kept.status.turn_id
        if kept.status.state == "running":
            await self._turns.stop(turn_id, owner=caller.owner)
            try:
                async with asyncio.timeout(CANCEL_SECONDS):
                    await read_to_end(self._services, turn_id, owner=caller.owner)
            except TimeoutError as error:
                raise StoreError("the response was told to stop, but has not ended yet; ask for it again") from error
        kept = await self._kept.read(response_id, owner=caller.owner)
        return answer_json(kept.encode(), caller, turn_id)

    async def delete(self, request: Request, caller: Caller) -> ASGIApp:
        """
        Forget a response that has ended.
        """
        response_id = _response_id(request)
        kept = await self._kept.find(response_id, owner=caller.owner)
        try:
            await self._turns.delete(kept.status.turn_id, owner=caller.owner)
        except LeaseLost as error:
            raise StillRunning("the response is still in progress; cancel it first") from error
        return answer_value({"id": response_id, "object": "response", "deleted": True}, caller)

    async def list_input(self, request: Request, caller: Caller) -> ASGIApp:
        """
        List what a response was an answer to, newest first where no order is given.
        """
        check_query(request, ITEMS_PARAMETERS)
        wanted = request.query_params
        kept = await self._kept.find(_response_id(request), owner=caller.owner)
        page = list_input_items(
            kept.status.turn_id,
            kept.note.conversation,
            after=wanted.get("after"),
            limit=_read_count("limit", wanted.get("limit"), 20),
            order=wanted.get("order", "desc"),
        )
        return answer_value(page, caller)


class ResponseView:
    """
    Render one turn as numbered events, from the one after `starting_after`.
    """

    def __init__(self, starting_after: int = -1) -> None:
        self._starting_after = starting_after
        self._renderer: ResponsesRenderer | None = None

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries as server-sent events. See `sse.Render`.
        """
        return encode_sse(self.render_events(entries, status))

    def render_events(self, entries: Sequence[LogEntry], status: TurnStatus) -> list[str]:
        """
        Render the next entries as events, which are JSON text.
        """
        if self._renderer is None:
            self._renderer = ResponsesRenderer(to_opening(status), starting_after=self._starting_after)
        events = self._renderer.render(entries)
        if self._renderer.terminal is not None:
            events = [*events, *self._renderer.close(to_closing(status))]
        return events

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_sse(self.fail(error))

    def fail(self, error: StoreError) -> list[str]:
        """
        Render the end of a stream whose log can't be read any more, as events.
        """
        return [] if self._renderer is None else self._renderer.fail(to_failure(error))


async def start_response(
    services: Services, call: ResponsesCall, *, owner: str, conversation_id: str | None, key: str | None = None
) -> Started:
    """
    Join a call with what was said before, as the log has it, and begin its turn.

    Raises:
        RequestError: the request can't be served as it stands.
        PreviousMissing: there is nothing to go on from.
        StoreError: a log can't be read, or the turn could not be committed.
    """
    request, conversation = await join_call(services, call, owner=owner)
    return await begin_response(
        services, call, request, conversation, owner=owner, conversation_id=conversation_id, key=key
    )


async def join_call(
    services: Services, call: ResponsesCall, *, owner: str, previous: Conversation | None = None
) -> tuple[ChatRequest, Conversation]:
    """
    Join a call with what was said before: what is given, else what the log has.

    Raises:
        RequestError: a reference is not there, or nothing was said at all.
        PreviousMissing: there is nothing to go on from.
        StoreError: a log can't be read.
    """
    kept = KeptResponses(services.turns)
    model, previous_id = call.request.model, call.previous_response_id
    if previous is None and previous_id is not None:
        previous = await kept.find_previous(previous_id, model, owner=owner)
    referenced = await kept.find_items(call.references, model, owner=owner)
    return complete_call(call, previous, referenced)


async def begin_response(
    services: Services,
    call: ResponsesCall,
    request: ChatRequest,
    conversation: Conversation,
    *,
    owner: str,
    conversation_id: str | None,
    key: str | None = None,
) -> Started:
    """
    Begin the turn of a call that is joined. Raises what `start_turn` does.
    """
    note = write_note(services, call, conversation)
    return await start_turn(
        services,
        request,
        owner=owner,
        conversation_id=conversation_id,
        grace_seconds=_find_grace(services, call),
        whole=not (call.stream or call.background),
        key=key,
        note=note,
    )


def write_note(services: Services, call: ResponsesCall, conversation: Conversation) -> bytes:
    """
    Write what is kept with a response.

    Raises:
        RequestTooLarge: the conversation has grown beyond what one request may hold.
    """
    note = encode_note(ResponseNote(echo=dict(call.echo), conversation=conversation))
    if len(note) > (limit := services.chat_limits.max_frame_bytes):
        raise RequestTooLarge(f"the whole conversation is {len(note)} bytes, limit is {limit}; begin a new one")
    return note if call.store else encode_note(ResponseNote(echo=dict(call.echo)))


def _find_grace(services: Services, call: ResponsesCall) -> float:
    """
    Say how long a response runs on when nobody reads it: in the background to its end, whole not at all.
    """
    settings = services.settings
    if call.background:
        return settings.turn_timeout_seconds
    return settings.grace_seconds if call.stream and call.store else 0


def _response_id(request: Request) -> str:
    return str(request.path_params["response_id"])


def _read_flag(name: str, value: str | None) -> bool:
    if value not in {None, "true", "false"}:
        raise RequestError(f"parameter {name} is {str(value)[:40]!r}, expected true or false")
    return value == "true"


def _read_count(name: str, value: str | None, default: int) -> int:
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise RequestError(f"parameter {name} is {value[:40]!r}, expected a number from 0")
    return int(value)
