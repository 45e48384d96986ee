"""
Claim: a token of a chat that is kept costs the gateway what one costs that is not.

The same load, chats of the native protocol, goes to a gateway that keeps nothing and to one that keeps them in a file,
in turn, each with a fresh source. What a turn costs besides, before its first token and after its last, is not in it:
see `keep a turn` of `benchmarks.history`.
"""

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import format_table
from benchmarks.streams import TOKENS_PER_SECOND, Level, Run, measure_once
from benchmarks.targets import Target, gateway_variables, serve

WAY = "native-ws"
NOTHING, KEPT = "nothing is kept", "kept in a file"
HEADS = ("chats", "CPU µs/token", f"× {NOTHING}", "tokens/s", "tokens/message", "delay p50 ms", "p99 ms")


def _keep_nothing(source_port: int) -> Mapping[str, str]:
    return {**gateway_variables(source_port), "OUTCROP_DATABASE_URL": "none"}


TARGETS = {
    NOTHING: Target(command=serve, env=_keep_nothing),
    KEPT: Target(command=serve, env=gateway_variables),
}


def measure_keeping(streams: int, seconds: float, rounds: int, log: Path) -> bool:
    """
    Measure both in turn, print a table, and return whether all streams ran to the end.

    Raises:
        NotReady: something did not start.
    """
    level = Level(f"{streams}", streams, TOKENS_PER_SECOND)
    runs: dict[str, list[Run]] = {name: [] for name in TARGETS}
    for number in range(rounds):
        for name, target in TARGETS.items():
            run = measure_once(target, level, seconds, log, WAY)
            runs[name].append(run)
            print(f"  round {number + 1}, {name}: {run.microseconds_per_token:.1f} µs", file=sys.stderr, flush=True)
    lost = [reason for found in runs.values() for run in found for reason in run.measurement.lost]
    print(f"\n{streams} chats × {TOKENS_PER_SECOND:g} tokens/s, medians of {rounds} rounds of {seconds:g} s\n")
    print(format_table(HEADS, [_describe(name, runs[name], runs[NOTHING]) for name in TARGETS], names=1), flush=True)
    if lost:
        print(f"\nnot valid: {len(lost)} streams were lost: {lost[0]}")
    return not lost


def _describe(name: str, runs: list[Run], floor: list[Run]) -> list[str]:
    ratios = [a.microseconds_per_token / b.microseconds_per_token for a, b in zip(runs, floor, strict=True)]
    return [
        name,
        f"{statistics.median(run.microseconds_per_token for run in runs):.1f}",
        f"{statistics.median(ratios):.2f}",
        f"{statistics.median(run.measurement.tokens / run.measurement.seconds for run in runs):,.0f}",
        # On a busy machine tokens are late and merged, which makes them cheap: the two must be alike to be compared.
        f"{statistics.median(run.measurement.tokens / max(1, run.measurement.messages) for run in runs):.2f}",
        f"{statistics.median(run.measurement.delay_p50_ms for run in runs):.2f}",
        f"{statistics.median(run.measurement.delay_p99_ms for run in runs):.2f}",
    ]
