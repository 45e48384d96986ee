"""
What work may use of a transaction; the same over SQLite and PostgreSQL.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.engine import Dialect

Result = TypeVar("Result")


class Transaction(Protocol):
    """
    Execute statements in one transaction, whose owner commits it or rolls it back.
    """

    @property
    def dialect(self) -> Dialect:
        """
        Say which database it is.
        """

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[Any]:
        """
        Execute a statement; the whole result is there.
        """

    async def scalar(self, statement: Executable, parameters: Any = None, /) -> Any:
        """
        Execute a statement, and return the first column of the first row; None where there is none.
        """


Work = Callable[[Transaction], Awaitable[Result]]
"""
What is done in one transaction. It may be run again from its beginning, and awaits nothing but its transaction.
"""


class ThreadTransaction:
    """
    Be a transaction whose statements are executed where they are awaited, in the thread that runs the work.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """
        Say which database it is.
        """
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[Any]:
        """
        Execute a statement.
        """
        return self._connection.execute(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Any = None, /) -> Any:
        """
        Return the first column of the first row.
        """
        return self._connection.scalar(statement, parameters)


def run_at_once(work: Work[Result], transaction: Transaction) -> Result:
    """
    Run work to its end, with no event loop: over a `ThreadTransaction` nothing in it ever waits.

    Raises:
        RuntimeError: the work waited for something else.
    """
    running = _to_coroutine(work, transaction)
    try:
        running.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    running.close()
    raise RuntimeError("the work of a transaction waited for something else")


async def _run(work: Work[Result], transaction: Transaction) -> Result:
    return await work(transaction)


def _to_coroutine(work: Work[Result], transaction: Transaction) -> Coroutine[Any, Any, Result]:
    # A lambda may give any awaitable.
    return _run(work, transaction)
