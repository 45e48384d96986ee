"""
Programs that tests need and do not always have: skipped where they are missing, installed once where they can be.
"""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

INSTALL_SECONDS = 300


def require(condition: object, reason: str) -> None:
    """
    Skip the test where a program is missing; fail where programs are required.
    """
    if condition:
        return
    if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason}, and OUTCROP_REQUIRE_SERVICES is 1")
    pytest.skip(reason)


def install_once(lock: Path, stamp: Path, install: Callable[[], None]) -> None:
    """
    Install what a lock file names, unless the stamp says that this was done; one process at a time.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    with lock.open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            install()
            stamp.write_text(digest)


def run_installer(command: list[str], *, cwd: Path | None = None, environ: dict[str, str] | None = None) -> None:
    """
    Run one step of an installation; the test is skipped, or fails, if it can't be done.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False, cwd=cwd, env=environ
    )
    require(done.returncode == 0, f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
