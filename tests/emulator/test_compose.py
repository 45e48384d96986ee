"""
Tests of `outcrop.emulator.speech.compose` and `outcrop.emulator.speech.text`: what the simulated model says.
"""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.emulator.conversation import Ask, Tool, ToolResult, Turn
from outcrop.emulator.speech.compose import compose
from outcrop.emulator.speech.corpus import NOTE

WEATHER = Tool(
    name="get_weather",
    schema={"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
)


def ask(prompt: str, **members: Any) -> Ask:
    """
    Return an ask of one prompt.
    """
    turns = (*members.pop("before", ()), Turn(speaker="user", text=prompt))
    defaults: dict[str, Any] = {"model": "m", "title": "Model M", "turns": turns, "max_tokens": 4000, "input_tokens": 1}
    return Ask(**defaults | members)


def test_equal_asks_get_equal_answers() -> None:
    """
    The same conversation is answered with the same words every time.
    """
    assert compose(ask("tell me about rocks"), 0) == compose(ask("tell me about rocks"), 0)


@pytest.mark.parametrize(
    "members",
    [{"system": "be brief"}, {"temperature": 0.1}, {"top_p": 0.1}, {"top_k": 3}, {"model": "other"}],
    ids=lambda members: next(iter(members)),
)
def test_what_shapes_an_answer_changes_it(members: dict[str, Any]) -> None:
    """
    System text, sampling parameters and model are part of the seed.
    """
    assert compose(ask("x", **members), 0).digest != compose(ask("x"), 0).digest


def test_another_seed_gives_other_answers() -> None:
    """
    The emulator's seed changes what it says.
    """
    answers = {compose(ask("tell me about rocks"), seed).text for seed in range(8)}
    assert len(answers) > 4


@given(st.integers(min_value=1, max_value=120))
def test_a_shorter_answer_is_a_prefix(max_tokens: int) -> None:
    """
    The maximum of tokens cuts the answer exactly there and changes nothing before.
    """
    whole = compose(ask("tell me about rocks"), 0)
    cut = compose(ask("tell me about rocks", max_tokens=max_tokens), 0)
    assert cut.output_tokens == min(max_tokens, whole.output_tokens)
    assert whole.text.startswith(cut.text)


def test_a_cut_answer_says_so() -> None:
    """
    An answer that reached its maximum stops for `max_tokens`.
    """
    assert compose(ask("tell me about rocks", max_tokens=3), 0).stop_reason == "max_tokens"


@pytest.mark.parametrize("number", [1, 37, 500, 5000])
def test_a_prompt_can_ask_for_an_exact_number_of_tokens(number: int) -> None:
    """
    `emulate N tokens` gives exactly N and ends of itself.
    """
    answer = compose(ask(f"emulate {number} tokens", max_tokens=10_000), 0)
    assert (answer.output_tokens, answer.stop_reason) == (number, "end_turn")


def test_a_prompt_can_ask_for_a_number_of_words() -> None:
    """
    `N words` gives N words.
    """
    assert len(compose(ask("write 80 words on chalk"), 0).text.split()) == 80


def test_the_first_stop_sequence_in_the_text_ends_it() -> None:
    """
    The answer ends before the stop sequence that comes first, and names it.
    """
    answer = compose(ask("count to 9", stop_sequences=("7", "4")), 0)
    assert (answer.text, answer.stop_reason, answer.stop_sequence) == ("1, 2, 3, ", "stop_sequence", "4")


@pytest.mark.parametrize("text", ["<script>x</script>", " two  spaces ", "a\n\nb\n", "<|eot_id|>", "👩‍🔬 नमस्ते", "\x00"])
def test_an_echo_is_its_text_and_nothing_else(text: str) -> None:
    """
    Tests can make the model say anything, to the character.
    """
    assert compose(ask(f"repeat after me: {text}"), 0).text == text


@pytest.mark.parametrize(
    "prompt",
    [
        "hello", "who are you?", "write a haiku", "a table please", "count to 3", "what did I say?", "", "why?",
        "你好", "مرحبا", "नमस्ते", "translate stone to German", "translate stone to Klingon", "a python function",
        "emulate 30 tokens",
    ],
)  # fmt: skip
def test_every_answer_is_recognisable_as_simulated(prompt: str) -> None:
    """
    Whatever is asked, the answer says that no model made it.
    """
    assert NOTE in compose(ask(prompt), 0).text


def test_earlier_messages_are_remembered() -> None:
    """
    A prompt can ask what was said before, so that memory can be tested.
    """
    before = (Turn(speaker="user", text="my dog is Rex"), Turn(speaker="assistant", text="ok"))
    assert "my dog is Rex" in compose(ask("what did I say?", before=before), 0).text


def test_a_prompt_that_speaks_of_a_tool_calls_it() -> None:
    """
    With tools given, a fitting prompt gets a tool call with arguments that fit its schema.
    """
    answer = compose(ask("what is the weather in Paris?", tools=(WEATHER,)), 0)
    arguments = answer.blocks[-1].arguments()
    assert answer.stop_reason == "tool_use"
    assert (arguments["city"], type(arguments["days"])) == ("Paris", int)


def test_other_prompts_call_no_tool() -> None:
    """
    Tools that are only offered change nothing.
    """
    assert compose(ask("hello", tools=(WEATHER,)), 0).stop_reason == "end_turn"


def test_a_forced_tool_is_called_without_words() -> None:
    """
    A tool choice that forces a tool gets a tool call alone.
    """
    answer = compose(ask("hello", tools=(WEATHER,), tool_choice="any"), 0)
    assert [block.kind for block in answer.blocks] == ["tool_use"]


def test_a_tools_result_is_used() -> None:
    """
    After a tool has answered, so does the model, with what the tool said.
    """
    last = Turn(speaker="user", tool_results=(ToolResult("call", "18 degrees"),))
    asked = ask("x", tools=(WEATHER,))
    answer = compose(Ask(**{name: getattr(asked, name) for name in asked.__struct_fields__} | {"turns": (last,)}), 0)
    assert "18 degrees" in answer.text


def test_thinking_comes_first_and_is_signed() -> None:
    """
    A model that thinks opens with a thinking block, signed if the model signs.
    """
    first, second = compose(ask("why?", thinks=True, signs=True), 0).blocks
    assert (first.kind, bool(first.signature), second.kind) == ("thinking", True, "text")
    assert compose(ask("why?", thinks=True), 0).blocks[0].signature == ""


def test_a_tool_call_cut_by_the_maximum_is_no_tool_use() -> None:
    """
    Arguments that were cut are reported as a cut, not as a call.
    """
    answer = compose(ask("hello", tools=(WEATHER,), tool_choice="any", max_tokens=2), 0)
    assert (answer.stop_reason, answer.blocks[0].arguments()) == ("max_tokens", {})


def test_a_very_long_prompt_is_answered_at_once() -> None:
    """
    What a prompt asks for is looked for in its beginning, so no length can keep the emulator busy.
    """
    started = time.perf_counter()
    compose(ask("translate python weather in " * 200_000, tools=(WEATHER,)), 0)
    compose(ask("translate python in " * 200_000), 0)
    assert time.perf_counter() - started < 2
