"""
The child process of `outcrop chat`: it ends when its parent has ended, however that ended.
"""

import os
import signal
import threading


def end_with_parent() -> None:
    """
    End this process, as SIGTERM does, at the end of standard input: the parent holds the other side of it.
    """
    threading.Thread(target=_wait_for_the_end, name="end-with-parent", daemon=True).start()


def _wait_for_the_end() -> None:
    # Not `sys.stdin`: its lock, held by a daemon thread, would break the interpreter's end.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
