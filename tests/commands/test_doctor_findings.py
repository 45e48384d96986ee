"""
What the doctor makes of clocks, keys and ports.
"""

import base64
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from outcrop.commands.doctor.findings import check_port, judge_clock, judge_expiry, read_key_expiry
from outcrop.upstream.credentials import Identity

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
BEARER = Identity(kind="bearer", method="AWS_BEARER_TOKEN_BEDROCK", bearer_token="token-canary")
ROLE = Identity(kind="sigv4", method="assume-role")


@pytest.mark.parametrize(
    ("seconds", "level", "text"),
    [
        (0, "good", "agrees"),
        (120, "good", "agrees"),
        (-120, "good", "agrees"),
        (121, "warning", "2 min 1 s ahead of"),
        (-121, "warning", "2 min 1 s behind"),
        (300, "warning", "5 min 0 s ahead of"),
        (301, "bad", "5 min 1 s ahead of"),
        (-86_400, "bad", "1440 min 0 s behind"),
    ],
)
def test_a_clock_is_judged_by_its_difference(seconds: int, level: str, text: str) -> None:
    """
    Beyond two minutes a clock is a warning, beyond five, where AWS refuses signatures, a failure.
    """
    date = format_datetime(NOW - timedelta(seconds=seconds), usegmt=True)
    finding = judge_clock(date, NOW)
    assert finding.level == level
    assert text in finding.text


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 99 Nov 2026 12:00:00 GMT", "Fri, 20 Nov 2026"])
def test_a_date_that_is_none_is_no_verdict(date: str | None) -> None:
    """
    Without a readable Date the clock is not checked, which is a warning.
    """
    finding = judge_clock(date, NOW)
    assert finding.level == "warning"
    assert finding.text.startswith("not checked")


def test_a_date_without_a_zone_is_utc() -> None:
    """
    The zone "-0000", for which Python gives no zone, counts as UTC.
    """
    assert judge_clock("Fri, 20 Nov 2026 12:00:00 -0000", NOW).level == "good"


def short_term_key(url: str) -> str:
    """
    Make a key as AWS's token generator does.
    """
    return "bedrock-api-key-" + base64.b64encode(url.encode()).decode()


def test_a_short_term_key_tells_its_end() -> None:
    """
    The end of a short-term key is read from the presigned URL in it.
    """
    url = "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Date=20261120T110000Z&X-Amz-Expires=43200&Version=1"
    assert read_key_expiry(short_term_key(url)) == datetime(2026, 11, 20, 23, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "key",
    [
        "ABSKQmVkcm9jaw==",
        "bedrock-api-key-",
        "bedrock-api-key-!!!",
        "bedrock-api-key-é",
        short_term_key("X-Amz-Date=20261120T110000Z"),
        short_term_key("X-Amz-Expires=60"),
        short_term_key("X-Amz-Date=20269920T110000Z&X-Amz-Expires=60"),
        short_term_key("X-Amz-Date=20261120T110000Z&X-Amz-Expires=99999999999999"),
    ],
)
def test_other_keys_tell_no_end(key: str) -> None:
    """
    A long-term key, and one of an unknown form, has no end that could be read.
    """
    assert read_key_expiry(key) is None


@pytest.mark.parametrize(
    ("identity", "minutes", "level"),
    [
        (ROLE, None, "good"),
        (ROLE, 5, "good"),
        (ROLE, -1, "bad"),
        (BEARER, 60, "good"),
        (BEARER, 5, "warning"),
        (BEARER, 0, "bad"),
    ],
)
def test_credentials_are_judged_by_their_end(identity: Identity, minutes: int | None, level: str) -> None:
    """
    What has ended fails; a key that ends soon is a warning, for nobody renews it; its text is never shown.
    """
    ends_at = None if minutes is None else NOW + timedelta(minutes=minutes)
    finding = judge_expiry(identity, ends_at, NOW)
    assert finding.level == level
    assert "canary" not in repr(finding)


def test_a_free_port_is_good() -> None:
    """
    A port that nobody listens on is good.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    assert check_port("127.0.0.1", port).level == "good"


def test_a_taken_port_fails(emulator_url: str) -> None:
    """
    A port that another program listens on fails, with what to do.
    """
    port = int(emulator_url.rpartition(":")[2])
    finding = check_port("127.0.0.1", port)
    assert (finding.level, finding.text) == ("bad", f"127.0.0.1:{port} is taken by another program")
    assert finding.remedy is not None


def test_a_port_with_a_gateway_is_a_warning(gateway_url: str) -> None:
    """
    A port is not lost where it is an outcrop gateway that listens there.
    """
    finding = check_port("127.0.0.1", int(gateway_url.rpartition(":")[2]))
    assert finding.level == "warning"
    assert "an outcrop gateway runs there already" in finding.text


def test_a_foreign_address_fails() -> None:
    """
    An address that this machine does not have fails.
    """
    finding = check_port("192.0.2.1", 8080)
    assert finding.level == "bad"
    assert finding.remedy == "set host to an address of this machine"
