"""
`outcrop db export` of a very long conversation: in bounded memory, and all of it or nothing.
"""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from outcrop.history.content import encode_content
from outcrop.history.maintenance import upgrade_database
from outcrop.history.tables import blobs, conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.history.transfer import Archive
from outcrop.types import ImagePart, Part, TextPart
from tests.commands.kept import MAIN, PATIENCE_SECONDS, change, wait_for
from tests.support import clean_environment

# The peak of what was resident, said by the process itself: what the system tells a parent has the parent's own in it.
MEASURED = """
import sys
from outcrop.cli import main
try:
    main()
finally:
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak", peak.split()[1], file=sys.stderr)
"""
LONG_MESSAGES = 20_000
IMAGE_BYTES = 40_000
GROWTH_BYTES = 64 << 20
"""
Well below the 80 MB of images, and the 110 MB of JSON, of the long conversation.
"""


@pytest.fixture(scope="module")
def long_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Make a database with one conversation of 20,000 messages, of which each tenth has an image.
    """
    path = tmp_path_factory.mktemp("long") / "long.db"
    asyncio.run(upgrade_database(str(path)))
    change(path, write_long)
    return path


async def write_long(transaction: Transaction) -> None:
    """
    Write it.
    """
    row = {"owner": "local", "title": "long", "id": "long", "title_source": "prompt", "leaf_id": "m19999"}
    await transaction.execute(insert(conversations).values({**row, "created_at": 1, "updated_at": 1, "revision": 0}))
    common = {"conversation_key": 1, "role": "user", "state": "completed", "digest": b"", "created_at": 1}
    rows, files = [], []
    for number in range(LONG_MESSAGES):
        parts: list[Part] = [TextPart(text=f"{number} says " * 40)]
        if number % 10 == 0:
            parts.append(ImagePart(media_type="image/png", data=number.to_bytes(4, "big") * (IMAGE_BYTES // 4)))
        content, found = encode_content(tuple(parts))
        rows.append({**common, "parent_key": number or None, "id": f"m{number}", "content": content})
        files += [{"conversation_key": 1, "digest": digest, "content": data} for digest, data in found.items()]
    await transaction.execute(insert(messages), rows)
    await transaction.execute(insert(blobs), files)


@pytest.mark.parametrize("form", ["jsonl", "markdown"])
def test_memory_does_not_grow_with_what_is_exported(long_path: Path, tmp_path: Path, form: str) -> None:
    """
    A conversation of 20,000 messages and 80 MB of images takes little more than an empty database.
    """
    target, empty = tmp_path / "out", tmp_path / "empty.db"
    asyncio.run(upgrade_database(str(empty)))
    peaks = []
    for database in (empty, long_path):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "db", "export", str(target), f"--format={form}", "--force"],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
            env=clean_environment({"OUTCROP_DATABASE_URL": str(database)}),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.rpartition("peak ")[2]) * 1024)
    assert peaks[1] - peaks[0] < GROWTH_BYTES
    if form == "jsonl":
        assert target.stat().st_size > LONG_MESSAGES // 10 * IMAGE_BYTES * 4 // 3
        with target.open("rb") as lines:
            assert len(msgspec.json.decode(lines.readline(), type=Archive).messages) == LONG_MESSAGES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_export_leaves_nothing(long_path: Path, tmp_path: Path, number: signal.Signals) -> None:
    """
    Neither at the target nor beside it.
    """
    environ = clean_environment({"OUTCROP_DATABASE_URL": str(long_path)})
    command = [sys.executable, "-c", MAIN, "db", "export", str(tmp_path / "all.jsonl")]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: any(tmp_path.iterdir()))
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_is_no_accident(long_path: Path) -> None:
    """
    Where nobody reads standard output any more, the export ends with a sentence.
    """
    environ = clean_environment({"OUTCROP_DATABASE_URL": str(long_path)})
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "db", "export", "-"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b"outcrop: nobody reads the export any more\n"
        assert process.wait(PATIENCE_SECONDS) == 1
