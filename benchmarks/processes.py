"""
Processes for measuring: start them, wait until they serve, read what they use, and never leave one behind. Linux only.
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
READY_SECONDS = 20.0
STOP_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class NotReady(Exception):
    """
    Say that a process ended, or did not serve in time.
    """


def cpu_seconds(pid: int) -> float:
    """
    Return the time that all threads of a process have run, in user and kernel mode (steps of 10 ms).
    """
    # The second field is the command, which may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """
    Return how much memory of a process is resident.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def free_port() -> int:
    """
    Return a port that was free a moment ago.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(process: subprocess.Popen[str], port: int) -> None:
    """
    Wait until the process takes connections.

    Raises:
        NotReady: it ended, or took too long.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotReady(f"{process.args!r} ended with {process.returncode} before it served")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise NotReady(f"{process.args!r} did not serve port {port} within {READY_SECONDS:.0f} s")


def allow_many_files() -> None:
    """
    Raise the limit on open files as far as it goes, for this process and those that it starts.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def running(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """
    Run a process for the length of a block.

    It is ended at the end of the block, however that comes, and by the kernel if this process is killed.

    Args:
        command: the program and its arguments.
        env: variables besides those of this process.
        log: where its output goes; None: its standard output can be read, its standard error goes where ours goes.
    """
    output = log.open("ab") if log else None
    process = subprocess.Popen(
        command,
        # A pipe that nobody reads would stop the process once it is full.
        stdout=output or subprocess.PIPE,
        stderr=output,
        text=True,
        env={**os.environ, **(env or {})},
        preexec_fn=_die_with_parent,  # noqa: PLW1509  one system call, from a library that is already loaded
    )
    try:
        yield process
    finally:
        stop(process)
        if output:
            output.close()


def stop(process: subprocess.Popen[str]) -> None:
    """
    End a process: politely, then not, and reap it.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
