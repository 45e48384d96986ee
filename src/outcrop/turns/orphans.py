"""
What becomes of a turn whose replica has died: it ends as interrupted, or another call goes on with its answer.

An answer can go on where the model takes the beginning of its own answer (a Llama prompt, a prefill), and where what
came is text alone: a half-finished tool call is never continued, nor is reasoning, whose signature is missing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain, repeat

import msgspec
import structlog

from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import LeaseLost, PositionExpired, RequestError, StoreError
from outcrop.turns.endings import log_end, to_interruption
from outcrop.turns.fold import CHARACTERS_PER_TOKEN, add_usage, estimate_usage
from outcrop.turns.keeping import read_events, to_kept
from outcrop.turns.packing import unpack_request
from outcrop.turns.ports import Adapter, Ports, StreamDecoder
from outcrop.turns.records import Lease, Standing, TurnStatus, TurnSummary
from outcrop.turns.turn import TurnPlan
from outcrop.types import (
    AnswerContinued,
    ChatRequest,
    Message,
    MessageStart,
    ReasoningDelta,
    StreamEvent,
    TerminalEvent,
    TextDelta,
    TextPart,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)

PROMPT_FAMILIES = frozenset({"llama3", "llama4"})
"""
Where the answer so far is the end of a prompt. Elsewhere it is a message, which must not end in white space (Anthropic
refuses it, Converse's adapter trims it), and without that space the answer would not be the same.
"""
PAUSES_SECONDS = (0.5, 1, 2, 4, 8, 16, 32)
"""
Waits between the attempts to end an orphaned turn while a store is down; the last one again and again.
"""
SEAM = "the server that ran this answer has died; another one goes on with it"
END = "the server that ran this answer has died; what came so far is a true prefix of it"

logger = structlog.get_logger(__name__)


async def adopt_in_time(
    status: TurnStatus, lease: Lease, ports: Ports, *, continues: bool, give_up: asyncio.Event
) -> TurnPlan | None:
    """
    Adopt a turn, again and again while a store is down: nobody else will, for as long as this replica has the lease.

    None where it has ended, is another's now, or `give_up` was set: then the lease runs out, and another replica ends
    it. See `adopt` for the rest.
    """
    pauses_seconds = chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1]))
    while True:
        try:
            return await adopt(status, lease, ports, continues=continues)
        except LeaseLost:
            return None
        except StoreError as error:
            logger.warning("an orphaned turn could not be ended yet", turn_id=lease.turn_id, reason=error.message)
        continues = False
        if await _is_set_within(give_up, next(pauses_seconds)):
            return None


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def adopt(status: TurnStatus, lease: Lease, ports: Ports, *, continues: bool) -> TurnPlan | None:
    """
    End the lost call in the ledger, then plan another, or finalise the turn as interrupted and return None.

    What the dead replica has committed stands: where that is the end, the turn ends like that; where its question is to
    be kept and is not, nobody was told that it was accepted, and the turn is forgotten.

    `status` is the turn as its log tells, `lease` this replica's new one; `continues` says whether answers may go on.

    Raises:
        StoreError: a store can't be read or written; call again, without `continues`.
    """
    opening = status.opening
    try:
        events = await read_events(ports, opening, status.last_seq)
    except PositionExpired:
        # The log has lost its beginning: what is left of it is no prefix of the answer.
        events, continues = [], False
    spent = _estimate_calls(events, prompt_characters=len(opening.request or b""))
    plan = _plan(status, lease, events, ports, _add_all(spent), len(spent) + 1) if continues else None
    standing = await _settle(status, ports, events, spent, goes_on=plan is not None)
    if opening.is_kept and not standing.is_accepted:
        logger.warning("a turn that was never accepted is forgotten", turn_id=opening.turn_id)
        await ports.log.discard(lease)
        return None
    terminal: TerminalEvent = to_interruption(END)
    if standing.terminal is not None:
        plan, terminal, spent[-1] = None, standing.terminal, standing.usage
    logger.warning("turn is taken over from a replica that died", turn_id=opening.turn_id, continued=plan is not None)
    if plan is None:
        total = _add_all(spent)
        await ports.log.finalize(lease, terminal, _summarise(status, ports, total))
        log_end(opening.turn_id, opening.model_id, terminal, total)
        return None
    # The seam first: whoever finds this turn orphaned again counts the calls by it.
    ports.log.append(lease, [AnswerContinued(reason=SEAM)])
    await ports.ledger.open_intent(
        turn_id=opening.turn_id, call=plan.call_number, principal_id=opening.owner, model_id=opening.model_id
    )
    return plan


async def _settle(
    status: TurnStatus, ports: Ports, events: list[StreamEvent], spent: Sequence[Usage], *, goes_on: bool
) -> Standing:
    """
    Commit the end of the lost call, and of the answer where it does not go on, unless its own replica has.
    """
    opening, answer = status.opening, None
    if opening.is_kept and not goes_on:
        answer = to_kept(events, to_interruption(END), _summarise(status, ports, _add_all(spent)))
    return await ports.ledger.settle_for_another(
        turn_id=opening.turn_id,
        call=len(spent),
        principal_id=opening.owner,
        model_id=opening.model_id,
        outcome="interrupted",
        usage=spent[-1],
        answer=answer,
    )


def continue_request(request: ChatRequest, events: Sequence[StreamEvent], model: ResolvedModel) -> ChatRequest | None:
    """
    Return the request for the rest of an answer, or None where the model or the answer so far does not allow it.
    """
    if request.native_body is not None or any(isinstance(event, ToolUseStart | ReasoningDelta) for event in events):
        return None
    prefix = "".join(event.text for event in events if isinstance(event, TextDelta))
    if not prefix:
        return request
    takes_any_end = model.route == "native" and model.family in PROMPT_FAMILIES
    if "prefill" in model.refuses or (prefix[-1].isspace() and not takes_any_end):
        return None
    messages, begun = request.messages, ""
    if messages[-1].role == "assistant":
        begun = "".join(part.text for part in messages[-1].parts if isinstance(part, TextPart))
        messages = messages[:-1]
    params = request.params
    if params.max_tokens is not None:
        left = params.max_tokens - len(prefix) // CHARACTERS_PER_TOKEN
        params = msgspec.structs.replace(params, max_tokens=max(1, left))
    answer = Message("assistant", (TextPart(text=begun + prefix),))
    return msgspec.structs.replace(request, messages=(*messages, answer), params=params)


class ContinuedAdapter:
    """
    Be an adapter whose answer goes on in an open text block of an answer that has begun.

    Args:
        adapter: the model's own.
        index: the block that the new answer's first block goes on with.
    """

    def __init__(self, adapter: Adapter, index: int) -> None:
        self._adapter = adapter
        self._index = index

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call. See `Adapter.build_call`.
        """
        return self._adapter.build_call(request, model)

    def decoder(self) -> StreamDecoder:
        """
        Make a decoder. See `Adapter.decoder`.
        """
        return _ContinuedDecoder(self._adapter.decoder(), self._index)

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events. See `Adapter.parse_answer`.
        """
        return _shift(self._adapter.parse_answer(body, headers), self._index)


class _ContinuedDecoder:
    def __init__(self, decoder: StreamDecoder, index: int) -> None:
        self._decoder = decoder
        self._index = index

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        return _shift(self._decoder.feed(event_type, payload), self._index)

    def flush(self) -> list[StreamEvent]:
        return _shift(self._decoder.flush(), self._index)


def _shift(events: Sequence[StreamEvent], index: int) -> list[StreamEvent]:
    shifted: list[StreamEvent] = []
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta | ToolUseStart | ToolUseDelta):
            shifted.append(msgspec.structs.replace(event, index=event.index + index))
        elif not isinstance(event, MessageStart):
            shifted.append(event)
    return shifted


def _plan(
    status: TurnStatus, lease: Lease, events: Sequence[StreamEvent], ports: Ports, spent: Usage, call_number: int
) -> TurnPlan | None:
    opening = status.opening
    if opening.request is None:
        return None
    try:
        model = ports.resolve(opening.model)
        request = unpack_request(opening.request)
        rest = continue_request(request, events, model)
        if rest is None or model.model_id != opening.model_id:
            return None
        index = max((event.index for event in events if isinstance(event, TextDelta)), default=0)
        has_begun = any(isinstance(event, MessageStart) for event in events)
        adapter = ports.find_adapter(model)
        call = adapter.build_call(rest, model)
    except (RequestError, msgspec.MsgspecError) as error:
        logger.info("an answer can't be continued", turn_id=opening.turn_id, reason=str(error))
        return None
    return TurnPlan(
        opening=opening,
        lease=lease,
        model=model,
        call=call,
        adapter=ContinuedAdapter(adapter, index) if has_begun else adapter,
        call_number=call_number,
        spent=spent,
    )


def _estimate_calls(events: Sequence[StreamEvent], *, prompt_characters: int) -> list[Usage]:
    """
    Estimate what each call so far used: one, and one more for every seam.
    """
    calls: list[Usage] = []
    reported: Usage | None = None
    characters, has_begun = 0, False
    for event in (*events, AnswerContinued(reason="")):
        if isinstance(event, AnswerContinued):
            estimate = estimate_usage(reported, prompt_characters=prompt_characters, answer_characters=characters)
            calls.append(estimate if has_begun else Usage(estimated=True))
            reported, characters, has_begun = None, 0, False
            continue
        has_begun = True
        if isinstance(event, UsageReport):
            reported = event.usage
        elif isinstance(event, TextDelta | ReasoningDelta):
            characters += len(event.text)
    return calls


def _add_all(usages: Sequence[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total = add_usage(total, usage)
    return total


def _summarise(status: TurnStatus, ports: Ports, usage: Usage) -> TurnSummary:
    try:
        cost_usd = ports.price(ports.resolve(status.opening.model), usage)
    except RequestError:
        # This replica's settings may not know the name.
        cost_usd = None
    duration_ms = max(0, round((ports.clock() - status.opening.started_at) * 1000))
    return TurnSummary(usage=usage, duration_ms=duration_ms, cost_usd=cost_usd)
