"""
The signals that ask a long command to end: what must be finished first is, and what must be cleaned up is.
"""

import contextlib
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """
    Take the signals; each ends this process through every `finally`, also where a read or a write blocks.
    """

    def __init__(self) -> None:
        self._number = 0
        self._is_deferred = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """
        Take the signals for the length of a block.

        Raises:
            SystemExit: one came; its code is 128 and the signal's number, as a shell gives it.
        """
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """
        Heed the signals at the end of a block only, such as one in which an event loop runs.

        Raises:
            SystemExit: one came.
        """
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        if self._number:
            raise SystemExit(128 + self._number)

    def _note(self, number: int, _frame: object) -> None:
        again, self._number = bool(self._number), number
        # Who asks twice does not want to wait.
        if again or not self._is_deferred:
            raise SystemExit(128 + number)
