"""
The fields that a request uses have the names that models refuse them by.
"""

import pytest

from outcrop.adapters.request_rules import FIELDS, check_refusals, used_fields
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    AnswerFormat,
    ChatRequest,
    DocumentPart,
    GenerationParams,
    Guardrail,
    ImagePart,
    Message,
    Reasoning,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
)

MODEL = ResolvedModel(name="m", model_id="m", base_id="m", family="anthropic")
PLAIN = ChatRequest(model="m", messages=(Message("user", (TextPart(text="hi"),)),), stream=False)
IMAGE = ImagePart(media_type="image/png", data=b"x")
FULL = ChatRequest(
    answer_format=AnswerFormat(json_schema={}),
    model="m",
    system=(TextPart(text="law"),),
    messages=(
        Message("user", (IMAGE, DocumentPart(media_type="text/plain", data=b"x"))),
        Message("assistant", (ReasoningPart(text="hm"),)),
    ),
    params=GenerationParams(
        temperature=0.0,
        top_p=0.0,
        top_k=0,
        stop_sequences=("x",),
        reasoning=Reasoning(mode="enabled", budget_tokens=1024, effort="low"),
    ),
    tools=(ToolSpec(name="t", input_schema={}, strict=True),),
    tool_choice=ToolChoice(mode="tool", name="t", allow_parallel=False),
    guardrail=Guardrail(identifier="g", version="1"),
)


def test_a_plain_request_uses_nothing() -> None:
    """
    Text alone can't be refused.
    """
    assert used_fields(PLAIN) == frozenset()


def test_a_full_request_uses_every_field_once_modes_are_counted() -> None:
    """
    Every name in the vocabulary is found in a request that uses it; modes and levels exclude each other.
    """
    excluded = {
        "reasoning_adaptive",
        "reasoning_disabled",
        "effort_medium",
        "effort_high",
        "effort_xhigh",
        "effort_max",
    }
    assert used_fields(FULL) == FIELDS.keys() - excluded


@pytest.mark.parametrize("mode", ["adaptive", "disabled"])
def test_every_mode_of_reasoning_has_its_name(mode: str) -> None:
    """
    Switching reasoning off is a field of its own, and is not reasoning.
    """
    reasoning = Reasoning(mode="adaptive") if mode == "adaptive" else Reasoning(mode="disabled")
    made = ChatRequest(model="m", messages=PLAIN.messages, stream=False, params=GenerationParams(reasoning=reasoning))
    assert used_fields(made) == {f"reasoning_{mode}"} | ({"reasoning"} if mode == "adaptive" else set())


def test_an_image_in_a_tools_result_is_an_image() -> None:
    """
    What a tool showed counts like what the user showed.
    """
    result = ToolResultPart(tool_use_id="t", content=(IMAGE,))
    made = ChatRequest(model="m", messages=(Message("user", (result,)),), stream=False)
    assert used_fields(made) == {"images", "tools"}


def test_the_family_refuses_for_all_of_its_models() -> None:
    """
    What the family's body has no place for is refused whatever the catalogue says.
    """
    with pytest.raises(RequestError, match="model 'm' does not take top_k"):
        check_refusals(FULL, MODEL, {"top_k"})


def test_a_field_that_is_not_used_is_not_refused() -> None:
    """
    Refusals hold for what a request uses, alone or together.
    """
    check_refusals(PLAIN, MODEL, {"temperature+top_p", "top_k"})
