"""
The client for Bedrock Runtime: `turns.ports.Upstream`.

A call is tried until one attempt is answered (`outcrop.upstream.retry` says when again). An attempt takes a connection
from the pool, and gives it back whatever happens; the pool closes at once what is not clean, so a cancelled call is
closed in the very step in which it is cancelled.
"""

import asyncio
import os
import random
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from outcrop.calls import MessageSink, StreamEnd, UpstreamCall, WholeAnswer
from outcrop.errors import UpstreamError, UpstreamTimeout
from outcrop.upstream import exceptions
from outcrop.upstream.connection import Connection
from outcrop.upstream.credentials import CredentialSource, Identity, missing
from outcrop.upstream.deadlines import Deadlines, total_passed
from outcrop.upstream.dial import Route, dial
from outcrop.upstream.endpoint import check_region, parse_endpoint
from outcrop.upstream.exceptions import ErrorContext
from outcrop.upstream.exchange import Answer, Exchange, StreamExchange
from outcrop.upstream.pool import ConnectionPool, PoolLimits
from outcrop.upstream.proxy import find_proxy
from outcrop.upstream.request import Attempt, build_head, check_call
from outcrop.upstream.retry import Retries, RetryBudget, RetryPolicy
from outcrop.upstream.tls import make_tls_context
from outcrop.wire.sigv4 import hash_payload

STALE_IDENTITY_ERRORS = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
HASHED_IN_THREAD_BYTES = 512 * 1024

MakeExchange = Callable[[Connection, ErrorContext], Exchange]


class BedrockClient:
    """
    Call Bedrock in one region, at one endpoint.

    Make it before or while the loop runs (it reads the certificates of the system), and `aclose` it.

    Args:
        endpoint_url: see `endpoint.find_endpoint_url`.
        region: what requests are signed for and errors name.
        extra_ca_file: a PEM file with authorities to trust besides.
        environ: where proxies and `AWS_CA_BUNDLE` are read from; the process's environment by default.
        uniform: gives numbers from 0 to 1, for the jitter of retries.
        now: gives the time, for signatures.

    Raises:
        SettingsError: the endpoint, the region, a proxy or a certificate file can't be used.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        region: str,
        credentials: CredentialSource,
        deadlines: Deadlines | None = None,
        limits: PoolLimits | None = None,
        retry_policy: RetryPolicy | None = None,
        extra_ca_file: str | None = None,
        environ: Mapping[str, str] | None = None,
        uniform: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        check_region(region)
        environ = os.environ if environ is None else environ
        endpoint = parse_endpoint(endpoint_url)
        tls = make_tls_context(environ, extra_ca_file=extra_ca_file) if endpoint.secure else None
        self._route = Route(endpoint=endpoint, region=region, tls=tls, proxy=find_proxy(endpoint, environ))
        self._credentials = credentials
        self._deadlines = deadlines or Deadlines()
        self._policy = retry_policy or RetryPolicy()
        self._budget = RetryBudget(self._policy)
        self._uniform = uniform
        self._now = now
        self.pool = ConnectionPool(lambda: dial(self._route), limits or PoolLimits(), place=self._route.place)

    async def stream(self, call: UpstreamCall, sink: MessageSink) -> StreamEnd:
        """
        Open a streaming call and give its messages to `sink` as they come, until the body ends.

        Raises:
            UpstreamError: see `turns.ports.Upstream`.
            RequestError: the call can't be a request.
        """
        operation = call.operation
        if operation not in {"invoke_stream", "converse_stream"}:
            raise ValueError(f"operation {operation!r} does not stream")
        answer, attempts = await self._call(
            call, lambda connection, context: StreamExchange(connection, context, sink, operation)
        )
        headers = answer.head.headers
        return StreamEnd(headers=headers, aws_request_id=headers.get("x-amzn-requestid"), attempts=attempts)

    async def fetch(self, call: UpstreamCall) -> WholeAnswer:
        """
        Make a call that does not stream and return its answer.

        Raises:
            UpstreamError: see `turns.ports.Upstream`.
            RequestError: the call can't be a request.
        """
        if call.operation not in {"invoke", "converse", "count_tokens"}:
            raise ValueError(f"operation {call.operation!r} streams")
        answer, attempts = await self._call(call, Exchange)
        headers = answer.head.headers
        return WholeAnswer(
            body=answer.body, headers=headers, aws_request_id=headers.get("x-amzn-requestid"), attempts=attempts
        )

    async def aclose(self) -> None:
        """
        Close every connection, running calls included, and end the search for credentials.
        """
        await self.pool.aclose()
        await self._credentials.aclose()

    async def _call(self, call: UpstreamCall, make: MakeExchange) -> tuple[Answer, int]:
        check_call(call)
        total_at = asyncio.get_running_loop().time() + self._deadlines.total_seconds
        plan = _Plan(
            call=call,
            make=make,
            context=ErrorContext(model_id=call.model_id, region=self._route.region),
            payload_hash=await _hash(call.body),
            invocation_id=str(uuid.uuid4()),
            total_at=total_at,
        )
        retries = Retries(self._policy, self._budget, random=self._uniform, total_at=total_at)
        number, fresh = 0, False
        while True:
            number += 1
            outcome = await self._attempt(plan, number, fresh=fresh)
            if isinstance(outcome, Answer):
                return outcome, number
            fresh = retries.is_stale(outcome.error)
            if not fresh:
                await self._wait(retries, outcome)

    async def _wait(self, retries: Retries, failure: "_Failure") -> None:
        """
        Wait for the next attempt, or raise.
        """
        now = asyncio.get_running_loop().time()
        seconds = retries.decide(failure.error, status=failure.status, now=now)
        if seconds is None:
            raise failure.error
        await asyncio.sleep(seconds)

    async def _attempt(self, plan: "_Plan", number: int, *, fresh: bool) -> "Answer | _Failure":
        """
        Make one attempt. What is not Bedrock's failure is raised; what is, is returned for a decision.
        """
        identity = await self._credentials.find_identity()
        if identity.kind == "none":
            raise missing()
        attempt = Attempt(invocation_id=plan.invocation_id, number=number, limit=self._policy.max_attempts)
        head = build_head(
            plan.call,
            endpoint=self._route.endpoint,
            region=self._route.region,
            identity=identity,
            attempt=attempt,
            payload_hash=plan.payload_hash,
            now=self._now(),
        )
        try:
            answer = await self._exchange(plan, head, fresh=fresh)
        except UpstreamError as error:
            return _Failure(error, None)
        return answer if answer.head.status == 200 else self._refuse(plan, answer, identity)

    async def _exchange(self, plan: "_Plan", head: bytes, *, fresh: bool) -> Answer:
        connection = await self._connect(plan.total_at, fresh=fresh)
        try:
            exchange = plan.make(connection, plan.context)
            try:
                exchange.start(head, plan.call.body, deadlines=self._deadlines, total_at=plan.total_at)
                return await exchange.done
            finally:
                exchange.stop()
        finally:
            # Also the way out of a cancelled call: what is not at its end is closed here, without waiting.
            self.pool.release(connection)

    async def _connect(self, total_at: float, *, fresh: bool) -> Connection:
        left = total_at - asyncio.get_running_loop().time()
        try:
            return await self.pool.acquire(min(self._deadlines.connect_seconds, left), fresh=fresh)
        except UpstreamTimeout as error:
            if left < self._deadlines.connect_seconds:
                raise total_passed(self._deadlines) from error
            raise

    def _refuse(self, plan: "_Plan", answer: Answer, identity: Identity) -> "_Failure":
        head = answer.head
        context = msgspec.structs.replace(plan.context, request_id=head.headers.get("x-amzn-requestid"))
        error = exceptions.from_response(head.status, head.headers, answer.body, context)
        if error.aws_error in STALE_IDENTITY_ERRORS:
            self._credentials.invalidate(identity)
        return _Failure(error, head.status)


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what all attempts of a call share.
    """

    call: UpstreamCall
    make: MakeExchange
    context: ErrorContext
    payload_hash: str
    invocation_id: str
    total_at: float


class _Failure(msgspec.Struct, frozen=True):
    """
    Hold why an attempt failed, and the status if it was answered.
    """

    error: UpstreamError
    status: int | None


async def _hash(body: bytes) -> str:
    # 25 MB take tens of milliseconds, which no other stream should wait for.
    if len(body) >= HASHED_IN_THREAD_BYTES:
        return await asyncio.to_thread(hash_payload, body)
    return hash_payload(body)
