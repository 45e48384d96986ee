"""
Run a script of `frameworks/` between a gateway and an emulator of its own, and judge what it has noted.
"""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.proof import Ability, proves
from tests.support import clean_environment, gateway_environment, run_outcrop

SCRIPT_SECONDS = 110
PACE = ("--first-token-ms", "5", "--tokens-per-second", "2000", "--jitter", "0")
MODELS = {"gpt-4o": "us.anthropic.claude-sonnet-4-6", "claude-opus-4-6": "us.anthropic.claude-opus-4-6-v1"}
ONE_OFF = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
}
"""
Made-up keys, and no second try by botocore.
"""

NO_CALLS_HOME = {
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
}
"""
What keeps the frameworks from asking the internet; a script that does it all the same is ended by its audit hook.
"""


class Outcome(msgspec.Struct):
    """
    Hold what one scenario came to: its value or its exception's classes, and the calls that reached the emulator.
    """

    value: Any
    raised: list[str]
    words: str
    calls: list[dict[str, Any]]

    @property
    def ends(self) -> list[str]:
        """
        How the calls ended.
        """
        return [call["outcome"] for call in self.calls]

    @property
    def text(self) -> str:
        """
        The text that the first call gave.
        """
        return str(self.calls[0]["text_emitted"]["text"])


Outcomes = dict[str, Outcome]


def perform(python: Path, script: str, home: Path) -> Outcomes:
    """
    Run a script, with a gateway that knows fixed model names of its clients, and return its outcomes by name.
    """
    with run_outcrop("emulate", "--port", "0", *PACE) as (_, emulator_url):
        environ = gateway_environment(emulator_url, models=json.dumps(MODELS))
        with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
            command = [str(python), str(Path(__file__).parent / "frameworks" / script), url, emulator_url]
            own = clean_environment(ONE_OFF | NO_CALLS_HOME | {"HOME": str(home)})
            done = subprocess.run(
                command, env=own, cwd=home, capture_output=True, text=True, timeout=SCRIPT_SECONDS, check=False
            )
    assert done.returncode == 0, done.stderr[-3000:]
    return msgspec.json.decode(done.stdout, type=Outcomes)


def each(clients: Iterable[tuple[str, str]], *abilities: Ability) -> pytest.MarkDecorator:
    """
    Repeat a test for every kind of model, each a proof of the abilities for the client that brings this kind.
    """
    rows = [pytest.param(kind, marks=proves(client, *abilities)) for kind, client in clients]
    return pytest.mark.parametrize("kind", rows)


def check_text(outcome: Outcome) -> None:
    """
    Check that the answer is the emulator's, and so are the counts where the framework tells them.
    """
    assert outcome.raised == [], outcome.words
    assert outcome.ends == ["completed"]
    assert outcome.value["text"] == outcome.text
    usage = outcome.value["usage"]
    counted = outcome.calls[0]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (counted["input"], counted["output"])


def check_stream(outcome: Outcome) -> None:
    """
    Check that the pieces are the answer, and so is what the framework folds them into.
    """
    check_text(outcome)
    assert len(outcome.value["pieces"]) > 1
    assert "".join(outcome.value["pieces"]) == outcome.text


def check_tool(outcome: Outcome) -> None:
    """
    Check a whole round with a tool: the call, whole and streamed, and the answer that knows its result.
    """
    assert outcome.raised == [], outcome.words
    call = [["get_weather", {"city": "Oslo"}]]
    assert outcome.value["whole"] == outcome.value["streamed"] == call
    assert "The tool says: 12 degrees in Oslo" in outcome.value["text"]


def check_tools_at_once(outcome: Outcome) -> None:
    """
    Check that the results of two calls of one answer arrive together.
    """
    assert outcome.raised == [], outcome.words
    assert "The tool says: fine in Oslo; fine in Rome" in outcome.value["text"]


def check_image(outcome: Outcome, plain: Outcome) -> None:
    """
    Check that an image came along: it costs tokens that the same question without it does not.
    """
    assert outcome.raised == [], outcome.words
    assert outcome.value["text"] == outcome.text
    assert outcome.calls[0]["usage"]["input"] > plain.calls[0]["usage"]["input"] + 100


def check_place(outcome: Outcome) -> None:
    """
    Check that the answer became an object of the asked class.
    """
    assert outcome.raised == [], outcome.words
    assert outcome.value["class"] == "Place"
    assert "Oslo" in outcome.value["city"]


def check_broken(outcome: Outcome, *classes: str) -> None:
    """
    Check that a failure in mid-stream is an exception of one of these classes, behind a true beginning.
    """
    assert outcome.ends == ["fault:exception"]
    assert outcome.value["pieces"]
    assert "".join(outcome.value["pieces"]) == outcome.text
    assert {*classes} & {*outcome.value["raised"]}, outcome.value["raised"]
    assert "quota" in outcome.value["words"]


def check_left(outcome: Outcome, *, calls: int = 1) -> None:
    """
    Check that the calls to Bedrock were closed when the client left.
    """
    assert outcome.raised == [], outcome.words
    assert outcome.ends == ["client_closed"] * calls
