"""
Find a client's list of messages in the tree that is kept: what is known of it, and what is new. Pure.

A stock client sends all messages each time, under names of its own. A person's edit keeps the name and changes what
is said: it becomes a branch. An answer of ours is known by its name, whatever the client has made of it.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from outcrop.types import Role


class KnownMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is needed of a kept message to know it again. `digest` is that of its content.
    """

    key: int
    message_id: str
    role: Role
    digest: bytes
    parent_key: int | None = None
    client_id: str | None = None


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is needed of a sent message. `message_id` is "" where the client gave it no name.
    """

    message_id: str
    role: Role
    digest: bytes


def match_messages(known: Sequence[KnownMessage], sent: Sequence[SentMessage]) -> tuple[list[int], int]:
    """
    Return the keys of the kept messages from the root to the last one that was sent, and how many of the sent they are.

    A list that begins in the middle of the conversation is one whose client did not load it from the beginning.
    """
    by_key = {message.key: message for message in known}
    children: dict[int | None, list[KnownMessage]] = defaultdict(list)
    for message in known:
        children[message.parent_key].append(message)
    place: int | None = None
    count = 0
    for each in sent:
        among = children[place]
        if count == 0 and not any(_is_same(candidate, each) for candidate in among):
            among = [candidate for candidate in known if each.message_id and _is_same(candidate, each)]
        found = [candidate for candidate in among if _is_same(candidate, each)]
        if not found:
            if count == 0 and (edited := _find_edited(known, each)) is not None:
                place = edited.parent_key
            break
        # Two siblings that say the same: the newer one is the branch that was shown last.
        place, count = found[-1].key, count + 1
    return _path_to(place, by_key), count


def _find_edited(known: Sequence[KnownMessage], sent: SentMessage) -> KnownMessage | None:
    """
    Find the message that a client has edited, where its list begins with that: what came before it stays.
    """
    named = [kept for kept in known if sent.message_id and sent.message_id in {kept.message_id, kept.client_id}]
    return next((kept for kept in reversed(named) if kept.role == sent.role), None)


def _is_same(kept: KnownMessage, sent: SentMessage) -> bool:
    if kept.role != sent.role:
        return False
    if not sent.message_id:
        return kept.digest == sent.digest
    is_named = sent.message_id in {kept.message_id, kept.client_id}
    return is_named and (kept.role == "assistant" or kept.digest == sent.digest)


def _path_to(key: int | None, by_key: dict[int, KnownMessage]) -> list[int]:
    path: list[int] = []
    while key is not None:
        path.append(key)
        key = by_key[key].parent_key
    return path[::-1]
