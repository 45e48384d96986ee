"""
Tests of `outcrop.emulator.tape.exchange`, `.folder` and `.settings`: files, questions, what can be told.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.emulator.peer import parse_peer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.emulator.tape.deck import open_deck
from outcrop.emulator.tape.exchange import Piece, Recorded, encode_recorded, parse_recorded, question_of
from outcrop.emulator.tape.folder import load_folder, prepare_folder, store_recorded
from outcrop.emulator.tape.settings import TapeConfig
from outcrop.errors import SettingsError


def recorded_of(body: bytes = b"{}", pieces: tuple[bytes, ...] = (b"one", b"two")) -> Recorded:
    """
    Return an exchange.
    """
    return Recorded(
        question=question_of("POST", b"/model/some.model-v1%3A0/invoke", b"", body),
        request_headers=(("accept", "*/*"),),
        status=200,
        headers=(("content-type", "application/json"),),
        pieces=tuple(Piece(1.25 * number, piece) for number, piece in enumerate(pieces)),
        end_ms=9.5,
    )


@given(body=st.binary(max_size=60), pieces=st.lists(st.binary(max_size=40), max_size=4))
def test_a_file_holds_the_exchange(body: bytes, pieces: list[bytes]) -> None:
    """
    Any body and any chunks come back from a file as they went in.
    """
    recorded = recorded_of(body, tuple(pieces))
    assert parse_recorded(encode_recorded(recorded), "file") == recorded


def test_a_part_of_a_file_is_no_recording() -> None:
    """
    A file that is cut anywhere is refused, never taken for a shorter answer.
    """
    content = encode_recorded(recorded_of()).rstrip(b"\n")
    for end in range(len(content)):
        with pytest.raises(SettingsError):
            parse_recorded(content[:end], "file")


def test_a_missing_chunk_is_noticed() -> None:
    """
    The last line says how many chunks there are.
    """
    lines = encode_recorded(recorded_of()).splitlines()
    with pytest.raises(SettingsError, match="1 chunks"):
        parse_recorded(b"\n".join((lines[0], lines[1], lines[3])), "file")


def test_signed_urls_lose_their_signature() -> None:
    """
    The parameters of a signature in the query are no part of a question.
    """
    question = question_of("GET", b"/foundation-models", b"byProvider=meta&X-Amz-Signature=secret", b"")
    assert question.query == "byProvider=meta"


def test_file_names_are_harmless() -> None:
    """
    Whatever a path holds, the file's name has no separators and isn't hidden.
    """
    name = question_of("GET", b"/..%2F..%2Fetc/%00passwd/" + b"x" * 200, b"", b"").file_name_start
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert len(name) < 120


def test_answers_to_one_question_are_numbered(tmp_path: Path) -> None:
    """
    A further answer goes after those of earlier runs, and all are loaded in order.
    """
    for body in (b"a", b"b", b"c"):
        store_recorded(prepare_folder(str(tmp_path)), recorded_of(pieces=(body,)))
    assert [recorded.pieces[0].bytes for recorded in load_folder(str(tmp_path))] == [b"a", b"b", b"c"]


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """
    An exchange that can't be written is an error, not a silent gap.
    """
    folder = prepare_folder(str(tmp_path / "gone"))
    folder.rmdir()
    with pytest.raises(OSError, match="No such file"):
        store_recorded(folder, recorded_of())


def test_an_empty_folder_can_not_be_replayed(tmp_path: Path) -> None:
    """
    A replay without recordings is a mistake, said at the start.
    """
    with pytest.raises(SettingsError, match="no recording"):
        open_deck(EmulatorConfig(tape=TapeConfig(replay=str(tmp_path))))


def test_a_broken_recording_is_named(tmp_path: Path) -> None:
    """
    A file that isn't a whole recording stops the start, with its name.
    """
    (tmp_path / "broken.jsonl").write_text("{}\n")
    with pytest.raises(SettingsError, match=r"broken\.jsonl"):
        open_deck(EmulatorConfig(tape=TapeConfig(replay=str(tmp_path))))


def test_a_folder_that_is_a_file_can_not_be_recorded_to(tmp_path: Path) -> None:
    """
    Where nothing can be written, that is said at the start.
    """
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="can't record"):
        open_deck(EmulatorConfig(tape=TapeConfig(record=str(tmp_path / "file"))))


def test_strangers_can_not_use_a_recorder(tmp_path: Path) -> None:
    """
    Beyond loopback a recorder wants keys, because it signs with the caller's credentials.
    """
    tape = TapeConfig(record=str(tmp_path))
    with pytest.raises(SettingsError, match="require authentication"):
        open_deck(EmulatorConfig(host="192.0.2.1", keys={"AKID": "secret"}, tape=tape))
    assert open_deck(EmulatorConfig(host="192.0.2.1", keys={"AKID": "secret"}, strict_auth=True, tape=tape)) is not None


@pytest.mark.parametrize(
    "given_settings",
    [
        {},
        {"record": "a", "replay": "b"},
        {"replay": "a", "upstream": "http://localhost"},
        {"record": "a", "upstream": "ftp://localhost"},
        {"record": "a", "upstream": "http://user:secret@localhost"},
        {"record": "a", "upstream": "http://localhost:99999"},
        {"record": "a", "upstream": "http://local\nhost"},
        {"replay": "a", "replay_pace": "slow"},
    ],
)
def test_settings_that_contradict_are_refused(given_settings: dict[str, Any]) -> None:
    """
    A tape is recorded or replayed, and its upstream is a plain http or https URL.
    """
    with pytest.raises(SettingsError):
        TapeConfig(**given_settings)


def test_the_authority_leaves_out_the_schemes_own_port() -> None:
    """
    The Host header that is signed is the one that AWS sees.
    """
    urls = ("https://a.example", "https://a.example:443/x/", "http://a.example:8080", "http://[::1]:80")
    assert [parse_peer(url, "url").authority for url in urls] == ["a.example", "a.example", "a.example:8080", "[::1]"]
