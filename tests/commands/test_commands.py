"""
The small commands, as a shell sees them.
"""

import hashlib
import re
import signal
import tomllib

import pytest

from outcrop import __version__
from tests.commands.conftest import RunInPipe
from tests.support import run_outcrop


def test_a_key_is_shown_with_its_digest(run: RunInPipe) -> None:
    """
    `outcrop keys` shows a new key each time, and lines for the settings file that hold its digest only.
    """
    keys = []
    for _ in range(2):
        shown = run("keys", "alice").stdout.decode()
        key = re.findall(r"outcrop_[A-Za-z0-9_-]{43}", shown)
        assert len(key) == 1
        settings = tomllib.loads(shown[shown.index("[api_keys]") :].replace("\n    ", "\n"))
        assert settings == {"api_keys": {"alice": hashlib.sha256(key[0].encode()).hexdigest()}}
        keys += key
    assert keys[0] != keys[1]


def test_the_version_is_printed(run: RunInPipe) -> None:
    """
    `outcrop version` prints the version and nothing else.
    """
    assert run("version").stdout.decode() == f"{__version__}\n"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"OUTCROP_PORT": "70000"}, "outcrop: setting port is '70000': input should be less than or equal to 65535\n"),
        ({"OUTCROP_HOST": "0.0.0.0"}, "outcrop: host is '0.0.0.0', which other machines can reach, and no api_keys "),
    ],
)
def test_a_wrong_setting_stops_the_start(run: RunInPipe, environ: dict[str, str], sentence: str) -> None:
    """
    `outcrop serve` with a wrong setting ends with exit code 1 and one sentence that says what is wrong.
    """
    done = run("serve", environ={"OUTCROP_PORT": "0", **environ})
    assert done.returncode == 1
    assert done.stderr.decode().startswith(sentence)
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_the_emulator_says_where_it_listens_and_ends_well(number: signal.Signals) -> None:
    """
    `outcrop emulate --port 0` prints its endpoint, and ends with exit code 0 when it is told to.
    """
    with run_outcrop("emulate", "--port", "0") as (process, url):
        process.send_signal(number)
        assert process.wait() == 0
        assert process.lines == [f"emulator listens on {url}"]


def test_the_emulator_wants_whole_keys(run: RunInPipe) -> None:
    """
    A key of the emulator without its secret is a wrong argument: exit code 2.
    """
    done = run("emulate", "--key", "AKIDEXAMPLE")
    assert done.returncode == 2
    assert b"ACCESS_KEY_ID=SECRET" in done.stderr
