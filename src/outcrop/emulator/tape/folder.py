"""
A folder of recordings: one file for each exchange, whole or not there at all, readable by its owner only.
"""

import os
import re
import tempfile
from pathlib import Path

import msgspec

from outcrop.emulator.tape.exchange import Recorded, encode_recorded, parse_recorded
from outcrop.errors import SettingsError

_SUFFIX = ".jsonl"
_NUMBER = re.compile(rf"-(?P<number>\d{{4,}}){re.escape(_SUFFIX)}\Z")


def prepare_folder(path: str) -> Path:
    """
    Return the folder that recordings go to, made where it isn't there.

    Raises:
        SettingsError: it can't be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(f"can't record to {path!r}: {error}") from error
    return folder


def store_recorded(folder: Path, recorded: Recorded) -> Path:
    """
    Write an exchange after those that answer the same question, and return its file. One writer at a time.

    Raises:
        OSError: it can't be written.
    """
    start = recorded.question.file_name_start
    found = (_NUMBER.search(path.name) for path in folder.glob(f"{start}*{_SUFFIX}"))
    number = max((int(match["number"]) for match in found if match), default=0) + 1
    target = folder / f"{start}{number:04}{_SUFFIX}"
    descriptor, draft = tempfile.mkstemp(prefix=".draft-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode_recorded(msgspec.structs.replace(recorded, number=number)))
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return target


def load_folder(path: str) -> list[Recorded]:
    """
    Return all exchanges of a folder, those of one question in the order in which they were recorded.

    Raises:
        SettingsError: there are none, or a file is no whole recording.
    """
    try:
        files = [(file.name, file.read_bytes()) for file in sorted(Path(path).glob(f"*{_SUFFIX}"))]
    except OSError as error:
        raise SettingsError(f"can't replay {path!r}: {error}") from error
    if not files:
        raise SettingsError(f"can't replay {path!r}: there is no recording in it")
    return sorted((parse_recorded(content, name) for name, content in files), key=lambda recorded: recorded.number)
