"""
The control plane's lists are had with the gateway's credentials, completely or with a reason why not.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest

from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.errors import CredentialsMissing, SettingsError, UpstreamDenied, UpstreamError, UpstreamUnreachable
from outcrop.upstream import control_plane
from outcrop.upstream.control_plane import find_control_url, list_region

REGION = "eu-west-1"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Make this process's AWS setup one pair of keys and nothing else.
    """
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def environ() -> AsyncIterator[Mapping[str, str]]:
    """
    The environment of a gateway whose control plane is an emulator.
    """
    emulator = EmulatorServer(EmulatorConfig(port=0, region=REGION))
    await emulator.start()
    yield {"AWS_ENDPOINT_URL_BEDROCK": emulator.url}
    await emulator.stop()


async def answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> asyncio.Server:
    """
    Serve one answer to whoever asks, on a free port.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"{name}: {value}\r\n" for name, value in (headers or {}).items()]
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{''.join(lines)}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def url_of(server: asyncio.Server) -> str:
    """
    Return a server's address.
    """
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_region_is_listed_with_its_profiles(environ: Mapping[str, str]) -> None:
    """
    Text models and system-defined profiles come as botocore parses them.
    """
    listing = await list_region(REGION, environ)
    assert listing.endpoint_url == environ["AWS_ENDPOINT_URL_BEDROCK"]
    assert "amazon.nova-pro-v1:0" in {model["modelId"] for model in listing.models}
    assert listing.profiles is not None
    assert "eu.amazon.nova-pro-v1:0" in {profile["inferenceProfileId"] for profile in listing.profiles}
    assert {profile["type"] for profile in listing.profiles} == {"SYSTEM_DEFINED"}


async def test_all_pages_are_read(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    However small the pages, the profiles are the same.
    """
    whole = await list_region(REGION, environ)
    monkeypatch.setattr(control_plane, "PAGE_ROWS", 7)
    assert (await list_region(REGION, environ)).profiles == whole.profiles


async def test_pages_without_end_are_refused(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    More pages than any region has are an error, not an endless loop.
    """
    monkeypatch.setattr(control_plane, "PAGE_ROWS", 1)
    monkeypatch.setattr(control_plane, "MAX_PAGES", 3)
    with pytest.raises(UpstreamError, match="more than 3 pages"):
        await list_region(REGION, environ)


async def test_without_credentials_nobody_is_asked(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The reason is the missing credentials.
    """
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsMissing):
        await list_region(REGION, environ)


async def test_an_endpoint_that_does_not_answer_is_named_as_such() -> None:
    """
    A port where nobody listens is unreachable.
    """
    server = await answer(b"")
    url = url_of(server)
    server.close()
    await server.wait_closed()
    with pytest.raises(UpstreamUnreachable, match="can't be had"):
        await list_region(REGION, {"AWS_ENDPOINT_URL": url})


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (403, "AccessDeniedException", "upstream_denied"),
        (403, "UnrecognizedClientException", "upstream_denied"),
        (429, "ThrottlingException", "throttled"),
        (503, "ServiceUnavailableException", "upstream_unavailable"),
        (400, "ValidationException", "upstream_broken"),
    ],
)
async def test_a_refusal_says_what_kind_it_is(status: int, kind: str, code: str) -> None:
    """
    Denied, throttled, down or broken; Bedrock's own words are in the message, without control characters.
    """
    body = msgspec.json.encode({"message": "no\x1b[2J, \x07really not"})
    async with await answer(body, status, {"x-amzn-errortype": kind}) as server:
        with pytest.raises(UpstreamError, match="really not") as caught:
            await list_region(REGION, {"AWS_ENDPOINT_URL_BEDROCK": url_of(server)})
    assert caught.value.code == code
    assert caught.value.message.isprintable()


async def test_an_empty_list_is_not_believed() -> None:
    """
    A region without any model would empty the table.
    """
    async with await answer(b'{"modelSummaries":[]}', headers={"content-type": "application/json"}) as server:
        with pytest.raises(UpstreamError, match="is empty"):
            await list_region(REGION, {"AWS_ENDPOINT_URL_BEDROCK": url_of(server)})


async def test_an_answer_that_is_no_json_is_refused() -> None:
    """
    A proxy's page in the place of Bedrock's answer is an error.
    """
    async with await answer(b"<html>sign in</html>") as server:
        with pytest.raises(UpstreamError):
            await list_region(REGION, {"AWS_ENDPOINT_URL_BEDROCK": url_of(server)})


async def test_profiles_that_may_not_be_listed_are_none() -> None:
    """
    Models alone are better than nothing: a policy may allow one list and not the other.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        await reader.readuntil(b"\r\n\r\n")
        models = msgspec.json.encode({"modelSummaries": [{"modelArn": "arn", "modelId": "acme.one"}]})
        denied = b"HTTP/1.1 403 X\r\nx-amzn-errortype: AccessDeniedException\r\ncontent-length: 2\r\n\r\n{}"
        found = b"HTTP/1.1 200 X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(models), models)
        writer.write(found if b"/foundation-models" in line else denied)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        listing = await list_region(REGION, {"AWS_ENDPOINT_URL_BEDROCK": url_of(server)})
    assert (len(listing.models), listing.profiles) == (1, None)


def test_the_endpoint_is_the_environments_or_awss_own() -> None:
    """
    The control plane's own variable is stronger than the general one; without either it is AWS's endpoint.
    """
    own, general = {"AWS_ENDPOINT_URL_BEDROCK": "https://a.example"}, {"AWS_ENDPOINT_URL": "https://b.example"}
    assert find_control_url(REGION, own | general) == "https://a.example"
    assert find_control_url(REGION, general) == "https://b.example"
    assert find_control_url(REGION, {}) == "https://bedrock.eu-west-1.amazonaws.com"
    assert find_control_url(REGION, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://c.example"}).endswith("amazonaws.com")


@pytest.mark.parametrize(
    ("region", "environ"), [("Frankfurt", {}), (REGION, {"AWS_ENDPOINT_URL_BEDROCK": "ftp://user@x"})]
)
def test_a_wrong_region_or_endpoint_is_refused(region: str, environ: Mapping[str, str]) -> None:
    """
    Neither can steer the credentials anywhere.
    """
    with pytest.raises(SettingsError):
        find_control_url(region, environ)


async def test_a_denied_caller_learns_no_secret() -> None:
    """
    The message holds no secret key.
    """
    async with await answer(b"{}", 403, {"x-amzn-errortype": "AccessDeniedException"}) as server:
        with pytest.raises(UpstreamDenied) as caught:
            await list_region(REGION, {"AWS_ENDPOINT_URL_BEDROCK": url_of(server)})
    assert "secret-canary" not in str(caught.value)
