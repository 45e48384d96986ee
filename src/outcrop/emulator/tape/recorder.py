"""
A recording proxy: requests are signed anew and sent on, answers handed on as they come, and whole exchanges kept.

What the client's own signature was doesn't matter; the credentials are those of the environment. They are found by
botocore, in a worker thread, at every call: it keeps and refreshes them itself.
"""

import asyncio
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime

import botocore.session
import msgspec
from botocore.exceptions import BotoCoreError

from outcrop.emulator import guard
from outcrop.emulator.book import Call
from outcrop.emulator.peer import Peer, PeerAnswer, PeerFailed, call_peer, parse_peer
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.sending.line import ClientGone, Line
from outcrop.emulator.tape.exchange import Headers, Piece, Recorded, kept_of_answer
from outcrop.emulator.tape.folder import prepare_folder, store_recorded
from outcrop.emulator.tape.request import TapeRequest, fresh_date
from outcrop.wire import sigv4

IDLE_SECONDS = 900.0
"""
How long an upstream may be silent: a whole answer comes after all thinking.
"""
GRACE_SECONDS = 0.3
"""
How long an answer may still take when the client has gone: SDKs close as soon as they read an exception, ahead of
HTTP's end, and such an answer is whole.
"""
_BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}")
_RUNTIME_PATHS = ("/model/", "/guardrail/", "/async-invoke", "/openai/")


class Identity(msgspec.Struct, frozen=True):
    """
    Hold what upstream requests are authorised with: a bearer token, access keys, or neither.
    """

    bearer_token: str | None = None
    credentials: sigv4.Credentials | None = None

    def __repr__(self) -> str:
        return f"Identity(has_bearer={self.bearer_token is not None}, has_keys={self.credentials is not None})"


class EnvironmentIdentity:
    """
    Find the caller's own credentials, as AWS's tools do. Calling blocks.
    """

    def __init__(self) -> None:
        self._session = botocore.session.get_session()

    def __call__(self) -> Identity:
        """
        Return the identity as of now, an empty one where there is none.

        Raises:
            BotoCoreError: looking for it failed.
        """
        token = os.environ.get(_BEARER_VARIABLE)
        if token:
            return Identity(bearer_token=token)
        found = self._session.get_credentials()
        if found is None:
            return Identity()
        keys = found.get_frozen_credentials()
        if not keys.access_key or not keys.secret_key:
            return Identity()
        return Identity(credentials=sigv4.Credentials(keys.access_key, keys.secret_key, keys.token))


class Recorder:
    """
    Answer from another endpoint, and record.

    Raises:
        SettingsError: the folder can't be written to.
    """

    def __init__(
        self,
        folder: str,
        *,
        upstream: str | None,
        bound_host: str,
        find_identity: Callable[[], Identity] | None = None,
    ) -> None:
        self._folder = prepare_folder(folder)
        self._upstream = None if upstream is None else parse_peer(upstream, "upstream")
        self._bound_host = bound_host
        self._find_identity = EnvironmentIdentity() if find_identity is None else find_identity
        self._writes = asyncio.Lock()
        self._looks = asyncio.Lock()

    async def answer(self, request: TapeRequest, line: Line, call: Call) -> None:
        """
        Answer one request; the call's entry says how it went.

        What breaks off on either side is cut and not recorded.

        Raises:
            Refusal: it can't be sent on.
            ClientGone: the client went before the end.
        """
        hosts = request.hosts
        if not hosts or not all(guard.is_allowed_host(host, self._bound_host) for host in hosts):
            # A page that reaches this port by DNS rebinding would spend the caller's credentials.
            raise Refusal("AccessDeniedException", "refused by the recorder: host is not a loopback name")
        started = asyncio.get_running_loop().time()
        try:
            answer = await line.wait_for(self._ask(request), IDLE_SECONDS)
        except (PeerFailed, TimeoutError) as error:
            raise Refusal("ServiceUnavailableException", f"the recorder's upstream failed: {error}") from error
        take = _Take(request, answer, started)
        try:
            await take.hand_on(line)
        except ClientGone:
            if await take.read_rest():
                await self._store(take.recorded())
            raise
        except (PeerFailed, TimeoutError):
            await line.cut()
            call.end("upstream_failed")
            return
        finally:
            await answer.aclose()
        try:
            await self._store(take.recorded())
        finally:
            # Only now, so that who has the answer has the recording too.
            await line.finish(take.held)
        call.end("completed")

    async def _store(self, recorded: Recorded) -> None:
        async with self._writes:
            await asyncio.to_thread(store_recorded, self._folder, recorded)

    async def _ask(self, request: TapeRequest) -> PeerAnswer:
        peer = self._upstream or _bedrock(request)
        path, query = peer.path + request.path, request.query
        headers = [*request.headers, ("accept-encoding", "identity")]
        headers += await self._authorise(request, peer, path, query)
        target = f"{path}?{query}" if query else path
        answer = await call_peer(
            peer, method=request.question.method, target=target, headers=headers, body=request.body
        )
        try:
            await answer.read_headers()
        except BaseException:
            await answer.aclose()
            raise
        return answer

    async def _authorise(self, request: TapeRequest, peer: Peer, path: str, query: str) -> Headers:
        try:
            async with self._looks:
                identity = await asyncio.to_thread(self._find_identity)
        except BotoCoreError as error:
            raise Refusal("UnrecognizedClientException", f"the recorder found no credentials: {error}") from error
        if identity.bearer_token is not None:
            return (("authorization", f"Bearer {identity.bearer_token}"),)
        if identity.credentials is None:
            raise Refusal("UnrecognizedClientException", "the recorder found no AWS credentials in its environment")
        signed = sigv4.sign(
            method=request.question.method,
            host=peer.authority,
            path=path,
            query=query,
            headers=request.headers,
            payload_hash=sigv4.hash_payload(request.body),
            credentials=identity.credentials,
            region=request.region,
            service="bedrock",
            now=datetime.now(UTC),
        )
        return tuple((name.lower(), value) for name, value in signed.items() if name.lower() != "host")


def _bedrock(request: TapeRequest) -> Peer:
    """
    Return AWS's endpoint of a request's region.

    Raises:
        Refusal: the region can't be one, and must not become a part of a host's name.
    """
    if _REGION.fullmatch(request.region) is None:
        raise Refusal("ValidationException", f"the recorder can't tell the endpoint of region {request.region!r}")
    service = "bedrock-runtime" if request.question.path.startswith(_RUNTIME_PATHS) else "bedrock"
    suffix = "amazonaws.com.cn" if request.region.startswith("cn-") else "amazonaws.com"
    return parse_peer(f"https://{service}.{request.region}.{suffix}", "upstream")


class _Take:
    """
    Hand on one answer, but for HTTP's end of it, and keep its chunks.

    `held` is what a client would take for that end: the part that fills an answer's announced length.
    """

    def __init__(self, request: TapeRequest, answer: PeerAnswer, started: float) -> None:
        self._request = request
        self._answer = answer
        self._started = started
        self._headers = kept_of_answer(answer.headers)
        self._pieces: list[Piece] = []
        self._end_ms = 0.0
        self.held = b""

    async def hand_on(self, line: Line) -> None:
        """
        Send all that comes to the client.

        Raises:
            ClientGone: the client went before the end.
            PeerFailed: upstream broke off.
            TimeoutError: upstream is silent.
        """
        await line.start(self._answer.status, [*fresh_date(), *self._headers])
        length = next((int(value) for name, value in self._headers if name == "content-length"), None)
        while parts := await line.wait_for(self._answer.read(), IDLE_SECONDS):
            self._keep(parts)
            for part in parts:
                length = None if length is None else length - len(part)
                if length == 0:
                    self.held = part
                else:
                    await line.write(part)
        self._end_ms = self._elapsed_ms()

    async def read_rest(self) -> bool:
        """
        Read what is left after the client went, for a moment only, and say whether the end was among it.
        """
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                while parts := await self._answer.read():
                    self._keep(parts)
        except (PeerFailed, TimeoutError):
            return False
        self._end_ms = self._elapsed_ms()
        return True

    def recorded(self) -> Recorded:
        """
        Return the exchange; its answer must have ended.
        """
        return Recorded(
            question=self._request.question,
            request_headers=self._request.headers,
            status=self._answer.status,
            headers=self._headers,
            pieces=tuple(self._pieces),
            end_ms=self._end_ms,
        )

    def _keep(self, parts: list[bytes]) -> None:
        at_ms = self._elapsed_ms()
        self._pieces.extend(Piece(at_ms, part) for part in parts)

    def _elapsed_ms(self) -> float:
        return round((asyncio.get_running_loop().time() - self._started) * 1000, 3)
