"""
The turn service: accepts requests, owns the running turns, and stops or drains them.

The order is the promise: resolve and build (a bad request costs nothing) → reserve the budget → begin the log, which
also decides on the chat and the idempotency key → commit the intent → call Bedrock. A turn belongs to its task here;
connections only subscribe.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from outcrop.calls import ResolvedModel
from outcrop.errors import (
    ChatBusy,
    Draining,
    DuplicateTurn,
    StoreError,
    TooManyRequests,
    UnknownTurn,
)
from outcrop.turns.acceptance import Acceptance, Proposal, TurnLimits
from outcrop.turns.endings import log_end
from outcrop.turns.orphans import adopt_in_time
from outcrop.turns.packing import fingerprint_of
from outcrop.turns.ports import Ports
from outcrop.turns.reader import TurnReader
from outcrop.turns.records import Lease, TurnStatus
from outcrop.turns.turn import Turn, TurnPlan
from outcrop.turns.waiting import ends_within, wait_until_accepted
from outcrop.types import ChatRequest

MAX_REMEMBERED_STOPS = 1000
STOP_SECONDS = 5.0
"""
How long a prompt waits for the end of the answer that its chat's owner has stopped.
"""

logger = structlog.get_logger(__name__)


class Started(msgspec.Struct, frozen=True):
    """
    Name a turn, and say whether it began now, or earlier with the same idempotency key.
    """

    turn_id: str
    is_new: bool


class TurnService:
    """
    Start, find, follow, stop and drain turns.

    `open` is awaited before anything else. It implements `ProducerListener` for the log.
    """

    def __init__(self, ports: Ports, limits: TurnLimits) -> None:
        self._ports = ports
        self._limits = limits
        self._acceptance = Acceptance(ports, limits)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, Turn] = {}
        self._accepting: dict[str, asyncio.Task[Turn]] = {}
        self._adopting: set[asyncio.Task[None]] = set()
        self._asked_to_stop: deque[str] = deque(maxlen=MAX_REMEMBERED_STOPS)
        self._drain_begun = asyncio.Event()

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
        return self._drain_begun.is_set()

    async def open(self) -> None:
        """
        Open the log.

        Raises:
            StoreError: it can't be used.
        """
        await self._ports.log.open(self)

    async def start(
        self,
        request: ChatRequest,
        *,
        owner: str,
        grace_seconds: float,
        whole: bool = False,
        chat_id: str | None = None,
        message_id: str | None = None,
        idempotency_key: str | None = None,
        note: bytes | None = None,
        draft: object | None = None,
        asked: ChatRequest | None = None,
    ) -> Started:
        """
        Accept a request and begin its turn. The caller subscribes to the turn; nobody needs to await it.

        A caller that is cancelled meanwhile counts as one that has left: the grace time begins.

        Args:
            request: what to ask.
            owner: the principal who asks; only they can find the turn again.
            grace_seconds: how long the turn runs on when its last reader has left; 0 stops it then.
            whole: the client wants the answer in one piece.
            chat_id: the conversation; it has at most one running turn.
            message_id: the client's own message that the answer goes on with.
            idempotency_key: a repetition with this key follows the same turn, also on another replica.
            note: what the caller's dialect needs to tell of the turn later; it is kept with the log's opening.
            asked: the request as the client wrote it, where it was completed since: the key belongs to that.
            draft: what is to be kept of the conversation; committed with the intent, and the answer with its end.

        Raises:
            RequestError: the request can't be served as it stands; nothing was called and nothing costs.
            ChatBusy: the chat has a running turn.
            IdempotencyMismatch: the key was used for another request.
            PositionExpired: the key has begun a turn whose log is not kept any more.
            StoreError: the turn could not be committed; nothing was called.
        """
        if len(self._tasks) + len(self._accepting) >= self._limits.max_turns:
            raise TooManyRequests(f"{self._limits.max_turns} answers are running, which is the limit; try again soon")
        proposal = self._acceptance.prepare(
            request,
            owner=owner,
            whole=whole,
            chat_id=chat_id,
            message_id=message_id,
            key=idempotency_key,
            note=note,
            draft=draft,
            asked=asked,
        )
        try:
            return await self._begin(proposal, grace_seconds)
        except ChatBusy as error:
            # Whoever stops an answer and asks again at once asks again, and is not refused.
            if not await self.ends_soon(error.turn_id, owner):
                raise
        return await self._begin(proposal, grace_seconds)

    async def _begin(self, proposal: Proposal, grace_seconds: float) -> Started:
        if self.draining:
            raise Draining("this server is stopping; connect again in a moment")
        turn_id = proposal.opening.turn_id
        accepting = asyncio.create_task(self._accept(proposal, grace_seconds), name=f"accept {turn_id}")
        self._accepting[turn_id] = accepting
        accepting.add_done_callback(lambda _: self._accepting.pop(turn_id))
        try:
            # Shielded: once the log has begun, the intent and the call must follow, whether or not the caller stays.
            turn = await asyncio.shield(accepting)
        except DuplicateTurn as error:
            return await self._follow(error.turn_id, proposal.opening.owner)
        except asyncio.CancelledError:
            _then(accepting, Turn.abandon)
            raise
        return Started(turn.turn_id, is_new=True)

    async def _accept(self, proposal: Proposal, grace_seconds: float) -> Turn:
        return self._launch(await self._acceptance.accept(proposal), grace_seconds)

    async def find_repeated(self, asked: ChatRequest, *, owner: str, idempotency_key: str) -> Started | None:
        """
        Find the turn that a key has begun before; None where it has begun none. See `start` for the arguments.

        Raises:
            IdempotencyMismatch: the key was used for another request.
            PositionExpired: the key has begun a turn whose log is not kept any more.
            StoreError: a store can't be read, or the turn is not committed yet.
        """
        try:
            await self._ports.log.check_key(idempotency_key, fingerprint_of(asked), owner=owner)
        except DuplicateTurn as error:
            return await self._follow(error.turn_id, owner)
        return None

    def check_model(self, name: str) -> ResolvedModel:
        """
        Say what a model name stands for, before there is a prompt for it.

        Raises:
            UnknownModel: it stands for nothing.
        """
        return self._ports.resolve(name)

    def find(self, turn_id: str, *, owner: str) -> Turn:
        """
        Find a turn that runs in this process.

        Raises:
            UnknownTurn: no such turn runs here for this owner.
        """
        turn = self._own(turn_id, owner)
        if turn is None:
            raise UnknownTurn(f"there is no running turn {turn_id[:80]!r}")
        return turn

    async def subscribe(
        self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0, epoch: str | None = None
    ) -> TurnReader:
        """
        Read a turn, running here, running elsewhere, or finished. See `TurnLog.subscribe`.

        Raises:
            UnknownTurn: there is no such turn for this owner.
            PositionExpired: the position is not in its log.
            EpochChanged: the log has lost what the position belonged to.
        """
        turn = await self._find(turn_id, owner)
        if turn is not None:
            return await turn.subscribe(wake, after=after, epoch=epoch)
        subscription = await self._ports.log.subscribe(turn_id, owner=owner, wake=wake, after=after, epoch=epoch)
        return TurnReader(subscription, None)

    async def stop(self, turn_id: str, *, owner: str) -> None:
        """
        Stop a turn, wherever it runs. Harmless when it has ended.

        Raises:
            UnknownTurn: there is no such turn for this owner.
        """
        self._asked_to_stop.append(turn_id)
        turn = await self._find(turn_id, owner)
        if turn is not None:
            turn.stop()
            return
        await self._ports.log.request_stop(turn_id, owner=owner)

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands, running or finished.

        Raises:
            UnknownTurn: the log knows no such turn for this owner.
        """
        return await self._ports.log.status(turn_id, owner=owner)

    async def find_chat(self, chat_id: str, *, owner: str) -> TurnStatus | None:
        """
        Find a chat's latest turn; None where there is none, or it is forgotten.
        """
        return await self._ports.log.find_chat(chat_id, owner=owner)

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a finished turn.

        Raises:
            UnknownTurn: there is no such turn for this owner.
            LeaseLost: it is still running.
        """
        await self._ports.log.delete(turn_id, owner=owner)

    async def drain(self, timeout_seconds: float) -> None:
        """
        Refuse new turns, let the running ones finish, and interrupt those that have not by then; close the log.
        """
        self._drain_begun.set()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        beginning = [*self._accepting.values(), *self._adopting]
        if beginning:
            # They become running turns, or nothing; one may hang on a store.
            await asyncio.wait(beginning, timeout=timeout_seconds)
        if self._tasks:
            logger.info("waiting for running turns", turns=len(self._tasks), timeout_seconds=timeout_seconds)
            await asyncio.wait(self._tasks.values(), timeout=max(deadline - loop.time(), 0))
        self.interrupt_all()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    async def aclose(self) -> None:
        """
        Close the log, after the drain.
        """
        await self._ports.log.aclose()

    def interrupt_all(self) -> None:
        """
        End every running turn as interrupted, at once.
        """
        for turn in list(self._turns.values()):
            turn.interrupt("this server is stopping; what came so far is a true prefix of the answer")

    def on_stop(self, turn_id: str) -> None:
        """
        Stop a turn for its owner on another replica. See `ProducerListener`.
        """
        turn, accepting = self._turns.get(turn_id), self._accepting.get(turn_id)
        if turn is not None:
            turn.stop()
        elif accepting is not None:
            _then(accepting, Turn.stop)

    def on_lost(self, turn_id: str, error: StoreError) -> None:
        """
        End a turn whose log is lost. See `ProducerListener`.
        """
        turn = self._turns.get(turn_id)
        if turn is not None:
            turn.lose(error)

    def on_remote_readers(self, turn_id: str, count: int) -> None:
        """
        Count other replicas' readers. See `ProducerListener`.
        """
        turn = self._turns.get(turn_id)
        if turn is not None:
            turn.set_remote_readers(count)

    def on_orphan(self, status: TurnStatus, lease: Lease) -> None:
        """
        Take over a turn whose replica has died. See `ProducerListener`.
        """
        adopting = asyncio.create_task(self._adopt(status, lease), name=f"adopt {lease.turn_id}")
        self._adopting.add(adopting)
        adopting.add_done_callback(self._adopting.discard)

    async def _find(self, turn_id: str, owner: str) -> Turn | None:
        """
        Find a turn that runs here, or will in a moment: its log is there before it is accepted.
        """
        accepting = self._accepting.get(turn_id)
        if accepting is not None:
            await asyncio.wait({accepting})
        return self._own(turn_id, owner)

    def _own(self, turn_id: str, owner: str) -> Turn | None:
        turn = self._turns.get(turn_id)
        return turn if turn is not None and turn.owner == owner else None

    def runs(self, turn_id: str) -> bool:
        """
        Tell whether a turn runs in this process.
        """
        return turn_id in self._turns

    async def ends_soon(self, turn_id: str, owner: str) -> bool:
        """
        Wait for the end of a turn that was asked to stop; False where it was not, or takes too long.
        """
        if turn_id not in self._asked_to_stop:
            return False
        more = asyncio.Event()
        reader = await self.subscribe(turn_id, owner=owner, wake=more.set)
        return await ends_within(reader, more, STOP_SECONDS)

    def _launch(self, plan: TurnPlan, grace_seconds: float) -> Turn:
        turn = Turn(plan, self._ports, grace_seconds=grace_seconds, merge_bytes=self._limits.merge_bytes)
        self._turns[turn.turn_id] = turn
        self._tasks[turn.turn_id] = asyncio.create_task(self._run(turn), name=f"turn {turn.turn_id}")
        return turn

    async def _follow(self, turn_id: str, owner: str) -> Started:
        await wait_until_accepted(turn_id, self._ports, owner=owner, runs=self.runs)
        return Started(turn_id, is_new=False)

    async def _adopt(self, status: TurnStatus, lease: Lease) -> None:
        continues = self._limits.continues_interrupted and not self.draining
        plan = await adopt_in_time(status, lease, self._ports, continues=continues, give_up=self._drain_begun)
        if plan is not None:
            self._launch(plan, self._limits.grace_seconds).abandon()

    async def _run(self, turn: Turn) -> None:
        try:
            # Whoever began it hears of it first, and may stop it before anything is called.
            await asyncio.sleep(0)
            await turn.run()
        except StoreError:
            # The turn's own failures are events; what arrives here is a store that broke at the very end.
            logger.exception("turn could not be finalised", turn_id=turn.turn_id)
        except Exception as error:
            # A fault of ours: nobody shall wait for an end that does not come.
            logger.exception("turn broke off on an internal error", turn_id=turn.turn_id)
            await turn.break_off(error)
        finally:
            del self._tasks[turn.turn_id]
            del self._turns[turn.turn_id]
        if not turn.is_lost:
            log_end(turn.turn_id, turn.plan.model.model_id, turn.terminal, turn.usage)


def _then(accepting: "asyncio.Task[Turn]", act: Callable[[Turn], None]) -> None:
    def tell(done: "asyncio.Task[Turn]") -> None:
        if not done.cancelled() and done.exception() is None:
            act(done.result())

    accepting.add_done_callback(tell)
