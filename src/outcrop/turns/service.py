"""
The turn service: accepts requests, owns the running turns, and stops or drains them.

The order is the promise: resolve and build (a bad request costs nothing) → reserve the budget and commit the intent →
begin the log → call Bedrock. A turn belongs to its task here; connections only subscribe.
"""

import asyncio
import secrets
from collections.abc import Callable

import msgspec
import structlog

from outcrop.errors import Draining, OutcropError, TooManyRequests, UnknownTurn
from outcrop.turns.log import TurnLog, TurnStatus
from outcrop.turns.ports import AdapterLookup, Budget, Ledger, Upstream
from outcrop.turns.turn import Turn, outcome_of
from outcrop.types import ChatRequest, ResolvedModel, Usage

logger = structlog.get_logger(__name__)

Resolver = Callable[[str], ResolvedModel]


class TurnLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bound what turns may take.
    """

    max_turns: int = 2000
    default_max_tokens: int = 1024
    merge_bytes: int = 16 << 10


class TurnService:
    """
    Start, find, stop and drain turns.

    Args:
        log: where events go.
        upstream: what calls Bedrock.
        resolve: finds the model for a client's name; raises `UnknownModel`.
        find_adapter: finds the adapter for a model.
        ledger: is told of each call before and after it.
        budget: holds back what a turn may cost.
        limits: bounds.
    """

    def __init__(
        self,
        *,
        log: TurnLog,
        upstream: Upstream,
        resolve: Resolver,
        find_adapter: AdapterLookup,
        ledger: Ledger,
        budget: Budget,
        limits: TurnLimits,
    ) -> None:
        self._log = log
        self._upstream = upstream
        self._resolve = resolve
        self._find_adapter = find_adapter
        self._ledger = ledger
        self._budget = budget
        self._limits = limits
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, Turn] = {}
        self._starting = 0
        self._draining = False

    @property
    def running(self) -> int:
        """
        Count the turns that run now.
        """
        return len(self._tasks)

    @property
    def draining(self) -> bool:
        """
        Tell whether new turns are refused because the server is stopping.
        """
        return self._draining

    async def start(self, request: ChatRequest, *, owner: str, grace_seconds: float) -> Turn:
        """
        Accept a request and begin its turn. The caller subscribes to the turn; nobody needs to await it.

        Args:
            request: what to ask.
            owner: the principal who asks; only they can find the turn again.
            grace_seconds: how long the turn runs on when its last reader has left; 0 stops it then.

        Raises:
            RequestError: the request can't be served as it stands; nothing was called and nothing costs.
            StoreError: the intent could not be committed; nothing was called.
        """
        if self._draining:
            raise Draining("this server is stopping; connect again in a moment")
        if len(self._tasks) + self._starting >= self._limits.max_turns:
            raise TooManyRequests(f"{self._limits.max_turns} answers are running, which is the limit; try again soon")
        self._starting += 1
        try:
            turn = await self._accept(request, owner, grace_seconds)
        finally:
            self._starting -= 1
        self._turns[turn.turn_id] = turn
        self._tasks[turn.turn_id] = asyncio.create_task(self._run(turn), name=f"turn {turn.turn_id}")
        return turn

    def check_model(self, name: str) -> ResolvedModel:
        """
        Say what a model name stands for, before there is a prompt for it.

        Raises:
            UnknownModel: it stands for nothing.
        """
        return self._resolve(name)

    def find(self, turn_id: str, *, owner: str) -> Turn:
        """
        Find a running turn.

        Raises:
            UnknownTurn: no such turn runs for this owner.
        """
        turn = self._turns.get(turn_id)
        if turn is None or turn.owner != owner:
            raise UnknownTurn(f"there is no running turn {turn_id[:80]!r}")
        return turn

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands, running or finished.

        Raises:
            UnknownTurn: the log knows no such turn for this owner.
        """
        return await self._log.status(turn_id, owner=owner)

    async def drain(self, timeout_seconds: float) -> None:
        """
        Refuse new turns, let the running ones finish, and interrupt those that have not by then.
        """
        self._draining = True
        if self._tasks:
            logger.info("waiting for running turns", turns=len(self._tasks), timeout_seconds=timeout_seconds)
            await asyncio.wait(self._tasks.values(), timeout=timeout_seconds)
        self.interrupt_all()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def interrupt_all(self) -> None:
        """
        End every running turn as interrupted, at once.
        """
        for turn in list(self._turns.values()):
            turn.interrupt("this server is stopping; what came so far is a true prefix of the answer")

    async def _accept(self, request: ChatRequest, owner: str, grace_seconds: float) -> Turn:
        model = self._resolve(request.model)
        request = self._bound(request, model)
        adapter = self._find_adapter(model)
        call = adapter.build_call(request, model)
        turn_id = f"turn_{secrets.token_urlsafe(16)}"
        await self._budget.reserve(
            turn_id=turn_id, principal_id=owner, max_output_tokens=request.params.max_tokens or 0
        )
        try:
            await self._ledger.open_intent(turn_id=turn_id, principal_id=owner, model_id=model.model_id)
            lease = await self._log.acquire(turn_id, owner=owner)
        except OutcropError:
            await self._budget.settle(turn_id=turn_id, usage=Usage())
            raise
        return Turn(
            turn_id=turn_id,
            owner=owner,
            model=model,
            call=call,
            adapter=adapter,
            log=self._log,
            lease=lease,
            upstream=self._upstream,
            ledger=self._ledger,
            budget=self._budget,
            grace_seconds=grace_seconds,
            merge_bytes=self._limits.merge_bytes,
        )

    def _bound(self, request: ChatRequest, model: ResolvedModel) -> ChatRequest:
        if request.params.max_tokens is not None:
            return request
        bound = min(self._limits.default_max_tokens, model.max_output_tokens or self._limits.default_max_tokens)
        return msgspec.structs.replace(request, params=msgspec.structs.replace(request.params, max_tokens=bound))

    async def _run(self, turn: Turn) -> None:
        try:
            await turn.run()
        except Exception:
            # The turn's own failures are events; what arrives here is a store that broke at the very end.
            logger.exception("turn could not be finalised", turn_id=turn.turn_id)
        finally:
            del self._tasks[turn.turn_id]
            del self._turns[turn.turn_id]
        usage, terminal = turn.usage, turn.terminal
        logger.info(
            "turn ended",
            turn_id=turn.turn_id,
            model_id=turn.model.model_id,
            outcome=outcome_of(terminal) if terminal else "unknown",
            code=getattr(terminal, "code", None),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            estimated=usage.estimated,
        )
