"""
Between the terminal's thread, which waits for keys, and the client's loop, which runs all the time.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

END_SECONDS = 1.0

Result = TypeVar("Result")


class Bridge:
    """
    Run coroutines in a thread of their own, from the main thread, which Ctrl-C may interrupt at any time.

    The loop runs on while the user types, so that the server's pings are answered.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outcrop-chat", daemon=True)

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
        Wait for the result of a coroutine function. An interrupt of the wait cancels what runs.

        The coroutine is made in the loop's thread: made here, an interrupt could leave it behind, never awaited.
        """
        outcome: concurrent.futures.Future[Result] = concurrent.futures.Future()

        def begin() -> None:
            task = self._loop.create_task(function(*arguments))
            task.add_done_callback(lambda done: _hand_over(done, outcome))
            outcome.add_done_callback(lambda _: self._loop.call_soon_threadsafe(task.cancel))

        self._loop.call_soon_threadsafe(begin)
        try:
            return outcome.result()
        except BaseException:
            outcome.cancel()
            raise


def _hand_over(task: "asyncio.Task[Result]", outcome: "concurrent.futures.Future[Result]") -> None:
    error = None if task.cancelled() else task.exception()
    # The waiting thread may give up at any moment.
    with contextlib.suppress(concurrent.futures.InvalidStateError):
        if task.cancelled():
            outcome.cancel()
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())


async def _end_other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=END_SECONDS)
