"""
Credentials: botocore's chain off the event loop, one look-up at a time, bounded, renewed ahead, never shown.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outcrop.errors import CredentialsMissing
from outcrop.upstream.credentials import BotocoreCredentials, CredentialSource, Identity, StaticCredentials
from outcrop.wire.sigv4 import Credentials

SECRET = "a-secret-that-nobody-may-see"


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Give botocore an empty configuration, no metadata service and no variables.
    """
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


async def test_access_keys_of_the_environment_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The environment's keys are an identity for signatures.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    source: CredentialSource = BotocoreCredentials()
    identity = await source.find_identity()
    assert (identity.kind, identity.method) == ("sigv4", "env")
    assert identity.credentials == Credentials("AKID", SECRET, "token")


async def test_an_api_key_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A Bedrock API key wins over access keys.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", " ABSK-1\n")
    identity = await BotocoreCredentials().find_identity()
    assert (identity.kind, identity.method, identity.bearer_token) == ("bearer", "AWS_BEARER_TOKEN_BEDROCK", "ABSK-1")


@pytest.mark.parametrize("value", ["AKID\n", "AK ID", "AKÏD"])
async def test_a_key_that_can_not_be_sent_is_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """
    A key with a line break or the like, as left by a careless paste, is the operator's mistake and is not shown.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(CredentialsMissing, match="access key id holds") as caught:
        await BotocoreCredentials().find_identity()
    assert value not in caught.value.message
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSK\n1")
    with pytest.raises(CredentialsMissing, match="AWS_BEARER_TOKEN_BEDROCK holds"):
        await BotocoreCredentials().find_identity()


async def test_a_profile_is_honoured(aws: Path) -> None:
    """
    Keys come from the profile that is asked for.
    """
    (aws / "credentials").write_text(f"[other]\naws_access_key_id = AKID2\naws_secret_access_key = {SECRET}\n")
    identity = await BotocoreCredentials(profile="other").find_identity()
    assert (identity.kind, identity.method) == ("sigv4", "shared-credentials-file")


async def test_without_credentials_there_is_no_identity() -> None:
    """
    Nothing found is an answer, not an error; and it is looked for again next time.
    """
    source = BotocoreCredentials()
    assert (await source.find_identity()).kind == "none"


async def test_credentials_may_appear_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    That nothing was found is not remembered.
    """
    source = BotocoreCredentials()
    await source.find_identity()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert (await source.find_identity()).kind == "sigv4"


@pytest.mark.parametrize("config", ["[default]\ncredential_process = {process} -c 1/0\n", "[default\n"])
async def test_a_broken_configuration_is_told(aws: Path, config: str) -> None:
    """
    A chain that fails says why and what to do.
    """
    (aws / "config").write_text(config.format(process=sys.executable))
    with pytest.raises(CredentialsMissing, match=r"can't be used: .*AWS_PROFILE"):
        await BotocoreCredentials().find_identity()


async def test_a_missing_profile_is_told() -> None:
    """
    A profile that does not exist is named.
    """
    with pytest.raises(CredentialsMissing, match="nobody"):
        await BotocoreCredentials(profile="nobody").find_identity()


async def test_temporary_credentials_are_renewed_by_botocore(aws: Path) -> None:
    """
    Credentials that are about to end are replaced by new ones when they are asked for again.
    """
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    counter = aws / "counter"
    counter.write_text("")
    program = aws / "process.py"
    program.write_text(
        "import json, pathlib\n"
        f"counter = pathlib.Path({str(counter)!r})\n"
        "counter.write_text(counter.read_text() + 'x')\n"
        f"print(json.dumps({{'Version': 1, 'AccessKeyId': f'AKID{{len(counter.read_text())}}', "
        f"'SecretAccessKey': 's', 'SessionToken': 't', 'Expiration': {soon!r}}}))\n"
    )
    (aws / "config").write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
    source = BotocoreCredentials(refresh_seconds=0, max_age_seconds=0)
    first, second = await source.find_identity(), await source.find_identity()
    assert first.credentials is not None
    assert second.credentials is not None
    assert first.credentials.access_key_id != second.credentials.access_key_id


class _Gate:
    """
    Be a look-up that counts, and that waits where it is told to.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.threads: set[int] = set()
        self.open = threading.Event()
        self.open.set()
        self.error: CredentialsMissing | None = None

    def __call__(self) -> Identity:
        """
        Return a numbered identity.
        """
        self.calls += 1
        self.threads.add(threading.get_ident())
        number = self.calls
        self.open.wait(10)
        if self.error is not None:
            raise self.error
        return Identity(kind="sigv4", method=str(number), credentials=Credentials(f"AKID{number}", "s"))


async def until(condition: Callable[[], bool]) -> None:
    """
    Let threads and loop go on until the condition holds.
    """
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_event_loop_never_looks() -> None:
    """
    Looking for credentials happens in another thread.
    """
    gate = _Gate()
    await BotocoreCredentials(look_up=gate).find_identity()
    assert threading.get_ident() not in gate.threads


async def test_one_look_up_serves_all() -> None:
    """
    Callers that ask at the same time share one look-up, and what it found is remembered.
    """
    gate = _Gate()
    source = BotocoreCredentials(look_up=gate)
    found = await asyncio.gather(*(source.find_identity() for _ in range(50)))
    assert (await source.find_identity()) is found[0]
    assert (gate.calls, len(set(map(id, found)))) == (1, 1)


async def test_a_wait_is_bounded_and_the_look_up_goes_on() -> None:
    """
    A caller gives up after its time; a later one gets what the look-up found in the end.
    """
    gate = _Gate()
    gate.open.clear()
    source = BotocoreCredentials(look_up=gate, timeout_seconds=0.05)
    with pytest.raises(CredentialsMissing, match=r"longer than 0\.05 s.*AWS_EC2_METADATA_DISABLED"):
        await source.find_identity()
    gate.open.set()
    assert (await source.find_identity()).method == "1"
    assert gate.calls == 1


async def test_a_cancelled_caller_does_not_end_the_look_up() -> None:
    """
    A caller that is cancelled takes nothing from the others.
    """
    gate = _Gate()
    gate.open.clear()
    source = BotocoreCredentials(look_up=gate)
    first, second = (asyncio.create_task(source.find_identity()) for _ in range(2))
    await until(lambda: gate.calls == 1)
    first.cancel()
    await asyncio.wait([first])
    gate.open.set()
    assert (await second).method == "1"


async def test_what_is_known_is_renewed_in_the_background() -> None:
    """
    A caller gets what is known at once, while a newer identity is looked for.
    """
    gate = _Gate()
    source = BotocoreCredentials(look_up=gate, refresh_seconds=0)
    await source.find_identity()
    gate.open.clear()
    assert (await source.find_identity()).method == "1"
    assert (await source.find_identity()).method == "1"
    gate.open.set()
    await until(lambda: gate.calls == 2)
    await source.aclose()


async def test_a_failed_renewal_keeps_what_is_known() -> None:
    """
    While renewing fails, what is known goes on being used: whether it is still good is for AWS to say.
    """
    gate = _Gate()
    source = BotocoreCredentials(look_up=gate, refresh_seconds=0, max_age_seconds=0)
    await source.find_identity()
    gate.error = CredentialsMissing("no")
    assert (await source.find_identity()).method == "1"
    gate.error = None
    assert (await source.find_identity()).method == "3"


async def test_a_refused_identity_is_looked_for_again() -> None:
    """
    An identity that AWS refused is forgotten, unless it was renewed in the meantime.
    """
    gate = _Gate()
    source = BotocoreCredentials(look_up=gate)
    first = await source.find_identity()
    source.invalidate(first)
    second = await source.find_identity()
    source.invalidate(first)
    assert await source.find_identity() is second
    assert (first.method, second.method) == ("1", "2")


async def test_a_refused_identity_is_read_anew(aws: Path) -> None:
    """
    After a refusal the files are read again.
    """
    text = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\n"
    (aws / "credentials").write_text(text.format("AKID1"))
    source = BotocoreCredentials()
    first = await source.find_identity()
    (aws / "credentials").write_text(text.format("AKID2"))
    source.invalidate(first)
    second = await source.find_identity()
    assert second.credentials is not None
    assert second.credentials.access_key_id == "AKID2"


async def test_closing_ends_the_waiting() -> None:
    """
    Whoever waits when the source closes is told so.
    """
    gate = _Gate()
    gate.open.clear()
    source = BotocoreCredentials(look_up=gate)
    waiting = asyncio.create_task(source.find_identity())
    await until(lambda: gate.calls == 1)
    await source.aclose()
    with pytest.raises(CredentialsMissing, match="closed"):
        await waiting
    gate.open.set()


def test_nothing_secret_is_shown() -> None:
    """
    The text of an identity shows its kind and where it was found, no key and no token.
    """
    keys = Identity(kind="sigv4", method="env", credentials=Credentials("AKID", SECRET, "a-token"))
    bearer = Identity(kind="bearer", method="env", bearer_token=SECRET)
    shown = f"{keys!r} {bearer!r} {keys} {json.dumps(bearer.__rich_repr__())} {[keys, bearer]!r}"
    assert SECRET not in shown
    assert "a-token" not in shown
    assert repr(bearer) == "Identity(kind='bearer', method='env')"


async def test_a_fixed_identity_is_one_of_the_two() -> None:
    """
    A static source holds an access key or an API key, not both and not none.
    """
    assert (await StaticCredentials(bearer_token="b").find_identity()).kind == "bearer"
    for arguments in ({}, {"credentials": Credentials("a", "b"), "bearer_token": "b"}):
        with pytest.raises(ValueError, match="either"):
            StaticCredentials(**arguments)  # type: ignore[arg-type]  # a table of both
