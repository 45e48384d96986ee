"""
The turns API: see, follow, stop and forget a turn, whichever dialect began it. See docs/turns.md.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from outcrop.errors import LeaseLost, RequestError, StoreError
from outcrop.server.chat_http import NO_STORE, JsonEndpoint, check_name, describe_error, json_response
from outcrop.server.services import Services
from outcrop.server.sse import open_stream
from outcrop.turns.fold import Answer, fold
from outcrop.turns.records import TurnStatus
from outcrop.turns.service import TurnService
from outcrop.types import LogEntry, MessageStop, StreamEvent, StreamFailed, Usage

READ_SECONDS = 10.0
"""
How long the entries that a status counts may take to arrive from the log.
"""

_POSITION = re.compile(r"(?:(?P<epoch>[0-9A-Za-z._-]{1,64}):)?(?P<seq>[0-9]{1,15})")


class StillRunning(RequestError):
    """
    Refuse to forget a turn that still runs.
    """

    code = "still_running"
    status = 409
    retryable = True


class TurnRoutes:
    """
    Serve `/api/turns/{turn_id}` and what is below it.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = services.turns

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        path = "/api/turns/{turn_id}"
        services = self._services
        routes = [
            Route(path, JsonEndpoint(services, "read_turns", self.describe), methods=["GET"]),
            Route(path, JsonEndpoint(services, "delete_turns", self.forget), methods=["DELETE"]),
            Route(f"{path}/events", JsonEndpoint(services, "read_turns", self.follow), methods=["GET"]),
            Route(f"{path}/stop", JsonEndpoint(services, "stop_turns", self.stop), methods=["POST"]),
        ]
        for route in routes:
            # Starlette adds HEAD to GET: it would follow a turn to its end and show nothing.
            (route.methods or set()).discard("HEAD")
        return list(routes)

    async def describe(self, request: Request, owner: str) -> ASGIApp:
        """
        Say where a turn stands, with the answer so far.
        """
        turn_id = _turn_id(request)
        status = await self._turns.status(turn_id, owner=owner)
        status, events = await collect(self._turns, status, owner=owner)
        return json_response(describe_turn(status, fold(events)))

    async def follow(self, request: Request, owner: str) -> ASGIApp:
        """
        Send the events after a position as server-sent events, to the end; 204 where the reader has them all.
        """
        epoch, after = find_position(request)
        stream = await open_stream(
            self._turns,
            _turn_id(request),
            render_events,
            render_failure,
            owner=owner,
            after=after,
            epoch=epoch,
        )
        if stream.is_over:
            # A browser's EventSource connects again after the end; only this answer makes it stop.
            stream.close()
            return Response(status_code=204, headers=NO_STORE)
        return stream

    async def stop(self, request: Request, owner: str) -> ASGIApp:
        """
        Stop a turn; harmless when it has ended.
        """
        return await stop_turn(self._turns, _turn_id(request), owner=owner)

    async def forget(self, request: Request, owner: str) -> ASGIApp:
        """
        Forget a finished turn.
        """
        turn_id = _turn_id(request)
        try:
            await self._turns.delete(turn_id, owner=owner)
        except LeaseLost as error:
            raise StillRunning("the turn is still running; stop it first") from error
        return json_response({"deleted": True, "turnId": turn_id})


async def stop_turn(turns: TurnService, turn_id: str, *, owner: str) -> ASGIApp:
    """
    Stop a turn: 202 where it ran, 200 where it had ended already.

    Raises:
        UnknownTurn: there is no such turn for this owner.
    """
    status = await turns.status(turn_id, owner=owner)
    if status.state == "running":
        await turns.stop(turn_id, owner=owner)
    return json_response({"turnId": turn_id, "state": status.state}, 202 if status.state == "running" else 200)


async def collect(turns: TurnService, status: TurnStatus, *, owner: str) -> tuple[TurnStatus, list[StreamEvent]]:
    """
    Read the events that a turn has now. To read counts as following it: the grace time begins anew.

    Raises:
        StoreError: the log can't be read, or not in time.
    """
    more = asyncio.Event()
    reader = await turns.subscribe(status.turn_id, owner=owner, wake=more.set)
    events: list[StreamEvent] = []
    try:
        async with asyncio.timeout(READ_SECONDS):
            while len(events) < status.last_seq:
                more.clear()
                taken = reader.take()
                events += [entry.event for entry in taken]
                if not taken:
                    await more.wait()
                # A long answer is read in pieces, so that others get their deltas meanwhile.
                await asyncio.sleep(0)
        return (reader.status if reader.ended else status), events
    except TimeoutError as error:
        raise StoreError("the turn's log could not be read in time; try again", retry_after_seconds=1) from error
    finally:
        reader.close()


def find_position(request: Request) -> tuple[str | None, int]:
    """
    Find the position that a reader names: epoch, where it is known, and sequence number.

    The header `Last-Event-ID` wins over `after`: a browser that reconnects sends it along with its first URL.

    Raises:
        RequestError: it is not a position, or a parameter is not known or given twice.
    """
    for name, _ in request.query_params.multi_items():
        if name != "after" or len(request.query_params.getlist(name)) > 1:
            raise RequestError(f"parameter {name[:40]!r} is unknown or given twice; known is after")
    header = request.headers.get("last-event-id")
    what, text = ("header Last-Event-ID", header) if header else ("parameter after", request.query_params.get("after"))
    if text is None:
        return None, 0
    match = _POSITION.fullmatch(text)
    if match is None:
        raise RequestError(f"{what} is {text[:40]!r}, expected a number from 0, or EPOCH:NUMBER as events carry it")
    return match["epoch"], int(match["seq"])


def render_events(entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
    """
    Render entries as events of a stream: position, type, and the event as JSON.
    """
    epoch, encode = status.epoch, msgspec.json.encode
    return b"".join(
        b"id: %s:%d\nevent: %s\ndata: %s\n\n"
        % (epoch.encode(), entry.seq, str(entry.event.__struct_config__.tag).encode(), encode(entry.event))
        for entry in entries
    )


def render_failure(error: StoreError) -> bytes:
    """
    Render the last event of a reader that can't go on: it has no position, so that the reader keeps its own.
    """
    return b"event: error\ndata: %s\n\n" % msgspec.json.encode(describe_error(error))


def describe_turn(status: TurnStatus, answer: Answer) -> dict[str, Any]:
    """
    Describe a turn in JSON's values.
    """
    opening, summary = status.opening, status.summary
    return {
        "turnId": status.turn_id,
        "state": status.state,
        "chatId": opening.chat_id,
        "model": opening.model,
        "modelId": opening.model_id,
        "region": opening.region,
        "replicaOnly": opening.is_local,
        "startedAt": _to_rfc3339(opening.started_at),
        "endedAt": _to_rfc3339(status.ended_at),
        "epoch": status.epoch,
        "lastSeq": status.last_seq,
        "usage": _describe_usage(summary.usage if summary else answer.usage),
        "ttftMs": summary.ttft_ms if summary else None,
        "durationMs": summary.duration_ms if summary else None,
        "costUsd": summary.cost_usd if summary else None,
        "result": _describe_result(answer),
    }


def _describe_result(answer: Answer) -> dict[str, Any]:
    terminal = answer.terminal
    result: dict[str, Any] = {"complete": terminal is not None, "text": answer.text, "parts": answer.parts}
    if isinstance(terminal, MessageStop):
        result |= {"stopReason": terminal.stop_reason, "stopSequence": terminal.stop_sequence}
    elif isinstance(terminal, StreamFailed):
        seconds = terminal.retry_after_seconds
        result["failure"] = {
            "code": terminal.code,
            "message": terminal.message,
            "retryable": terminal.retryable,
            "retryAfterMs": None if seconds is None else round(seconds * 1000),
            "awsError": terminal.aws_error,
            "awsRequestId": terminal.aws_request_id,
        }
    return result


def _describe_usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWriteTokens": usage.cache_write_tokens,
        "estimated": usage.estimated,
    }


def _to_rfc3339(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _turn_id(request: Request) -> str:
    return check_name(str(request.path_params["turn_id"]), "the turn's ID")
