"""
Wrong requests made systematically of the SDKs' own schemas, against a real gateway and an emulator that counts calls.
"""

from collections.abc import Iterator

import msgspec
import pytest

from tests.e2e.conftest import Book
from tests.hostile.endpoints import ENDPOINTS, Endpoint
from tests.hostile.exchange import Answer, Asker
from tests.hostile.mutants import Explorer, Mutant
from tests.support import Process, gateway_environment, run_outcrop

REJECTED = "bedrock refused the request"
"""
How our message of a refusal by Bedrock itself begins: rules of one model, which no schema knows.
"""
UNPLACED = ("the body is not JSON", "the body is not valid", REJECTED)


class House(msgspec.Struct, frozen=True):
    """
    Hold the running gateway, the emulator's book and a client.
    """

    gateway: Process
    book: Book
    asker: Asker


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
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
    print(endpoint.name, len(results), called)
    assert not complaints, f"{len(complaints)} of {len(results)}:\n" + "\n".join(complaints)
    assert len(house.book.calls()) == called
    assert house.gateway.lines[said:] == []


def explore(asker: Asker, endpoint: Endpoint) -> list[tuple[Mutant, Answer]]:
    """
    Find the mutants of an endpoint and send them.
    """
    explorer = Explorer(endpoint.schema, *endpoint.seeds)
    results = []
    while bases := explorer.take():
        sent = [base.mutant() for base in bases]
        answers = asker.ask_all(endpoint.path, [mutant.body for mutant in sent])
        results += zip(sent, answers, strict=True)
        for base, answer in zip(bases, answers, strict=True):
            assert base.path or answer.status == 200, f"a seed of {endpoint.name}: {answer}"
            (explorer.accepted if answer.status == 200 else explorer.refused)(base)
    mutants = explorer.mutants[:: endpoint.stride]
    answers = asker.ask_all(endpoint.path, [mutant.body for mutant in mutants])
    return [*results, *zip(mutants, answers, strict=True)]


def judge(endpoint: Endpoint, mutant: Mutant, answer: Answer) -> str | None:
    """
    Say what is wrong with an answer.
    """
    place = f"{mutant.place()} {mutant.label}: "
    names = [name for name in mutant.path if isinstance(name, str)]
    if answer.closes:
        return f"{place}the connection is closed: {answer}"
    if answer.status == 200:
        allowed = mutant.fitting or any(name in endpoint.lenient for name in names)
        return None if allowed else f"{place}served"
    try:
        status, message = endpoint.read(answer)
    except (AssertionError, LookupError, ValueError, TypeError) as error:
        return f"{place}unreadable: {error!r}"
    if not 400 <= status < 500:
        return f"{place}{status} {message}"
    if REJECTED in message and not mutant.fitting and not any(name in endpoint.lenient for name in names):
        return f"{place}went to bedrock: {message}"
    is_placed = any(name in message for name in names[-2:]) or message.startswith(UNPLACED)
    return None if is_placed else f"{place}{message}"
