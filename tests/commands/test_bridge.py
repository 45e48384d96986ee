"""
Ctrl-C while `outcrop chat` waits for its gateway: it is never lost, and takes nothing with it.
"""

import asyncio
import os
import random
import signal
import threading
import time

import pytest

from outcrop.commands.chat.bridge import Bridge

ROUNDS = 300


async def make(value: int) -> int:
    """
    Take a moment to give a value back.
    """
    await asyncio.sleep(0.0005)
    return value


def receive(bridge: Bridge, received: list[int]) -> None:
    """
    Receive values until an interrupt is raised.
    """
    while len(received) < 1000:
        received.append(bridge.run(make, len(received)))


def interrupt_after(seconds: float) -> threading.Thread:
    """
    Press Ctrl-C, as it were, in a moment.
    """

    def press() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_an_interrupt_at_any_moment_is_raised_once() -> None:
    """
    Each one is raised by a run of its section, whatever it fell on; what had come by then is not lost.
    """
    chance = random.Random(7)
    with Bridge() as bridge:
        for _ in range(ROUNDS):
            received: list[int] = []
            with bridge.holding_interrupts():
                thread = interrupt_after(chance.random() * 0.003)
                with pytest.raises(KeyboardInterrupt):
                    receive(bridge, received)
                thread.join()
                assert bridge.run(make, -1) == -1
            assert received == list(range(len(received)))


def test_an_interrupt_cancels_what_runs() -> None:
    """
    What would take long ends at once, and has ended when the interrupt is raised.
    """
    ended: list[bool] = []

    async def take_long() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    with Bridge() as bridge:
        thread = interrupt_after(0.05)
        with pytest.raises(KeyboardInterrupt):
            bridge.run(take_long)
        thread.join()
        assert ended == [True]


def test_an_interrupt_that_comes_too_late_is_forgotten() -> None:
    """
    After the last run of a section Ctrl-C changes nothing; outside of one it interrupts as it always does.
    """
    with Bridge() as bridge:
        with bridge.holding_interrupts():
            assert bridge.run(make, 1) == 1
            os.kill(os.getpid(), signal.SIGINT)
        assert bridge.run(make, 2) == 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_an_ignored_interrupt_stays_ignored() -> None:
    """
    A command whose starter ignores Ctrl-C for it, as `nohup` does for hang-ups, is not interrupted.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Bridge() as bridge:
            thread = interrupt_after(0)
            thread.join()
            assert bridge.run(make, 1) == 1
    finally:
        signal.signal(signal.SIGINT, before)
