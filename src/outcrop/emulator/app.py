"""
The emulator as an ASGI application: which request is which operation, and what every answer has in common.

Paths are matched as they came over the wire and decoded once, because model IDs hold encoded slashes and colons.
"""

import re
import time
import uuid
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope, Send

from outcrop.catalogue.models import load_catalogue
from outcrop.emulator import guard
from outcrop.emulator.admin import Books, answer_admin
from outcrop.emulator.auth import identify
from outcrop.emulator.book import Book, Call
from outcrop.emulator.control import answer_control
from outcrop.emulator.faults import Fault, FaultBook, HttpError
from outcrop.emulator.quota import QuotaBook
from outcrop.emulator.regions import RegionBook
from outcrop.emulator.requests import Request
from outcrop.emulator.rules.models import ModelTable
from outcrop.emulator.rules.refusals import Refusal, constraint, invalid
from outcrop.emulator.runtime import Runtime
from outcrop.emulator.sending.answers import LATENCY_HEADER, TIER_HEADER, HttpAnswer, common_headers, refusal_answer
from outcrop.emulator.sending.line import BodyTooLarge, ClientGone, Line
from outcrop.emulator.settings import EmulatorConfig
from outcrop.emulator.tape.deck import open_deck
from outcrop.emulator.tape.request import read_tape_request

MAX_BODY_BYTES = 25_000_000

_ROUTES: tuple[tuple[str, re.Pattern[bytes], str], ...] = tuple(
    (method, re.compile(pattern), operation)
    for method, pattern, operation in (
        ("POST", rb"/model/(?P<target>[^/]+)/invoke", "InvokeModel"),
        ("POST", rb"/model/(?P<target>[^/]+)/invoke-with-response-stream", "InvokeModelWithResponseStream"),
        ("POST", rb"/model/(?P<target>[^/]+)/converse", "Converse"),
        ("POST", rb"/model/(?P<target>[^/]+)/converse-stream", "ConverseStream"),
        ("POST", rb"/model/(?P<target>[^/]+)/count-tokens", "CountTokens"),
        ("GET", rb"/foundation-models/?", "ListFoundationModels"),
        ("GET", rb"/foundation-models/(?P<target>[^/]+)", "GetFoundationModel"),
        ("GET", rb"/inference-profiles/?", "ListInferenceProfiles"),
        ("GET", rb"/inference-profiles/(?P<target>[^/]+)", "GetInferenceProfile"),
    )
)


class Emulator:
    """
    Answer requests. Faults that end a connection need a server that puts its transport into the scope's state.
    """

    def __init__(self, config: EmulatorConfig) -> None:
        self.book = Book()
        self.faults = FaultBook()
        self.quotas = QuotaBook(time.monotonic, config.quotas)
        self.regions = RegionBook()
        self._config = config
        self._models = ModelTable(load_catalogue())
        self._runtime = Runtime(config, self._models, self.quotas)
        self._deck = open_deck(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer one request.
        """
        assert scope["type"] == "http"
        line = Line(scope, receive, send)
        try:
            await self._answer(scope, line)
        except ClientGone:
            pass
        finally:
            await line.aclose()

    async def _answer(self, scope: Scope, line: Line) -> None:
        request_id = str(uuid.uuid4())
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if not all(guard.is_allowed_origin(origin) for origin in origins):
            await _send(line, _forbidden("origin is not a loopback name"), request_id)
            return
        if scope["raw_path"].startswith(b"/_emulator/"):
            await self._answer_admin(scope, line, request_id)
            return
        operation, target = _route(scope)
        if operation is None and self._deck is not None:
            # Which operations there are is the recorded endpoint's business.
            operation = "Other"
        if operation is None:
            refusal = Refusal("UnknownOperationException", "The requested operation is not recognized by the service.")
            await _send(line, refusal_answer(refusal), request_id)
            return
        await self._answer_operation(scope, line, request_id, operation, target)

    async def _answer_admin(self, scope: Scope, line: Line, request_id: str) -> None:
        hosts = [value for name, value in scope["headers"] if name in {b"host", b":authority"}]
        if not hosts or not all(guard.is_allowed_host(host, self._config.host) for host in hosts):
            await _send(line, _forbidden("host is not a loopback name"), request_id)
            return
        try:
            body = await line.read_body(MAX_BODY_BYTES)
        except BodyTooLarge:
            body = b""
        books = Books(self.book, self.faults, self.quotas, self.regions)
        await _send(line, answer_admin(scope["method"], scope["raw_path"], body, books), request_id)

    async def _answer_operation(
        self, scope: Scope, line: Line, request_id: str, operation: str, raw_target: bytes
    ) -> None:
        headers = dict(scope["headers"])
        target = unquote_to_bytes(raw_target)
        call = self.book.open_call(
            request_id=request_id,
            operation=operation,
            model=target.decode("utf-8", "replace"),
            http_version=scope["http_version"],
        )
        call.attempt = _text(headers, b"amz-sdk-request")
        call.invocation_id = _text(headers, b"amz-sdk-invocation-id")
        try:
            request = await self._read(scope, line, call)
            if self._deck is not None:
                await self._deck.answer(read_tape_request(scope, request.body, request.region), line, call)
                return
            fault = self._strike(call)
            if operation in self._runtime.operations:
                await self._runtime.answer(request, line, call, fault)
            else:
                answer = answer_control(self._models, request, scope["query_string"])
                await self._runtime.deliver_whole(answer, line, call, fault)
        except Refusal as refusal:
            await _send(line, refusal_answer(refusal), request_id)
            call.end(f"refused:{refusal.name}" if call.fault != "http_error" else "fault:http_error")
        except ClientGone:
            call.note_client_closed(line.closed_at, line.closed_at_monotonic)
            raise
        finally:
            call.end("stopped")

    async def _read(self, scope: Scope, line: Line, call: Call) -> Request:
        try:
            body = await line.read_body(MAX_BODY_BYTES)
        except BodyTooLarge as error:
            limit = f"Member must have length less than or equal to {MAX_BODY_BYTES}"
            raise constraint("body", limit) from error
        call.auth = identify(
            self._config,
            method=scope["method"],
            raw_path=scope["raw_path"],
            query=scope["query_string"],
            headers=scope["headers"],
            body=body,
        )
        if "�" in call.model:
            raise invalid("The provided model identifier is invalid.")
        region = call.auth.region or self._config.region
        latency, tier = (_text(dict(scope["headers"]), name) for name in (LATENCY_HEADER, TIER_HEADER))
        # What is recorded has its own health.
        pace = 1.0 if self._deck is not None else self.regions.pace_in(region)
        return Request(call.operation, call.model, region, body, call.request_id, latency, tier, pace)

    def _strike(self, call: Call) -> Fault | None:
        base_ids = self._models.base_ids_of(call.model)
        call.base_model = next(iter(base_ids), None)
        fault = self.faults.strike(call.operation, call.model, *base_ids)
        if fault is not None:
            call.fault = fault.kind
        if isinstance(fault, HttpError):
            raise Refusal(fault.name, fault.message, status=fault.status, retry_after_seconds=fault.retry_after)
        return fault


def create_app(config: EmulatorConfig) -> Emulator:
    """
    Return an emulator, an ASGI application, with an empty book and no faults.
    """
    return Emulator(config)


def _route(scope: Scope) -> tuple[str | None, bytes]:
    for method, pattern, operation in _ROUTES:
        match = pattern.fullmatch(scope["raw_path"])
        if match is not None and scope["method"] == method:
            return operation, match.groupdict().get("target") or b""
    return None, b""


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _forbidden(reason: str) -> HttpAnswer:
    return refusal_answer(Refusal("AccessDeniedException", f"refused by the emulator: {reason}"))


async def _send(line: Line, answer: HttpAnswer, request_id: str) -> None:
    headers = [*common_headers(request_id), *answer.headers, ("content-length", str(len(answer.body)))]
    await line.start(answer.status, headers)
    await line.finish(answer.body)
