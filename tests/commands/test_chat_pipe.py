"""
`outcrop chat` without a terminal.
"""

import io
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from outcrop.accounts.authenticate import make_key
from outcrop.commands.chat.command import ChatOptions, run_chat
from outcrop.errors import OutcropError
from tests.commands.conftest import Inject, RunInPipe
from tests.support import clean_environment, gateway_environment, run_outcrop

Give = Callable[[bytes], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """
    Put bytes on standard input of this process.
    """
    return lambda prompt: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(prompt)))


def refusal(give: Give, prompt: bytes, options: ChatOptions) -> str:
    """
    Run the command in this process, and return the sentence with which it refuses.
    """
    give(prompt)
    with pytest.raises(OutcropError) as caught:
        run_chat(options)
    return caught.value.message


def test_only_the_answer_goes_to_standard_output(run: RunInPipe, gateway_url: str) -> None:
    """
    A script gets the answer's text and one line end, nothing else.
    """
    done = run("chat", "llama3", "--url", gateway_url, stdin=b"echo h\xc3\xa9llo\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "héllo\n".encode(), b"")


def test_all_of_standard_input_is_one_prompt(
    give: Give, gateway_url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """
    Lines of standard input stay together in one prompt.
    """
    give(b"echo one\ntwo\n\nthree")
    assert run_chat(ChatOptions(model="anthropic", url=gateway_url)) == 0
    assert capfdbinary.readouterr().out == b"one\ntwo\n\nthree\n"


def test_a_gateway_of_its_own_is_started(run: RunInPipe) -> None:
    """
    Without --url the command runs a gateway of its own, which OUTCROP_KEY is not for, and says that it is the emulator.
    """
    environ = {"OUTCROP_KEY": "other", "OUTCROP_LOG_LEVEL": "error", "OUTCROP_FIRST_TOKEN_MS": "0"}
    done = run("chat", "llama3", stdin=b"echo hi", environ=environ)
    assert (done.returncode, done.stdout) == (0, b"hi\n")
    assert done.stderr.count(b"EMULATOR: every answer is simulated") == 1


def test_a_gateway_that_can_not_start_gives_its_own_sentence(run: RunInPipe) -> None:
    """
    Where its own gateway refuses its settings, the command shows the gateway's sentence.
    """
    done = run("chat", stdin=b"hi", environ={"OUTCROP_TOKENS_PER_SECOND": "-1"})
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"outcrop: setting tokens_per_second is '-1'" in done.stderr


def test_nobody_there_is_told_with_what_to_do(run: RunInPipe) -> None:
    """
    A refused connection gives one sentence, with what to do, and exit code 1.
    """
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = run("chat", "--url", f"http://127.0.0.1:{port}", stdin=b"hi")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        f"outcrop: no gateway answers at http://127.0.0.1:{port} (connection refused): "
        "start one with `outcrop serve`, or leave --url out\n"
    )


def test_an_unknown_model_is_named(give: Give, gateway_url: str) -> None:
    """
    An unknown model gives the gateway's own reason.
    """
    message = refusal(give, b"hi", ChatOptions(model="nope-1", url=gateway_url))
    assert message.startswith("model 'nope-1' is unknown")


@pytest.mark.parametrize(
    "url", ["ftp://me:secret@host", "http://me:secret@host:1", "127.0.0.1:8080", "http://", "http://host:99999", ""]
)
def test_a_url_that_is_no_gateways_is_refused(give: Give, url: str) -> None:
    """
    A URL of another form is refused before anything is sent, without quoting what may be a password.
    """
    message = refusal(give, b"hi", ChatOptions(model="anthropic", url=url))
    assert message == "--url is not the address of a gateway, expected http://host:port"


def test_no_prompt_is_refused(give: Give) -> None:
    """
    Empty standard input is refused before a gateway is started.
    """
    message = refusal(give, b" \n", ChatOptions(model="anthropic"))
    assert message == "the prompt on standard input is empty, expected text"


def test_a_prompt_that_is_no_text_is_refused(give: Give) -> None:
    """
    Bytes that are not UTF-8 are refused with their place.
    """
    message = refusal(give, b"ab\xff", ChatOptions(model="anthropic"))
    assert message == "the prompt on standard input is not UTF-8, at byte 2"


def test_a_wrong_parameter_is_named(give: Give, gateway_url: str) -> None:
    """
    A parameter out of range gives the gateway's reason.
    """
    message = refusal(give, b"hi", ChatOptions(model="anthropic", url=gateway_url, temperature=9))
    assert "temperature" in message
    assert "2" in message


def test_parameters_reach_the_model(give: Give, gateway_url: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """
    The bound on tokens cuts the answer.
    """
    give(b"echo one two three four")
    assert run_chat(ChatOptions(model="anthropic", url=gateway_url, max_tokens=2)) == 0
    shown = capfdbinary.readouterr().out
    assert shown.startswith(b"one")
    assert b"four" not in shown


def test_what_answers_without_being_a_gateway_is_told(give: Give, emulator_url: str) -> None:
    """
    Another web server at the URL gives a sentence that names the URL.
    """
    message = refusal(give, b"hi", ChatOptions(model="anthropic", url=emulator_url))
    assert emulator_url in message
    assert "check --url" in message


def test_a_reader_that_leaves_ends_the_command_quietly(gateway_url: str) -> None:
    """
    Where the reader of the answer closes the pipe, as `head` does, the command ends without a complaint.
    """
    with subprocess.Popen(
        [sys.executable, "-c", "from outcrop.cli import main; main()", "chat", "--url", gateway_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"5000 tokens")
        process.stdin.close()
        assert process.stdout.read(3)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def test_a_gateway_with_keys_wants_one(
    give: Give, emulator_url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """
    Without its key a gateway refuses, and the sentence says how to give one; with its key it answers.
    """
    key, digest = make_key()
    settings = gateway_environment(emulator_url, api_keys=f'{{"me": "{digest}"}}')
    with run_outcrop("serve", "--port", "0", environ=settings) as (_, url):
        message = refusal(give, b"echo hi", ChatOptions(model="anthropic", url=url))
        give(b"echo hi")
        run_chat(ChatOptions(model="anthropic", url=url, key=key))
    assert message.endswith("give this command a key with --key or OUTCROP_KEY")
    assert capfdbinary.readouterr().out == b"hi\n"


def test_a_broken_answer_is_a_failure(
    give: Give, gateway_url: str, inject: Inject, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """
    Where Bedrock fails in the middle, what came is printed, and the command fails with the reason.
    """
    inject({"fault": {"kind": "exception", "name": "throttlingException", "after_tokens": 2}})
    message = refusal(give, b"echo one two three four five six", ChatOptions(model="llama3", url=gateway_url))
    shown = capfdbinary.readouterr().out
    assert "quota" in message
    assert shown.startswith(b"one")
    assert shown.endswith(b"\n")
    assert b"six" not in shown


def test_a_full_disk_is_told(gateway_url: str) -> None:
    """
    An answer that can't be written ends in a sentence and exit code 1.
    """
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from outcrop.cli import main; main()", "chat", "--url", gateway_url],
            input=b"echo hi",
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"outcrop: the answer can't be written: no space left on device\n"


def test_an_interrupt_ends_a_script_as_shells_expect() -> None:
    """
    SIGINT ends the command with exit code 130, without a complaint.
    """
    with subprocess.Popen(
        [sys.executable, "-c", "from outcrop.cli import main; main()", "chat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment({"OUTCROP_FIRST_TOKEN_MS": "60000"}),
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"hi")
        process.stdin.close()
        assert b"EMULATOR" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        assert process.wait(20) == 130
