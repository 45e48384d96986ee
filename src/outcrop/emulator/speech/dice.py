"""
Choices that repeat themselves: a source of numbers that depends on its seed alone, on every machine and Python.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice:
    """
    Draw numbers from a seed. Equal seeds give equal draws in equal order.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed[:64]
        self._draws = 0

    def fraction(self) -> float:
        """
        Return the next number, at least 0 and below 1.
        """
        self._draws += 1
        digest = hashlib.blake2b(self._draws.to_bytes(8, "big"), key=self._seed, digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / (1 << 53)

    def below(self, bound: int) -> int:
        """
        Return the next whole number, at least 0 and below `bound`.
        """
        return int(self.fraction() * bound)

    def pick(self, items: Sequence[Item]) -> Item:
        """
        Return one of the items.
        """
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """
        Return the items in another order.
        """
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in items]
