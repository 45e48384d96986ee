"""
Tests of `outcrop.emulator.quota`: what is admitted, what is reserved and given back, and how quotas are set.
"""

import asyncio
import json
import urllib.request
from typing import Any

import pytest
import typer.testing

from outcrop.cli import app
from outcrop.emulator.book import Book, Call
from outcrop.emulator.quota import (
    MAX_QUOTAS,
    InvalidQuota,
    Quota,
    QuotaBook,
    parse_quota_option,
    parse_quotas,
    states_max_tokens,
)
from outcrop.emulator.rules.refusals import Refusal
from tests.emulator.conftest import CLAUDE, LLAMA, StartEmulator, Wire
from tests.support import run_outcrop

BASE = "anthropic.claude-sonnet-4-6"
EAST, WEST = "us-east-1", "us-west-2"
REQUESTS = "Too many requests, please wait before trying again."
TOKENS = "Too many tokens, please wait before trying again."
TODAY = "Too many tokens per day, please wait before trying again."


class Clock:
    """
    Hold a time that only tests move.
    """

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """
        Return the time.
        """
        return self.now


@pytest.fixture
def clock() -> Clock:
    """
    Return a clock that stands still.
    """
    return Clock()


def book_of(clock: Clock, **limits: Any) -> QuotaBook:
    """
    Return a book with one quota.
    """
    return QuotaBook(clock, (Quota(**limits),))


def refusal_of(book: QuotaBook, tokens: int = 1, *, model: str = BASE, region: str = EAST) -> str | None:
    """
    Ask to be admitted, and return the words of the refusal, if it is one.
    """
    try:
        book.admit(region, model, BASE, tokens)
    except Refusal as refusal:
        return refusal.message if (refusal.name, refusal.status) == ("ThrottlingException", 429) else repr(refusal)
    return None


def ended(outcome: str = "completed", **tokens: int) -> Call:
    """
    Return a call that has ended.
    """
    call = Book().open_call(request_id="r", operation="Converse", model=BASE, http_version="1.1")
    for name, value in tokens.items():
        setattr(call, name, value)
    call.end(outcome)
    return call


def test_requests_come_back_evenly(clock: Clock) -> None:
    """
    With two requests a minute, the third is refused, and one comes back after half a minute.
    """
    book = book_of(clock, requests_per_minute=2)
    assert [refusal_of(book) for _ in range(3)] == [None, None, REQUESTS]
    clock.now += 29.9
    assert refusal_of(book) == REQUESTS
    clock.now += 0.2
    assert [refusal_of(book) for _ in range(2)] == [None, REQUESTS]


def test_tokens_are_refused_with_their_own_words(clock: Clock) -> None:
    """
    Tokens of a minute and of a day have different sentences.
    """
    assert refusal_of(book_of(clock, tokens_per_minute=10), 11) == TOKENS
    assert refusal_of(book_of(clock, tokens_per_day=10), 11) == TODAY


def test_a_refused_call_takes_nothing(clock: Clock) -> None:
    """
    A call refused for its tokens leaves requests and tokens as they were.
    """
    book = book_of(clock, requests_per_minute=1, tokens_per_minute=10)
    assert refusal_of(book, 11) == TOKENS
    assert refusal_of(book, 10) is None


def test_a_bucket_never_holds_more_than_its_capacity(clock: Clock) -> None:
    """
    An idle hour saves nothing up.
    """
    book = book_of(clock, tokens_per_minute=10)
    clock.now += 3_600
    assert refusal_of(book, 11) == TOKENS


def test_what_was_not_used_is_given_back(clock: Clock) -> None:
    """
    A call that reserved all and used a little leaves the rest.
    """
    book = book_of(clock, tokens_per_minute=100)
    reservation = book.admit(EAST, BASE, BASE, 100)
    assert reservation is not None
    assert refusal_of(book, 1) == TOKENS
    reservation.settle(ended(input_tokens=10, output_tokens=20))
    assert refusal_of(book, 71) == TOKENS
    assert refusal_of(book, 70) is None


def test_cache_reads_are_given_back(clock: Clock) -> None:
    """
    What was read from the cache was reserved and doesn't count in the end; what was written to it does.
    """
    book = book_of(clock, tokens_per_minute=100)
    reservation = book.admit(EAST, BASE, BASE, 100)
    assert reservation is not None
    reservation.settle(ended(input_tokens=5, cache_read_tokens=60, cache_write_tokens=15))
    assert refusal_of(book, 80) is None


def test_output_burns_at_its_rate(clock: Clock) -> None:
    """
    With a burn-down of five an answer of 30 tokens costs 150, even where that is more than there is.
    """
    book = book_of(clock, tokens_per_minute=100, output_burn=5)
    reservation = book.admit(EAST, BASE, BASE, 100)
    assert reservation is not None
    reservation.settle(ended(output_tokens=30))
    clock.now += 29
    assert refusal_of(book, 1) == TOKENS
    clock.now += 2
    assert refusal_of(book, 1) is None


def test_only_what_went_out_of_a_broken_answer_counts(clock: Clock) -> None:
    """
    A client that leaves after 3 of 50 tokens has used 3.
    """
    book = book_of(clock, tokens_per_minute=100)
    reservation = book.admit(EAST, BASE, BASE, 100)
    assert reservation is not None
    reservation.settle(ended("client_closed", output_tokens=50, tokens_emitted=3))
    assert refusal_of(book, 97) is None


def test_regions_and_profiles_have_their_own_buckets(clock: Clock) -> None:
    """
    A model used up in one region, or by its base ID, is there in another and through a profile, also named by its ARN.
    """
    book = book_of(clock, requests_per_minute=1)
    profile = f"us.{BASE}"
    arn = f"arn:aws:bedrock:{EAST}:123456789012:inference-profile/{profile}"
    assert [refusal_of(book), refusal_of(book)] == [None, REQUESTS]
    assert refusal_of(book, region=WEST) is None
    assert [refusal_of(book, model=profile), refusal_of(book, model=arn)] == [None, REQUESTS]


@pytest.mark.parametrize("order", [1, -1])
def test_the_narrowest_quota_holds(clock: Clock, order: int) -> None:
    """
    An ID is narrower than a glob, and a glob than `*`, in whatever order they stand.
    """
    names = ["*", "anthropic.*", BASE][::order]
    limits = {"*": 1, "anthropic.*": 2, BASE: 3}
    quotas = [Quota(model=name, tokens_per_minute=limits[name]) for name in names]
    book = QuotaBook(clock, tuple(quotas))
    assert [refusal_of(book, 3), refusal_of(book)] == [None, TOKENS]
    book.replace([quota for quota in quotas if quota.model != BASE])
    assert [refusal_of(book, 2), refusal_of(book)] == [None, TOKENS]


def test_a_model_without_quota_is_free(clock: Clock) -> None:
    """
    A quota for other models limits nothing here.
    """
    book = book_of(clock, model="meta.*", requests_per_minute=0)
    assert book.admit(EAST, BASE, BASE, 10**9) is None


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("anthropic.*=10,5000", Quota(model="anthropic.*", requests_per_minute=10, tokens_per_minute=5000)),
        (f"{LLAMA}=,5000", Quota(model=LLAMA, tokens_per_minute=5000)),
        ("*=10", Quota(requests_per_minute=10)),
    ],
)
def test_options_are_read(text: str, quota: Quota) -> None:
    """
    An option names a model and one or two limits.
    """
    assert parse_quota_option(text) == quota


@pytest.mark.parametrize("text", ["", "*", "*=", "=1,2", "*=1,2,3", "*=x", "*=-1", "*=1.5", "*=²", f"*={10**13}"])
def test_wrong_options_are_refused(text: str) -> None:
    """
    An option that is none is refused by its text.
    """
    with pytest.raises(InvalidQuota, match="quota") as refused:
        parse_quota_option(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"quotas": {}},
        {"quotas": [{"rpm": 1}]},
        {"quotas": [{"requests_per_minute": -1}]},
        {"quotas": [{"output_burn": 0}]},
        {"quotas": [{"model": ""}]},
    ],
    ids=str,
)
def test_wrong_documents_are_refused_with_what_is_allowed(document: Any) -> None:
    """
    A document that is none is refused, with the members that a quota has.
    """
    with pytest.raises(InvalidQuota, match="requests_per_minute, tokens_per_minute, tokens_per_day, output_burn"):
        parse_quotas(json.dumps(document).encode())


def test_one_quota_a_model_and_not_too_many(clock: Clock) -> None:
    """
    Two quotas for the same model contradict each other, and the list is bounded.
    """
    book = QuotaBook(clock)
    with pytest.raises(InvalidQuota, match="several quotas for 'm'"):
        book.replace([Quota(model="m"), Quota(model="m")])
    with pytest.raises(InvalidQuota, match=f"limit is {MAX_QUOTAS}"):
        book.replace([Quota(model=f"m{number}") for number in range(MAX_QUOTAS + 1)])
    assert not book.is_on


@pytest.mark.parametrize(
    ("body", "stated"),
    [
        ({"max_tokens": 5}, True),
        ({"max_gen_len": 5}, True),
        ({"inferenceConfig": {"maxTokens": 5}}, True),
        ({"textGenerationConfig": {"maxTokenCount": 5}}, True),
        ({"max_tokens": None}, False),
        ({"inferenceConfig": None}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_stated_maximum_is_found(body: dict[str, Any], stated: bool) -> None:
    """
    A maximum is found wherever a body of some family has it.
    """
    assert states_max_tokens(body) is stated


def converse_body(**inference: Any) -> dict[str, Any]:
    """
    Return a body for Converse.
    """
    messages = [{"role": "user", "content": [{"text": "echo good morning"}]}]
    return {"messages": messages, "inferenceConfig": inference}


async def set_quotas(wire: Wire, *quotas: dict[str, Any]) -> None:
    """
    Set the quotas over the wire.
    """
    reply = await wire.request("PUT", "/_emulator/quotas", json.dumps({"quotas": quotas}).encode())
    assert reply.status == 200, reply.body


async def test_all_operations_share_a_quota(wire: Wire) -> None:
    """
    Converse, its stream and InvokeModel draw on one bucket, and the refusal is Bedrock's own.
    """
    await set_quotas(wire, {"requests_per_minute": 2})
    native = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "x"}],
    }
    replies = [
        await wire.call("converse", CLAUDE, converse_body(maxTokens=5)),
        await wire.call("converse-stream", CLAUDE, converse_body(maxTokens=5)),
        await wire.call("invoke", CLAUDE, native),
    ]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[-1].error == "throttlingexception"
    assert replies[-1].json() == {"message": REQUESTS}
    assert (await wire.calls())[-1]["outcome"] == "refused:ThrottlingException"


@pytest.mark.parametrize("operation", ["converse", "invoke"])
async def test_an_unset_maximum_reserves_the_models_own(wire: Wire, operation: str) -> None:
    """
    A call without maximum is throttled where the same call with one is served, natively and by Converse.
    """
    await set_quotas(wire, {"tokens_per_minute": 1_000})
    bare = converse_body() if operation == "converse" else {"prompt": "echo good morning"}
    modest = converse_body(maxTokens=100) if operation == "converse" else bare | {"max_gen_len": 100}
    refused = await wire.call(operation, LLAMA, bare)
    assert (refused.status, refused.json()) == (429, {"message": TOKENS})
    assert (await wire.call(operation, LLAMA, modest)).status == 200


async def test_a_served_call_is_settled(wire: Wire) -> None:
    """
    After an answer, what is left is the quota without what the book says was used.
    """
    await set_quotas(wire, {"tokens_per_day": 100_000_000})
    await wire.call("converse", LLAMA, converse_body(maxTokens=2_000))
    [call] = await wire.calls()
    left = (await wire.request("GET", "/_emulator/quotas")).json()["left"]
    used = 100_000_000 - left[0]["tokens_today"]
    spent = call["usage"]["input"] + call["usage"]["output"]
    assert (left[0]["region"], left[0]["model"]) == (EAST, LLAMA)
    # A day's quota comes back at a thousand tokens a second.
    assert used <= spent < 2_000


async def test_quotas_can_be_dropped(wire: Wire) -> None:
    """
    After `DELETE` nothing is limited; wrong documents and methods are refused before and after.
    """
    await set_quotas(wire, {"requests_per_minute": 0})
    assert (await wire.call("converse", LLAMA, converse_body())).status == 429
    assert (await wire.request("PUT", "/_emulator/quotas", b"{}")).status == 400
    assert (await wire.request("POST", "/_emulator/quotas")).status == 405
    assert (await wire.request("DELETE", "/_emulator/quotas")).status == 204
    assert (await wire.call("converse", LLAMA, converse_body())).status == 200
    assert (await wire.request("GET", "/_emulator/quotas")).json() == {"quotas": [], "left": []}


async def test_an_emulator_can_start_with_quotas(start_emulator: StartEmulator) -> None:
    """
    Quotas of the settings hold from the first call on, also for calls at the same time.
    """
    wire = await start_emulator(quotas=(Quota(model="meta.*", requests_per_minute=2),))
    replies = await asyncio.gather(*(wire.call("converse", LLAMA, converse_body()) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200, 200, 429, 429, 429]


def test_the_command_line_sets_quotas() -> None:
    """
    `outcrop emulate --quota`, given twice, starts with two quotas.
    """
    options = ("--quota", "meta.*=5,600", "--quota", "*=,700")
    with (
        run_outcrop("emulate", "--port", "0", *options) as (_, url),
        urllib.request.urlopen(f"{url}/_emulator/quotas") as answer,
    ):
        quotas = json.load(answer)["quotas"]
    limits = [(quota["model"], quota["requests_per_minute"], quota["tokens_per_minute"]) for quota in quotas]
    assert limits == [("meta.*", 5, 600), ("*", None, 700)]


@pytest.mark.parametrize("quotas", [["anthropic.*"], ["*=x,1"], ["*=1", "*=2"]], ids=str)
def test_wrong_quotas_on_the_command_line_are_refused(quotas: list[str]) -> None:
    """
    A quota that is none, or two for one model, are wrong arguments: exit code 2.
    """
    arguments = [word for quota in quotas for word in ("--quota", quota)]
    done = typer.testing.CliRunner().invoke(app, ["emulate", "--port", "0", *arguments])
    assert done.exit_code == 2
    assert "--quota" in done.stderr
