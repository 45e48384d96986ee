"""
Ask Bedrock's control plane which models and inference profiles a region has (docs/bedrock_wire.md §1.7, §6.1).

By botocore, in a thread of its own: it is asked seldom, and how it signs and finds its endpoint is nobody's hot path.
Every wait is bounded, and so is what is taken. What the answers mean is decided elsewhere.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from outcrop.errors import (
    CredentialsMissing,
    OutcropError,
    SettingsError,
    UpstreamBroken,
    UpstreamDenied,
    UpstreamError,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from outcrop.upstream.endpoint import find_endpoint_url, parse_endpoint
from outcrop.upstream.exceptions import clean_text

CONTROL_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL")
CONNECT_SECONDS = 5
READ_SECONDS = 15
TOTAL_SECONDS = 45.0
MAX_PAGES = 50
PAGE_ROWS = 1_000

_DENIED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"})


class RegionListing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a region's control plane gave: summaries as botocore parses them.

    `profiles` is None where they may not be listed; `endpoint_url` says who answered.
    """

    endpoint_url: str
    models: tuple[Mapping[str, Any], ...]
    profiles: tuple[Mapping[str, Any], ...] | None


def find_control_url(region: str, environ: Mapping[str, str]) -> str:
    """
    Return the control plane's endpoint that the environment names, else AWS's own in `region`.

    Raises:
        SettingsError: `region` does not look like an AWS region, or the named endpoint can't be called.
    """
    for variable in CONTROL_ENDPOINT_VARIABLES:
        if url := environ.get(variable, "").strip():
            parse_endpoint(url)
            return url
    return find_endpoint_url(region, {}).replace("://bedrock-runtime.", "://bedrock.", 1)


async def list_region(region: str, environ: Mapping[str, str]) -> RegionListing:
    """
    List a region's text models and system-defined inference profiles, with the credentials that botocore finds.

    Raises:
        SettingsError: the endpoint or the AWS configuration can't be used.
        CredentialsMissing: there are no AWS credentials.
        UpstreamError: the control plane said no, could not be reached, or took longer than `TOTAL_SECONDS`.
    """
    url = await asyncio.to_thread(find_control_url, region, environ)
    given_up = threading.Event()
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _list_in_thread(region, url, given_up)
    except TimeoutError as error:
        raise UpstreamTimeout(f"Bedrock's list of models took longer than {TOTAL_SECONDS:g} s") from error
    finally:
        # A thread can't be cancelled: it ends before its next page, and each page's wait is bounded.
        given_up.set()


async def _list_in_thread(region: str, url: str, given_up: threading.Event) -> RegionListing:
    """
    List in a daemon thread: one of the loop's own would be waited for when the program ends.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[RegionListing | OutcropError] = loop.create_future()

    def settle(outcome: RegionListing | OutcropError) -> None:
        if not ended.done():
            ended.set_result(outcome)

    def work() -> None:
        outcome: RegionListing | OutcropError = UpstreamBroken("Bedrock's list of models could not be read")
        try:
            outcome = _list(region, url, given_up)
        except OutcropError as error:
            outcome = error
        finally:
            # The loop may have been closed meanwhile; then nobody waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name="list of models", daemon=True).start()
    outcome = await ended
    if isinstance(outcome, OutcropError):
        raise outcome
    return outcome


def _list(region: str, url: str, given_up: threading.Event) -> RegionListing:
    try:
        client = _make_client(region, url)
        try:
            models = client.list_foundation_models(byOutputModality="TEXT").get("modelSummaries", [])
            profiles = _list_profiles(client, given_up)
        finally:
            client.close()
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise CredentialsMissing(f"there are no usable AWS credentials: {clean_text(str(error))}") from error
    except ClientError as error:
        raise _name_refusal(error) from error
    except BotoCoreError as error:
        raise UpstreamUnreachable(f"Bedrock's list of models can't be had: {clean_text(str(error))}") from error
    if not models:
        raise UpstreamBroken("Bedrock's list of models is empty")
    return RegionListing(endpoint_url=url, models=tuple(models), profiles=profiles)


def _make_client(region: str, url: str) -> Any:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    try:
        session = botocore.session.Session()
        return session.create_client("bedrock", region_name=region, endpoint_url=url, config=config)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"the AWS configuration can't be used: {clean_text(str(error))}") from error


def _list_profiles(client: Any, given_up: threading.Event) -> tuple[Mapping[str, Any], ...] | None:
    """
    Return all profiles, or None where the gateway may not list them.
    """
    try:
        return tuple(_page_through(client, given_up))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "AccessDeniedException":
            return None
        raise


def _page_through(client: Any, given_up: threading.Event) -> Iterator[Mapping[str, Any]]:
    wanted: dict[str, Any] = {"typeEquals": "SYSTEM_DEFINED", "maxResults": PAGE_ROWS}
    for _ in range(MAX_PAGES):
        if given_up.is_set():
            return
        page = client.list_inference_profiles(**wanted)
        yield from page.get("inferenceProfileSummaries", [])
        token = page.get("nextToken")
        if not token:
            return
        wanted["nextToken"] = token
    raise UpstreamBroken(f"Bedrock's list of inference profiles has more than {MAX_PAGES} pages")


def _name_refusal(error: ClientError) -> UpstreamError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"Bedrock's list of models can't be had: {clean_text(str(error))}"
    if code in _DENIED or status in {401, 403}:
        return UpstreamDenied(message)
    if "Throttl" in code or status == 429:
        return UpstreamThrottled(message)
    return UpstreamUnavailable(message) if status >= 500 else UpstreamBroken(message)
