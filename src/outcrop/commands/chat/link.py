"""
The socket of `outcrop chat`: prompts go out, pieces of the answer come back, failures become sentences.

Speaks the raw dialect as any client may. The conversation lives on the socket (`memory=1`): where the socket ends, so
does the conversation.
"""

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import socket as sockets
import ssl
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from outcrop import __version__
from outcrop.errors import OutcropError, SettingsError

OPEN_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 1.0
MAX_MESSAGE_BYTES = 16 << 20

CLOSE_WORDS = {
    1000: "the gateway closed the connection",
    1011: "the gateway failed inside; its log has the details",
    1012: "the gateway is stopping",
    4401: "the gateway wants a key",
    4403: "the gateway does not allow this",
    4408: "the answer took too long",
    4413: "the prompt or the answer is too large",
    4429: "too many requests",
    4502: "Bedrock failed",
    4503: "Bedrock is not available",
}
"""
What is said where a close frame comes without a reason.
"""

KEY_HINT = "give this command a key with --key or OUTCROP_KEY"

_UNSAFE: dict[int, int | None] = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_UNSAFE |= dict.fromkeys(range(0x7F, 0xA0), 0xFFFD) | {ord("\r"): None}

Result = TypeVar("Result")


class LinkFailed(OutcropError):
    """
    Say that the gateway could not be reached, or closed the socket.
    """

    code = "gateway_failed"
    status = 502


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold where a gateway is, the key for it, and what answers there (`bedrock`, `emulator`, or None: not told).

    `own` marks a gateway that this command started itself.
    """

    url: str
    key: str | None = None
    upstream: str | None = None
    own: bool = False

    @property
    def is_near(self) -> bool:
        """
        Tell whether it is on this machine, where no proxy leads.
        """
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def __repr__(self) -> str:
        return f"Gateway(url={self.url!r}, upstream={self.upstream!r})"


class Bridge:
    """
    Run coroutines in a thread of their own, from the main thread, which Ctrl-C may interrupt at any time.

    The loop runs on while the user types, so that the server's pings are answered.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outcrop-chat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.run(_end_other_tasks)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, function: Callable[..., Coroutine[Any, Any, Result]], *arguments: object) -> Result:
        """
        Wait for the result of a coroutine function. An interrupt of the wait cancels what runs.

        The coroutine is made in the loop's thread: made here, an interrupt could leave it behind, never awaited.
        """
        outcome: concurrent.futures.Future[Result] = concurrent.futures.Future()

        def begin() -> None:
            task = self._loop.create_task(function(*arguments))
            task.add_done_callback(lambda done: _hand_over(done, outcome))
            outcome.add_done_callback(lambda _: self._loop.call_soon_threadsafe(task.cancel))

        self._loop.call_soon_threadsafe(begin)
        try:
            return outcome.result()
        except BaseException:
            outcome.cancel()
            raise


def _hand_over(task: "asyncio.Task[Result]", outcome: "concurrent.futures.Future[Result]") -> None:
    error = None if task.cancelled() else task.exception()
    # The waiting thread may give up at any moment.
    with contextlib.suppress(concurrent.futures.InvalidStateError):
        if task.cancelled():
            outcome.cancel()
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())


async def _end_other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=CLOSE_TIMEOUT_SECONDS)


class Link:
    """
    Talk to one model over one socket at a time; a new one is opened where the last has ended.

    Args:
        parameters: further parameters of the raw dialect; a None means "not given".
    """

    def __init__(self, gateway: Gateway, model: str, parameters: dict[str, object]) -> None:
        self.gateway = gateway
        self.model = model
        query = {"model": model, "streaming": "true", "memory": 1, "done": 1, **parameters}
        given = urlencode({name: value for name, value in query.items() if value is not None})
        self._url = f"{_to_websocket(gateway.url)}/ws/model?{given}"
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        """
        Open the socket, and wait until the gateway has let it in.

        Raises:
            LinkFailed: nobody answers, or the gateway refuses: the key, the model, a parameter.
        """
        key = self.gateway.key
        try:
            socket = await connect(
                self._url,
                additional_headers={"Authorization": f"Bearer {key}"} if key else None,
                user_agent_header=f"outcrop-chat/{__version__}",
                compression=None,
                proxy=None if self.gateway.is_near else True,
                open_timeout=OPEN_TIMEOUT_SECONDS,
                close_timeout=CLOSE_TIMEOUT_SECONDS,
                max_size=MAX_MESSAGE_BYTES,
            )
        except (OSError, WebSocketException) as error:
            raise LinkFailed(explain_refusal(error, self.gateway)) from error
        self._socket = socket
        try:
            # A refusal is a close frame right after the handshake, so it comes before any pong.
            await asyncio.wait_for(await socket.ping(), OPEN_TIMEOUT_SECONDS)
        except ConnectionClosed as error:
            self._socket = None
            raise LinkFailed(explain_close(error)) from error
        except TimeoutError as error:
            await self.close()
            raise LinkFailed(explain_refusal(error, self.gateway)) from error

    async def send(self, prompt: str) -> bool:
        """
        Send a prompt, over a new socket where none is open.

        Returns whether a conversation was lost by that: the gateway had closed its socket meanwhile.

        Raises:
            LinkFailed: the prompt was not sent.
        """
        lost = self._socket is not None and self._socket.state is not State.OPEN
        if lost or self._socket is None:
            await self.open()
        assert self._socket is not None
        try:
            await self._socket.send(prompt)
        except ConnectionClosed as error:
            self._socket = None
            raise LinkFailed(explain_close(error)) from error
        return lost

    async def read(self) -> str | None:
        """
        Wait for the next piece of the answer; None is its end.

        Raises:
            LinkFailed: the answer failed, or the connection was lost; what came before is a true beginning.
        """
        assert self._socket is not None
        try:
            message = await self._socket.recv(decode=True)
        except ConnectionClosed as error:
            self._socket = None
            raise LinkFailed(explain_close(error)) from error
        return message or None

    async def close(self) -> None:
        """
        Close the socket, if one is open. The gateway stops the running answer at once.
        """
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()


def parse_gateway_url(url: str) -> str:
    """
    Return a gateway's base URL without a slash at its end.

    Raises:
        SettingsError: it is not `http://host:port`, with at most a path.
    """
    parts = urlsplit(url)
    try:
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("--url is not the address of a gateway, expected http://host:port")
    return url.rstrip("/")


def make_visible(text: str) -> str:
    """
    Replace control characters by visible signs, tabs and line ends excepted: a terminal obeys what it is sent.
    """
    return text.translate(_UNSAFE)


def explain_close(error: ConnectionClosed) -> str:
    """
    Say why the gateway closed the socket: its own reason, or words for its code.
    """
    frame = error.rcvd
    if frame is None:
        return "the connection to the gateway was lost"
    words = CLOSE_WORDS.get(frame.code, f"the gateway closed the connection with code {frame.code}")
    reason = make_visible(frame.reason).strip() or words
    return f"{reason}; {KEY_HINT}" if frame.code == 4401 else reason


def explain_refusal(error: Exception, gateway: Gateway) -> str:
    """
    Say why a gateway can't be reached, and what to do.
    """
    where = gateway.url
    if isinstance(error, InvalidStatus):
        return explain_status(error.response.status_code, bytes(error.response.body or b""), gateway)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {where} is not trusted: {error.verify_message}"
    if isinstance(error, sockets.gaierror):
        return f"the host of {where} is not known: check --url"
    if isinstance(error, TimeoutError):
        return f"nothing answers at {where}: check --url, and that the gateway runs"
    if isinstance(error, ConnectionRefusedError) or (isinstance(error, OSError) and "refused" in str(error).lower()):
        why = "connection refused"
    elif isinstance(error, OSError):
        why = (error.strerror or str(error)).lower()
    else:
        return f"what answers at {where} is not an outcrop gateway: check --url"
    return f"no gateway answers at {where} ({why}): start one with `outcrop serve`, or leave --url out"


def explain_status(status: int, body: bytes, gateway: Gateway) -> str:
    """
    Say why a gateway answered with an error's status: its own sentence, where it sent one.
    """
    try:
        message = msgspec.json.decode(body)["error"]["message"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return f"{gateway.url} answered with HTTP status {status}: check --url"
    said = make_visible(str(message))
    return f"{said}; {KEY_HINT}" if status == 401 else said


def _to_websocket(url: str) -> str:
    return "ws" + url.removeprefix("http")
