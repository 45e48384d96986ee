"""
Tests of the checker: every kind of difference between the books is found, and named with the seed.
"""

import random
from collections.abc import Callable

import pytest

from tests.e2e.replicas.asks import make_ask
from tests.e2e.replicas.books import Books
from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.load import anywhere, watch_all
from tests.e2e.replicas.viewer import Habits, Transcript

WORDS = 6


def _lose(transcript: Transcript) -> None:
    transcript.shown[-1] = transcript.text[:-9]


def _double(transcript: Transcript) -> None:
    transcript.shown[-1] += transcript.text[-8:]


def _swap(transcript: Transcript) -> None:
    first, second, *rest = transcript.text.split(" ")
    transcript.shown[-1] = " ".join((second, first, *rest))


def _show_before(transcript: Transcript) -> None:
    transcript.shown.insert(0, "what another turn said")


def _end_otherwise(transcript: Transcript) -> None:
    transcript.ending = "stopped"


def _never_end(transcript: Transcript) -> None:
    transcript.ending = None


def _lose_position(transcript: Transcript) -> None:
    transcript.ending = "lost:expired"


def _complain(transcript: Transcript) -> None:
    transcript.complaints.append("chunk 3 came, expected 2")


def _expect_another_answer(transcript: Transcript) -> None:
    transcript.ask.text += " more"


@pytest.mark.parametrize(
    "tamper",
    [
        _lose,
        _double,
        _swap,
        _show_before,
        _end_otherwise,
        _never_end,
        _lose_position,
        _complain,
        _expect_another_answer,
    ],
)
async def test_a_difference_is_found(cluster: Cluster, seed: int, tamper: Callable[[Transcript], None]) -> None:
    """
    A transcript in which something is lost, doubled, moved, foreign or without its end fails the check.
    """
    transcripts = await _ask_three(cluster, seed)
    await Books(cluster, seed).check(transcripts, reader_url=cluster.nginx.url)
    tamper(transcripts[1])
    with pytest.raises(AssertionError, match=f"seed {seed}"):
        await Books(cluster, seed).check(transcripts, reader_url=cluster.nginx.url)


async def test_a_call_too_many_is_found(cluster: Cluster, seed: int) -> None:
    """
    A turn that only the emulator knows of fails the check.
    """
    transcripts = await _ask_three(cluster, seed)
    with pytest.raises(AssertionError, match="3 calls in the emulator's book, 2 turns"):
        await Books(cluster, seed).check(transcripts[:2], reader_url=cluster.nginx.url)


async def _ask_three(cluster: Cluster, seed: int) -> list[Transcript]:
    dice = random.Random(seed)
    cluster.book.clear()
    cluster.set_pace(1000)
    asks = [make_ask(dice, WORDS) for _ in range(3)]
    return await watch_all(asks, lambda own: Habits(pick=anywhere(cluster, own), dice=own), dice)
