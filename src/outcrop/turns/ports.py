"""
The small protocols that the heart calls and the floors around it implement; `server/app.py` plugs them together.

Upwards: `Ledger` and `Budget` (implemented by `history` and `accounts`). Downwards: `Upstream` (implemented by
`upstream.client`), `Adapter` and `StreamDecoder` (implemented by one file per model family in `adapters`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from outcrop.calls import MessageSink, ResolvedModel, StreamEnd, UpstreamCall, WholeAnswer
from outcrop.turns.log import TurnLog
from outcrop.turns.records import KeptAnswer, Standing, Unfinished
from outcrop.types import ChatRequest, StreamEvent, Usage


class Upstream(Protocol):
    """
    Call Bedrock. Cancelling a call closes its connection at once; failures are raised as `UpstreamError`.
    """

    async def stream(self, call: UpstreamCall, sink: MessageSink) -> StreamEnd:
        """
        Open a streaming call and give its messages to `sink` as they come, until the body ends.

        Raises:
            UpstreamError: before or after the first message, also for exceptions that come inside the stream. Every
                message that preceded the failure has been given to `sink`. An exception that `sink` raises ends the
                call, closes the connection, and is raised here unchanged.
        """
        ...

    async def fetch(self, call: UpstreamCall) -> WholeAnswer:
        """
        Make a call that does not stream and return its answer.
        """
        ...


class StreamDecoder(Protocol):
    """
    Turn one stream's messages into events. Pure; one decoder per stream.
    """

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one message and return its events, often one, possibly none.

        Raises:
            InvalidMessage: the payload is not what this family sends.
            UpstreamError: the payload says that the model failed.
        """
        ...

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body and return what was held back.

        Raises:
            StreamInterrupted: no terminal event has come.
        """
        ...


class Adapter(Protocol):
    """
    Speak one model family's native format.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        ...

    def decoder(self) -> StreamDecoder:
        """
        Make a decoder for one stream.
        """
        ...

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into the events that streaming it would have given, its terminal included.

        Raises:
            InvalidMessage: the body is not what this family sends.
        """
        ...


class AdapterLookup(Protocol):
    """
    Find the adapter for a resolved model (`adapters.registry.find_adapter`).
    """

    def __call__(self, model: ResolvedModel) -> Adapter:
        """
        Return the adapter of the model's family.
        """
        ...


class Ledger(Protocol):
    """
    Keep one row per call to Bedrock: written before the call, settled once after it. Each method is one transaction.

    A turn makes one call; one that another replica continues makes a second. `call` counts them from 1. What is kept of
    a turn's conversation is part of the same transactions.
    """

    async def open_intent(
        self, *, turn_id: str, call: int, principal_id: str, model_id: str, draft: object | None = None
    ) -> None:
        """
        Commit that a call is about to be made, and the prompt of a turn that is kept.

        `draft` is what whoever started the turn wants kept of it; the heart passes it on unread.

        Raises:
            StoreError: it could not be committed; nothing was.
        """
        ...

    async def settle(
        self, *, turn_id: str, call: int, outcome: str, usage: Usage, attempts: int, answer: KeptAnswer | None = None
    ) -> None:
        """
        Commit how the call ended and what it used, and the answer of a turn that is kept.

        Called exactly once per intent, by whoever made the call.

        Raises:
            StoreError: it could not be committed. The implementation keeps it and tries again by itself.
        """
        ...

    async def settle_for_another(
        self,
        *,
        turn_id: str,
        call: int,
        principal_id: str,
        model_id: str,
        outcome: str,
        usage: Usage,
        answer: KeptAnswer | None = None,
    ) -> Standing:
        """
        Commit the end of a call whose replica has died, or lost its lease. A row that is settled already stays.

        `answer` is None where the turn goes on with another call, or is not kept. Returns what the replica itself had
        committed: that stands.

        Raises:
            StoreError: it could not be committed; nothing was.
        """
        ...

    async def is_accepted(self, turn_id: str) -> bool:
        """
        Tell whether the question of a turn that is to be kept was committed.

        Raises:
            StoreError: the ledger can't be read.
        """
        ...

    async def find_unfinished(self, *, limit: int) -> Sequence[Unfinished]:
        """
        List calls that are open, and those whose turn's answer is; the oldest first.

        Raises:
            StoreError: the ledger can't be read.
        """
        ...


class Budget(Protocol):
    """
    Hold back what a turn may cost, before it costs it.
    """

    async def reserve(self, *, turn_id: str, principal_id: str, max_output_tokens: int) -> None:
        """
        Reserve for a turn.

        Raises:
            TooManyRequests: nothing is left; the message says until when.
        """
        ...

    async def settle(self, *, turn_id: str, usage: Usage) -> None:
        """
        Replace the reservation by what was used.
        """
        ...


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what the heart is plugged into.

    Attributes:
        log: where events go.
        upstream: what calls Bedrock, in `region`.
        resolve: finds the model for a client's name; raises `UnknownModel`.
        find_adapter: finds the adapter for a model.
        find_native_adapter: finds the one for requests that bring the model's own body.
        ledger: is told of each call before and after it.
        budget: holds back what a turn may cost.
        price: what a call cost at list price, in USD; None where that is not known.
        clock: seconds since 1970.
    """

    log: TurnLog
    upstream: Upstream
    region: str
    resolve: Callable[[str], ResolvedModel]
    find_adapter: AdapterLookup
    find_native_adapter: AdapterLookup
    ledger: Ledger
    budget: Budget
    price: Callable[[ResolvedModel, Usage], float | None]
    clock: Callable[[], float]
