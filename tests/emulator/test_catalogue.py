"""
Tests of `outcrop.emulator.families.table`: every model of the catalogue, in its own body and by Converse.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from outcrop.catalogue.models import ModelEntry, load_catalogue
from outcrop.emulator import converse, converse_answers
from outcrop.emulator.conversation import Answer, Ask, Metrics, Step
from outcrop.emulator.families.family import Stream
from outcrop.emulator.families.table import FAMILIES, family_of, rules_of
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.sending.frames import METRICS_KEY
from outcrop.emulator.speech.compose import compose
from tests.emulator.native import DIALECTS, streamed_text

ENTRIES = list(load_catalogue().models.values())
METRICS = Metrics(invocation_latency_ms=7, first_byte_latency_ms=3)
TALK = (("user", "Why is granite hard?"), ("assistant", "Quartz."), ("user", "and who are you, in 30 words"))
every_model = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.base_id)
every_family = pytest.mark.parametrize("family", sorted(FAMILIES))


def called(entry: ModelEntry) -> Called:
    """
    Return a model as if its base ID could be called.
    """
    return Called(entry.base_id, entry)


def example(family: str) -> Called:
    """
    Return the first model of a family.
    """
    return called(next(entry for entry in ENTRIES if entry.family == family))


def native(model: Called, *, max_tokens: int = 1_000) -> Ask:
    """
    Read the conversation in the model's own body.
    """
    return family_of(model).read(DIALECTS[model.entry.family].write(TALK, max_tokens), model)


def chunks_of(steps: Iterator[Step]) -> list[Any]:
    """
    Return the model's JSON in every message, by botocore's parser.
    """
    buffer: Any = EventStreamBuffer()
    buffer.add_data(b"".join(step.message for step in steps))
    return [json.loads(b64decode(json.loads(message.payload)["bytes"])) for message in buffer]


def stream(write: Stream, answer: Answer, model: Called) -> list[Step]:
    """
    Return all steps of a stream.
    """
    return list(write(answer, model, "request", lambda: METRICS))


def test_every_family_of_the_catalogue_is_known() -> None:
    """
    There is no model that the emulator can't stand in for.
    """
    assert {entry.family for entry in ENTRIES} == set(FAMILIES) == set(DIALECTS)


@every_model
def test_converse_and_the_native_body_say_the_same(entry: ModelEntry) -> None:
    """
    Equal conversations get equal text on all four operations, and the text says whose it is.
    """
    model = called(entry)
    messages = [{"role": role, "content": [{"text": text}]} for role, text in TALK]
    body = {"messages": messages, "inferenceConfig": {"maxTokens": 1_000}}
    asked = compose(converse.read(body, model, streaming=True), 0)
    family, answer = family_of(model), compose(native(model), 0)
    whole = json.loads(family.whole(answer, model, "request", METRICS))
    steps = stream(family.stream, answer, model)
    assert asked.text == answer.text == DIALECTS[entry.family].text(whole)
    assert streamed_text(entry.family, chunks_of(iter(steps))) == "".join(step.text for step in steps) == answer.text
    assert [block.content for block in asked.blocks] == [block.content for block in answer.blocks]


@every_model
def test_the_text_says_which_model_it_stands_for(entry: ModelEntry) -> None:
    """
    An answer to a question names the model.
    """
    body = {"messages": [{"role": "user", "content": [{"text": "How does rain shape limestone?"}]}]}
    assert entry.title in compose(converse.read(body, called(entry), streaming=False), 0).text


@every_family
def test_every_token_is_one_step(family: str) -> None:
    """
    A stream has as many steps with a token as its answer has tokens, so that its pace is right.
    """
    model = example(family)
    answer = compose(native(model), 0)
    for write in (family_of(model).stream, converse_answers.stream):
        assert sum(step.tokens for step in stream(write, answer, model)) == answer.output_tokens


@every_family
def test_the_last_object_of_a_stream_has_the_metrics(family: str) -> None:
    """
    The counts of a stream stand in its last chunk, and nowhere before.
    """
    model = example(family)
    answer = compose(native(model), 0)
    chunks = [one for one in chunks_of(iter(stream(family_of(model).stream, answer, model))) if one != "[DONE]"]
    assert [METRICS_KEY in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1][METRICS_KEY] == {
        "inputTokenCount": answer.input_tokens,
        "outputTokenCount": answer.output_tokens,
        "invocationLatency": 7,
        "firstByteLatency": 3,
    }


REASONS: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "anthropic": ("end_turn", "max_tokens", lambda last: last["stop_reason"]),
    "llama3": ("stop", "length", lambda last: last["stop_reason"]),
    "llama4": ("stop", "length", lambda last: last["stop_reason"]),
    "mistral_text": ("stop", "length", lambda last: last["outputs"][0]["stop_reason"]),
    "deepseek_text": ("stop", "length", lambda last: last["choices"][0]["stop_reason"]),
    "titan": ("FINISHED", "LENGTH", lambda last: last["results"][0]["completionReason"]),
    "nova": ("end_turn", "max_tokens", lambda last: last["stopReason"]),
    "cohere": ("COMPLETE", "MAX_TOKENS", lambda last: last["finish_reason"]),
} | dict.fromkeys(
    ("mistral_chat", "openai_chat", "writer", "jamba"),
    ("stop", "length", lambda last: last["choices"][0]["finish_reason"]),
)


@every_family
def test_the_reason_of_the_end_is_in_the_familys_words(family: str) -> None:
    """
    A whole answer and a cut one say so as the family says it.
    """
    model = example(family)
    ended, cut, reason_of = REASONS[family]
    for max_tokens, expected in ((1_000, ended), (3, cut)):
        answer = compose(native(model, max_tokens=max_tokens), 0)
        assert reason_of(json.loads(family_of(model).whole(answer, model, "request", METRICS))) == expected


@every_family
def test_an_extraneous_key_is_refused(family: str) -> None:
    """
    A native body with a key of another family is refused in Bedrock's words.
    """
    model = example(family)
    body = DIALECTS[family].write(TALK, 10) | {"nonsense": 1}
    with pytest.raises(Refusal, match=r"Malformed input request: #: extraneous key \[nonsense\] is not permitted"):
        family_of(model).read(body, model)


@every_family
def test_a_body_without_its_prompt_is_refused(family: str) -> None:
    """
    What the family needs is named when it is missing.
    """
    with pytest.raises(Refusal, match=r"Malformed input request: #: required key \[\w+\] not found"):
        family_of(example(family)).read({}, example(family))


@every_family
def test_more_tokens_than_the_model_has_are_refused(family: str) -> None:
    """
    A maximum beyond the catalogue's is refused.
    """
    model = example(family)
    with pytest.raises(Refusal, match=r"is not less or equal to|exceed the model limit"):
        native(model, max_tokens=10_000_000)


def test_a_family_that_is_not_known_answers_on_converse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A model whose body nobody wrote down is refused natively, and has plain rules on Converse.
    """
    model = example("titan")
    monkeypatch.delitem(FAMILIES, "titan")
    assert rules_of(model).extra_fields(model) == frozenset()
    with pytest.raises(Refusal, match="doesn't know the native body"):
        family_of(model)
