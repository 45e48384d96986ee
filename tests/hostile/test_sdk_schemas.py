"""
Wrong requests made systematically of the SDKs' own schemas, against a real gateway and an emulator that counts calls.
"""

import secrets
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.hostile.endpoints import ENDPOINTS, MODEL, Endpoint
from tests.hostile.exchange import Answer, Asker
from tests.hostile.house import House, find_errors, open_house
from tests.hostile.mutants import Explorer, Mutant

REJECTED = "Bedrock refused the request"
"""
How our message of a refusal by Bedrock itself begins: rules of one model, which no schema knows.
"""
UNPLACED = ("the body is not JSON", REJECTED, "messages[0].parts[")
RULES = (f"model {MODEL!r} does not", "the reasoning budget", "there is no item")
"""
How messages begin that say which rule is broken by values that fit the schema.
"""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """
    Run an emulator and a gateway before it.
    """
    with open_house() as opened:
        yield opened


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_mutant_is_served_or_refused_well(house: House, endpoint: Endpoint) -> None:
    """
    What an SDK's schema forbids is refused before any call, in the SDK's own shape, naming the place.
    """
    house.book.clear()
    said = len(house.gateway.lines)
    results = explore(house.asker, endpoint)
    complaints = [complaint for mutant, answer in results if (complaint := judge(endpoint, mutant, answer))]
    called = sum(answer.status == 200 or REJECTED.encode() in answer.body for _, answer in results)
    assert not complaints, f"{len(complaints)} of {len(results)}:\n" + "\n".join(complaints)
    assert len(house.book.calls()) == called
    assert find_errors(house.gateway.lines[said:]) == []


def explore(asker: Asker, endpoint: Endpoint) -> list[tuple[Mutant, Answer]]:
    """
    Find the mutants of an endpoint and send them.
    """
    explorer = Explorer(endpoint.schema, *endpoint.seeds)
    results = []
    while bases := explorer.take():
        sent = send(asker, endpoint, [base.mutant() for base in bases])
        results += sent
        for base, (_, answer) in zip(bases, sent, strict=True):
            assert base.path or answer.status == 200, f"a seed of {endpoint.name}: {answer}"
            (explorer.accepted if answer.status == 200 else explorer.refused)(base)
    return results + send(asker, endpoint, explorer.mutants[:: endpoint.stride])


def send(asker: Asker, endpoint: Endpoint, mutants: list[Mutant]) -> list[tuple[Mutant, Answer]]:
    """
    Send mutants.
    """
    bodies = [mutant.body for mutant in mutants]
    if endpoint.fresh:
        bodies = [body.replace(endpoint.fresh, b"fresh-%s" % secrets.token_hex(8).encode()) for body in bodies]
    return list(zip(mutants, asker.ask_all(endpoint.path, bodies), strict=True))


def judge(endpoint: Endpoint, mutant: Mutant, answer: Answer) -> str | None:
    """
    Say what is wrong with an answer.
    """
    place = f"{mutant.place()} {mutant.label} ({mutant.owner}): "
    names = [name for name in mutant.path if isinstance(name, str)]
    if answer.closes:
        return f"{place}the connection is closed: {answer}"
    if answer.status == 200:
        return None if is_allowed(endpoint, mutant) else f"{place}served"
    try:
        status, message = endpoint.read(answer)
    except (AssertionError, LookupError, ValueError, TypeError) as error:
        return f"{place}unreadable: {error!r}"
    if not 400 <= status < 500:
        return f"{place}{status} {message}"
    if REJECTED in message and not is_allowed(endpoint, mutant):
        return f"{place}went to bedrock: {message}"
    near = names if mutant.fitting else names[-2:]
    is_placed = any(name in message for name in near) or message.startswith(UNPLACED + RULES * mutant.fitting)
    return None if is_placed else f"{place}{message}"


def is_allowed(endpoint: Endpoint, mutant: Mutant) -> bool:
    """
    Say whether a mutant may be served: its schema allows it, or we do.
    """
    names = [name for name in mutant.path if isinstance(name, str)]
    owner = ".".join(mutant.owner.split(".")[-2:])
    known = {*names, *(".".join(pair) for pair in pairwise(names)), owner, f"{owner}.{names[-1] if names else ''}"}
    omitted = mutant.label in {"missing", "None", "''"} and not known.isdisjoint(endpoint.omissible)
    return mutant.fitting or omitted or not known.isdisjoint(endpoint.lenient)
