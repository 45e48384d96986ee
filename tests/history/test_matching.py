"""
A client's list of messages is found in the tree that is kept, whatever it has edited.
"""

from hypothesis import given
from hypothesis import strategies as st

from outcrop.history.matching import KnownMessage, SentMessage, match_messages
from outcrop.types import Role

Line = tuple[str, Role, str]


class Tree:
    """
    Keep what is sent, as the repository does.
    """

    def __init__(self) -> None:
        self.rows: list[KnownMessage] = []

    def send(self, lines: list[Line]) -> tuple[list[int], int]:
        """
        Keep what is new; return the path of what was known, and how many messages were added.
        """
        sent = [SentMessage(message_id=name, role=role, digest=text.encode()) for name, role, text in lines]
        path, count = match_messages(self.rows, sent)
        taken = {row.message_id for row in self.rows}
        parent = path[-1] if path else None
        for message in sent[count:]:
            key = len(self.rows) + 1
            is_free = bool(message.message_id) and message.message_id not in taken
            own = message.message_id if is_free else f"x{key}"
            taken.add(own)
            client_id = message.message_id if message.message_id and not is_free else None
            self.rows.append(
                KnownMessage(
                    key=key, message_id=own, role=message.role, digest=message.digest, parent_key=parent,
                    client_id=client_id,
                )
            )  # fmt: skip
            parent = key
        return path, len(sent) - count


NAMES = st.sampled_from(["u1", "u2", "u3", "a1", "a2", ""])
LISTS = st.lists(st.tuples(NAMES, st.sampled_from("xy")), min_size=1, max_size=6, unique_by=lambda line: line[0])


@given(st.lists(LISTS, min_size=1, max_size=8))
def test_the_same_list_twice_adds_nothing(lists: list[list[tuple[str, str]]]) -> None:
    """
    Whatever was sent before, and however it was edited; and what is kept never changes.
    """
    tree = Tree()
    for drawn in lists:
        lines: list[Line] = [(name, "assistant" if name.startswith("a") else "user", text) for name, text in drawn]
        before = list(tree.rows)
        tree.send(lines)
        assert tree.rows[: len(before)] == before
        assert tree.send(lines)[1] == 0


def test_a_list_that_begins_in_the_middle() -> None:
    """
    A page that loaded the end of a chat sends the end of it: what came before belongs to it, also where it was edited.
    """
    tree = Tree()
    tree.send([("u1", "user", "a"), ("a1", "assistant", "b"), ("u2", "user", "c"), ("a2", "assistant", "d")])
    assert tree.send([("u2", "user", "c"), ("a2", "assistant", "d"), ("u3", "user", "e")]) == ([1, 2, 3, 4], 1)
    assert tree.send([("u2", "user", "edited")]) == ([1, 2], 1)
    assert [row.parent_key for row in tree.rows[-2:]] == [4, 2]


def test_an_answer_is_known_by_its_name() -> None:
    """
    What a client made of it does not matter.
    """
    tree = Tree()
    tree.send([("u1", "user", "a"), ("a1", "assistant", "b")])
    assert tree.send([("u1", "user", "a"), ("a1", "assistant", "something else")]) == ([1, 2], 0)
