"""
Pydantic AI's agents with the models of OpenAI, Anthropic and Bedrock, unmodified, against the gateway.
"""

import pytest

from tests.clients.framework import (
    Outcomes,
    check_broken,
    check_image,
    check_left,
    check_place,
    check_stream,
    check_text,
    check_tool,
    check_tools_at_once,
    perform,
)
from tests.clients.proof import proves
from tests.clients.tools import find_frameworks_python

CLIENT = "pydantic-ai"
KINDS = ("chat completions", "responses", "messages", "converse")
pytestmark = pytest.mark.service
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """
    Play all scenarios once.
    """
    return perform(find_frameworks_python(), "run_pydantic_ai.py", tmp_path_factory.mktemp("pydantic_ai"))


@proves(CLIENT, "plain")
@each_kind
def test_a_whole_answer(kind: str, outcomes: Outcomes) -> None:
    """
    The answer and its counts are Bedrock's.
    """
    check_text(outcomes[f"{kind}: ask"])


@proves(CLIENT, "streaming")
@each_kind
def test_a_stream(kind: str, outcomes: Outcomes) -> None:
    """
    The pieces are the answer, with its counts.
    """
    check_stream(outcomes[f"{kind}: stream"])


@proves(CLIENT, "tools")
@each_kind
def test_a_round_with_a_tool(kind: str, outcomes: Outcomes) -> None:
    """
    An agent calls its tool, whole and in streams, and goes on from the results, also from two at once.
    """
    check_tool(outcomes[f"{kind}: use_tool"])
    check_tools_at_once(outcomes[f"{kind}: use_tools_at_once"])


@proves(CLIENT, "images")
@each_kind
def test_an_image(kind: str, outcomes: Outcomes) -> None:
    """
    Binary content reaches the model.
    """
    check_image(outcomes[f"{kind}: see"], outcomes[f"{kind}: ask"])


@pytest.mark.parametrize("way", ["structure", "structure_natively"])
@each_kind
def test_a_structured_answer(kind: str, way: str, outcomes: Outcomes) -> None:
    """
    An agent's output has its type, by a tool as well as by a schema.
    """
    check_place(outcomes[f"{kind}: {way}"])


@proves(CLIENT, "errors before")
@each_kind
def test_errors_before_the_answer(kind: str, outcomes: Outcomes) -> None:
    """
    An unknown model and throttling are the framework's own exceptions; the unknown model costs no call.
    """
    unknown, throttled = outcomes[f"{kind}: unknown model"], outcomes[f"{kind}: throttled stream"]
    assert "pydantic_ai.ModelNotFoundError" in unknown.raised
    assert unknown.calls == []
    assert "pydantic_ai.ModelRateLimitError" in throttled.raised
    assert set(throttled.ends) == {"fault:http_error"}


@proves(CLIENT, "errors in mid-stream")
@each_kind
def test_an_error_in_mid_stream(kind: str, outcomes: Outcomes) -> None:
    """
    Throttling after the first piece is still the framework's exception for throttling.
    """
    check_broken(outcomes[f"{kind}: broken"], "pydantic_ai.ModelRateLimitError")


@proves(CLIENT, "cancellation")
@each_kind
def test_leaving_a_stream_stops_the_call(kind: str, outcomes: Outcomes) -> None:
    """
    A stream that is cancelled early closes the call to Bedrock.
    """
    check_left(outcomes[f"{kind}: leave"])


@proves(CLIENT, "cancellation")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "converse"])
def test_a_cancelled_task_stops_the_call(kind: str, outcomes: Outcomes) -> None:
    """
    So does a cancelled task that waits for a whole answer; Bedrock's own SDK runs in a thread, which goes on.
    """
    check_left(outcomes[f"{kind}: cancel"])
