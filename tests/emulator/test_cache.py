"""
Tests of `outcrop.emulator.cache`, and of the cache points of Converse and of Claude's own body.
"""

from typing import Any

import pytest

from outcrop.catalogue.models import load_catalogue
from outcrop.emulator import cache, converse
from outcrop.emulator.cache import PromptCache
from outcrop.emulator.conversation import Answer, Ask
from outcrop.emulator.families import anthropic
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.speech.compose import compose
from tests.emulator.conftest import Wire

CLAUDE, NOVA, LLAMA = "anthropic.claude-sonnet-4-6", "amazon.nova-lite-v1:0", "meta.llama3-70b-instruct-v1:0"
POINT = {"cachePoint": {"type": "default"}}
ROCKS, WHY = {"text": "granite, basalt, slate"}, {"text": "why?"}


def called(base_id: str) -> Called:
    """
    Return a model as if its base ID could be called.
    """
    return Called(base_id, load_catalogue().models[base_id])


def ask(*content: Any, base_id: str = NOVA, system: tuple[Any, ...] = ()) -> Ask:
    """
    Return an ask of one message with these blocks.
    """
    body = {"messages": [{"role": "user", "content": list(content)}], "system": list(system)}
    return converse.read(body, called(base_id), streaming=False)


def counts(answer: Answer) -> tuple[int, int, int]:
    """
    Return the tokens that were neither read nor written, those that were read, and those that were written.
    """
    return answer.input_tokens, answer.cache_read_tokens, answer.cache_write_tokens


def account(store: PromptCache, one: Ask, now: float = 0) -> tuple[int, int, int]:
    """
    Return what the cache makes of an ask.
    """
    return counts(store.account(one, compose(one, 0), now))


def test_a_prefix_is_written_then_read() -> None:
    """
    The first call writes what stands before the cache point, the next one reads it; what follows is never cached.
    """
    store, one = PromptCache(), ask(ROCKS, POINT, WHY)
    rest, read, written = account(store, one)
    assert (read, rest + written) == (0, one.input_tokens)
    assert written > 0
    assert account(store, one) == (rest, written, 0)
    assert account(store, ask(ROCKS, POINT, {"text": "and how?"}))[1] == written


def test_another_prefix_is_written() -> None:
    """
    A word that differs before the cache point is another prefix, and so is another model.
    """
    store = PromptCache()
    account(store, ask(ROCKS, POINT, WHY))
    assert account(store, ask({"text": "granite, basalt, chalk"}, POINT, WHY))[1] == 0
    assert account(store, ask(ROCKS, POINT, WHY, base_id=CLAUDE))[1] == 0


def test_a_longer_prefix_is_read_as_far_as_it_is_known() -> None:
    """
    With two points the known part is read and only what is new is written.
    """
    store = PromptCache()
    _, _, known = account(store, ask(ROCKS, POINT, WHY))
    _, read, written = account(store, ask(ROCKS, POINT, {"text": "granite again"}, POINT, WHY))
    assert read == known
    assert written > 0


def test_a_prefix_is_forgotten_after_its_time() -> None:
    """
    Five minutes after it was last used a prefix is written anew; with an hour it is not.
    """
    store, one = PromptCache(), ask(ROCKS, POINT, WHY)
    assert [account(store, one, now)[1] > 0 for now in (0, 299, 598, 899)] == [False, True, True, False]
    store, one = PromptCache(), ask(ROCKS, {"cachePoint": {"type": "default", "ttl": "1h"}}, WHY)
    assert [account(store, one, now)[1] > 0 for now in (0, 3_599, 7_200)] == [False, True, False]


def test_what_is_written_for_an_hour_is_told_apart() -> None:
    """
    Tokens written for an hour cost more, so they are counted on their own.
    """
    one = ask(ROCKS, POINT, WHY, {"cachePoint": {"type": "default", "ttl": "1h"}}, base_id=CLAUDE)
    answer = PromptCache().account(one, compose(one, 0), 0)
    assert 0 < answer.cache_write_1h_tokens < answer.cache_write_tokens


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The prefix that was not used for longest goes first.
    """
    monkeypatch.setattr(cache, "MAX_PREFIXES", 2)
    store = PromptCache()
    asks = [ask({"text": f"rock {number}"}, POINT, WHY) for number in range(3)]
    for one in asks:
        account(store, one)
    assert [account(store, one)[1] > 0 for one in reversed(asks)] == [True, True, False]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([POINT, WHY], "must come after a block"),
        ([WHY, POINT, POINT], "must come after a block"),
        ([WHY, POINT] * 5, "maximum allowed is 4"),
    ],
)
def test_cache_points_that_stand_wrong_are_refused(content: list[Any], words: str) -> None:
    """
    Not first, not two in a row, not more than four.
    """
    with pytest.raises(Refusal, match=words):
        ask(*content)


def test_a_model_without_a_cache_refuses_cache_points() -> None:
    """
    A cache point for a model that has none is an access error, as Bedrock words it.
    """
    with pytest.raises(Refusal, match="did not allow prompt caching") as refused:
        ask(WHY, POINT, base_id=LLAMA)
    assert refused.value.name == "AccessDeniedException"


def claude_body(ttl: str | None = None, **control: Any) -> dict[str, Any]:
    """
    Return a Messages body whose system text ends in a cache point.
    """
    mark = {"type": "ephemeral", **({"ttl": ttl} if ttl else {}), **control}
    return {
        "anthropic_version": "x",
        "max_tokens": 50,
        "system": [{"type": "text", "text": "granite, basalt, slate", "cache_control": mark}],
        "messages": [{"role": "user", "content": "why?"}],
    }


def test_claudes_own_cache_points_count() -> None:
    """
    `cache_control` in the Messages body writes and reads like a cache point.
    """
    store, one = PromptCache(), anthropic.read(claude_body(), called(CLAUDE))
    _, read, written = account(store, one)
    assert read == 0
    assert account(store, one)[1] == written > 0


@pytest.mark.parametrize("control", [{"type": "eternal"}, {"ttl": "2h"}])
def test_claude_refuses_unknown_cache_controls(control: dict[str, Any]) -> None:
    """
    Only ephemeral points, for five minutes or an hour.
    """
    with pytest.raises(Refusal, match="cache_control"):
        anthropic.read(claude_body(**control), called(CLAUDE))


async def test_counts_are_in_usage_headers_metrics_and_book(wire: Wire) -> None:
    """
    The same counts of the cache stand in the body, in the headers, in the stream's metrics and in the book.
    """
    model = f"us.{CLAUDE}"
    first = await wire.call("invoke", model, claude_body("1h"))
    written = first.json()["usage"]["cache_creation"]["ephemeral_1h_input_tokens"]
    second = (await wire.call("invoke-with-response-stream", model, claude_body("1h"))).payloads()
    assert written == int(first.headers["x-amzn-bedrock-cache-write-input-token-count"]) > 0
    assert second[0]["message"]["usage"]["cache_read_input_tokens"] == written
    assert second[-1]["amazon-bedrock-invocationMetrics"]["cacheReadInputTokenCount"] == written
    usages = [entry["usage"] for entry in await wire.calls()]
    assert [(usage["cache_read"], usage["cache_write"]) for usage in usages] == [(0, written), (written, 0)]
