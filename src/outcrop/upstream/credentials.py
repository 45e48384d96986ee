"""
Who the gateway is to AWS: found and refreshed by botocore, in a worker thread, ahead of time.

A Bedrock API key (`AWS_BEARER_TOKEN_BEDROCK`) is preferred over access keys, as botocore does. Looking for credentials
may read files, run programs and call metadata services, so it never happens on the event loop; one look-up runs at a
time, and each caller's wait is bounded. `AWS_EC2_METADATA_DISABLED` is respected by botocore itself.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import botocore.session
import msgspec
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError

from outcrop.errors import CredentialsMissing
from outcrop.upstream.exceptions import clean_text
from outcrop.wire import sigv4

BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"

_WHAT_TO_DO = (
    "set AWS_BEARER_TOKEN_BEDROCK or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE, "
    "or give this machine a role"
)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what requests are authorised with. Its text shows the kind and where it was found, never a secret.

    `bearer_token` is there exactly for `bearer`, `credentials` exactly for `sigv4`.
    """

    kind: Literal["bearer", "sigv4", "none"]
    method: str
    bearer_token: str | None = None
    credentials: sigv4.Credentials | None = None

    def __repr__(self) -> str:
        return f"Identity(kind={self.kind!r}, method={self.method!r})"

    def __rich_repr__(self) -> "list[tuple[str, str]]":
        return [("kind", self.kind), ("method", self.method)]


class CredentialSource(Protocol):
    """
    Know the gateway's identity.
    """

    async def find_identity(self) -> Identity:
        """
        Return the identity as of now; `kind` is `none` where there is none.

        Raises:
            CredentialsMissing: looking for it failed, or took too long.
        """
        ...

    def invalidate(self, identity: Identity) -> None:
        """
        Learn that AWS refused this identity as expired or unknown: the next call looks again.
        """
        ...

    async def aclose(self) -> None:
        """
        End what runs in the background.
        """
        ...


class StaticCredentials:
    """
    Stand for one identity that never changes, as for the emulator.
    """

    def __init__(self, *, credentials: sigv4.Credentials | None = None, bearer_token: str | None = None) -> None:
        if (credentials is None) == (bearer_token is None):
            raise ValueError("expected either an access key or a bearer token")
        kind: Literal["bearer", "sigv4"] = "sigv4" if credentials is not None else "bearer"
        self._identity = Identity(kind=kind, method="static", credentials=credentials, bearer_token=bearer_token)

    async def find_identity(self) -> Identity:
        """
        Return the identity.
        """
        return self._identity

    def invalidate(self, identity: Identity) -> None:
        """
        Do nothing: there is nowhere else to look.
        """

    async def aclose(self) -> None:
        """
        Do nothing: nothing runs.
        """


class BotocoreCredentials:
    """
    Find the identity by botocore's chain, keep it, and renew it before it ends.

    botocore renews temporary credentials by itself once they have less than 15 minutes left, whenever it is asked. So
    it is asked in the background when what we hold is older than `refresh_seconds`, and waited for only when it is
    older than `max_age_seconds`, which is far below those 15 minutes.

    Args:
        profile: the profile of the AWS configuration; None for botocore's own choice.
        timeout_seconds: the longest wait of one caller. The look-up itself goes on, and later callers join it.
        look_up: what runs in the thread, instead of botocore's chain.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        timeout_seconds: float = 10.0,
        refresh_seconds: float = 60.0,
        max_age_seconds: float = 300.0,
        look_up: Callable[[], Identity] | None = None,
    ) -> None:
        self._make_look_up: Callable[[], Callable[[], Identity]] = lambda: (
            look_up or _BotocoreChain(profile, os.environ).find
        )
        self._look_up = self._make_look_up()
        self._timeout_seconds = timeout_seconds
        self._refresh_seconds = refresh_seconds
        self._max_age_seconds = max_age_seconds
        self._known: Identity | None = None
        self._known_at = 0.0
        self._running: asyncio.Task[Identity] | None = None

    async def find_identity(self) -> Identity:
        """
        Return the identity as of now; `kind` is `none` where there is none.

        Raises:
            CredentialsMissing: looking for it failed, or took too long.
        """
        age = asyncio.get_running_loop().time() - self._known_at
        known = self._known
        if known is None:
            return await self._wait()
        if age >= self._max_age_seconds:
            # Where renewing fails, what we hold may still be good for minutes; AWS decides.
            with contextlib.suppress(CredentialsMissing):
                renewed = await self._wait()
                return known if renewed.kind == "none" else renewed
        elif age >= self._refresh_seconds:
            self._start()
        return known

    def invalidate(self, identity: Identity) -> None:
        """
        Forget the identity, and botocore's own memory of it, unless it was renewed in the meantime.
        """
        if identity is self._known:
            self._known = None
            self._look_up = self._make_look_up()

    async def aclose(self) -> None:
        """
        Wait no longer for a look-up that still runs; its thread ends by itself.
        """
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def _wait(self) -> Identity:
        running = self._start()
        await asyncio.wait([running], timeout=self._timeout_seconds)
        if not running.done():
            raise CredentialsMissing(
                f"looking for AWS credentials took longer than {self._timeout_seconds:g} s; {_WHAT_TO_DO}, or, away "
                "from AWS, set AWS_EC2_METADATA_DISABLED=true"
            )
        if running.cancelled():
            raise CredentialsMissing("the client for Bedrock is closed")
        return running.result()

    def _start(self) -> asyncio.Task[Identity]:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(asyncio.to_thread(self._look_up))
            self._running.add_done_callback(self._on_done)
        return self._running

    def _on_done(self, task: asyncio.Task[Identity]) -> None:
        if self._running is task:
            self._running = None
        # Asking for the exception also marks it as seen: a failed renewal in the background leaves what is known.
        if not task.cancelled() and task.exception() is None and task.result().kind != "none":
            self._known = task.result()
            self._known_at = asyncio.get_running_loop().time()


class _BotocoreChain:
    """
    Run botocore's chain; called in one thread at a time.
    """

    def __init__(self, profile: str | None, environ: Mapping[str, str]) -> None:
        self._profile = profile
        self._environ = environ
        self._session: botocore.session.Session | None = None

    def find(self) -> Identity:
        """
        Return the identity, or one of kind `none`.

        Raises:
            CredentialsMissing: the chain found something that does not work.
        """
        if token := self._environ.get(BEARER_VARIABLE, "").strip():
            _check_sendable(token, BEARER_VARIABLE)
            return Identity(kind="bearer", method=BEARER_VARIABLE, bearer_token=token)
        if self._session is None:
            self._session = botocore.session.Session(profile=self._profile)
        try:
            found = self._session.get_credentials()
            frozen = None if found is None else found.get_frozen_credentials()
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError, KeyError) as error:
            self._session = None
            raise CredentialsMissing(f"the AWS credentials can't be used: {_explain(error)}; {_WHAT_TO_DO}") from error
        if found is None or frozen is None or not frozen.access_key or not frozen.secret_key:
            self._session = None
            return Identity(kind="none", method="none")
        _check_sendable(frozen.access_key, "the AWS access key id")
        _check_sendable(frozen.token or "x", "the AWS session token")
        credentials = sigv4.Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        return Identity(kind="sigv4", method=found.method, credentials=credentials)


def _check_sendable(text: str, what: str) -> None:
    # A line break at its end is the commonest mistake; found here, it is the operator's and no client's.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise CredentialsMissing(f"{what} holds a space, a line break or another character that can't be sent")


def _explain(error: Exception) -> str:
    if isinstance(error, CredentialRetrievalError):
        # Its text quotes what a program or a server said, which may be anything.
        return f"getting them by {clean_text(str(error.kwargs.get('provider')))!r} failed"
    return clean_text(str(error)) if isinstance(error, BotoCoreError | ClientError) else type(error).__name__


def missing() -> CredentialsMissing:
    """
    Build the error for an identity of kind `none`; it says what to do.
    """
    return CredentialsMissing(f"the gateway has no AWS credentials: {_WHAT_TO_DO}")
