"""
Tests of `outcrop.emulator.auth` over the wire.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outcrop.wire import sigv4

LLAMA = "meta.llama3-70b-instruct-v1:0"
PATH = "/model/meta.llama3-70b-instruct-v1%3A0/invoke"
BODY = b'{"prompt":"hello"}'
KEYS = {"AKIDEXAMPLE": "secret"}


def signed(wire: Any, *, key_id: str = "AKIDEXAMPLE", secret: str = "secret", ago: int = 0) -> dict[str, str]:
    """
    Return the headers of a signed request.
    """
    return sigv4.sign(
        method="POST",
        host=f"127.0.0.1:{wire.server.port}",
        path=PATH,
        payload_hash=sigv4.hash_payload(BODY),
        credentials=sigv4.Credentials(key_id, secret),
        region="us-east-1",
        service="bedrock",
        now=datetime.now(UTC) - timedelta(seconds=ago),
    )


async def test_a_right_signature_is_verified(start_emulator: Any) -> None:
    """
    With keys known, a signed call is noted as verified.
    """
    wire = await start_emulator(keys=KEYS)
    assert (await wire.request("POST", PATH, BODY, signed(wire))).status == 200
    auth = (await wire.calls())[0]["auth"]
    assert auth == {"kind": "sigv4", "access_key_id": "AKIDEXAMPLE", "region": "us-east-1", "verified": True}


@pytest.mark.parametrize(
    ("how", "name", "status", "text"),
    [
        ({"secret": "wrong"}, "invalidsignatureexception", 403, "does not match the signature you provided"),
        ({"key_id": "AKIDOTHER"}, "unrecognizedclientexception", 403, "The security token included in the request"),
        ({"ago": 301}, "invalidsignatureexception", 403, "Signature expired"),
        ({"ago": -301}, "invalidsignatureexception", 403, "Signature expired"),
    ],
    ids=str,
)
async def test_wrong_signatures_are_refused(
    how: dict[str, Any], name: str, status: int, text: str, start_emulator: Any
) -> None:
    """
    A wrong secret, an unknown key and a clock five minutes off are refused, each in AWS's way.
    """
    wire = await start_emulator(keys=KEYS)
    reply = await wire.request("POST", PATH, BODY, signed(wire, **how))
    assert (reply.status, reply.error) == (status, name)
    assert text in reply.json()["message"]


async def test_another_body_breaks_the_signature(start_emulator: Any) -> None:
    """
    The signature covers the body.
    """
    wire = await start_emulator(keys=KEYS)
    assert (await wire.request("POST", PATH, b'{"prompt":"other"}', signed(wire))).status == 403


async def test_without_keys_any_signature_is_noted(wire: Any) -> None:
    """
    Nothing is verified where nothing is known.
    """
    await wire.request("POST", PATH, BODY, signed(wire, secret="anything", ago=9999))
    assert (await wire.calls())[0]["auth"]["verified"] is None


@pytest.mark.parametrize("value", ["Basic x", "AWS4-HMAC-SHA256 nonsense", "Bearer  "])
async def test_a_malformed_authorization_is_refused(value: str, wire: Any) -> None:
    """
    What is no signature and no token is refused even where nothing is verified.
    """
    reply = await wire.request("POST", PATH, BODY, {"authorization": value})
    assert (reply.status, reply.error) == (400, "incompletesignature")


async def test_a_missing_authorization_is_noted_or_refused(start_emulator: Any) -> None:
    """
    Only strict mode insists.
    """
    lenient, strict = await start_emulator(), await start_emulator(strict_auth=True)
    assert (await lenient.request("POST", PATH, BODY)).status == 200
    assert (await lenient.calls())[0]["auth"]["kind"] == "none"
    reply = await strict.request("POST", PATH, BODY)
    assert (reply.status, reply.error) == (403, "missingauthenticationtokenexception")


@pytest.mark.parametrize(("token", "status"), [("secret", 200), ("other", 403)])
async def test_a_bearer_token_is_one_of_the_secrets(token: str, status: int, start_emulator: Any) -> None:
    """
    With keys known, a bearer token must be one of their secrets.
    """
    wire = await start_emulator(keys=KEYS)
    assert (await wire.request("POST", PATH, BODY, {"authorization": f"Bearer {token}"})).status == status


async def test_the_book_holds_no_token(wire: Any) -> None:
    """
    A token is noted by its kind, never by its value.
    """
    await wire.request("POST", PATH, BODY, {"authorization": "Bearer canary-token", "x-amz-security-token": "canary-2"})
    reply = await wire.request("GET", "/_emulator/calls")
    assert b"canary" not in reply.body
    assert reply.json()["calls"][0]["auth"]["kind"] == "bearer"
