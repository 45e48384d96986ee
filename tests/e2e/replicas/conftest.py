"""
One deployment of three replicas for the short forms of all scenarios; each leaves it as it found it.
"""

import os
import random
from collections.abc import Iterator

import pytest

from tests.e2e.replicas.cluster import Cluster, find_missing, run_cluster


@pytest.fixture(scope="package", autouse=True)
def programs() -> None:
    """
    Skip all tests here where a program is missing.
    """
    require_cluster()


@pytest.fixture(scope="package")
def cluster(programs: None) -> Iterator[Cluster]:
    """
    Run three replicas, Redis, nginx and an emulator.
    """
    with run_cluster() as running:
        yield running


@pytest.fixture
def seed() -> int:
    """
    Draw a seed; `OUTCROP_SEED` in the test's environment would be taken for a setting, so it is `CHAOS_SEED`.
    """
    drawn = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"CHAOS_SEED={drawn}")  # noqa: T201  shown where the test fails
    return drawn


def require_cluster() -> None:
    """
    Skip where a program is missing; fail instead where `OUTCROP_REQUIRE_SERVICES=1`.
    """
    missing = find_missing()
    if missing is None:
        return
    message = f"no {missing} is installed"
    if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message)
