"""
The data plane: InvokeModel, Converse, CountTokens and their streams, from a request to its delivery.
"""

import asyncio
from base64 import b64decode
from typing import Protocol

import msgspec

from outcrop.emulator import converse, converse_answers
from outcrop.emulator.book import Call
from outcrop.emulator.cache import PromptCache
from outcrop.emulator.conversation import Answer, Ask
from outcrop.emulator.engine.chat import EngineFailed
from outcrop.emulator.engine.engine import Engine
from outcrop.emulator.families.family import Stream, Whole
from outcrop.emulator.families.table import family_of
from outcrop.emulator.faults import STREAMING_OPERATIONS, Fault, Slow
from outcrop.emulator.quota import QuotaBook, Reservation, states_max_tokens
from outcrop.emulator.requests import Request
from outcrop.emulator.rules.models import Called, ModelTable
from outcrop.emulator.rules.refusals import constraint, invalid
from outcrop.emulator.rules.schema import parse_json_object
from outcrop.emulator.sending.answers import HttpAnswer, json_answer, native_answer, stream_headers
from outcrop.emulator.sending.delivery import Delivery
from outcrop.emulator.sending.frames import encode_exception
from outcrop.emulator.sending.line import Line
from outcrop.emulator.sending.pace import Pace
from outcrop.emulator.settings import EmulatorConfig
from outcrop.emulator.speech.compose import compose

_MAX_COUNTED_ID = 256
_USUAL_TOKENS_PER_SECOND = 60.0
_LATENCIES = ("standard", "optimized")
_TIERS = ("priority", "default", "flex", "reserved")


class _Writer(Protocol):
    """
    Write answers in one shape: whole, and as a stream.
    """

    @property
    def whole(self) -> Whole: ...

    @property
    def stream(self) -> Stream: ...


class Runtime:
    """
    Answer the operations of bedrock-runtime.
    """

    operations = frozenset({"InvokeModel", "Converse", "CountTokens"}) | STREAMING_OPERATIONS

    def __init__(self, config: EmulatorConfig, models: ModelTable, quotas: QuotaBook) -> None:
        self._config = config
        self._quotas = quotas
        self._models = models
        self._cache = PromptCache()
        self._engine = None if config.engine is None else Engine(config.engine, config.seed)

    async def answer(self, request: Request, line: Line, call: Call, fault: Fault | None) -> None:
        """
        Answer one request; the call's entry says how it went.

        Raises:
            Refusal: the request can't be served.
            ClientGone: the client went before the end.
        """
        if request.operation == "CountTokens":
            await self.deliver_whole(json_answer({"inputTokens": self._count(request)}), line, call, fault)
            return
        called = self._models.find(request.target, request.region)
        ask, writer = _read(request, called)
        asked = _Asked(request, ask, called, writer)
        reservation = self._reserve(asked) if self._quotas.is_on else None
        try:
            await self._speak(asked, line, call, fault)
        finally:
            if reservation is not None:
                reservation.settle(call)

    def _reserve(self, asked: "_Asked") -> Reservation | None:
        ask, entry = asked.ask, asked.called.entry
        # Unset, the model's own maximum is reserved, whatever the default of its family is.
        is_stated = states_max_tokens(parse_json_object(asked.request.body))
        most = ask.max_tokens if is_stated else entry.max_output_tokens
        return self._quotas.admit(asked.request.region, asked.called.model_id, entry.base_id, ask.input_tokens + most)

    async def _speak(self, asked: "_Asked", line: Line, call: Call, fault: Fault | None) -> None:
        ask = asked.ask
        if self._engine is not None:
            await self._answer_by_engine(self._engine, asked, line, call, fault)
            return
        answer = self._cache.account(ask, compose(ask, self._config.seed), asyncio.get_running_loop().time())
        call.note_usage(answer)
        await _deliver(asked, answer, self._delivery(asked.request, line, call, fault, answer))

    async def _answer_by_engine(
        self, engine: Engine, asked: "_Asked", line: Line, call: Call, fault: Fault | None
    ) -> None:
        is_stream = asked.request.operation in STREAMING_OPERATIONS
        rate = fault.tokens_per_second if isinstance(fault, Slow) else 0
        started = asyncio.get_running_loop().time()
        async with engine.speak(asked.ask, line, whole=not is_stream) as speech:
            delivery = self._delivery(asked.request, line, call, fault, speech.answer)
            # The engine's first piece is there: this is when it came, and nothing waits for it.
            first_seconds = asyncio.get_running_loop().time() - started
            delivery.pace, delivery.started = Pace(first_seconds, rate, 0, b""), started
            if is_stream:
                delivery.tokens, delivery.advance = asked.ask.max_tokens, speech.advance
            try:
                await _deliver(asked, speech.answer, delivery)
            except EngineFailed as error:
                await line.finish(encode_exception("modelStreamErrorException", str(error)))
                call.end("engine_failed")
            call.note_usage(speech.answer)

    async def deliver_whole(self, answer: HttpAnswer, line: Line, call: Call, fault: Fault | None) -> None:
        """
        Deliver an answer that no model made, at once unless a fault says otherwise.

        Raises:
            ClientGone: the client went before the end.
        """
        delivery = Delivery(
            line=line,
            call=call,
            request_id=call.request_id,
            pace=Pace(0, 0, 0, b""),
            fault=fault,
            started=asyncio.get_running_loop().time(),
            tokens=0,
        )
        await delivery.send_whole(lambda: answer, "")

    def _delivery(self, request: Request, line: Line, call: Call, fault: Fault | None, answer: Answer) -> Delivery:
        config = self._config
        rate = fault.tokens_per_second if isinstance(fault, Slow) else config.tokens_per_second
        first_seconds = config.first_token_ms / 1000
        if request.pace < 1:
            # Where there is no pace at all, the usual one is what a slow region takes its part of.
            rate = (rate or _USUAL_TOKENS_PER_SECOND) * request.pace
            first_seconds /= request.pace
        return Delivery(
            line=line,
            call=call,
            request_id=request.request_id,
            pace=Pace(first_seconds, rate, config.jitter, answer.digest),
            fault=fault,
            started=asyncio.get_running_loop().time(),
            tokens=answer.output_tokens,
        )

    def _count(self, request: Request) -> int:
        if len(request.target) > _MAX_COUNTED_ID:
            raise constraint("modelId", f"Member must have length less than or equal to {_MAX_COUNTED_ID}")
        called = self._models.find(request.target, request.region, for_counting=True)
        if not called.can_count_tokens:
            raise invalid(f"The provided model doesn't support counting tokens: {request.target}")
        counted = converse.read_count_tokens(parse_json_object(request.body))
        if "converse" in counted:
            return converse.read(counted["converse"], called, streaming=False).input_tokens
        body = parse_json_object(b64decode(counted["invokeModel"]["body"]))
        return family_of(called).count_tokens(body, called)


class _Asked(msgspec.Struct, frozen=True):
    """
    Hold a request that was read, and how its answer is written.
    """

    request: Request
    ask: Ask
    called: Called
    writer: _Writer


async def _deliver(asked: _Asked, answer: Answer, delivery: Delivery) -> None:
    is_native = asked.request.operation.startswith("Invoke")
    if asked.request.operation in STREAMING_OPERATIONS:
        steps = asked.writer.stream(answer, asked.called, asked.request.request_id, delivery.measure)
        await delivery.send_stream(steps, stream_headers(asked.request.request_id, answer, is_native=is_native))
        return

    def make() -> HttpAnswer:
        metrics = delivery.measure()
        body = asked.writer.whole(answer, asked.called, asked.request.request_id, metrics)
        return native_answer(body, answer, metrics) if is_native else json_answer(msgspec.Raw(body))

    await delivery.send_whole(make, answer.text)


def _read(request: Request, called: Called) -> tuple[Ask, _Writer]:
    body = parse_json_object(request.body)
    streaming = request.operation in STREAMING_OPERATIONS
    if request.operation.startswith("Converse"):
        return converse.read(body, called, streaming=streaming), converse_answers
    family = family_of(called)
    family.check_operation(body, streaming=streaming)
    for name, value, allowed in (
        ("performanceConfigLatency", request.latency, _LATENCIES),
        ("serviceTier", request.tier, _TIERS),
    ):
        if value is not None and value not in allowed:
            raise constraint(name, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    return msgspec.structs.replace(family.read(body, called), latency=request.latency, tier=request.tier), family
