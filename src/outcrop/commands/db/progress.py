"""
How far a long command is: a bar on a terminal, a line now and then where there is none. All on standard error.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

LINE_SECONDS = 5.0
"""
How often a line is written.
"""

Advance = Callable[[int, int], None]
"""
Takes how much of the total is done, and how many conversations that is.
"""


@contextlib.contextmanager
def showing_progress(what: str, total: int | None, *, quiet: bool = False) -> Iterator[Advance]:
    """
    Show how far it is for the length of a block, which calls what it is given after each conversation.

    Args:
        what: what is done to conversations, as in "exported".
        total: what is done when all is done, in any unit; None where nobody knows.
        quiet: show nothing, as where the data goes to the same terminal.
    """
    if quiet:
        yield lambda _done, _count: None
    elif sys.stderr.isatty():
        with _show_bar(what, total) as advance:
            yield advance
    else:
        yield _Lines(what, total, time.monotonic).advance


@contextlib.contextmanager
def _show_bar(what: str, total: int | None) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.fields[count]:,} conversations " + what),
        BarColumn(),
        _Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total, count=0)
        yield lambda done, count: progress.update(task, completed=done, count=count)


class _Rate(ProgressColumn):
    """
    Show conversations in a second.
    """

    def render(self, task: Task) -> Text:
        """
        Show it; nothing before the first.
        """
        count = task.fields["count"]
        return Text(f"{count / task.elapsed:,.0f}/s" if count and task.elapsed else "")


class _Lines:
    """
    Write a line now and then.

    Args:
        clock: tells seconds.
    """

    def __init__(self, what: str, total: int | None, clock: Callable[[], float]) -> None:
        self._what = what
        self._total = total
        self._clock = clock
        self._began = self._said = clock()

    def advance(self, done: int, count: int) -> None:
        """
        Write a line, if it is time.
        """
        now = self._clock()
        if now - self._said < LINE_SECONDS:
            return
        self._said = now
        seconds = now - self._began
        left = ""
        if self._total and done:
            left = f", {done / self._total:.0%}, {seconds * (self._total - done) / done:,.0f} s left"
        sys.stderr.write(f"{count:,} conversations {self._what}, {count / seconds:,.0f}/s{left}\n")
        sys.stderr.flush()
