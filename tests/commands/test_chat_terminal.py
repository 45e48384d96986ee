"""
`outcrop chat` on a terminal.
"""

import os
import select
import signal
import time
import urllib.request
from pathlib import Path

import msgspec

from outcrop.commands.chat.link import make_visible
from tests.commands.conftest import CTRL_C, CTRL_D, ENTER, PATIENCE_SECONDS, StartInTerminal
from tests.support import gateway_environment, run_outcrop

STOPPED = "stopped; the conversation goes on"
PROMPT = "› "


def read_outcomes(emulator_url: str, count: int) -> list[str | None]:
    """
    Return how the emulator's latest calls ended, once they have.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        with urllib.request.urlopen(f"{emulator_url}/_emulator/calls", timeout=10) as response:
            calls = msgspec.json.decode(response.read())["calls"]
        outcomes = [call["outcome"] for call in calls[-count:]]
        if all(outcomes) or time.monotonic() > end:
            return outcomes


def test_the_conversation_goes_on(start: StartInTerminal, gateway_url: str) -> None:
    """
    Answers are shown under the model's name, and the model is sent what was said before.
    """
    chat = start("chat", "llama3", "--url", gateway_url)
    chat.wait_for("llama3 at http://127.0.0.1")
    chat.wait_for(PROMPT)
    chat.type("echo one fish" + ENTER)
    chat.wait_for("─ llama3 ─")
    chat.wait_for("one fish")
    chat.wait_for(PROMPT)
    chat.type("what did I say?" + ENTER)
    chat.wait_for("─ llama3 ─")
    chat.wait_for("one fish")
    chat.wait_for(PROMPT)
    chat.type(CTRL_D)
    assert chat.wait_for_end() == 0
    assert "EMULATOR" not in chat.shown


def test_ctrl_c_stops_the_answer_and_not_the_chat(start: StartInTerminal, gateway_url: str, emulator_url: str) -> None:
    """
    Ctrl-C in an answer stops it at the gateway too; the conversation is kept, and the next prompt is a turn of it.
    """
    chat = start("chat", "anthropic", "--url", gateway_url)
    chat.wait_for(PROMPT)
    chat.type("emulate 4321 tokens" + ENTER)
    chat.wait_for("─ anthropic ─")
    chat.wait_for(" ")
    chat.type(CTRL_C)
    chat.wait_for(STOPPED)
    chat.wait_for(PROMPT)
    chat.type("what did I say?" + ENTER)
    chat.wait_for("─ anthropic ─")
    chat.wait_for("emulate 4321 tokens")
    chat.wait_for(PROMPT)
    assert read_outcomes(emulator_url, 2) == ["client_closed", "completed"]
    chat.type("/quit" + ENTER)
    assert chat.wait_for_end() == 0


def test_a_gateway_of_its_own_survives_ctrl_c(start: StartInTerminal) -> None:
    """
    A chat with a gateway of its own says once that the emulator answers; Ctrl-C stops a call that has not begun to
    answer, and not the gateway.
    """
    chat = start("chat", environ={"OUTCROP_FIRST_TOKEN_MS": "60000"})
    chat.wait_for("EMULATOR: every answer is simulated")
    chat.wait_for(PROMPT)
    chat.type("hello" + ENTER)
    chat.wait_for("waiting for anthropic")
    chat.type(CTRL_C)
    chat.wait_for(STOPPED)
    chat.wait_for(PROMPT)
    chat.type("/new" + ENTER)
    chat.wait_for("a new conversation")
    chat.wait_for(PROMPT)
    chat.type(CTRL_D)
    assert chat.wait_for_end() == 0
    assert chat.shown.count("EMULATOR") == 1


def test_ctrl_c_twice_leaves(start: StartInTerminal, gateway_url: str) -> None:
    """
    Two Ctrl-C leave only one after the other; something answered between them begins the count anew.
    """
    chat = start("chat", "--url", gateway_url)
    chat.wait_for(PROMPT)
    chat.type("half a prompt")
    chat.wait_for("half a prompt")
    chat.interrupt("Ctrl-C again leaves")
    chat.wait_for(PROMPT)
    chat.type("echo ok" + ENTER)
    chat.wait_for("─ anthropic ─")
    chat.wait_for(PROMPT)
    chat.interrupt("Ctrl-C again leaves")
    chat.wait_for(PROMPT)
    chat.interrupt("bye")
    assert chat.wait_for_end() == 0


def test_commands_and_continued_lines(start: StartInTerminal, gateway_url: str) -> None:
    """
    A backslash continues a line; /help, /model, /new and unknown commands are obeyed or answered, and not sent.
    """
    chat = start("chat", "--url", gateway_url)
    for typed, expected in (
        ("echo one\\" + ENTER + "two", "one\r\ntwo"),
        ("/help", "begin a new conversation"),
        ("/nonsense", "there is no command /nonsense"),
        ("/model", "now anthropic; there are llama3, anthropic"),
        ("/model nope", "model 'nope' is unknown"),
        ("echo same", "─ anthropic ─"),
        ("/model llama3", "llama3; a new conversation"),
        ("/new", "a new conversation"),
        ("what did I say?", "─ llama3 ─"),
        ("echo /etc/hosts", "/etc/hosts\r\n"),
    ):
        chat.wait_for(PROMPT)
        chat.type(typed + ENTER)
        chat.wait_for(expected)
    chat.wait_for(PROMPT)
    chat.type("/quit" + ENTER)
    assert chat.wait_for_end() == 0


def test_an_unknown_model_ends_the_start(start: StartInTerminal, gateway_url: str) -> None:
    """
    A model that stands for nothing is named before anything is typed; the exit code is 1.
    """
    chat = start("chat", "nope", "--url", gateway_url)
    chat.wait_for("outcrop: model 'nope' is unknown")
    assert chat.wait_for_end() == 1


def test_a_failed_answer_is_explained_and_the_chat_goes_on(start: StartInTerminal, emulator_url: str) -> None:
    """
    A lost gateway gives a sentence in the chat, which then waits for another prompt.
    """
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_url)) as (gateway, url):
        chat = start("chat", "--url", url)
        chat.wait_for(PROMPT)
        gateway.send_signal(signal.SIGTERM)
        gateway.wait()
        chat.type("hello" + ENTER)
        chat.wait_for("no gateway answers at")
        chat.wait_for(PROMPT)
        chat.type(CTRL_D)
        assert chat.wait_for_end() == 0


def test_its_own_gateway_ends_with_a_killed_chat(start: StartInTerminal) -> None:
    """
    The gateway that a chat started ends also where the chat is killed and can't end it.
    """
    chat = start("chat", environ={"OUTCROP_EMULATOR_PORT": "0"})
    chat.wait_for(PROMPT)
    children = Path(f"/proc/{chat.process.pid}/task/{chat.process.pid}/children").read_text().split()
    assert len(children) == 1
    gateway = os.pidfd_open(int(children[0]))
    try:
        chat.process.kill()
        chat.process.wait()
        # A pidfd becomes readable when its process has ended.
        assert select.select([gateway], [], [], PATIENCE_SECONDS)[0]
    finally:
        os.close(gateway)


def test_control_characters_are_made_visible() -> None:
    """
    What a model writes can't move the cursor, set titles or reach the clipboard; tabs and line ends stay.
    """
    assert make_visible("a\x1b]52;c;aGk=\x07\tb\r\nc\x9b1m\x7f") == "a␛]52;c;aGk=␇\tb\nc�1m�"
