"""
What `outcrop doctor` finds, and the checks that need no network.
"""

import base64
import binascii
import errno
import os
import platform
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Literal

import botocore.session
import msgspec
from botocore.exceptions import BotoCoreError

from outcrop import __version__
from outcrop.commands.chat.gateway import fetch_json
from outcrop.commands.chat.link import Gateway, LinkFailed
from outcrop.settings import Settings
from outcrop.upstream.credentials import Identity
from outcrop.upstream.endpoint import ENDPOINT_VARIABLES, REGION_VARIABLES, parse_endpoint

SKEW_WARNING = timedelta(minutes=2)
SKEW_FAILURE = timedelta(minutes=5)
"""
AWS refuses signatures that are more than five minutes off.
"""

SOON = timedelta(minutes=15)
SHORT_TERM_KEY_PREFIX = "bedrock-api-key-"
HOW_TO_GET_CREDENTIALS = (
    "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE, "
    "or give this machine a role"
)

_SIGNED_AT = re.compile(r"X-Amz-Date=([0-9]{8}T[0-9]{6}Z)")
_GOOD_FOR = re.compile(r"X-Amz-Expires=([0-9]{1,6})(?![0-9])")

Level = Literal["good", "warning", "bad"]


class Finding(msgspec.Struct, frozen=True):
    """
    Hold one line of the doctor's report: what was looked at, what was found, and what to do about it.
    """

    level: Level
    subject: str
    text: str
    remedy: str | None = None


def describe_settings(settings: Settings) -> Finding:
    """
    Say what the settings come to; that they can be read is known, for here they are.
    """
    callers = f"{len(settings.api_keys)} keys" if settings.api_keys else "no keys, for this machine only"
    return Finding(
        "good", "settings", f"readable; {settings.host}:{settings.port}, {callers}, emulate {settings.emulate}"
    )


def describe_versions() -> Finding:
    """
    Name the versions that a report of a problem should name.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("botocore", "uvicorn", "websockets", "msgspec"))
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("good", "versions", f"outcrop {__version__}, {python}, {packages}")


def describe_region(
    settings: Settings, environ: Mapping[str, str], found: str | None, region: str, *, emulated: bool
) -> Finding:
    """
    Say which region is used, and who said so. `found` is None where `region` is only assumed.
    """
    if found is None and emulated:
        return Finding("good", "region", f"none is set; {region} is assumed, which is the same to the emulator")
    if found is None:
        remedy = "set OUTCROP_REGION or AWS_REGION to the region whose Bedrock you use"
        return Finding("warning", "region", f"none is set; {region} is assumed", remedy)
    if settings.region:
        source = "the setting region"
    else:
        variables = (name for name in REGION_VARIABLES if environ.get(name, "").strip())
        source = next(variables, "the AWS configuration file")
    return Finding("good", "region", f"{region}, from {source}")


def describe_endpoint(url: str, environ: Mapping[str, str]) -> Finding:
    """
    Say where requests go, and who said so.
    """
    variables = (name for name in ENDPOINT_VARIABLES if environ.get(name, "").strip())
    text = f"{url}, from {next(variables, 'the region')}"
    endpoint = parse_endpoint(url)
    if endpoint.secure or endpoint.is_loopback:
        return Finding("good", "endpoint", text)
    return Finding("warning", "endpoint", f"{text}: prompts and answers cross the network unencrypted", "use https://")


def judge_expiry(identity: Identity, ends_at: datetime | None, now: datetime) -> Finding:
    """
    Say what requests are signed with, without its secret, and whether it still holds.
    """
    kind = "a Bedrock API key" if identity.kind == "bearer" else "an access key"
    text = f"{kind}, found by botocore's method {identity.method!r}"
    if identity.kind == "bearer":
        text = f"{kind}, from {identity.method}"
    if ends_at is None:
        return Finding("good", "credentials", text)
    stated = f"{ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if ends_at <= now:
        return Finding("bad", "credentials", f"{text}; it ended at {stated}", "sign in again, or make a new key")
    if identity.kind == "bearer" and ends_at - now < SOON:
        return Finding("warning", "credentials", f"{text}; it ends at {stated}", "make a new key")
    renewal = "" if identity.kind == "bearer" else ", and is renewed before"
    return Finding("good", "credentials", f"{text}; it ends at {stated}{renewal}")


def find_expiry(identity: Identity) -> datetime | None:
    """
    Find when an identity ends; None where it does not say. Reads files and may call AWS: run it in a thread.
    """
    if identity.bearer_token is not None:
        return read_key_expiry(identity.bearer_token)
    try:
        credentials = botocore.session.Session().get_credentials()
    except BotoCoreError:
        return None
    # botocore keeps it in a private attribute of the credentials that it can renew, and offers no other way.
    ends_at = getattr(credentials, "_expiry_time", None)
    return ends_at if isinstance(ends_at, datetime) else None


def read_key_expiry(key: str) -> datetime | None:
    """
    Read when a short-term Bedrock API key ends: it is a presigned URL in base64. None for any other key.
    """
    if not key.startswith(SHORT_TERM_KEY_PREFIX):
        return None
    encoded = key.removeprefix(SHORT_TERM_KEY_PREFIX)
    try:
        url = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("latin-1")
    except (binascii.Error, ValueError):
        return None
    signed_at, good_for = _SIGNED_AT.search(url), _GOOD_FOR.search(url)
    if signed_at is None or good_for is None:
        return None
    try:
        begun = datetime.strptime(signed_at[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return begun + timedelta(seconds=int(good_for[1]))


def judge_clock(date: str | None, now: datetime) -> Finding:
    """
    Compare this machine's clock with the Date header of an answer that came just now.
    """
    try:
        said = None if date is None else parsedate_to_datetime(date)
    except ValueError:
        said = None
    if said is None:
        return Finding("warning", "clock", "not checked: the endpoint does not say what time it is")
    difference = now - (said if said.tzinfo else said.replace(tzinfo=UTC))
    if abs(difference) <= SKEW_WARNING:
        return Finding("good", "clock", "agrees with the endpoint's to within 2 minutes")
    minutes, seconds = divmod(round(abs(difference).total_seconds()), 60)
    side = "ahead of" if difference > timedelta(0) else "behind"
    text = f"this machine's is {minutes} min {seconds} s {side} the endpoint's"
    level: Level = "bad" if abs(difference) > SKEW_FAILURE else "warning"
    return Finding(level, "clock", f"{text}; AWS refuses more than 5 min", "let this machine set its clock by NTP")


def check_port(host: str, port: int) -> Finding:
    """
    Find out whether `serve` could listen, by listening for a moment.
    """
    if port == 0:
        return Finding("good", "port", "0: a free one will be picked")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            if os.name == "posix":
                # As the server does: an address that waits for late packets is no obstacle.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except OSError as error:
        return _explain_port(host, port, error)
    return Finding("good", "port", f"{host}:{port} is free")


def _explain_port(host: str, port: int, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        try:
            health = fetch_json(Gateway(url=f"http://127.0.0.1:{port}"), "/healthz")
        except LinkFailed:
            health = {}
        if "running_turns" in health:
            return Finding("warning", "port", f"{port} is taken: an outcrop gateway runs there already")
        remedy = f"end the program that listens on {port}, or choose another with --port or OUTCROP_PORT"
        return Finding("bad", "port", f"{host}:{port} is taken by another program", remedy)
    if error.errno == errno.EACCES:
        return Finding("bad", "port", f"this user may not listen on port {port}", "choose one from 1024 on")
    why = (error.strerror or str(error)).lower()
    return Finding("bad", "port", f"can't listen on {host}:{port}: {why}", "set host to an address of this machine")
