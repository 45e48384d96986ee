"""
What kept conversations cost, at 1,000 and at 100,000 messages; and what keeping adds to a token of a stream.

`python -m benchmarks.history [--sizes 1000,100000] [--database postgresql://…{size}]`: SQLite in a new file without it.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert, text

from benchmarks.keeping import measure_keeping
from benchmarks.processes import NotReady, resident_bytes
from benchmarks.report import describe_machine, format_table
from benchmarks.streams import exit_on_signal
from outcrop.commands.db.export import ExportOptions, run_export
from outcrop.history.content import digest_message, encode_content
from outcrop.history.conversations import Conversations
from outcrop.history.database import Database, open_database
from outcrop.history.maintenance import upgrade_database
from outcrop.history.recorder import DatabaseLedger
from outcrop.history.records import NewMessage, TurnDraft
from outcrop.history.search import index_entry
from outcrop.history.tables import conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.settings import load_settings
from outcrop.turns.records import KeptAnswer, TurnSummary
from outcrop.types import MessageStart, MessageStop, Role, TextDelta, TextPart, Usage

OWNER = "local"
MESSAGES_PER_CONVERSATION = 50
WORDS_PER_MESSAGE = 60
CALLS = 300
TURNS = 200
VOCABULARY = [f"word{number}" for number in range(5000)]
RARE_MESSAGES = 20
"""
So many have the rare word at any size: what is found and shown is as much.
"""

EXPORT_SECONDS = 100
ENTRIES = text(
    "INSERT INTO search_entries(rowid, tokens, message_key, conversation_key) VALUES (:key * 64, :words, :key, :of)"
)


class Cost(msgspec.Struct, frozen=True):
    """
    Hold what one kind of call took, in milliseconds.
    """

    median_ms: float
    worst_ms: float


class ExportCost(msgspec.Struct, frozen=True):
    """
    Hold what an export took: seconds, and by how much its process grew at most.
    """

    seconds: float
    growth_bytes: int


def now_ms() -> int:
    """
    Return the time.
    """
    return time.time_ns() // 1_000_000


async def fill(database: Database, size: int) -> None:
    """
    Write conversations of 50 messages until there are so many messages; twenty have a rare word.
    """
    randomly = random.Random(size)
    rare_every = max(1, size // RARE_MESSAGES)
    for number in range(size // MESSAGES_PER_CONVERSATION):
        write = partial(_write_conversation, number=number, randomly=randomly, rare_every=rare_every)
        await database.write(write)


async def _write_conversation(transaction: Transaction, number: int, randomly: random.Random, rare_every: int) -> None:
    at = 1_700_000_000_000 + number
    title = f"conversation {number}"
    row = {
        "owner": OWNER, "id": f"c{number}", "title": title, "title_source": "prompt",
        "created_at": at, "updated_at": at, "revision": 1, "leaf_id": f"m{MESSAGES_PER_CONVERSATION - 1}",
    }  # fmt: skip
    made = await transaction.execute(insert(conversations).values(row))
    key = _key_of(made)
    await index_entry(transaction, conversation_key=key, message_key=None, written=title)
    lines, written = [], []
    for place in range(MESSAGES_PER_CONVERSATION):
        words = randomly.choices(VOCABULARY, k=WORDS_PER_MESSAGE)
        if (number * MESSAGES_PER_CONVERSATION + place) % rare_every == 0:
            words.append("zirconium")
        written.append(" ".join(words))
        role: Role = "assistant" if place % 2 else "user"
        content = (TextPart(text=written[-1]),)
        encoded, _ = encode_content(content)
        lines.append({
            "conversation_key": key, "id": f"m{place}", "state": "completed", "role": role, "content": encoded,
            "digest": digest_message(role, content, encoded), "created_at": at,
        })  # fmt: skip
    await _write_messages(transaction, key, lines, written)


async def _write_messages(
    transaction: Transaction, conversation_key: int, lines: list[dict[str, Any]], written: list[str]
) -> None:
    parent = None
    entries = []
    for line, words in zip(lines, written, strict=True):
        parent = _key_of(await transaction.execute(insert(messages), {**line, "parent_key": parent}))
        entries.append({"key": parent, "words": words, "of": conversation_key})
        if transaction.dialect.name != "sqlite":
            await index_entry(transaction, conversation_key=conversation_key, message_key=parent, written=words)
    if transaction.dialect.name == "sqlite":
        # What `index_entry` would write, with fewer statements: filling is not what is measured.
        await transaction.execute(ENTRIES, entries)


def _key_of(made: Any) -> int:
    key: int = made.inserted_primary_key[0]
    return key


async def measure(call: Callable[[], Awaitable[object]], count: int = CALLS) -> Cost:
    """
    Make calls one after the other; return the median and the 99th percentile.
    """
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return Cost(times[len(times) // 2], times[int(len(times) * 0.99)])


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


async def run(size: int, address: str) -> dict[str, Cost]:
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
        return {
            "list 50": await measure(lambda: kept.list_page(OWNER, limit=50)),
            "open 50": await measure(lambda: kept.open(OWNER, f"c{randomly.randrange(count)}", limit=50)),
            "search, rare word": await measure(lambda: kept.search(OWNER, "zirconium")),
            "search, common word": await measure(lambda: kept.search(OWNER, randomly.choice(VOCABULARY))),
            "search, beginning of all words": await measure(lambda: kept.search(OWNER, "w")),
            "search, two words": await measure(lambda: kept.search(OWNER, f"{randomly.choice(VOCABULARY)} word1")),
            "keep a turn": await measure(lambda: keep_turn(ledger, next(numbers)), TURNS),
        }
    finally:
        await database.aclose()


def export_here(address: str, target: str) -> ExportCost:
    """
    Export in this process, which has done nothing else.
    """
    settings = load_settings({"database_url": address})
    before = resident_bytes(os.getpid())
    began = time.perf_counter()
    run_export(settings, ExportOptions(target=target))
    seconds = time.perf_counter() - began
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return ExportCost(seconds, int(peak.split()[1]) * 1024 - before)


def measure_export(address: str, folder: str) -> ExportCost:
    """
    Export in a process of its own.

    Raises:
        NotReady: it failed.
    """
    code = (
        "import sys, msgspec; from benchmarks.history import export_here; "
        "sys.stderr.buffer.write(msgspec.json.encode(export_here(*sys.argv[1:])))"
    )
    command = [sys.executable, "-c", code, address, str(Path(folder) / "all.jsonl")]
    done = subprocess.run(command, capture_output=True, timeout=EXPORT_SECONDS, check=False)
    if done.returncode:
        raise NotReady(f"the export failed: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stderr.splitlines()[-1], type=ExportCost)


def measure_size(size: int, database: str | None) -> tuple[dict[str, Cost], ExportCost]:
    """
    Measure at one size, in a new database.
    """
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
        address = database.format(size=size) if database else str(Path(folder) / "outcrop.db")
        costs = asyncio.run(run(size, address))
        return costs, measure_export(address, folder)


def print_tables(sizes: list[int], found: list[tuple[dict[str, Cost], ExportCost]]) -> None:
    """
    Print what was found, the last size held against the first.
    """
    heads = ["", *(f"{size:,}: {which} ms" for size in sizes for which in ("p50", "p99")), "× p50", "× p99"]
    rows = []
    for name in found[0][0]:
        costs = [of_size[name] for of_size, _ in found]
        first, last = costs[0], costs[-1]
        cells = [f"{value:.2f}" for cost in costs for value in (cost.median_ms, cost.worst_ms)]
        ratios = [f"{last.median_ms / first.median_ms:.1f}", f"{last.worst_ms / first.worst_ms:.1f}"]
        rows.append([name, *cells, *ratios])
    print("\n" + format_table(heads, rows, names=1) + "\n")
    heads = ["export of messages", "seconds", "messages/s", "peak growth MiB"]
    rows = [
        [f"{size:,}", f"{cost.seconds:.2f}", f"{size / cost.seconds:,.0f}", f"{cost.growth_bytes / 2**20:.0f}"]
        for size, (_, cost) in zip(sizes, found, strict=True)
    ]
    print(format_table(heads, rows, names=1), flush=True)


def parse_arguments(words: list[str] | None) -> argparse.Namespace:
    """
    Parse the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,100000", help="comma-separated numbers of messages")
    parser.add_argument(
        "--database", help="an empty PostgreSQL database for each size: ADDRESS with {size} in its name"
    )
    parser.add_argument("--streams", type=int, default=50, help="how many chats stream; 0: none are measured")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each measurement of streams takes")
    parser.add_argument("--rounds", type=int, default=3, help="how often streams are measured")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """
    Run the benchmark, print its tables, and return 0, or 1 where it is not valid.
    """
    chosen = parse_arguments(words)
    # So that the processes are ended in `finally`, too, when this one is asked to end.
    signal.signal(signal.SIGTERM, exit_on_signal)
    print(describe_machine(), flush=True)
    sizes = [int(size) for size in chosen.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
        log = Path(folder) / "servers.log"
        try:
            print_tables(sizes, [measure_size(size, chosen.database) for size in sizes])
            if chosen.streams and not measure_keeping(chosen.streams, chosen.seconds, chosen.rounds, log):
                return 1
        except (NotReady, subprocess.TimeoutExpired) as error:
            print(f"failed: {error}\n{log.read_text()[-4000:] if log.exists() else ''}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
