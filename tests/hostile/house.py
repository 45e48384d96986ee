"""
A gateway with an emulator that answers at once, and a client that keeps its connections.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence

import msgspec

from tests.e2e.conftest import Book
from tests.hostile.exchange import Asker
from tests.support import Process, gateway_environment, run_outcrop


class House(msgspec.Struct, frozen=True):
    """
    Hold the running gateway, the emulator's book and a client.
    """

    gateway: Process
    book: Book
    asker: Asker


@contextlib.contextmanager
def open_house() -> Iterator[House]:
    """
    Run an emulator that answers at once, and a gateway before it.
    """
    pace = ["--first-token-ms", "0", "--tokens-per-second", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator_url):
        environ = gateway_environment(emulator_url)
        with run_outcrop("serve", "--port", "0", environ=environ) as (gateway, url):
            asker = Asker(url)
            yield House(gateway, Book(emulator_url), asker)
            asker.close()


def find_errors(lines: Sequence[str]) -> list[str]:
    """
    Find what was logged as an error, or is no log line at all.
    """
    return [line for line in lines if not line.startswith("{") or json.loads(line)["level"] not in {"info", "warning"}]
