"""
What the scripts of this folder share: each plays many scenarios with one framework, and prints one JSON document.

They run in environments of their own, which have the frameworks and nothing of ours. tests/clients/framework.py starts
them; the tests beside it judge what they print.
"""

import contextlib
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any

PATIENCE_SECONDS = 20
CLAUDE = "us.anthropic.claude-opus-4-6-v1"
CLAUDE_NAME = "claude-opus-4-6"
GPT_NAME = "gpt-4o"
REGION = "us-east-1"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="  # a PNG
HELLO = "emulate 30 tokens"
LONG = "emulate 4000 tokens"
SHORT = "emulate 40 tokens"
PLACE = 'echo {"city": "Oslo"}'
WEATHER = "what is the weather in Oslo?"
Fault = dict[str, Any]
THROTTLED: Fault = {"kind": "http_error", "name": "ThrottlingException", "retry_after": 30}
"""
The gateway does not wait as long as that, so it does not try again.
"""

DENIED: Fault = {"kind": "http_error", "name": "AccessDeniedException"}
SLOW: Fault = {"kind": "slow", "tokens_per_second": 100}
BROKEN: Fault = {"kind": "exception", "name": "throttlingException", "after_tokens": 5}


class Stage:
    """
    Know where the gateway and the emulator are, and play scenarios between them.
    """

    def __init__(self, gateway: str, emulator: str) -> None:
        self.gateway = gateway
        self._emulator = emulator
        self._results: dict[str, Any] = {}

    def play(self, name: str, scenario: Callable[[], Any], fault: Fault | None = None) -> None:
        """
        Run one scenario against an empty book, and note its value or its exception, and the calls that it made.
        """
        self._clear()
        if fault is not None:
            self._ask("POST", "/_emulator/faults", {"fault": fault})
        value: Any = None
        raised: Mapping[str, Any] = {"raised": [], "words": ""}
        try:
            value = scenario()
        except Exception as error:
            raised = describe(error)
        self._results[name] = {"value": value, **raised, "calls": self._ended_calls()}

    def report(self) -> None:
        """
        Print what was noted.
        """
        json.dump(self._results, sys.stdout)

    def wait_for_ends(self) -> None:
        """
        Wait until every call so far has an outcome.
        """
        self._ended_calls()

    def wait_for_call(self) -> None:
        """
        Wait until there is a call.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._calls() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _ended_calls(self) -> list[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        calls = self._calls()
        while not all(call["outcome"] for call in calls) and time.monotonic() < deadline:
            time.sleep(0.02)
            calls = self._calls()
        told = ("model", "operation", "outcome", "usage", "text_emitted")
        return [{name: call[name] for name in told} for call in calls]

    def _calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self._ask("GET", "/_emulator/calls")["calls"]
        return calls

    def _clear(self) -> None:
        self._ask("DELETE", "/_emulator/faults")
        self._ask("DELETE", "/_emulator/calls")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._emulator + path, payload, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            raw = response.read()
        return json.loads(raw) if raw else None


def describe(error: BaseException) -> dict[str, Any]:
    """
    Name an exception's classes, from its own to the root, as `package.Class`, and give its words.
    """
    classes = [f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__]
    return {"raised": classes, "words": str(error)[:500]}


def read_pieces(pieces: Iterable[str]) -> dict[str, Any]:
    """
    Read a stream to its end or to its exception, and give the pieces that came before.
    """
    seen: list[str] = []
    try:
        seen.extend(piece for piece in pieces if piece)
    except Exception as error:
        return {"pieces": seen, **describe(error)}
    return {"pieces": seen, "raised": [], "words": ""}


def open_stage() -> Stage:
    """
    Make a stage of the command line's two addresses; from here on, this process can connect to this machine only.
    """
    sys.addaudithook(_stay_here)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    return Stage(*sys.argv[1:3])


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else address
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in {"127.0.0.1", "localhost", "::1", None}:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"this script wanted to reach {host!r}\n")
        os._exit(3)
