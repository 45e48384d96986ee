"""
The gateway that `outcrop chat` talks to: a running one that is asked who it is, or one of its own.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from outcrop.accounts.authenticate import make_key
from outcrop.commands.chat.link import Gateway, LinkFailed, explain_refusal, explain_status

HEALTH_TIMEOUT_SECONDS = 10.0
MAX_BODY_BYTES = 1 << 20
START_TIMEOUT_SECONDS = 45.0
"""
Looking for AWS credentials may ask a metadata service that never answers, and takes 10 s at most.
"""

STOP_TIMEOUT_SECONDS = 5.0
CHILD = """
from outcrop.cli import main
from outcrop.commands.chat.child import end_with_parent

end_with_parent()
main()
"""


def look_at(gateway: Gateway) -> Gateway:
    """
    Ask a running gateway what answers behind it.

    Raises:
        LinkFailed: nobody answers there, or the request is refused.
    """
    health = fetch_json(gateway, "/healthz")
    upstream = health.get("upstream")
    return msgspec.structs.replace(gateway, upstream=upstream if isinstance(upstream, str) else None)


def fetch_json(gateway: Gateway, path: str) -> dict[str, Any]:
    """
    GET a JSON object from a gateway; empty where something else answers on that path.

    Raises:
        LinkFailed: nobody answers there, or the request is refused.
    """
    headers = {"authorization": f"Bearer {gateway.key}"} if gateway.key else {}
    request = urllib.request.Request(gateway.url + path, headers=headers)  # noqa: S310  parse_gateway_url checked the scheme
    near = [urllib.request.ProxyHandler({})] if gateway.is_near else []
    opener = urllib.request.build_opener(_NoRedirects, *near)
    try:
        with opener.open(request, timeout=HEALTH_TIMEOUT_SECONDS) as response:
            found = msgspec.json.decode(response.read(MAX_BODY_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(MAX_BODY_BYTES)
        if error.code == 404:
            return {}
        raise LinkFailed(explain_status(error.code, body, gateway)) from error
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, Exception) else error
        raise LinkFailed(explain_refusal(reason, gateway)) from error
    except OSError as error:
        raise LinkFailed(explain_refusal(error, gateway)) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """
    Follow no redirect: the key is for this gateway only.
    """

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        """
        Leave the redirect as the error that it then is.
        """


@contextlib.contextmanager
def own_gateway() -> Iterator[Gateway]:
    """
    Run a gateway in a child process, on a free port of loopback, that lets in nobody but this command.

    Raises:
        LinkFailed: it did not start; the message is its own sentence.
    """
    key, digest = make_key()
    child = subprocess.Popen(  # noqa: S603  our own code
        # Without -P a file `json.py` in the current directory would be imported.
        [sys.executable, "-P", "-c", CHILD, "serve", "--host", "127.0.0.1", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(os.environ, digest),
        start_new_session=True,  # Ctrl-C is for the answer, not for the gateway
    )
    log = _Log(child)
    try:
        listening = log.wait_for_listening()
        yield Gateway(url=listening["url"], key=key, upstream=listening["upstream"], own=True)
    finally:
        _stop(child)
        log.close()


class _Log:
    """
    Read the child's log to its end, so that it never blocks, and keep its last lines.
    """

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self._last: deque[str] = deque(maxlen=20)
        self._listening: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="gateway-log", daemon=True)
        self._thread.start()

    def wait_for_listening(self) -> dict[str, Any]:
        """
        Return the log line that says where the gateway listens.
        """
        try:
            listening = self._listening.get(timeout=START_TIMEOUT_SECONDS)
        except queue.Empty:
            raise LinkFailed(f"the gateway did not start within {START_TIMEOUT_SECONDS:g} s") from None
        if listening is None:
            raise LinkFailed(explain_death(list(self._last)))
        return listening

    def close(self) -> None:
        """
        Wait for the log's end; the child must have ended.
        """
        self._thread.join()
        assert self._child.stderr is not None
        self._child.stderr.close()

    def _read(self) -> None:
        assert self._child.stderr is not None
        for line in self._child.stderr:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._last.append(text)
            if b'"listening"' in line:
                self._listening.put(msgspec.json.decode(line))
        self._listening.put(None)


def explain_death(lines: list[str]) -> str:
    """
    Say why a gateway ended at its start, from the last lines that it wrote.
    """
    for line in lines:
        if line.startswith("outcrop: "):
            return line.removeprefix("outcrop: ")
    return f"the gateway could not start: {lines[-1] if lines else 'it wrote nothing'}"


def _environment(environ: Mapping[str, str], digest: str) -> dict[str, str]:
    # OUTCROP_KEY is this command's, and no setting of a server.
    kept = {name: value for name, value in environ.items() if name.upper() != "OUTCROP_KEY"}
    ours = {
        "OUTCROP_API_KEYS": msgspec.json.encode({"chat": digest}).decode(),
        "OUTCROP_LOG_FORMAT": "json",
        "OUTCROP_LOG_LEVEL": "info",
        "OUTCROP_EMULATOR_PORT": "0",
    }
    return kept | ours


def _stop(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    child.stdin.close()
    child.terminate()
    try:
        child.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
