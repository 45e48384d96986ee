"""
What kept conversations cost: to list, open and search them, at 1,000 and at 100,000 messages; and to keep a turn.

`python -m benchmarks.history [--sizes 1000,100000] [--database postgresql://…]`: SQLite in a new file without it.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.report import describe_machine
from outcrop.history.content import digest_message, encode_content
from outcrop.history.conversations import Conversations
from outcrop.history.database import Database, open_database
from outcrop.history.maintenance import upgrade_database
from outcrop.history.recorder import DatabaseLedger
from outcrop.history.records import NewMessage, TurnDraft
from outcrop.history.search import index_entry
from outcrop.history.tables import conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.turns.records import KeptAnswer, TurnSummary
from outcrop.types import MessageStart, MessageStop, TextDelta, TextPart, Usage

OWNER = "local"
MESSAGES_PER_CONVERSATION = 50
WORDS_PER_MESSAGE = 60
CALLS = 300
TURNS = 200
VOCABULARY = [f"word{number}" for number in range(5000)]
RARE_EVERY = 1000


def now_ms() -> int:
    """
    Return the time.
    """
    return time.time_ns() // 1_000_000


async def fill(database: Database, size: int) -> None:
    """
    Write conversations of 50 messages until there are so many messages; one in a thousand has a rare word.
    """
    randomly = random.Random(size)
    for number in range(size // MESSAGES_PER_CONVERSATION):
        await database.write(partial(_write_conversation, number=number, randomly=randomly))


async def _write_conversation(transaction: Transaction, number: int, randomly: random.Random) -> None:
    at = 1_700_000_000_000 + number
    title = f"conversation {number}"
    row = {
        "owner": OWNER, "id": f"c{number}", "title": title, "title_source": "prompt",
        "created_at": at, "updated_at": at, "revision": 1, "leaf_id": f"m{MESSAGES_PER_CONVERSATION - 1}",
    }  # fmt: skip
    made = await transaction.execute(insert(conversations).values(row))
    key = _key_of(made)
    await index_entry(transaction, conversation_key=key, message_key=None, written=title)
    parent = None
    for place in range(MESSAGES_PER_CONVERSATION):
        words = randomly.choices(VOCABULARY, k=WORDS_PER_MESSAGE)
        if (number * MESSAGES_PER_CONVERSATION + place) % RARE_EVERY == 0:
            words.append("zirconium")
        written = " ".join(words)
        content, _ = encode_content((TextPart(text=written),))
        line = {
            "conversation_key": key, "parent_key": parent, "id": f"m{place}", "state": "completed",
            "role": "assistant" if place % 2 else "user", "content": content,
            "digest": digest_message("user", (), content),
            "created_at": at,
        }  # fmt: skip
        parent = _key_of(await transaction.execute(insert(messages).values(line)))
        await index_entry(transaction, conversation_key=key, message_key=parent, written=written)


def _key_of(made: Any) -> int:
    key: int = made.inserted_primary_key[0]
    return key


async def measure(name: str, call: Callable[[], Awaitable[object]], count: int = CALLS) -> tuple[str, float, float]:
    """
    Make calls one after the other; return the median and the 99th percentile in milliseconds.
    """
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return name, times[len(times) // 2], times[int(len(times) * 0.99)]


async def keep_turn(ledger: DatabaseLedger, number: int) -> None:
    """
    Keep one turn: its prompt before the call, its answer after it.
    """
    turn_id, prompt = f"turn_{number}", NewMessage(message_id="u", role="user", parts=(TextPart(text="hello"),))
    draft = TurnDraft(conversation_id=f"new{number}", messages=(prompt,), parent_id="u", model="m", title="hello")
    await ledger.open_intent(turn_id=turn_id, call=1, principal_id=OWNER, model_id="m", draft=draft)
    events = (MessageStart(), TextDelta("answer " * 200), MessageStop(stop_reason="end_turn"))
    answer = KeptAnswer(events=events, summary=TurnSummary(usage=Usage(), duration_ms=1))
    await ledger.settle(turn_id=turn_id, call=1, outcome="completed", usage=Usage(), attempts=1, answer=answer)


async def run(size: int, address: str) -> list[tuple[str, float, float]]:
    """
    Fill a database, and measure.
    """
    await upgrade_database(address)
    database = await open_database(address)
    try:
        await fill(database, size)
        kept, randomly = Conversations(database, now_ms), random.Random(1)
        count = size // MESSAGES_PER_CONVERSATION
        ledger = DatabaseLedger(database, now_ms)
        numbers = iter(range(TURNS))
        return [
            await measure("list 50", lambda: kept.list_page(OWNER, limit=50)),
            await measure("open 50", lambda: kept.open(OWNER, f"c{randomly.randrange(count)}", limit=50)),
            await measure("search, rare word", lambda: kept.search(OWNER, "zirconium")),
            await measure("search, common word", lambda: kept.search(OWNER, randomly.choice(VOCABULARY))),
            await measure("keep a turn", lambda: keep_turn(ledger, next(numbers)), TURNS),
        ]
    finally:
        await database.aclose()


def main(words: list[str] | None = None) -> int:
    """
    Print a table for each size.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,100000")
    parser.add_argument(
        "--database", help="an empty PostgreSQL database for each size: ADDRESS with {size} in its name"
    )
    chosen = parser.parse_args(words)
    print(describe_machine())
    for size in map(int, chosen.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
            address = chosen.database.format(size=size) if chosen.database else str(Path(folder) / "outcrop.db")
            print(f"\n{size} messages\n{'':24}{'median ms':>12}{'p99 ms':>12}")
            for name, median, worst in asyncio.run(run(size, address)):
                print(f"{name:24}{median:12.2f}{worst:12.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
