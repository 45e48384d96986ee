"""
Claim: what a streamed token costs in this gateway, held against the least that it can cost.

For each number of streams the floor (`relay.py`) and the gateway are measured in turn, several rounds in one run
(A B A B), each with a fresh source and a fresh load. The machine is noisy: the ratio between neighbours of one run is
the result, the microseconds are its illustration.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec

from benchmarks.client import CONNECT_SECONDS, SETTLE_SECONDS, Measurement
from benchmarks.processes import NotReady, allow_many_files, free_port, resident_bytes, running, wait_for_port
from benchmarks.report import describe_machine, format_table
from benchmarks.targets import TARGETS, Target, beside, make_earlier

TOKENS_PER_SECOND = 50.0
SATURATED_STREAMS = 50
SATURATED = "saturated"
HEADS = (
    "level",
    "target",
    "CPU µs/token",
    "× other",
    "tokens/s",
    "of demand",
    "tokens/message",
    "delay p50 ms",
    "p99 ms",
    "KiB/stream",
)


class Level(msgspec.Struct, frozen=True):
    """
    Say how many streams run, at which pace; 0 is as fast as they are read.
    """

    name: str
    streams: int
    tokens_per_second: float


class Run(msgspec.Struct, frozen=True):
    """
    Hold one measurement and what memory the server needed before it.
    """

    measurement: Measurement
    idle_bytes: int

    @property
    def microseconds_per_token(self) -> float:
        """
        Return the server's processor time for one token.
        """
        return self.measurement.cpu_seconds / max(1, self.measurement.tokens) * 1e6

    @property
    def kib_per_stream(self) -> float:
        """
        Return the memory that one open stream added.
        """
        return (self.measurement.resident_bytes - self.idle_bytes) / self.measurement.streams / 1024


@contextmanager
def running_source(level: Level, seconds: float) -> Iterator[int]:
    """
    Run a source whose answers outlast the measurement, and give its port.
    """
    lifetime_seconds = CONNECT_SECONDS + SETTLE_SECONDS + seconds + 5
    tokens = round(max(1.0, level.tokens_per_second) * lifetime_seconds)
    pace = ["--tokens-per-second", str(level.tokens_per_second), "--tokens", str(tokens)]
    with running([sys.executable, "-m", "benchmarks.source", *pace]) as source:
        assert source.stdout is not None
        line = source.stdout.readline()
        if not line:
            raise NotReady("the source ended before it served")
        yield int(line)


def run_load(port: int, pid: int, streams: int, seconds: float, way: str = "raw") -> Measurement:
    """
    Load a server from a process of its own, in one of the `WAYS` to ask.
    """
    command = [sys.executable, "-m", "benchmarks.client", "--port", str(port), "--pid", str(pid), "--way", way]
    command += ["--streams", str(streams), "--seconds", str(seconds)]
    with running(command) as client:
        answer, _ = client.communicate(timeout=CONNECT_SECONDS + SETTLE_SECONDS + seconds + 20)
    if client.returncode:
        raise NotReady(f"the load ended with {client.returncode}")
    return msgspec.json.decode(answer, type=Measurement)


def measure_once(target: Target, level: Level, seconds: float, log: Path, way: str = "raw") -> Run:
    """
    Start a source and a server, warm it up, load it, and stop both.
    """
    port = free_port()
    with (
        running_source(level, seconds) as source_port,
        beside(target, log) as variables,
        running(target.command(port, source_port), env={**target.env(source_port), **variables}, log=log) as server,
    ):
        wait_for_port(server, port)
        # What is imported or compiled for the first stream is no cost of the others.
        run_load(port, server.pid, 2, 0.5, way)
        idle_bytes = resident_bytes(server.pid)
        return Run(run_load(port, server.pid, level.streams, seconds, way), idle_bytes)


def describe_runs(level: Level, name: str, runs: Sequence[Run], floor: Sequence[Run]) -> list[str]:
    """
    Return a row of the table: medians over the rounds, and the median ratio between neighbours.
    """

    def median(read: Callable[[Run], float]) -> float:
        return statistics.median(map(read, runs))

    ratio = "-"
    if floor and runs is not floor:
        pairs = zip(runs, floor, strict=False)
        ratio = f"{statistics.median(a.microseconds_per_token / b.microseconds_per_token for a, b in pairs):.2f}"
    rate = median(lambda run: run.measurement.tokens / run.measurement.seconds)
    demand = level.streams * level.tokens_per_second
    return [
        level.name,
        name,
        f"{median(lambda run: run.microseconds_per_token):.1f}",
        ratio,
        f"{rate:,.0f}",
        f"{rate / demand:.1%}" if demand else "-",
        f"{median(lambda run: run.measurement.tokens / max(1, run.measurement.messages)):.2f}",
        # Without a pace the delay says only how much the sockets' buffers hold.
        f"{median(lambda run: run.measurement.delay_p50_ms):.2f}" if demand else "-",
        f"{median(lambda run: run.measurement.delay_p99_ms):.2f}" if demand else "-",
        f"{median(lambda run: run.kib_per_stream):.0f}",
    ]


def measure_level(
    level: Level, names: Sequence[str], rounds: int, seconds: float, log: Path, against: str
) -> tuple[list[list[str]], int]:
    """
    Measure all targets in turn, some rounds, and return their rows and how many streams were lost.
    """
    runs: dict[str, list[Run]] = {name: [] for name in names}
    lost = 0
    for number in range(rounds):
        for name in names:
            run = measure_once(TARGETS[name], level, seconds, log)
            runs[name].append(run)
            lost += len(run.measurement.lost)
            print(
                f"  {level.name}, round {number + 1}, {name}: {run.microseconds_per_token:.1f} µs/token, "
                f"{run.measurement.tokens / run.measurement.seconds:,.0f} tokens/s",
                file=sys.stderr,
                flush=True,
            )
            for reason in sorted(set(run.measurement.lost)):
                print(f"  INVALID: {run.measurement.lost.count(reason)} streams lost: {reason}", file=sys.stderr)
    return [describe_runs(level, name, runs[name], runs.get(against, [])) for name in names], lost


def parse_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """
    Parse the command line.
    """
    parser = argparse.ArgumentParser(description="Measure what a streamed token costs in the gateway and in the floor.")
    parser.add_argument("--target", default="relay,outcrop", help=f"comma-separated, of {', '.join(TARGETS)}")
    parser.add_argument("--streams", default=f"50,400,800,{SATURATED}", help="comma-separated numbers of streams")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each measurement takes")
    parser.add_argument("--rounds", type=int, default=2, help="how often each target is measured at each level")
    parser.add_argument("--pace", type=float, default=TOKENS_PER_SECOND, help="tokens a second in each stream")
    parser.add_argument("--before", type=Path, help="another checkout of this project: adds the target `before`")
    parser.add_argument("--against", default="relay", help="the target that the ratios are to")
    arguments = parser.parse_args(words)
    if arguments.before is not None:
        TARGETS["before"] = make_earlier(arguments.before)
    unknown = [name for name in arguments.target.split(",") if name not in TARGETS]
    if unknown:
        parser.error(f"unknown target {unknown[0]!r}, known are {', '.join(TARGETS)}")
    return arguments


def parse_level(word: str, pace: float) -> Level:
    """
    Return the level that a number of streams, or `saturated`, stands for.
    """
    if word == SATURATED:
        return Level(f"{SATURATED_STREAMS} unpaced", SATURATED_STREAMS, 0.0)
    return Level(f"{word} × {pace:g}/s", int(word), pace)


def main(words: Sequence[str] | None = None) -> int:
    """
    Run the benchmark, print its table, and return 0, or 1 where it is not valid.
    """
    arguments = parse_arguments(words)
    # So that the processes are ended in `finally`, too, when this one is asked to end.
    signal.signal(signal.SIGTERM, exit_on_signal)
    # A relay of 800 streams needs 1,600 sockets; the usual limit is 1,024.
    allow_many_files()
    names = arguments.target.split(",")
    rows: list[list[str]] = []
    lost = 0
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
        log = Path(folder) / "servers.log"
        try:
            for word in arguments.streams.split(","):
                level = parse_level(word, arguments.pace)
                more, missing = measure_level(level, names, arguments.rounds, arguments.seconds, log, arguments.against)
                rows += more
                lost += missing
        except (NotReady, subprocess.TimeoutExpired) as error:
            print(f"failed: {error}\n{log.read_text()[-4000:] if log.exists() else ''}", file=sys.stderr)
            return 1
        finally:
            if rows:
                print(f"medians of {arguments.rounds} rounds of {arguments.seconds:g} s\n")
                print(format_table(tuple(arguments.against.join(head.split("other")) for head in HEADS), rows, names=2))
    if lost:
        print(f"\nnot valid: {lost} streams were lost")
    return 1 if lost else 0


def exit_on_signal(number: int, _frame: object) -> NoReturn:
    """
    End this process as a signal wants it, through every `finally`.
    """
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
