"""
Tell an owner's pages that a conversation has changed: on this replica, and by a relay on the others.

Nothing is kept of it. Whoever was away reads what they show again when they are back.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

Hear = Callable[[str], None]
"""
Is called with the name of a conversation of this owner's that has changed. It does not wait, and raises nothing.
"""

Announce = Callable[[str, str], None]
"""
Is called with an owner and a conversation of theirs, after the change was committed.
"""


def announce_nothing(owner: str, conversation_id: str) -> None:
    """
    Be an `Announce` where nobody hears.
    """
    del owner, conversation_id


class Relay(Protocol):
    """
    Carry news to other replicas.
    """

    def send(self, owner: str, conversation_id: str) -> None:
        """
        Carry one piece, if it can be done; without waiting.
        """
        ...


class News:
    """
    Hold who wants to hear of whose conversations.

    Attributes:
        relay: carries news to other replicas; None where there are none.
    """

    def __init__(self) -> None:
        self.relay: Relay | None = None
        self._hearers: dict[str, set[Hear]] = defaultdict(set)

    def subscribe(self, owner: str, hear: Hear) -> Callable[[], None]:
        """
        Let somebody hear of an owner's conversations; call what is returned to end it.
        """
        self._hearers[owner].add(hear)

        def leave() -> None:
            hearers = self._hearers.get(owner, set())
            hearers.discard(hear)
            if not hearers:
                self._hearers.pop(owner, None)

        return leave

    def announce(self, owner: str, conversation_id: str) -> None:
        """
        Tell that a conversation was changed here.
        """
        self.tell(owner, conversation_id)
        if self.relay is not None:
            self.relay.send(owner, conversation_id)

    def tell(self, owner: str, conversation_id: str) -> None:
        """
        Tell this replica's own hearers.
        """
        for hear in tuple(self._hearers.get(owner, ())):
            hear(conversation_id)
