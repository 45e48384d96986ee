"""
Tests of `outcrop.emulator.engine.chat` and `.settings`: events, and what can be told.
"""

import json
from typing import Any

import pytest

from outcrop.emulator.engine.chat import MAX_LINE_BYTES, EventDecoder
from outcrop.emulator.engine.settings import EngineConfig, parse_engine
from outcrop.emulator.settings import EmulatorConfig
from outcrop.emulator.tape.settings import TapeConfig
from outcrop.errors import SettingsError


def test_events_may_be_split_anywhere() -> None:
    """
    Chunks are found byte by byte as in one piece, with either end of line, comments skipped.
    """
    events = [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in ("Granite ", "花崗岩", "🪨")]
    content = ": hello\r\n\r\n" + "".join(f"data: {event}\r\n\r\n" for event in (*events, "[DONE]"))
    whole, bytewise = EventDecoder(), EventDecoder()
    chunks = whole.feed(content.encode())
    assert [one for place in content.encode() for one in bytewise.feed(bytes([place]))] == chunks
    assert "".join(one.text for one in chunks) == "Granite 花崗岩🪨"
    assert bytewise.is_done


def test_a_line_has_its_bound() -> None:
    """
    An engine can't fill the memory with one line.
    """
    decoder = EventDecoder()
    assert decoder.feed(b"x" * (MAX_LINE_BYTES + 1)) == []
    assert "more than" in str(decoder.failure)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "openai"},
        {"kind": "other", "url": "http://localhost/v1"},
        {"kind": None, "url": "http://localhost/v1"},
        {"kind": "openai", "url": "file:///etc/passwd"},
        {"kind": "openai", "url": "http://localhost/v1", "key_variable": "OUTCROP_TEST_NO_SUCH_VARIABLE"},
    ],
)
def test_an_engine_that_can_not_be_is_refused(options: dict[str, Any]) -> None:
    """
    An engine has a kind, an http or https URL, and a key that is there.
    """
    with pytest.raises(SettingsError):
        parse_engine(**({"url": None, "model": None, "key_variable": None} | options))


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The command line has the variable's name, so that the key stands in no list of processes.
    """
    monkeypatch.setenv("ENGINE_KEY", "the-key")
    engine = parse_engine("openai", url="http://localhost/v1", model=None, key_variable="ENGINE_KEY")
    assert engine == EngineConfig(url="http://localhost/v1", key="the-key")


def test_a_tape_and_an_engine_contradict() -> None:
    """
    An emulator answers from one place.
    """
    with pytest.raises(SettingsError, match="both"):
        EmulatorConfig(tape=TapeConfig(replay="a"), engine=EngineConfig(url="http://localhost/v1"))
