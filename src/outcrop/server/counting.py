"""
Count the tokens of a request's input, for the dialects that can ask for it.

Counting is no turn: nothing is answered, logged or billed. It is bounded all the same, and ends when its client goes.
"""

import asyncio
from collections.abc import Callable

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from outcrop.adapters.counting import parse_count, to_count_call
from outcrop.calls import ResolvedModel, WholeAnswer
from outcrop.catalogue.models import Catalogue, ModelEntry
from outcrop.errors import Draining, RequestError, TooManyRequests
from outcrop.turns.ports import Ports
from outcrop.types import ChatRequest, GenerationParams

MAX_COUNTS = 100
COUNTED_ANSWER_TOKENS = 1024
"""
Bodies that must bound their answer say this, or one more than their reasoning may take; it is not part of the input.
"""


class TokenCounter:
    """
    Ask Bedrock for counts; at most `MAX_COUNTS` at once.

    Args:
        ports: what the turns are plugged into: Bedrock, the adapters, what a name stands for.
        catalogue: gives the table of models of this moment.
    """

    def __init__(self, ports: Ports, catalogue: Callable[[], Catalogue]) -> None:
        self._ports = ports
        self._catalogue = catalogue
        self._running = 0

    async def count(self, request: ChatRequest, *, receive: Receive, is_draining: bool) -> int:
        """
        Return how many tokens the request's input has, as its model counts.

        Args:
            request: whose input is counted; its answer is not asked for.
            receive: gives what the client still sends, its body being read: the end of this is the end of the count.
            is_draining: the server is stopping; counts that run may end, new ones are refused.

        Raises:
            Draining: the server is stopping.
            TooManyRequests: `MAX_COUNTS` run.
            RequestError: the request can't be built, or Bedrock can't count for its model.
            UpstreamError: Bedrock, or the way to it, said no.
            ClientDisconnect: the client has gone.
        """
        if is_draining:
            raise Draining("this server is stopping; connect again in a moment")
        ports = self._ports
        model = ports.resolve(request.model)
        self._check(model)
        request = msgspec.structs.replace(request, params=_bound(request.params))
        find = ports.find_adapter if request.native_body is None else ports.find_native_adapter
        call = to_count_call(find(model).build_call(request, model), model)
        if self._running >= MAX_COUNTS:
            raise TooManyRequests(f"{MAX_COUNTS} counts run, which is the limit; try again soon")
        self._running += 1
        try:
            answer = await _unless_gone(asyncio.create_task(ports.upstream.fetch(call)), receive)
        finally:
            self._running -= 1
        return parse_count(answer.body)

    def _check(self, model: ResolvedModel) -> None:
        catalogue = self._catalogue()
        entry = catalogue.find(model.base_id)
        if isinstance(entry, ModelEntry) and "count_tokens" not in entry.features:
            able = [known.base_id for known in catalogue.models.values() if "count_tokens" in known.features]
            raise RequestError(
                f"Bedrock can't count tokens for model {model.name!r}, only for {', '.join(able[:8])}"
                + (" and others" if len(able) > 8 else "")
            )


def _bound(params: GenerationParams) -> GenerationParams:
    if params.max_tokens is not None:
        return params
    reasoning = 0 if params.reasoning is None else params.reasoning.budget_tokens or 0
    # Claude's budget must be less than max_tokens (so says `ThinkingConfigEnabledParam` of Anthropic's SDK).
    return msgspec.structs.replace(params, max_tokens=max(COUNTED_ANSWER_TOKENS, reasoning + 1))


async def _unless_gone(work: "asyncio.Task[WholeAnswer]", receive: Receive) -> WholeAnswer:
    leaving = asyncio.create_task(_wait_for_leaving(receive), name="client that waits for a count")
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        for task in (work, leaving):
            task.cancel()
        await asyncio.wait({work, leaving})


async def _wait_for_leaving(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
