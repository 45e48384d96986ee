"""
The servers that `streams.py` measures, and what they need beside them.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.processes import NotReady, free_port, running, wait_for_port


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how to start a server that relays: its command and variables, from its own port and the source's.

    `needs_redis`: a Redis without persistence runs beside it, and is its turn log.
    """

    command: Callable[[int, int], list[str]]
    env: Callable[[int], Mapping[str, str]] = lambda _: {}
    needs_redis: bool = False


def beside_python(program: str) -> str:
    """
    Return the path of a program of this environment.
    """
    return str(Path(sys.executable).parent / program)


def serve(port: int, _source_port: int) -> list[str]:
    """
    Return the command that runs the gateway.
    """
    return [beside_python("outcrop"), "serve", "--port", str(port)]


def gateway_variables(source_port: int) -> dict[str, str]:
    """
    Return the variables of a gateway that takes the source for Bedrock.
    """
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://127.0.0.1:{source_port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "OUTCROP_EMULATE": "false",
        # The streams of the warm-up must not run beside those that are measured.
        "OUTCROP_GRACE_SECONDS": "0.1",
        # Each gateway has a database of its own, where it has one at all.
        "XDG_DATA_HOME": tempfile.mkdtemp(prefix="outcrop-bench-"),
    }


TARGETS: dict[str, Target] = {
    "relay": Target(
        command=lambda port, source_port: [
            *(sys.executable, "-m", "benchmarks.relay"),
            *("--port", str(port), "--source-port", str(source_port)),
        ],
    ),
    "outcrop": Target(command=serve, env=gateway_variables),
    "redis": Target(command=serve, env=gateway_variables, needs_redis=True),
}


def make_earlier(source: Path) -> Target:
    """
    Make the target that is the gateway of another checkout, in this environment.
    """
    return Target(
        command=serve, env=lambda source_port: {**gateway_variables(source_port), "PYTHONPATH": str(source / "src")}
    )


@contextmanager
def beside(target: Target, log: Path) -> Iterator[Mapping[str, str]]:
    """
    Run what a target needs beside it, and give the variables that tell it so.
    """
    if not target.needs_redis:
        yield {}
        return
    program = shutil.which("redis-server")
    if program is None:
        raise NotReady("redis-server is not installed")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(command, log=log) as redis:
        wait_for_port(redis, port)
        yield {"OUTCROP_TURN_LOG": f"redis://127.0.0.1:{port}/0"}
