"""
The file that keeps what the control plane said of a region, so that the next start knows it.

One file for each region, in the user's cache folder, readable by the user only. A file that is missing, damaged, too
large, too old or of another endpoint counts as none: the cache is never a reason to fail.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from outcrop.catalogue.snapshot import Snapshot
from outcrop.errors import StoreError

MAX_CACHE_BYTES = 4 << 20
MAX_AGE = timedelta(days=30)
"""
An older snapshot is left alone: by then the packaged table may know better.
"""

MAX_CLOCK_SKEW = timedelta(days=1)

_decoder = msgspec.json.Decoder(Snapshot)


def find_cache_file(region: str, environ: Mapping[str, str]) -> Path:
    """
    Return where a region's snapshot is kept: under `XDG_CACHE_HOME`, else under `~/.cache`.
    """
    given = environ.get("XDG_CACHE_HOME", "")
    home = Path(environ.get("HOME") or Path("~").expanduser())
    folder = Path(given) if given and Path(given).is_absolute() else home / ".cache"
    return folder / "outcrop" / f"models-{region}.json"


def read_snapshot(path: Path, *, region: str, endpoint_url: str, now: datetime) -> Snapshot | None:
    """
    Return the snapshot in a file, or None if there is none for this region and endpoint that is fresh enough.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CACHE_BYTES + 1)
        snapshot = _decoder.decode(content) if len(content) <= MAX_CACHE_BYTES else None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if snapshot is None or (snapshot.region, snapshot.endpoint_url) != (region, endpoint_url):
        return None
    if snapshot.fetched_at.tzinfo is None or not -MAX_CLOCK_SKEW <= now - snapshot.fetched_at <= MAX_AGE:
        return None
    return snapshot if snapshot.models else None


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """
    Keep a snapshot, in place of an earlier one, in one step: a reader sees the old file or the new one.

    Raises:
        StoreError: it can't be written, or is too large.
    """
    content = msgspec.json.encode(snapshot)
    if len(content) > MAX_CACHE_BYTES:
        raise StoreError(f"the list of models has {len(content)} bytes, limit is {MAX_CACHE_BYTES}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by mkstemp, the file has mode 0600 from its first moment.
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise StoreError(f"the list of models can't be kept in {str(path)!r}: {error.strerror or error}") from error
