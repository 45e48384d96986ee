"""
How a gateway is reached, and which refusals are final.
"""

import http

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from outcrop.client.address import Address, connect_to, parse_url
from outcrop.client.failures import ChatFailed, GatewayRefused, GatewayUnreachable


async def knock(status: int) -> tuple[ChatFailed, list[str]]:
    """
    Connect to a server that answers with a status; gives the failure and the paths that were asked for.
    """
    paths: list[str] = []

    def answer(connection: ServerConnection, request: Request) -> Response:
        paths.append(request.path)
        response = connection.respond(http.HTTPStatus(status), "no")
        response.headers["Location"] = "/elsewhere"
        return response

    async def unused(_: ServerConnection) -> None:
        raise AssertionError("nobody is let in")

    async with serve(unused, "127.0.0.1", 0, process_request=answer) as server:
        address = Address(url=f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/base", key="secret-key")
        with pytest.raises(ChatFailed) as caught:
            await connect_to(address, open_timeout_seconds=10, max_frame_bytes=1 << 20)
    return caught.value, paths


@pytest.mark.parametrize(("status", "code"), [(401, "not_authenticated"), (404, "not_found"), (302, "refused")])
async def test_a_refusal_is_final(status: int, code: str) -> None:
    """
    A missing key or a wrong path does not get better; a redirect is one too, since the key is for this gateway only.
    """
    failure, paths = await knock(status)
    assert isinstance(failure, GatewayRefused)
    assert (failure.code, failure.status, failure.body, paths) == (code, status, b"no", ["/base/api/chat"])


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_failure_is_retryable(status: int) -> None:
    """
    A busy or starting server is not refusing for good.
    """
    failure, _ = await knock(status)
    assert isinstance(failure, GatewayUnreachable)
    assert failure.retryable


def test_addresses_print_no_key() -> None:
    """
    A key is in no representation.
    """
    assert "secret" not in repr(Address(url="http://host", key="secret"))


@pytest.mark.parametrize(
    ("url", "near"),
    [("http://127.0.0.1:1", True), ("http://[::1]:1", True), ("http://localhost", True), ("https://gw.example", False)],
)
def test_loopback_is_near(url: str, near: bool) -> None:
    """
    Only this machine is reached without a proxy.
    """
    assert Address(url=parse_url(f"{url}/")).is_near is near
