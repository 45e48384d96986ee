"""
How a log tells its readers that there is something to take, and what the log of a turn that did not begin tells them.

`wake` is a reader's own code and runs in the middle of the log's: in a producer's append, in the task that writes to
the store, in the one that hears from it. What it raises must end none of these.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from outcrop.errors import StoreError

logger = structlog.get_logger(__name__)


class Wakeable(Protocol):
    """
    Be a log's reader.
    """

    wake: Callable[[], None]

    def expel(self, error: StoreError) -> None:
        """
        End this reader: it is not woken any more, and its next `take` raises the error.
        """
        ...


def wake_all(readers: Sequence[Wakeable], turn_id: str) -> None:
    """
    Wake a turn's readers, and expel those that fail at it; these are woken once more, to take their error.
    """
    for reader in readers:
        wake = reader.wake
        try:
            wake()
        except Exception:
            logger.exception("a reader failed when it was woken; it is dropped", turn_id=turn_id)
            reader.expel(StoreError("this reader has failed; read again from its position"))
            _wake_once_more(wake, turn_id)


def _wake_once_more(wake: Callable[[], None], turn_id: str) -> None:
    try:
        wake()
    except Exception:
        logger.exception("a reader that was dropped could not tell its client", turn_id=turn_id)


def ignore() -> None:
    """
    Be the `wake` of a reader that has left.
    """


def not_begun() -> StoreError:
    """
    Make the error for those who read a turn that was then discarded.
    """
    return StoreError("the turn could not be begun; ask again")
