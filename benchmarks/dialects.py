"""
Claim: what a streamed token, and a short whole answer, cost in each dialect, held against the raw one.

All dialects ask the same gateway for the same model, so only the client's side differs. They take turns within a
round, each with a fresh gateway and source; the ratio to the raw dialect of the same round is the result, the
microseconds are its illustration.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.processes import NotReady, allow_many_files, free_port, running, wait_for_port
from benchmarks.report import describe_machine, format_table
from benchmarks.streams import (
    TOKENS_PER_SECOND,
    Level,
    Run,
    exit_on_signal,
    measure_once,
    running_source,
)
from benchmarks.targets import TARGETS, Target, make_earlier
from benchmarks.ways import WAYS
from benchmarks.whole import MARGIN_SECONDS, WARM_UP_SECONDS, WholeMeasurement

FLOOR = "raw"
STREAM_HEADS = ("dialect", "CPU µs/token", "× raw", "tokens/s", "tokens/message", "delay p50 ms", "p99 ms")
WHOLE_HEADS = ("dialect", "CPU µs/answer", "× raw", "answers per CPU second", "answers/s")
Measured = TypeVar("Measured", Run, WholeMeasurement)


def measure_whole(target: Target, way: str, seconds: float, log: Path) -> WholeMeasurement:
    """
    Start a source and a gateway, load it with requests for whole answers, and stop both.
    """
    port = free_port()
    with (
        running_source(Level("whole", 0, 1.0), seconds) as source_port,
        running(target.command(port, source_port), env=target.env(source_port), log=log) as server,
    ):
        wait_for_port(server, port)
        command = [sys.executable, "-m", "benchmarks.whole", "--port", str(port), "--pid", str(server.pid)]
        with running([*command, "--way", way, "--seconds", str(seconds)]) as load:
            answer, _ = load.communicate(timeout=WARM_UP_SECONDS + seconds + MARGIN_SECONDS + 10)
    if load.returncode:
        raise NotReady(f"the load ended with {load.returncode}")
    return msgspec.json.decode(answer, type=WholeMeasurement)


def take_turns(
    names: Sequence[str],
    rounds: int,
    measure: Callable[[str], Measured],
    read_cost: Callable[[Measured], float],
    read_lost: Callable[[Measured], list[str]],
) -> dict[str, list[Measured]]:
    """
    Measure all dialects in turn, some rounds.

    Raises:
        NotReady: something did not start, or a client was not served to the end.
    """
    runs: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            run = measure(name)
            if lost := read_lost(run):
                raise NotReady(f"{name}: {len(lost)} clients were lost: {lost[0]}")
            runs[name].append(run)
            print(f"  round {number + 1}, {name}: {read_cost(run):.1f} µs", file=sys.stderr, flush=True)
    return runs


def format_ratio(runs: Sequence[Measured], floor: Sequence[Measured], read_cost: Callable[[Measured], float]) -> str:
    """
    Return the median of the ratios to the raw dialect of the same round.
    """
    return f"{statistics.median(read_cost(a) / read_cost(b) for a, b in zip(runs, floor, strict=False)):.2f}"


def stream_cost(run: Run) -> float:
    """
    Return the gateway's processor time for one token, in microseconds.
    """
    return run.microseconds_per_token


def whole_cost(run: WholeMeasurement) -> float:
    """
    Return the gateway's processor time for one answer, in microseconds.
    """
    return run.cpu_seconds / max(1, run.answers) * 1e6


def describe_streams(name: str, runs: Sequence[Run], floor: Sequence[Run]) -> list[str]:
    """
    Return a row of the table of streams: medians over the rounds.
    """

    def median(read: Callable[[Run], float]) -> float:
        return statistics.median(map(read, runs))

    return [
        name,
        f"{median(stream_cost):.1f}",
        format_ratio(runs, floor, stream_cost),
        f"{median(lambda run: run.measurement.tokens / run.measurement.seconds):,.0f}",
        f"{median(lambda run: run.measurement.tokens / max(1, run.measurement.messages)):.2f}",
        f"{median(lambda run: run.measurement.delay_p50_ms):.2f}",
        f"{median(lambda run: run.measurement.delay_p99_ms):.2f}",
    ]


def describe_whole(name: str, runs: Sequence[WholeMeasurement], floor: Sequence[WholeMeasurement]) -> list[str]:
    """
    Return a row of the table of whole answers: medians over the rounds.
    """
    cost = statistics.median(map(whole_cost, runs))
    rate = statistics.median(run.answers / run.seconds for run in runs)
    return [name, f"{cost:.0f}", format_ratio(runs, floor, whole_cost), f"{1e6 / cost:,.0f}", f"{rate:,.0f}"]


def parse_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """
    Parse the command line.
    """
    parser = argparse.ArgumentParser(description="Measure what a token and an answer cost in each dialect.")
    parser.add_argument("--dialects", default=",".join(WAYS), help=f"comma-separated, of {', '.join(WAYS)}")
    parser.add_argument("--streams", type=int, default=50, help="how many streams run; 0: none are measured")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each measurement of streams takes")
    parser.add_argument("--whole-seconds", type=float, default=3.0, help="the same for whole answers; 0: none")
    parser.add_argument("--rounds", type=int, default=3, help="how often each dialect is measured")
    parser.add_argument("--source", type=Path, help="another checkout of this project, to be measured instead")
    arguments = parser.parse_args(words)
    unknown = [name for name in arguments.dialects.split(",") if name not in WAYS]
    if unknown:
        parser.error(f"unknown dialect {unknown[0]!r}, known are {', '.join(WAYS)}")
    return arguments


def measure_all(arguments: argparse.Namespace, log: Path) -> None:
    """
    Measure streams, then whole answers, and print a table of each.
    """
    target = TARGETS["outcrop"] if arguments.source is None else make_earlier(arguments.source)
    names = list(dict.fromkeys([FLOOR, *arguments.dialects.split(",")]))
    medians = f"medians of {arguments.rounds} rounds of"
    if arguments.streams:
        level = Level(f"{arguments.streams}", arguments.streams, TOKENS_PER_SECOND)
        streams = take_turns(
            names,
            arguments.rounds,
            lambda name: measure_once(target, level, arguments.seconds, log, name),
            stream_cost,
            lambda run: run.measurement.lost,
        )
        print(f"\n{arguments.streams} streams × {TOKENS_PER_SECOND:g}/s, {medians} {arguments.seconds:g} s\n")
        rows = [describe_streams(name, streams[name], streams[FLOOR]) for name in names]
        print(format_table(STREAM_HEADS, rows, names=1), flush=True)
    if arguments.whole_seconds:
        seconds = arguments.whole_seconds
        wholes = take_turns(
            names,
            arguments.rounds,
            lambda name: measure_whole(target, name, seconds, log),
            whole_cost,
            lambda run: run.lost,
        )
        print(f"\nwhole answers of 20 tokens on 8 connections, {medians} {seconds:g} s\n")
        rows = [describe_whole(name, wholes[name], wholes[FLOOR]) for name in names]
        print(format_table(WHOLE_HEADS, rows, names=1))


def main(words: Sequence[str] | None = None) -> int:
    """
    Run the benchmark, print its tables, and return 0, or 1 where it is not valid.
    """
    arguments = parse_arguments(words)
    # So that the processes are ended in `finally`, too, when this one is asked to end.
    signal.signal(signal.SIGTERM, exit_on_signal)
    allow_many_files()
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
        log = Path(folder) / "servers.log"
        try:
            measure_all(arguments, log)
        except (NotReady, subprocess.TimeoutExpired) as error:
            print(f"failed: {error}\n{log.read_text()[-4000:] if log.exists() else ''}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
