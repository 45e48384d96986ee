"""
A scripted Bedrock for the tests of turns: it says what a test tells it, when the test tells it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import msgspec
import pytest

from outcrop.accounts.limits import OpenBudget
from outcrop.calls import MessageSink, ResolvedModel, StreamEnd, UpstreamCall, WholeAnswer
from outcrop.errors import StreamInterrupted
from outcrop.history.ledger import MemoryLedger
from outcrop.turns.acceptance import TurnLimits
from outcrop.turns.log import TurnLog
from outcrop.turns.memory import MemoryTurnLog
from outcrop.turns.ports import Ports
from outcrop.turns.reader import TurnReader
from outcrop.turns.service import TurnService
from outcrop.turns.turn import Turn
from outcrop.types import ChatRequest, Message, StreamEvent, TextPart

EVENTS = msgspec.json.Decoder(StreamEvent)


class ScriptedAdapter:
    """
    Speak a family whose native payload is our own event as JSON.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Send the request as it is.
        """
        operation = "invoke_stream" if request.stream else "invoke"
        return UpstreamCall(
            operation=operation,  # type: ignore[arg-type]  # one of the two literals
            model_id=model.model_id,
            body=msgspec.json.encode(request),
        )

    def decoder(self) -> "ScriptedDecoder":
        """
        Decode one stream.
        """
        return ScriptedDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Decode a whole answer.
        """
        return msgspec.json.decode(body, type=list[StreamEvent])


class ScriptedDecoder:
    """
    Decode payloads that are events.
    """

    def __init__(self) -> None:
        self.ended = False

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Decode one event.
        """
        event = EVENTS.decode(payload)
        self.ended = type(event).__name__ == "MessageStop"
        return [event]

    def flush(self) -> list[StreamEvent]:
        """
        Insist on a terminal event.
        """
        if not self.ended:
            raise StreamInterrupted("the answer ended before its last event")
        return []


class ScriptedUpstream:
    """
    Be an upstream that a test plays by hand.
    """

    def __init__(self) -> None:
        self.calls: list[UpstreamCall] = []
        self.opened = asyncio.Event()
        self.closed_early = 0
        self._sink: MessageSink | None = None
        self._end: asyncio.Future[None] | None = None
        self.whole: bytes = b""

    async def stream(self, call: UpstreamCall, sink: MessageSink) -> StreamEnd:
        """
        Wait until the test ends or fails the stream.
        """
        self.calls.append(call)
        self._sink = sink
        self._end = asyncio.get_running_loop().create_future()
        self.opened.set()
        try:
            await self._end
        except asyncio.CancelledError:
            self.closed_early += 1
            raise
        return StreamEnd(headers={}, attempts=2)

    async def fetch(self, call: UpstreamCall) -> WholeAnswer:
        """
        Answer with `whole`.
        """
        self.calls.append(call)
        return WholeAnswer(body=self.whole, headers={})

    def say(self, *events: StreamEvent) -> None:
        """
        Deliver events as if they came in one chunk.
        """
        assert self._sink is not None
        self._sink([("chunk", msgspec.json.encode(event)) for event in events])

    def end(self, error: BaseException | None = None) -> None:
        """
        End the body, or fail.
        """
        assert self._end is not None
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)


class Stage(msgspec.Struct):
    """
    Hold a service and what stands around it.
    """

    service: TurnService
    upstream: ScriptedUpstream
    log: TurnLog
    ledger: MemoryLedger
    budget: OpenBudget


MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage() -> MakeStage:
    """
    Make a turn service on a scripted upstream.
    """

    def make(
        *,
        max_turns: int = 10,
        merge_bytes: int = 1000,
        max_log_bytes: int = 1 << 20,
        continues: bool = False,
        log: TurnLog | None = None,
    ) -> Stage:
        upstream, ledger, budget = ScriptedUpstream(), MemoryLedger(), OpenBudget()
        log = log or MemoryTurnLog(
            max_log_bytes=max_log_bytes,
            max_retained_bytes=1 << 20,
            retention_seconds=60,
            clock=time.time,
        )
        ports = Ports(
            log=log,
            upstream=upstream,
            region="us-east-1",
            resolve=resolve_scripted,
            find_adapter=lambda _model: ScriptedAdapter(),
            find_native_adapter=lambda _model: ScriptedAdapter(),
            ledger=ledger,
            budget=budget,
            price=lambda _model, usage: usage.output_tokens / 1000,
            clock=time.time,
        )
        service = TurnService(
            ports, TurnLimits(max_turns=max_turns, merge_bytes=merge_bytes, continues_interrupted=continues)
        )
        return Stage(service, upstream, log, ledger, budget)

    return make


def resolve_scripted(name: str) -> ResolvedModel:
    """
    Resolve every name to a model of the scripted family.
    """
    return ResolvedModel(name=name, model_id=name, base_id=name, family="scripted", max_output_tokens=500)


def ask(prompt: str = "hello", *, stream: bool = True) -> ChatRequest:
    """
    Make a request.
    """
    return ChatRequest(model="m", messages=(Message("user", (TextPart(text=prompt),)),), stream=stream)


async def start(stage: Stage, request: ChatRequest, *, grace_seconds: float = 0) -> Turn:
    """
    Start a turn.
    """
    started = await stage.service.start(request, owner="me", grace_seconds=grace_seconds)
    return stage.service.find(started.turn_id, owner="me")


async def begin(stage: Stage, *, grace_seconds: float = 0, stream: bool = True) -> tuple[Turn, TurnReader]:
    """
    Start a turn with one reader, and wait for its call.
    """
    turn = await start(stage, ask(stream=stream), grace_seconds=grace_seconds)
    reader = await turn.subscribe(lambda: None)
    await stage.upstream.opened.wait()
    return turn, reader


async def settle(stage: Stage) -> None:
    """
    Let every running turn end.
    """
    async with asyncio.timeout(5):
        while stage.service.running:
            await asyncio.sleep(0)


def events_of(reader: TurnReader) -> list[StreamEvent]:
    """
    Take everything.
    """
    return [entry.event for entry in reader.take(10_000)]
