"""
The gateway as `outcrop chat` sees it, and its failures as sentences that say what to do.
"""

import ipaddress
import socket as sockets
import ssl
from urllib.parse import urlsplit

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus

from outcrop.client import ChatFailed, GatewayRefused, GatewayUnreachable
from outcrop.errors import OutcropError, SettingsError

CLOSE_WORDS = {
    1000: "the gateway closed the connection",
    1011: "the gateway failed inside; its log has the details",
    1012: "the gateway is stopping",
    4401: "the gateway wants a key",
    4403: "the gateway does not allow this",
    4429: "too many requests",
}
"""
What is said where a close frame comes without a reason.
"""

KEY_HINT = "give this command a key with --key or OUTCROP_KEY"
NOT_AUTHENTICATED = 4401

_UNSAFE: dict[int, int | None] = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_UNSAFE |= dict.fromkeys(range(0x7F, 0xA0), 0xFFFD) | {ord("\r"): None}


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


def explain_failure(error: ChatFailed, gateway: Gateway) -> str:
    """
    Say why the client failed, and what to do.
    """
    cause = error.__cause__
    if isinstance(error, GatewayRefused) and isinstance(cause, InvalidStatus):
        return explain_status(error.status, error.body, gateway)
    if isinstance(cause, ConnectionClosed):
        return explain_close(cause)
    if isinstance(error, GatewayUnreachable) and isinstance(cause, Exception):
        return explain_refusal(cause, gateway)
    return make_visible(error.message)


def explain_close(error: ConnectionClosed) -> str:
    """
    Say why the gateway closed the socket: its own reason, or words for its code.
    """
    frame = error.rcvd
    if frame is None:
        return "the connection to the gateway was lost"
    words = CLOSE_WORDS.get(frame.code, f"the gateway closed the connection with code {frame.code}")
    reason = make_visible(frame.reason).strip() or words
    return f"{reason}; {KEY_HINT}" if frame.code == NOT_AUTHENTICATED else reason


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
