"""
LangChain's chat models for OpenAI, Anthropic and Bedrock, unmodified, against the gateway.
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
    each,
    perform,
)
from tests.clients.tools import find_frameworks_python

pytestmark = pytest.mark.service
CLIENTS = {
    "chat completions": "langchain-openai",
    "responses": "langchain-openai",
    "messages": "langchain-anthropic",
    "converse": "langchain-aws",
    "invoke": "langchain-aws",
    "messages on bedrock": "langchain-aws",
}
KINDS = CLIENTS.items()
CANCELLED = [row for row in KINDS if row[0] not in {"converse", "invoke"}]
"""
Bedrock's own SDK runs in a thread, which a cancelled task leaves to itself.
"""

UNKNOWN = {
    "langchain-openai": "langchain_openai.OpenAIModelNotFoundError",
    "langchain-anthropic": "langchain_anthropic.AnthropicModelNotFoundError",
    "langchain-aws": "botocore.ResourceNotFoundException",
}
THROTTLED = {
    "langchain-openai": "langchain_openai.OpenAIRateLimitError",
    "langchain-anthropic": "langchain_anthropic.AnthropicRateLimitError",
    "langchain-aws": "botocore.ThrottlingException",
}
BROKEN = {
    "chat completions": "openai.APIError",
    "responses": "builtins.ValueError",
    "messages": "anthropic.APIStatusError",
    "converse": "botocore.EventStreamError",
    "invoke": "botocore.EventStreamError",
    "messages on bedrock": "anthropic.APIStatusError",
}


def error_source(kind: str) -> str:
    """
    Name the package whose exceptions a kind of model raises.
    """
    return "langchain-anthropic" if kind == "messages on bedrock" else CLIENTS[kind]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """
    Play all scenarios once.
    """
    return perform(find_frameworks_python(), "run_langchain.py", tmp_path_factory.mktemp("langchain"))


@each(KINDS, "plain")
def test_a_whole_answer(kind: str, outcomes: Outcomes) -> None:
    """
    The answer and its counts are Bedrock's.
    """
    check_text(outcomes[f"{kind}: ask"])


@each(KINDS, "streaming")
def test_a_stream(kind: str, outcomes: Outcomes) -> None:
    """
    The sum of the chunks is the answer, with its counts.
    """
    check_stream(outcomes[f"{kind}: stream"])


@each(KINDS, "tools")
def test_a_round_with_a_tool(kind: str, outcomes: Outcomes) -> None:
    """
    A bound tool is called, whole and in a stream, and its results are understood, also two at once.
    """
    check_tool(outcomes[f"{kind}: use_tool"])
    check_tools_at_once(outcomes[f"{kind}: use_tools_at_once"])


@each(KINDS, "images")
def test_an_image(kind: str, outcomes: Outcomes) -> None:
    """
    An image in LangChain's own form reaches the model.
    """
    check_image(outcomes[f"{kind}: see"], outcomes[f"{kind}: ask"])


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_structured_answer(kind: str, outcomes: Outcomes) -> None:
    """
    `with_structured_output` gives an object of the asked class.
    """
    check_place(outcomes[f"{kind}: structure"])


@each(KINDS, "errors before")
def test_errors_before_the_answer(kind: str, outcomes: Outcomes) -> None:
    """
    An unknown model and throttling are the package's own exceptions; the unknown model costs no call.
    """
    unknown, throttled = outcomes[f"{kind}: unknown model"], outcomes[f"{kind}: throttled stream"]
    assert UNKNOWN[error_source(kind)] in unknown.raised
    assert unknown.calls == []
    assert THROTTLED[error_source(kind)] in throttled.raised
    assert set(throttled.ends) == {"fault:http_error"}


@each(KINDS, "errors in mid-stream")
def test_an_error_in_mid_stream(kind: str, outcomes: Outcomes) -> None:
    """
    A failure after the first piece is an exception; for Responses, LangChain has no better one than ValueError.
    """
    check_broken(outcomes[f"{kind}: broken"], BROKEN[kind])


@each(KINDS, "cancellation")
def test_leaving_a_stream_stops_the_call(kind: str, outcomes: Outcomes) -> None:
    """
    A stream that is closed early closes the call to Bedrock.
    """
    check_left(outcomes[f"{kind}: leave"])


@each(CANCELLED, "cancellation")
def test_a_cancelled_task_stops_the_call(kind: str, outcomes: Outcomes) -> None:
    """
    So does a cancelled task that waits for a whole answer.
    """
    check_left(outcomes[f"{kind}: cancel"])
