"""
Between the terminal's thread, which waits for keys, and the client's loop, which runs all the time.
"""

import asyncio
import concurrent.futures
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

END_SECONDS = 1.0
LOOK_SECONDS = 0.2
"""
A signal that comes right before a wait is noticed after it: so no wait is longer.
"""

Result = TypeVar("Result")


class Bridge:
    """
    Run coroutines in a thread of their own, from the main thread, where Ctrl-C interrupts the wait for them.

    The loop runs on while the user types, so that the server's pings are answered.

    Python raises `KeyboardInterrupt` between any two steps of the main thread: raised in a destructor it is lost, and
    raised behind the taking of a lock it leaves the lock taken. So here Ctrl-C is noted, cancels what runs, and is
    raised when that has ended.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outcrop-chat", daemon=True)
        self._running: asyncio.Task[Any] | None = None
        self._is_holding = False
        self._is_interrupted = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.run(_end_other_tasks)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, function: Callable[..., Coroutine[Any, Any, Result]], *arguments: object) -> Result:
        """
        Wait for the result of a coroutine function. An interrupt cancels what runs, and then is raised.

        Where it comes too late to cancel, nothing is lost: the result is returned, and the next `run` of the same
        `holding_interrupts` raises.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        with self.holding_interrupts():
            self._raise_interrupt()
            outcome: concurrent.futures.Future[Result] = concurrent.futures.Future()
            done = threading.Event()
            outcome.add_done_callback(lambda _: done.set())
            self._loop.call_soon_threadsafe(self._begin, function, arguments, outcome)
            while not done.wait(LOOK_SECONDS):
                pass
            if outcome.cancelled():
                self._raise_interrupt()
            return outcome.result()

    @contextlib.contextmanager
    def holding_interrupts(self) -> Iterator[None]:
        """
        Let Ctrl-C interrupt nothing but `run`. One that no `run` has raised by the end is forgotten.
        """
        if self._is_holding or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupt)
        self._is_holding = True
        try:
            yield
        finally:
            self._is_holding = self._is_interrupted = False
            signal.signal(signal.SIGINT, before)

    def _begin(
        self,
        function: Callable[..., Coroutine[Any, Any, Result]],
        arguments: tuple[object, ...],
        outcome: "concurrent.futures.Future[Result]",
    ) -> None:
        self._running = self._loop.create_task(function(*arguments))
        self._running.add_done_callback(lambda done: self._end(done, outcome))
        if self._is_interrupted:
            self._running.cancel()

    def _end(self, task: "asyncio.Task[Result]", outcome: "concurrent.futures.Future[Result]") -> None:
        self._running = None
        _hand_over(task, outcome)

    def _interrupt(self, *_: object) -> None:
        self._is_interrupted = True
        self._loop.call_soon_threadsafe(self._cancel_running)

    def _cancel_running(self) -> None:
        if self._running is not None:
            self._running.cancel()

    def _raise_interrupt(self) -> None:
        if self._is_interrupted:
            self._is_interrupted = False
            raise KeyboardInterrupt


def _hand_over(task: "asyncio.Task[Result]", outcome: "concurrent.futures.Future[Result]") -> None:
    if task.cancelled():
        outcome.cancel()
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())


async def _end_other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=END_SECONDS)
