"""
The kept list of models is read when it is good, and counts as none when it is anything else.
"""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from outcrop.catalogue.cache import MAX_AGE, MAX_CACHE_BYTES, find_cache_file, read_snapshot, write_snapshot
from outcrop.catalogue.snapshot import SeenModel, Snapshot
from outcrop.errors import StoreError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SNAPSHOT = Snapshot(
    region="eu-west-1",
    endpoint_url="https://bedrock.eu-west-1.amazonaws.com",
    fetched_at=NOW,
    models=(
        SeenModel(
            base_id="acme.one",
            title="One",
            provider="Acme",
            on_demand=True,
            takes_images=False,
            streams=True,
            lifecycle="active",
        ),
    ),
    profiles={"acme.one": ("eu", "global")},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    The cache file of a user who has no cache yet.
    """
    return find_cache_file("eu-west-1", {"XDG_CACHE_HOME": str(tmp_path / "cache")})


def read(path: Path, now: datetime = NOW) -> Snapshot | None:
    """
    Read the file as the gateway of the snapshot's region would.
    """
    return read_snapshot(path, region=SNAPSHOT.region, endpoint_url=SNAPSHOT.endpoint_url, now=now)


def test_what_is_kept_is_read_again(path: Path) -> None:
    """
    A snapshot survives the file, dates and profiles included, and the file is the user's alone.
    """
    write_snapshot(path, SNAPSHOT)
    assert read(path) == SNAPSHOT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_new_snapshot_replaces_the_old(path: Path) -> None:
    """
    The file holds the last one only.
    """
    write_snapshot(path, SNAPSHOT)
    later = msgspec.structs.replace(SNAPSHOT, fetched_at=NOW + timedelta(hours=1))
    write_snapshot(path, later)
    assert read(path, later.fetched_at) == later


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/outcrop/models-eu-west-1.json"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/outcrop/models-eu-west-1.json"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/outcrop/models-eu-west-1.json"),
        ({"HOME": "/h"}, "/h/.cache/outcrop/models-eu-west-1.json"),
    ],
)
def test_the_file_is_in_the_users_cache_folder(environ: dict[str, str], expected: str) -> None:
    """
    `XDG_CACHE_HOME` is taken where it is absolute, as its specification asks, else `~/.cache`.
    """
    assert str(find_cache_file("eu-west-1", environ)) == expected


def test_no_file_is_no_snapshot(path: Path) -> None:
    """
    The first start finds nothing, and that is all.
    """
    assert read(path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        msgspec.json.encode(SNAPSHOT)[:-10],
        msgspec.json.encode(SNAPSHOT).replace(b'"active"', b'"fresh"'),
        msgspec.json.encode(SNAPSHOT).replace(b"2026-11-21T12:00:00Z", b"yesterday"),
        msgspec.json.encode(SNAPSHOT).replace(b"2026-11-21T12:00:00Z", b"2026-11-21T12:00:00"),
        msgspec.json.encode(SNAPSHOT).replace(b"https://bedrock.eu-west-1", b"https://bedrock.eu-west-2"),
        msgspec.json.encode(SNAPSHOT).replace(b'"region":"eu-west-1"', b'"region":"us-east-1"'),
        msgspec.json.encode(msgspec.structs.replace(SNAPSHOT, models=())),
        msgspec.json.encode(SNAPSHOT) + b" " * MAX_CACHE_BYTES,
    ],
    ids=range(14),
)
def test_a_file_of_another_kind_is_no_snapshot(path: Path, content: bytes) -> None:
    """
    A damaged, foreign, empty or enormous file is left alone.
    """
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert read(path) is None


@pytest.mark.parametrize(
    ("age", "is_read"),
    [
        (MAX_AGE, True),
        (MAX_AGE + timedelta(seconds=1), False),
        (timedelta(hours=-23), True),
        (timedelta(days=-2), False),
    ],
)
def test_an_old_snapshot_is_left_alone(path: Path, age: timedelta, is_read: bool) -> None:
    """
    After a month the packaged table may know better; a clock that was wrong by days is not believed.
    """
    write_snapshot(path, SNAPSHOT)
    assert (read(path, NOW + age) is not None) == is_read


def test_a_folder_in_the_files_place_is_no_snapshot(path: Path) -> None:
    """
    What can't be opened counts as none.
    """
    path.mkdir(parents=True)
    assert read(path) is None


def test_what_can_not_be_kept_is_said_and_leaves_nothing(path: Path) -> None:
    """
    A write that fails names the file, and leaves no half of one.
    """
    path.mkdir(parents=True)
    (path / "content").touch()
    with pytest.raises(StoreError, match=str(path)):
        write_snapshot(path, SNAPSHOT)
    assert list(path.parent.iterdir()) == [path]


def test_a_list_beyond_all_measure_is_not_kept(path: Path) -> None:
    """
    The bound of the file holds for writing too.
    """
    title = "x" * MAX_CACHE_BYTES
    huge = msgspec.structs.replace(SNAPSHOT, models=(msgspec.structs.replace(SNAPSHOT.models[0], title=title),))
    with pytest.raises(StoreError, match="limit is"):
        write_snapshot(path, huge)
    assert not os.path.lexists(path)
