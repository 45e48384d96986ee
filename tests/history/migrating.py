"""
A process that migrates databases and is killed while it does so: `python -m tests.history.migrating ADDRESS`.

In ADDRESS, `{}` stands for a number. For each number from 1 on, a child opens the database and is killed, as kill -9
does, right before that statement (or commit). The first child that lives to the end has seen them all; its number is
written to standard output.
"""

import asyncio
import os
import signal
import sys
import traceback

from sqlalchemy import event
from sqlalchemy.engine import Engine

from outcrop.history.maintenance import upgrade_database

MOST = 200
MARKED = ("CREATE", "INSERT", "UPDATE", "DELETE", "ALTER", "DROP")


def main(pattern: str) -> None:
    """
    Run the children, one after the other.
    """
    for number in range(1, MOST):
        child = os.fork()
        if child == 0:
            _migrate(pattern.format(number), number)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.stdout.write(str(number) if status == 0 else "failed")
            return


def _migrate(address: str, number: int) -> None:
    left = number

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def count_statement(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(MARKED):
            count()

    event.listen(Engine, "before_cursor_execute", count_statement)
    event.listen(Engine, "commit", count)
    status = 1
    try:
        asyncio.run(upgrade_database(address))
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
