"""
LiteLLM's library, unmodified, by each of its ways to what the gateway speaks.
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
from tests.clients.tools import find_litellm_python

CLIENT = "litellm"
KINDS = ("chat completions", "responses", "messages", "converse", "invoke")
pytestmark = pytest.mark.service
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """
    Play all scenarios once.
    """
    return perform(find_litellm_python(), "run_litellm.py", tmp_path_factory.mktemp("litellm"))


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
    The library's own fold of the chunks is the answer, with its counts.
    """
    check_stream(outcomes[f"{kind}: stream"])


@proves(CLIENT, "tools")
@each_kind
def test_a_round_with_a_tool(kind: str, outcomes: Outcomes) -> None:
    """
    A tool is called, whole and in a stream, and its results are understood, also two at once.
    """
    check_tool(outcomes[f"{kind}: use_tool"])
    check_tools_at_once(outcomes[f"{kind}: use_tools_at_once"])


@proves(CLIENT, "images")
@each_kind
def test_an_image(kind: str, outcomes: Outcomes) -> None:
    """
    An image in a data URL reaches the model.
    """
    check_image(outcomes[f"{kind}: see"], outcomes[f"{kind}: ask"])


@each_kind
def test_a_structured_answer(kind: str, outcomes: Outcomes) -> None:
    """
    A Pydantic class as `response_format` gives an answer that fits it.
    """
    check_place(outcomes[f"{kind}: structure"])


@proves(CLIENT, "errors before")
@each_kind
def test_errors_before_the_answer(kind: str, outcomes: Outcomes) -> None:
    """
    An unknown model and throttling are the library's own exceptions, before a stream too.
    """
    assert {"litellm.NotFoundError", "litellm.BadRequestError"} & {*outcomes[f"{kind}: unknown model"].raised}
    throttled = outcomes[f"{kind}: throttled stream"]
    assert "litellm.RateLimitError" in throttled.raised
    assert set(throttled.ends) == {"fault:http_error"}


@proves(CLIENT, "errors in mid-stream")
@each_kind
def test_an_error_in_mid_stream(kind: str, outcomes: Outcomes) -> None:
    """
    A failure after the first piece is the exception by which the library's router would turn to another model.
    """
    check_broken(outcomes[f"{kind}: broken"], "litellm.MidStreamFallbackError")


@proves(CLIENT, "cancellation")
@each_kind
def test_leaving_stops_the_call(kind: str, outcomes: Outcomes) -> None:
    """
    A stream that is closed early, and a cancelled task that waits for a whole answer, close the call to Bedrock.
    """
    check_left(outcomes[f"{kind}: leave"])
    check_left(outcomes[f"{kind}: cancel"])
