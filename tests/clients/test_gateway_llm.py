"""
The command line `llm` and its plugins for Anthropic and Bedrock, unmodified, against the gateway.
"""

import json

import pytest

from tests.clients.framework import Outcomes, check_broken, check_image, check_left, check_text, each, perform
from tests.clients.tools import find_frameworks_python

pytestmark = pytest.mark.service
CLIENTS = {
    "chat completions": "llm",
    "responses": "llm",
    "messages": "llm-anthropic",
    "nova by converse": "llm-bedrock",
    "claude by converse": "llm-bedrock-anthropic",
    "llama by invoke": "llm-bedrock-meta",
}
KINDS = CLIENTS.items()
COUNTING = [row for row in KINDS if row[0] != "llama by invoke"]
OF_BEDROCK = ("nova by converse", "claude by converse", "llama by invoke")
WITH_TOOLS = [row for row in KINDS if row[0] not in OF_BEDROCK]
INTERRUPTED = [row for row in KINDS if row[0] in {"chat completions", "messages", "claude by converse"}]
RAISING = [row for row in KINDS if row[0] != "responses"]
"""
In Responses, `llm` reads over the event that tells of a failure: its answer just ends.
"""

BROKEN = ("openai.APIError", "anthropic.APIStatusError", "botocore.EventStreamError")
REFUSED = {
    "llm": "openai.NotFoundError",
    "llm-anthropic": "anthropic.NotFoundError",
    "llm-bedrock": "botocore.ThrottlingException",
    "llm-bedrock-anthropic": "botocore.ThrottlingException",
    "llm-bedrock-meta": "botocore.ThrottlingException",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """
    Play all scenarios once.
    """
    return perform(find_frameworks_python(), "run_llm.py", tmp_path_factory.mktemp("llm"))


@each(KINDS, "plain", "streaming")
def test_answers(kind: str, outcomes: Outcomes) -> None:
    """
    The command prints the answer, with and without a stream.
    """
    for name in ("ask", "stream"):
        outcome = outcomes[f"{kind}: {name}"]
        assert (outcome.value["code"], outcome.ends) == (0, ["completed"]), outcome.value["said"]
        assert outcome.value["text"] == outcome.text


@pytest.mark.parametrize("kind", dict(COUNTING))
def test_counts(kind: str, outcomes: Outcomes) -> None:
    """
    Where the plugin counts tokens, the counts are Bedrock's.
    """
    check_text(outcomes[f"{kind}: ask"])
    check_text(outcomes[f"{kind}: stream"])


@each(WITH_TOOLS, "tools")
def test_a_round_with_a_tool(kind: str, outcomes: Outcomes) -> None:
    """
    A function of the command line is called, and the answer knows its result.
    """
    for name in ("use_tool", "use_tool_whole"):
        outcome = outcomes[f"{kind}: {name}"]
        assert "The tool says: 12 degrees in Oslo" in outcome.value["text"], outcome.value["said"]
        assert outcome.ends == ["completed"] * 2


@each([row for row in KINDS if row[0] != "llama by invoke"], "images")
def test_an_image(kind: str, outcomes: Outcomes) -> None:
    """
    An attachment reaches the model.
    """
    check_image(outcomes[f"{kind}: see"], outcomes[f"{kind}: ask"])


@pytest.mark.parametrize("kind", dict(WITH_TOOLS))
def test_a_structured_answer(kind: str, outcomes: Outcomes) -> None:
    """
    With a schema, the command prints JSON that fits it.
    """
    assert "city" in json.loads(outcomes[f"{kind}: structure"].value["text"])


@each(KINDS, "errors before")
def test_errors_before_the_answer(kind: str, outcomes: Outcomes) -> None:
    """
    A refusal is the exception of the SDK below; the command says why and ends with 1.
    """
    outcome = outcomes[f"{kind}: refused"]
    assert REFUSED[CLIENTS[kind]] in outcome.value["raised"]
    assert outcome.value["pieces"] == []
    command = outcomes[f"{kind}: refused command"].value
    assert (command["code"], command["text"]) == (1, "")
    assert "not enabled" in command["said"]


@pytest.mark.parametrize("kind", ["chat completions", "responses"])
def test_an_unknown_model(kind: str, outcomes: Outcomes) -> None:
    """
    A name that stands for no model is not found, and costs no call.
    """
    outcome = outcomes[f"{kind}: unknown model"]
    assert "openai.NotFoundError" in outcome.value["raised"]
    assert outcome.calls == []


@each(RAISING, "errors in mid-stream")
def test_an_error_in_mid_stream(kind: str, outcomes: Outcomes) -> None:
    """
    A failure after the first piece is the exception of the SDK below.
    """
    check_broken(outcomes[f"{kind}: broken"], *BROKEN)


@each(INTERRUPTED, "cancellation")
def test_an_interrupted_command_stops_the_call(kind: str, outcomes: Outcomes) -> None:
    """
    Ctrl-C in the midst of an answer closes the call to Bedrock.
    """
    check_left(outcomes["interrupt"], calls=len(INTERRUPTED))
