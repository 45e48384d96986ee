"""
The data plane: InvokeModel, Converse, CountTokens and their streams, from a request to its delivery.
"""

import asyncio
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from outcrop.emulator import converse, converse_answers
from outcrop.emulator.book import Call
from outcrop.emulator.conversation import Answer, Ask, Metrics, Step
from outcrop.emulator.families import anthropic, anthropic_answers, llama
from outcrop.emulator.faults import STREAMING_OPERATIONS, Fault, Slow
from outcrop.emulator.requests import Request
from outcrop.emulator.rules.models import Called, ModelTable
from outcrop.emulator.rules.refusals import constraint, invalid
from outcrop.emulator.rules.schema import parse_json_object
from outcrop.emulator.sending.answers import HttpAnswer, json_answer, native_answer, stream_headers
from outcrop.emulator.sending.delivery import Delivery
from outcrop.emulator.sending.line import Line
from outcrop.emulator.sending.pace import Pace
from outcrop.emulator.settings import EmulatorConfig
from outcrop.emulator.speech.compose import compose

_MAX_COUNTED_ID = 256


class _Writer(Protocol):
    """
    Write answers in one shape: whole, and as a stream.
    """

    def whole(self, answer: Answer, called: Called, request_id: str, metrics: Metrics) -> bytes: ...

    def stream(
        self, answer: Answer, called: Called, request_id: str, measure: Callable[[], Metrics]
    ) -> Iterator[Step]: ...


class Runtime:
    """
    Answer the operations of bedrock-runtime.
    """

    operations = frozenset({"InvokeModel", "Converse", "CountTokens"}) | STREAMING_OPERATIONS

    def __init__(self, config: EmulatorConfig, models: ModelTable) -> None:
        self._config = config
        self._models = models

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
        answer = compose(ask, self._config.seed)
        call.input_tokens, call.output_tokens = answer.input_tokens, answer.output_tokens
        delivery = self._delivery(request.request_id, line, call, fault, answer)
        is_native = request.operation.startswith("Invoke")
        if request.operation in STREAMING_OPERATIONS:
            steps = writer.stream(answer, called, request.request_id, delivery.measure)
            await delivery.send_stream(steps, stream_headers(request.request_id, is_native=is_native))
            return

        def make() -> HttpAnswer:
            metrics = delivery.measure()
            body = writer.whole(answer, called, request.request_id, metrics)
            return native_answer(body, answer, metrics) if is_native else json_answer(msgspec.Raw(body))

        await delivery.send_whole(make, answer.text)

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

    def _delivery(self, request_id: str, line: Line, call: Call, fault: Fault | None, answer: Answer) -> Delivery:
        config = self._config
        rate = fault.tokens_per_second if isinstance(fault, Slow) else config.tokens_per_second
        return Delivery(
            line=line,
            call=call,
            request_id=request_id,
            pace=Pace(config.first_token_ms / 1000, rate, config.jitter, answer.digest),
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
        return anthropic.count(body, called) if called.is_claude else llama.read(body, called).input_tokens


def _read(request: Request, called: Called) -> tuple[Ask, _Writer]:
    body = parse_json_object(request.body)
    if request.operation.startswith("Converse"):
        return converse.read(body, called, streaming=request.operation in STREAMING_OPERATIONS), converse_answers
    if called.is_claude:
        return anthropic.read(body, called), anthropic_answers
    return llama.read(body, called), llama
