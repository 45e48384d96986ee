"""
A request becomes the prompt of Mistral's text models, and no text in it can forge a turn.

`parse_tokens` below reads a prompt as Mistral's tokenizers would, from their published lists of control tokens; it
shares nothing with the code under test.
"""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outcrop.adapters.mistral_text import neutralise
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, DocumentPart, GenerationParams, ImagePart, Reasoning, ReasoningPart, ToolSpec
from tests.adapters.forms import METRICS, ask, assistant, body, call, stop_of, stream, texts, user, whole

CONTROL_TOKENS = [
    *("<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"),
    *("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]"),
    *("[control_8]", "[control_767]", "<SPECIAL_20>"),
]
ANY_CONTROL_TOKEN = re.compile("|".join(map(re.escape, CONTROL_TOKENS)))
FRAGMENTS = [
    *CONTROL_TOKENS,
    *("[", "]", "[/", "<", "</", ">", "s>", "INST]", "/INST]", "[INST", "[[INST]INST]", "<<s>s>", " ", "\n", "x"),
    *("TOOL_", "CALLS]", "[TODO]", "[inst]", "\ufeff", "\u200b", "</", "s", "[ INST]"),
]
hostile = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=10).map("".join),
    st.text(alphabet="[]/<>sINT_ ", max_size=30),
    st.text(max_size=20),
)


def parse_tokens(prompt: str) -> list[str]:
    """
    Return the control tokens that a tokenizer would see, in order.
    """
    return ANY_CONTROL_TOKEN.findall(prompt)


def render(request: ChatRequest) -> str:
    """
    Return the prompt of a request.
    """
    prompt = body("mistral_text", request)["prompt"]
    assert isinstance(prompt, str)
    return prompt


def test_a_conversation_has_mistrals_form() -> None:
    """
    The user speaks between the marks of an instruction, the assistant after it up to the end of its sequence.
    """
    assert render(ask(messages=(user("a"), assistant("b"), user("c")))) == "<s>[INST] a [/INST] b</s>[INST] c [/INST]"


def test_the_systems_text_opens_the_first_turn() -> None:
    """
    There is no role for the system; its text stands before the user's.
    """
    request = ask(messages=(user("a"), assistant("b"), user("c")), system=texts("Be", "brief"))
    assert render(request) == "<s>[INST] Be\n\nbrief\n\na [/INST] b</s>[INST] c [/INST]"


def test_an_answer_begun_by_the_client_stays_open() -> None:
    """
    A last message from the assistant is not closed, so that the model continues it.
    """
    assert render(ask(messages=(user("a"), assistant("The ", "answer is")))).endswith(" [/INST] The answer is")


def test_neighbours_of_one_side_are_one_turn() -> None:
    """
    The form alternates, so messages in a row are joined: a user's with an empty line, an assistant's as they are.
    """
    messages = (user("a", "b"), user("c"), assistant("d"), assistant("e"), user("f"))
    assert render(ask(messages=messages)) == "<s>[INST] a\n\nb\n\nc [/INST] de</s>[INST] f [/INST]"


def test_an_assistant_that_speaks_first_is_refused() -> None:
    """
    The form begins with an instruction.
    """
    with pytest.raises(RequestError, match=r"model 'm' takes no messages\[0\] from the assistant"):
        call("mistral_text", ask(messages=(assistant("a"), user("b"))))


def test_the_sampling_parameters_are_sent() -> None:
    """
    Only what was given is sent; zero is given.
    """
    params = GenerationParams(max_tokens=9, temperature=0.0, top_p=0.3, top_k=7, stop_sequences=("x", "y"))
    made = body("mistral_text", ask(params=params))
    del made["prompt"]
    assert made == {"max_tokens": 9, "temperature": 0.0, "top_p": 0.3, "top_k": 7, "stop": ["x", "y"]}
    assert body("mistral_text", ask()).keys() == {"prompt"}


def test_an_eleventh_stop_sequence_is_refused() -> None:
    """
    The body takes ten.
    """
    with pytest.raises(RequestError, match="stop_sequences has 11 entries, model 'm' takes at most 10"):
        call("mistral_text", ask(params=GenerationParams(stop_sequences=("x",) * 11)))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ask(ImagePart(media_type="image/png", data=b"x")), "images"),
        (ask(DocumentPart(media_type="text/plain", data=b"x")), "documents"),
        (ask(ReasoningPart(text="hm")), "reasoning in earlier messages"),
        (ask(tools=(ToolSpec(name="t", input_schema={}),)), "tools"),
        (ask(params=GenerationParams(reasoning=Reasoning(mode="adaptive"))), "reasoning"),
    ],
)
def test_what_the_body_has_no_place_for_is_refused(request_: ChatRequest, words: str) -> None:
    """
    What can't be sent is refused by name, never left out.
    """
    with pytest.raises(RequestError, match=f"model 'm' does not take {words}"):
        call("mistral_text", request_)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("[INST]", "[ INST]"),
        ("[/INST]", "[ /INST]"),
        ("</s><s>", "< /s>< s>"),
        ("[[INST]INST]", "[[ INST]INST]"),
        ("[TOOL_CALLS]", "[ TOOL_CALLS]"),
        ("[control_8]", "[ control_8]"),
        ("a[0] [TODO] [INSTALL] [inst] <strong> <spam>", "a[0] [TODO] [INSTALL] [inst] <strong> <spam>"),
    ],
)
def test_only_what_could_be_a_control_token_is_changed(text: str, safe: str) -> None:
    """
    Literals of control tokens get one space; what merely looks a little like them stays as written.
    """
    assert neutralise(text) == safe


@given(hostile, hostile, hostile, hostile)
@example("[INST]", "</s>", "[/INST]", "<s>")
@example("[", "INST]", "</", "s>")
@settings(deadline=None, max_examples=150)
def test_no_text_changes_the_turns(one: str, two: str, three: str, four: str) -> None:
    """
    Whatever system, user and assistant say, in one part or over two, the model sees the tokens that "x" gives.
    """

    def tokens(first: str, second: str, third: str, fourth: str) -> list[str]:
        messages = (user(second, third), assistant(fourth, first), user(third))
        request = ask(messages=messages, system=texts("law: " + first, second))
        return parse_tokens(render(request)) + parse_tokens(render(ask(messages=messages[:2])))

    assert tokens(one, two, three, four) == tokens(*"xxxx")


@given(hostile)
@settings(deadline=None)
def test_a_safe_text_is_changed_no_further(text: str) -> None:
    """
    Making a safe text safe changes nothing, and spaces are all that was added.
    """
    safe = neutralise(text)
    assert neutralise(safe) == safe
    assert parse_tokens(safe) == []
    assert safe.replace(" ", "") == text.replace(" ", "")


def test_unknown_fields_of_the_output_reach_the_terminal() -> None:
    """
    What stands beside the text is passed on, streamed or whole.
    """
    output = {"text": "a", "stop_reason": "stop", "index": 3}
    assert stop_of(stream("mistral_text", {"outputs": [output], **METRICS})).provider_details == {"index": 3}
    assert stop_of(whole("mistral_text", {"outputs": [output]})).provider_details == {"index": 3}
