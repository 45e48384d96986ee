"""
What benchmarks print: the machine, the versions, and tables.
"""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("outcrop", "uvicorn", "uvloop", "httptools", "websockets", "starlette", "msgspec", "picows", "botocore")


def describe_machine() -> str:
    """
    Name the machine, how busy it is, and the versions that the numbers belong to.
    """
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or "unknown",
    )
    load = os.getloadavg()[0]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"machine: {os.cpu_count()} cores, {cpu}; load before the run {load:.2f}\n"
        f"versions: {python}, Linux {platform.release()}, {packages}"
    )


def format_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, names: int) -> str:
    """
    Return a Markdown table with aligned columns; all but the first `names` hold numbers.
    """
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(aligned)} |"

    rule = [("-" * width if column < names else "-" * (width - 1) + ":") for column, width in enumerate(widths)]
    return "\n".join([line(heads), line(rule), *(line(row) for row in rows)])
