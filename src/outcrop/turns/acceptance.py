"""
How a request becomes a turn: what can be refused without a cost first, then the commitments, in their order.
"""

import secrets
from typing import Any

import msgspec

from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import OutcropError
from outcrop.turns.packing import fingerprint_of, pack_request
from outcrop.turns.ports import Adapter, Ports
from outcrop.turns.records import Lease, TurnOpening
from outcrop.turns.turn import TurnPlan
from outcrop.types import ChatRequest, Usage


class TurnLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bound what turns may take.

    `continues_interrupted`: requests are kept in the log, so that another replica can go on with an answer whose
    replica has died.
    """

    max_turns: int = 2000
    default_max_tokens: int = 1024
    merge_bytes: int = 16 << 10
    grace_seconds: float = 60
    continues_interrupted: bool = False


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request that can be served as it stands, and the call that it leads to.
    """

    opening: TurnOpening
    model: ResolvedModel
    adapter: Adapter
    call: UpstreamCall
    max_output_tokens: int
    draft: object | None = None


class Acceptance:
    """
    Accept requests.
    """

    def __init__(self, ports: Ports, limits: TurnLimits) -> None:
        self._ports = ports
        self._limits = limits

    def prepare(
        self,
        request: ChatRequest,
        *,
        owner: str,
        whole: bool,
        chat_id: str | None,
        message_id: str | None,
        key: str | None,
        note: bytes | None = None,
        draft: object | None = None,
        asked: ChatRequest | None = None,
    ) -> Proposal:
        """
        Resolve the model, and build the call. Commits to nothing.

        Raises:
            RequestError: the request can't be served as it stands.
        """
        model = self._ports.resolve(request.model)
        if request.native_body is None:
            request = self._bound(request, model)
            adapter = self._ports.find_adapter(model)
        else:
            adapter = self._ports.find_native_adapter(model)
        opening = TurnOpening(
            turn_id=f"turn_{secrets.token_urlsafe(16)}",
            owner=owner,
            model=request.model,
            model_id=model.model_id,
            region=self._ports.region,
            started_at=self._ports.clock(),
            whole=whole,
            chat_id=chat_id,
            message_id=message_id,
            idempotency_key=key,
            **self._encode(request, asked or request, key),
            note=note,
            is_kept=draft is not None,
        )
        return Proposal(
            opening=opening,
            model=model,
            adapter=adapter,
            call=adapter.build_call(request, model),
            max_output_tokens=request.params.max_tokens or 0,
            draft=draft,
        )

    async def accept(self, proposal: Proposal) -> TurnPlan:
        """
        Reserve the budget, begin the log, and commit the intent; undo what was done where one of them fails.

        Raises:
            DuplicateTurn: the idempotency key has begun a turn before.
            ChatBusy: the chat has a running turn.
            TooManyRequests: the budget is used up.
            StoreError: a store failed.
        """
        ports, opening = self._ports, proposal.opening
        await ports.budget.reserve(
            turn_id=opening.turn_id, principal_id=opening.owner, max_output_tokens=proposal.max_output_tokens
        )
        try:
            lease = await ports.log.acquire(opening)
            await self._commit_intent(opening, lease, proposal.draft)
        except OutcropError:
            await ports.budget.settle(turn_id=opening.turn_id, usage=Usage())
            raise
        return TurnPlan(
            opening=opening, lease=lease, model=proposal.model, call=proposal.call, adapter=proposal.adapter
        )

    async def _commit_intent(self, opening: TurnOpening, lease: Lease, draft: object | None) -> None:
        try:
            await self._ports.ledger.open_intent(
                turn_id=opening.turn_id, call=1, principal_id=opening.owner, model_id=opening.model_id, draft=draft
            )
        except OutcropError:
            await self._ports.log.discard(lease)
            raise

    def _encode(self, request: ChatRequest, asked: ChatRequest, key: str | None) -> dict[str, Any]:
        encoded: dict[str, Any] = {}
        if self._limits.continues_interrupted:
            encoded["request"] = pack_request(request)
        if key is not None:
            encoded["fingerprint"] = fingerprint_of(asked)
        return encoded

    def _bound(self, request: ChatRequest, model: ResolvedModel) -> ChatRequest:
        if request.params.max_tokens is not None:
            return request
        bound = min(self._limits.default_max_tokens, model.max_output_tokens or self._limits.default_max_tokens)
        return msgspec.structs.replace(request, params=msgspec.structs.replace(request.params, max_tokens=bound))
