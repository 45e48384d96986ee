"""
A conversation becomes Chat Completions messages; what they have no place for is refused.
"""

import json
from typing import Any

import pytest

from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    Part,
    Reasoning,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from tests.adapters.forms import ask, assistant, body, call, texts, user

CHAT_FAMILIES = ["jamba", "mistral_chat", "openai_chat", "writer"]
families = pytest.mark.parametrize("family", CHAT_FAMILIES)
PNG = ImagePart(media_type="image/png", data=b"x")
TOOL = ToolSpec(name="t", input_schema={"type": "object"}, description="look")


def messages(*conversation: Message, family: str = "openai_chat", **fields: Any) -> Any:
    """
    Return the messages of a request.
    """
    return body(family, ask(messages=conversation, **fields))["messages"]


def asked(*parts: Part) -> Message:
    """
    Build a message from the user.
    """
    return Message("user", parts)


def chosen(mode: Any, name: str | None = None, *, parallel: bool = True) -> ChatRequest:
    """
    Build a request with one tool and a choice.
    """
    return ask(tools=(TOOL,), tool_choice=ToolChoice(mode=mode, name=name, allow_parallel=parallel))


@families
def test_a_conversation_is_a_list_of_messages(family: str) -> None:
    """
    The system comes first; texts of one message are one string.
    """
    assert messages(user("a", "b"), assistant("c", "d"), user("e"), family=family, system=texts("S", "T")) == [
        {"role": "system", "content": "S\n\nT"},
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "cd"},
        {"role": "user", "content": "e"},
    ]


@families
def test_the_smallest_body_is_its_messages(family: str) -> None:
    """
    Nothing is sent that was not given; Jamba's count of answers is always one.
    """
    assert body(family, ask()).keys() == ({"messages", "n"} if family == "jamba" else {"messages"})


def test_jamba_is_asked_for_one_answer() -> None:
    """
    More answers have no place, neither in a stream nor in ours.
    """
    assert body("jamba", ask())["n"] == 1
    with pytest.raises(RequestError, match="does not take the provider option 'n': expected one of 'response_format'"):
        call("jamba", ask(provider_options={"n": 2}))


@pytest.mark.parametrize(
    ("family", "bound"),
    [(family, "max_completion_tokens" if family == "openai_chat" else "max_tokens") for family in CHAT_FAMILIES],
)
def test_the_sampling_parameters_are_sent(family: str, bound: str) -> None:
    """
    The bound of the answer has the family's own name; zero is given.
    """
    made = body(family, ask(params=GenerationParams(max_tokens=9, temperature=0.0, top_p=0.5)))
    assert (made[bound], made["temperature"], made["top_p"]) == (9, 0.0, 0.5)


def test_a_tools_call_and_result_are_messages() -> None:
    """
    The call's arguments are a string of JSON; the result follows at once, before what else the user says.
    """
    use = ToolUsePart(tool_use_id="t1", name="t", input={"q": "ü"})
    result = ToolResultPart(tool_use_id="t1", content=texts("one", "two"))
    made = messages(
        user("a"), Message("assistant", (TextPart(text="Let me see"), use)), asked(TextPart(text="and?"), result)
    )
    called = made[1]["tool_calls"][0]
    assert json.loads(called["function"].pop("arguments")) == {"q": "ü"}
    assert made[1:] == [
        {
            "role": "assistant",
            "content": "Let me see",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "t"}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "one\n\ntwo"},
        {"role": "user", "content": "and?"},
    ]


def test_a_message_of_calls_has_no_content() -> None:
    """
    An assistant that only calls tools says nothing.
    """
    use = ToolUsePart(tool_use_id="t1", name="t", input={})
    made = messages(user("a"), Message("assistant", (use,)), asked(ToolResultPart(tool_use_id="t1", content=())))
    assert made[1].keys() == {"role", "tool_calls"}
    assert made[2:] == [{"role": "tool", "tool_call_id": "t1", "content": ""}]


def test_a_tools_failure_is_said_in_words() -> None:
    """
    The messages have no field for it.
    """
    failed = ToolResultPart(tool_use_id="t1", content=texts("not found"), is_error=True)
    assert messages(asked(failed))[0]["content"] == "Error: not found"


def test_images_stand_among_the_texts() -> None:
    """
    A message with images is a list; an image is a `data:` URL in it.
    """
    assert messages(asked(TextPart(text="a"), PNG))[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}},
    ]


def test_earlier_reasoning_is_not_given_back() -> None:
    """
    A reasoning model's own template leaves it out; a message of nothing else is not sent.
    """
    hm = ReasoningPart(text="hm")
    conversation = (user("a"), Message("assistant", (hm, TextPart(text="b"))), Message("assistant", (hm,)), user("c"))
    assert [message["content"] for message in messages(*conversation)] == ["a", "b", "c"]


def test_a_tool_is_described() -> None:
    """
    Name, description, schema, and strictness where it was asked for.
    """
    strict = ToolSpec(name="u", input_schema={}, strict=True)
    assert body("openai_chat", ask(tools=(TOOL, strict)))["tools"] == [
        {"type": "function", "function": {"name": "t", "description": "look", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "u", "parameters": {}, "strict": True}},
    ]


@pytest.mark.parametrize(
    ("family", "mode", "word"),
    [
        ("openai_chat", "auto", "auto"),
        ("openai_chat", "none", "none"),
        ("openai_chat", "any", "required"),
        ("writer", "any", "required"),
        ("mistral_chat", "any", "any"),
        ("jamba", "auto", "auto"),
    ],
)
def test_a_tool_choice_has_the_familys_word(family: str, mode: str, word: str) -> None:
    """
    "Some tool" is `required` to OpenAI and `any` to Mistral.
    """
    assert body(family, chosen(mode))["tool_choice"] == word


def test_a_tool_is_chosen_by_its_name() -> None:
    """
    A named tool is an object.
    """
    assert body("openai_chat", chosen("tool", "t"))["tool_choice"] == {"type": "function", "function": {"name": "t"}}


def test_one_call_at_a_time_is_asked_for() -> None:
    """
    The bound is a field of OpenAI's body.
    """
    assert body("openai_chat", chosen("auto", parallel=False))["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in body("openai_chat", chosen("auto"))


def test_a_choice_without_tools_is_not_sent() -> None:
    """
    Leaving the choice to the model where it has none says nothing.
    """
    assert "tool_choice" not in body("openai_chat", ask(tool_choice=ToolChoice(mode="auto")))


@families
@pytest.mark.parametrize(("mode", "name"), [("any", None), ("tool", None)])
def test_a_choice_that_can_not_be_met_is_refused(family: str, mode: Any, name: str | None) -> None:
    """
    A tool must be offered, and named where one is forced.
    """
    with pytest.raises(RequestError, match=r"the request has no tools|without a name|does not take tool choice"):
        call(family, ask(tool_choice=ToolChoice(mode=mode, name=name)))
    if mode == "tool":
        with pytest.raises(RequestError, match=r"without a name|does not take tool choice"):
            call(family, chosen("tool"))


def test_the_level_of_effort_is_sent() -> None:
    """
    gpt-oss and its like take the level as a field of the body.
    """
    made = body("openai_chat", ask(params=GenerationParams(reasoning=Reasoning(mode="adaptive", effort="high"))))
    assert made["reasoning_effort"] == "high"


def test_a_model_that_can_not_reason_takes_the_wish_not_to() -> None:
    """
    Where there is nothing to switch off, nothing is sent.
    """
    request = ask(params=GenerationParams(reasoning=Reasoning(mode="disabled")))
    assert body("openai_chat", request, refuses=frozenset({"reasoning", "effort"})).keys() == {"messages"}


def test_further_fields_are_sent() -> None:
    """
    What a family's table allows goes into the body as it is.
    """
    options = {"seed": 0, "response_format": {"type": "json_object"}}
    made = body("openai_chat", ask(provider_options=options))
    assert made.items() >= options.items()


@pytest.mark.parametrize(
    ("family", "request_", "words"),
    [
        *((family, ask(params=GenerationParams(top_k=1)), "top_k") for family in CHAT_FAMILIES),
        *((family, ask(DocumentPart(media_type="text/plain", data=b"x")), "documents") for family in CHAT_FAMILIES),
        *(
            (family, ask(messages=(user("a"), assistant("b"))), "an answer begun by the client")
            for family in CHAT_FAMILIES
        ),
        ("openai_chat", ask(params=GenerationParams(reasoning=Reasoning(mode="disabled"))), "switching reasoning off"),
        (
            "openai_chat",
            ask(params=GenerationParams(reasoning=Reasoning(mode="enabled", budget_tokens=1024))),
            "reasoning with a budget",
        ),
        ("mistral_chat", ask(params=GenerationParams(stop_sequences=("x",))), "stop_sequences"),
        ("mistral_chat", chosen("tool", "t"), "tool choice 'tool', which names a tool"),
        ("mistral_chat", chosen("auto", parallel=False), "a bound of one tool call at a time"),
        (
            "mistral_chat",
            ask(messages=(user("a"), Message("assistant", (ReasoningPart(text="b"),)))),
            "an answer begun",
        ),
        ("jamba", chosen("any"), "tool choice 'any' or 'tool'"),
        ("jamba", ask(PNG), "images"),
        ("writer", ask(PNG), "images"),
        ("writer", ask(tools=(ToolSpec(name="t", input_schema={}, strict=True),)), "strict tools"),
    ],
)
def test_what_the_body_has_no_place_for_is_refused(family: str, request_: ChatRequest, words: str) -> None:
    """
    What can't be sent is refused by name, never left out.
    """
    with pytest.raises(RequestError, match=f"model 'm' does not take {words}"):
        call(family, request_)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (asked(ToolUsePart(tool_use_id="t", name="n", input={})), "a ToolUsePart, .* from the 'user'"),
        (asked(ReasoningPart(text="hm")), "a ReasoningPart, .* from the 'user'"),
        (Message("assistant", (PNG,)), "an? ImagePart, .* from the 'assistant'"),
        (asked(ToolResultPart(tool_use_id="t", content=(PNG,))), r"content\[0\] is a ImagePart, .* from the 'tool'"),
    ],
)
def test_a_part_without_a_place_is_refused(message: Message, words: str) -> None:
    """
    A part that can't come from its side is refused by its position.
    """
    with pytest.raises(RequestError, match=rf"messages\[0\].parts\[0\].*{words}"):
        call("openai_chat", ask(messages=(message, user("x"))))


def nested(depth: int) -> Any:
    """
    Build a list in a list in a list.
    """
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("argument", "words"), [("\udfff", "half of a surrogate pair"), (nested(99_999), "arguments are nested too deeply")]
)
def test_arguments_that_have_no_json_are_refused(argument: Any, words: str) -> None:
    """
    Half of a surrogate pair can't be sent, nor can a pit.
    """
    use = ToolUsePart(tool_use_id="t", name="n", input={"q": argument})
    with pytest.raises(RequestError, match=words):
        call("openai_chat", ask(messages=(user("a"), Message("assistant", (use,)), user("b"))))
