"""
Play every scenario with the command line `llm` and its plugins, in this process but for one that is interrupted.
"""

import base64
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llm
import yaml
from click.testing import CliRunner
from llm.cli import cli
from stage import (
    BROKEN,
    DENIED,
    GPT_NAME,
    HELLO,
    LONG,
    PATIENCE_SECONDS,
    PIXEL,
    PLACE,
    REGION,
    SHORT,
    SLOW,
    THROTTLED,
    WEATHER,
    Stage,
    open_stage,
    read_pieces,
)

KINDS = {
    "chat completions": "gateway-chat",
    "responses": "gateway-responses",
    "messages": "anthropic/claude-opus-4-6",
    "nova by converse": "us.amazon.nova-lite-v1:0",
    "claude by converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "llama by invoke": "meta.llama3-8b-instruct-v1:0",
}
LOST = {"chat completions": "gateway-lost", "responses": "gateway-lost-responses"}
WITH_TOOLS = ("chat completions", "responses", "messages")
WITH_IMAGES = (*WITH_TOOLS, "nova by converse", "claude by converse")
PLUGINS = {"chat completions": "", "messages": "llm-anthropic", "claude by converse": "llm-bedrock-anthropic"}
FUNCTION = """
def get_weather(city: str) -> str:
    "Tell the weather of a city."
    return f"12 degrees in {city}"
"""


def write_models(folder: Path, url: str) -> None:
    """
    Write the file in which `llm` finds models behind other addresses.
    """
    able = {"api_base": f"{url}/v1", "supports_tools": True, "supports_schema": True, "vision": True}
    rows = [
        {"model_id": "gateway-chat", "model_name": GPT_NAME, **able},
        {"model_id": "gateway-responses", "model_name": GPT_NAME, "responses": True, **able},
        {"model_id": "gateway-lost", "model_name": "no-such-model", **able},
        {"model_id": "gateway-lost-responses", "model_name": "no-such-model", "responses": True, **able},
    ]
    (folder / "extra-openai-models.yaml").write_text(yaml.safe_dump(rows))
    (folder / "pixel.png").write_bytes(base64.b64decode(PIXEL))


def point(folder: Path, url: str) -> None:
    """
    Set the variables that lead the plugins to the gateway.
    """
    os.environ |= {
        "LLM_USER_PATH": str(folder),
        "OPENAI_API_KEY": "any",
        "ANTHROPIC_API_KEY": "any",
        "ANTHROPIC_BASE_URL": url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def run(*arguments: str) -> dict[str, Any]:
    """
    Run the command in this process.
    """
    done = CliRunner().invoke(cli, list(arguments))
    counts = re.search(r"Token usage: ([\d,]+) input, ([\d,]+) output", done.stderr)
    return {
        "text": done.stdout.removesuffix("\n"),
        "code": done.exit_code,
        "usage": counts and {"input_tokens": int(counts[1]), "output_tokens": int(counts[2])},
        "said": done.stderr[-300:],
    }


def read(model: str, prompt: str) -> Any:
    """
    Read a streamed answer by Python, which tells the exception's class.
    """
    return read_pieces(llm.get_model(model).prompt(prompt))


def interrupt() -> Any:
    """
    Press Ctrl-C in the midst of answers, of several commands at once, each with its own plugin alone.
    """
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "llm", "-m", KINDS[kind], LONG],
                    env=os.environ | {"LLM_LOAD_PLUGINS": plugin},
                    **pipes,
                )
            )
            for kind, plugin in PLUGINS.items()
        ]
        firsts = [process.stdout.read(1).decode() for process in running]
        for process in running:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_SECONDS)
    return {"pieces": firsts, "codes": [process.returncode for process in running]}


def play(stage: Stage, kind: str, model: str, image: Path) -> None:
    """
    Play what the plugin of one kind of model can do.
    """

    def note(name: str, scenario: Callable[[], Any], fault: dict[str, Any] | None = None) -> None:
        stage.play(f"{kind}: {name}", scenario, fault)

    note("ask", lambda: run("-m", model, "--no-stream", "-u", HELLO))
    note("stream", lambda: run("-m", model, "-u", HELLO))
    if kind in WITH_TOOLS:
        note("use_tool", lambda: run("-m", model, "--functions", FUNCTION, WEATHER))
        note("use_tool_whole", lambda: run("-m", model, "--no-stream", "--functions", FUNCTION, WEATHER))
        note("structure", lambda: run("-m", model, "--schema", "city str", PLACE))
    if kind in WITH_IMAGES:
        note("see", lambda: run("-m", model, HELLO, "-a", str(image)))
    if kind in LOST:
        note("unknown model", lambda: read(LOST[kind], HELLO))
    # The SDKs below the first three would try again after throttling, each time longer.
    note("refused", lambda: read(model, HELLO), DENIED if kind in WITH_TOOLS else THROTTLED)
    note("refused command", lambda: run("-m", model, "--no-stream", HELLO), DENIED)
    note("broken", lambda: read(model, SHORT), BROKEN)


def main() -> None:
    """
    Play all.
    """
    stage = open_stage()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        point(folder, stage.gateway)
        write_models(folder, stage.gateway)
        for kind, model in KINDS.items():
            play(stage, kind, model, folder / "pixel.png")
        stage.play("interrupt", interrupt, SLOW)
    stage.report()


if __name__ == "__main__":
    main()
