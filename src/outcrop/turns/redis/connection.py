"""
Connections to Redis: the one file that imports the driver.

An exchange is one command and its whole answer on one connection. An exchange that was cancelled or failed discards its
connection, so that nobody is ever given an answer to another's question (compare CVE-2023-28858).
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import hiredis
import structlog
from redis import exceptions
from redis.asyncio.connection import AbstractConnection, Connection, parse_url

from outcrop.errors import SettingsError, StoreError
from outcrop.turns.redis.scripts import Script

MAX_CONNECTIONS = 8
MAX_PAUSE_SECONDS = 1.0
OLDEST_SERVER = (6, 2)
UNREACHABLE = "the turn log can't be reached at the moment; try again soon"
"""
What clients are told: where the log is stands in the server's own log.
"""

_DOWN = (exceptions.ConnectionError, exceptions.TimeoutError, OSError, EOFError)
_PASSING = (exceptions.ReadOnlyError, exceptions.OutOfMemoryError)
_PASSING_CODES = ("MASTERDOWN", "LOADING", "BUSY", "NOREPLICAS", "MISCONF", "UNBLOCKED", "CLUSTERDOWN")

_Connection = Any
"""
A connection of the driver, whose methods carry no types.
"""

logger = structlog.get_logger(__name__)


class RedisDown(StoreError):
    """
    Say that Redis can't be reached, or takes nothing, for the moment.
    """


class RedisLink:
    """
    Run scripts on one Redis or Valkey server.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        prefix: begins every key and channel.
        timeout_seconds: bound of one exchange, and of connecting.

    Attributes:
        up_since: when the present time without a failure began, by the loop's clock.
        is_down: whether the last exchange failed.
        timeout_seconds: the bound of one exchange.

    Raises:
        SettingsError: the URL can't be understood.
    """

    def __init__(self, url: str, *, prefix: str, timeout_seconds: float) -> None:
        self.prefix = prefix
        self.up_since = 0.0
        self.is_down = False
        self.timeout_seconds = timeout_seconds
        self._make = _parse_url(url)
        self._place = _describe(url)
        self._idle: list[_Connection] = []
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._is_closed = False
        self._is_open = False
        self._told_at = -math.inf

    async def open(self) -> None:
        """
        Reach the server and check that it can serve.

        Raises:
            StoreError: it can't be reached, is too old, or is a cluster; the message says what to do.
        """
        self.up_since = asyncio.get_running_loop().time()
        answer = await self.execute(b"INFO", b"server")
        facts = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
        version = facts.get("redis_version", "0.0")
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
            raise StoreError(f"Redis at {self._place} has version {version}; 6.2 or newer is needed, or Valkey")
        if facts.get("redis_mode") == "cluster":
            raise StoreError(
                f"Redis at {self._place} is a cluster, which is not supported: name a single server, or its replica set"
            )
        self._is_open = True

    async def aclose(self) -> None:
        """
        Close all idle connections, and the others as soon as they are given back.
        """
        self._is_closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    async def run(self, script: Script, *args: bytes | str | int) -> Any:
        """
        Run a script once.

        Raises:
            RedisDown: it is not known whether the script has run.
            StoreError: Redis refused it.
        """
        keyed = (self.prefix, *args)
        try:
            return await self.execute("EVALSHA", script.sha, 1, *keyed)
        except _UnknownScript:
            return await self.execute("EVAL", script.source, 1, *keyed)

    async def insist(self, script: Script, *args: bytes | str | int, seconds: float) -> Any:
        """
        Run a script, again where Redis is down, for at most so many seconds.

        Raises:
            RedisDown: the time is over; it is not known whether the script has run.
            StoreError: Redis refused it.
        """
        return await self.retry(lambda: self.run(script, *args), seconds=seconds)

    async def retry(self, exchange: Callable[[], Awaitable[Any]], *, seconds: float) -> Any:
        """
        Do an exchange, again where Redis is down, for at most so many seconds. See `insist`.
        """
        pause = Pause()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await exchange()
                    except RedisDown:
                        await pause.wait()
        except TimeoutError:
            raise RedisDown(UNREACHABLE) from None

    async def execute(self, *args: bytes | str | int) -> Any:
        """
        Do one exchange.

        Raises:
            RedisDown: it is not known whether Redis has done it.
            StoreError: Redis refused it.
        """
        packed = hiredis.pack_command(args)  # type: ignore[arg-type]  # takes str and int as well; its stub says bytes
        async with self._slots:
            connection = self._idle.pop() if self._idle else self._make()
            is_whole = False
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    await connection.connect()
                    await connection.send_packed_command([packed], check_health=False)
                    answer = await connection.read_response(disable_decoding=True)
                is_whole = True
            except exceptions.ResponseError as error:
                # `read_response` raises an error reply after it was read to its end: the connection is sound, unless
                # the server is not.
                is_whole = not _is_passing(error)
                raise self._translate(error) from error
            except (*_DOWN, exceptions.RedisError) as error:
                raise self._translate(error) from error
            finally:
                self._give_back(connection, is_whole=is_whole)
        self._note_up()
        return answer

    async def listen(self) -> "Listener":
        """
        Open a connection for published messages. The caller closes it.

        Raises:
            RedisDown: no connection can be made.
        """
        connection = self._make()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await connection.connect()
        except (*_DOWN, exceptions.RedisError) as error:
            _discard(connection)
            raise self._translate(error) from error
        except BaseException:
            _discard(connection)
            raise
        return Listener(connection, self._translate)

    def _give_back(self, connection: _Connection, *, is_whole: bool) -> None:
        if is_whole and not self._is_closed:
            self._idle.append(connection)
        else:
            _discard(connection)

    def _translate(self, error: Exception) -> StoreError:
        if isinstance(error, exceptions.NoScriptError):
            return _UnknownScript("the script is not loaded")
        if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
            return StoreError(f"Redis at {self._place} refuses this user: check the name and password in the URL")
        if isinstance(error, _DOWN) or _is_passing(error):
            self._note_down(error)
            return RedisDown(self._tell(f"Redis at {self._place} can't be used now: {_first_line(error)}"))
        # What an exchange was refused for is the operator's business; a client may read the message.
        logger.error("Redis refused", place=self._place, reason=_first_line(error))
        return StoreError(self._tell(f"Redis at {self._place} refused: {_first_line(error)}"))

    def _tell(self, detail: str) -> str:
        # Before it is open there are no clients, only the person who starts the server.
        return UNREACHABLE if self._is_open else detail

    def _note_up(self) -> None:
        if self.is_down:
            self.is_down = False
            self.up_since = asyncio.get_running_loop().time()
            logger.info("Redis is back", place=self._place)

    def _note_down(self, error: Exception) -> None:
        self.is_down = True
        # The other idle connections are no better.
        idle, self._idle = self._idle, []
        for connection in idle:
            _discard(connection)
        now = asyncio.get_running_loop().time()
        if now - self._told_at > 10:
            self._told_at = now
            logger.warning("Redis can't be used", place=self._place, reason=_first_line(error))


class Listener:
    """
    Receive published messages on one connection.
    """

    def __init__(self, connection: _Connection, translate: Callable[[Exception], StoreError]) -> None:
        self._connection = connection
        self._translate = translate

    async def send(self, *args: str) -> None:
        """
        Send SUBSCRIBE, UNSUBSCRIBE or PING; the confirmation comes with `receive`. May be used while another receives.

        Raises:
            RedisDown: the connection is lost.
        """
        if not self._connection.is_connected:
            # The driver would connect again by itself: to a connection that hears nothing, and that nobody closes.
            raise RedisDown(UNREACHABLE)
        try:
            await self._connection.send_packed_command([hiredis.pack_command(args)], check_health=False)  # type: ignore[arg-type]  # takes str as well
        except (*_DOWN, exceptions.RedisError) as error:
            raise self._translate(error) from error

    async def receive(self) -> list[bytes]:
        """
        Wait for the next message: its kind, its channel, and what it carries.

        Raises:
            RedisDown: the connection is lost.
        """
        try:
            received: list[bytes] = await self._connection.read_response(disable_decoding=True, timeout=math.inf)
        except (*_DOWN, exceptions.RedisError) as error:
            raise self._translate(error) from error
        return received

    def close(self) -> None:
        """
        Close the connection.
        """
        _discard(self._connection)


class Pause:
    """
    Wait a little longer each time, with jitter: 0, 50 ms, 100 ms, … at most a second.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    async def wait(self) -> None:
        """
        Wait before the next attempt.
        """
        await asyncio.sleep(self._seconds * random.uniform(0.7, 1.3))  # noqa: S311  # jitter, not a secret
        self._seconds = min(MAX_PAUSE_SECONDS, self._seconds * 2 or 0.05)


class _UnknownScript(StoreError):
    """
    Say that the server does not know the script yet.
    """


def _parse_url(url: str) -> Callable[[], _Connection]:
    try:
        options: dict[str, Any] = {**parse_url(url)}
    except ValueError as error:
        raise SettingsError(
            f"turn_log is {_describe(url)!r}, expected redis://host:port/0, rediss://… or unix://path"
        ) from error
    kind: type[AbstractConnection] = options.pop("connection_class", Connection)
    # With time-outs of its own the driver uses `asyncio.wait_for`, which can lose a cancellation before Python 3.12.
    options |= {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": None}
    try:
        kind(**options)
    except (TypeError, ValueError, exceptions.RedisError) as error:
        raise SettingsError(f"turn_log is {_describe(url)!r}: {_first_line(error)}") from error
    return lambda: kind(**options)


def _describe(url: str) -> str:
    """
    Name a server without its user, password and options.
    """
    try:
        parts = urlsplit(url)
        place = parts.hostname or parts.path
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "***"
    return f"{parts.scheme}://{place}{port}" if parts.scheme in {"redis", "rediss", "unix"} else "***"


def _is_passing(error: Exception) -> bool:
    return isinstance(error, _PASSING) or (
        isinstance(error, exceptions.ResponseError) and str(error).startswith(_PASSING_CODES)
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _discard(connection: _Connection) -> None:
    # The driver's `disconnect` waits; this closes in the same step, also when the task is being cancelled.
    connection._close()  # noqa: SLF001
    connection._parser.on_disconnect()  # noqa: SLF001
