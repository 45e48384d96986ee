"""
Four books, held against each other: what the emulator gave, what clients were shown, what is stored, what is billed.
"""

import asyncio
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.viewer import Transcript

SHOWN_DIFFERENCES = 20
CUT_SECONDS = 1.0


class Counts(msgspec.Struct, kw_only=True):
    """
    Count what was compared.
    """

    turns: int = 0
    transcripts: int = 0
    connections: int = 0
    calls: int = 0
    ledger_rows: int = 0
    characters: int = 0
    endings: dict[str, int] = {}


class Books:
    """
    Compare the books of one run.

    Args:
        seed: is printed with every difference.
        can_lose: clients may be told that their position means nothing any more (a store without its data).
        calls_per_turn: by canary, where a turn has more than one call.
        deaths: when replicas were killed, in seconds since 1970.
    """

    def __init__(self, cluster: Cluster, seed: int, *, can_lose: bool = False) -> None:
        self._cluster = cluster
        self._seed = seed
        self._can_lose = can_lose
        self._differences: list[str] = []
        self.calls_per_turn: dict[str, int] = {}
        self.deaths: list[float] = []

    async def check(self, transcripts: Sequence[Transcript], *, reader_url: str) -> Counts:
        """
        Compare everything, and return what was counted; the stored answers are read from one surviving replica.

        Raises:
            AssertionError: the books differ.
        """
        by_turn: dict[str, list[Transcript]] = defaultdict(list)
        for transcript in transcripts:
            self._expect(not transcript.complaints, f"{transcript.ask.canary}: {transcript.complaints[:3]}")
            if transcript.turn_id is not None:
                by_turn[transcript.turn_id].append(transcript)
            else:
                self._expect(transcript.text == "", f"{transcript.ask.canary}: text came without a turn")
        calls = await self._calls()
        stored = await asyncio.gather(*(read_turn(reader_url, turn_id) for turn_id in by_turn))
        rows = await self._ledger_rows({turn["turnId"] for turn in stored if turn and turn["state"] != "interrupted"})
        for (turn_id, readers), turn in zip(by_turn.items(), stored, strict=True):
            self._check_readers(readers, turn)
            if turn is not None:
                self._check_call(readers[0], turn, calls)
                self._check_row(turn, rows[turn_id], calls.get(readers[0].ask.canary, []))
        silent = sum(turn is not None and not turn["result"]["text"] for turn in stored)
        self._check_number_of_calls(calls, by_turn.values(), silent=silent)
        self._raise()
        return Counts(
            turns=len(by_turn),
            transcripts=len(transcripts),
            connections=sum(transcript.connections for transcript in transcripts),
            calls=sum(len(made) for made in calls.values()),
            ledger_rows=sum(len(rows[turn_id]) for turn_id in by_turn),
            characters=sum(len(transcript.text) for transcript in transcripts),
            endings=dict(Counter(str(transcript.ending) for transcript in transcripts)),
        )

    def _check_readers(self, readers: list[Transcript], turn: dict[str, Any] | None) -> None:
        for reader in readers:
            name = f"turn {reader.turn_id} of {reader.ask.canary} ({reader.ending})"
            self._expect(reader.ending is not None, f"{name}: no terminal")
            if reader.ending is not None and reader.ending.startswith("lost:"):
                self._expect(self._can_lose, f"{name}: the client was told that its answer is lost")
                continue
            if turn is None:
                self._expect(self._can_lose, f"{name}: there is nothing stored")
                continue
            text = turn["result"]["text"]
            for shown in reader.shown:
                self._expect(text.startswith(shown), f"{name}: shown {shown[-60:]!r} is no prefix of what is stored")
            self._expect(reader.text == text, f"{name}: {len(reader.text)} characters shown, {len(text)} stored")
            self._expect(reader.ending == _ending_of(turn), f"{name}: stored as {_ending_of(turn)}")

    def _check_call(self, reader: Transcript, turn: dict[str, Any], calls: dict[str, list[dict[str, Any]]]) -> None:
        ask, text, state = reader.ask, turn["result"]["text"], turn["state"]
        made = calls.get(ask.canary, [])
        wanted = self.calls_per_turn.get(ask.canary, 1)
        self._expect(len(made) == wanted or not text, f"{ask.canary}: {len(made)} calls in the book, expected {wanted}")
        if wanted > 1:
            return
        emitted = made[0]["text_emitted"]["text"] if made else ""
        self._expect(emitted.startswith(text), f"{ask.canary}: stored text is no prefix of what the emulator gave")
        self._expect(ask.text.startswith(text), f"{ask.canary}: stored text is no prefix of the answer")
        if state == "completed":
            self._expect(text == emitted == ask.text, f"{ask.canary}: a completed answer is not whole")

    def _check_row(self, turn: dict[str, Any], rows: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
        name, state, usage = f"turn {turn['turnId']}", turn["state"], turn["usage"]
        self._expect(state != "running", f"{name}: still running")
        if state == "interrupted":
            # A killed replica wrote none; one that was frozen says that it lost the turn.
            self._expect(len(rows) <= 1, f"{name}: {len(rows)} rows in the ledger for an interrupted turn")
            return
        ended_at = to_seconds(turn["endedAt"])
        # The log's line comes just after the end: a replica that is killed between the two does not write it.
        is_cut = not rows and any(0 <= death - ended_at <= CUT_SECONDS for death in self.deaths)
        self._expect(len(rows) == 1 or is_cut, f"{name}: {len(rows)} rows in the ledger, expected 1")
        for row in rows:
            self._expect(row["outcome"] == state, f"{name}: billed as {row['outcome']}, stored as {state}")
            same = (row["input_tokens"], row["output_tokens"]) == (usage["inputTokens"], usage["outputTokens"])
            self._expect(same, f"{name}: billed {row}, stored {usage}")
            if state == "completed" and len(calls) == 1:
                given = calls[0]["usage"]["output"]
                self._expect(row["output_tokens"] == given, f"{name}: billed {row['output_tokens']}, given {given}")
                self._expect(not usage["estimated"], f"{name}: a completed turn's usage is an estimate")

    def _check_number_of_calls(
        self, calls: dict[str, list[dict[str, Any]]], turns: Iterable[list[Transcript]], *, silent: int
    ) -> None:
        wanted = sum(self.calls_per_turn.get(readers[0].ask.canary, 1) for readers in turns)
        made = sum(len(each) for each in calls.values())
        # A replica may die between the beginning of a turn and its call: the turn has no text, and there is no call.
        fits = wanted - silent <= made <= wanted
        self._expect(fits, f"{made} calls in the emulator's book, {wanted} turns, {silent} of them without a word")

    async def _calls(self) -> dict[str, list[dict[str, Any]]]:
        by_canary: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for call in await wait_for_calls(self._cluster):
            by_canary[call["text_emitted"]["text"][:7]].append(call)
        return by_canary

    async def _ledger_rows(self, wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
        """
        Read the rows from the logs; a row is written just after its terminal event.
        """
        rows: dict[str, list[dict[str, Any]]] = {}
        for _ in range(100):
            rows = defaultdict(list)
            for row in self._cluster.events("turn ended"):
                rows[row["turn_id"]].append(row)
            if wanted <= rows.keys():
                break
            await asyncio.sleep(0.05)
        return rows

    def _expect(self, is_so: object, difference: str) -> None:
        if not is_so:
            self._differences.append(difference)

    def _raise(self) -> None:
        found = self._differences
        shown = "\n  ".join(found[:SHOWN_DIFFERENCES])
        assert not found, f"seed {self._seed}: {len(found)} differences between the books\n  {shown}"


async def read_turn(url: str, turn_id: str) -> dict[str, Any] | None:
    """
    Read what is stored of a turn; None where the store knows nothing of it.
    """
    return await asyncio.to_thread(_read_turn, url, turn_id)


async def wait_for_end(url: str, turn_id: str, seconds: float = 30) -> dict[str, Any]:
    """
    Read a turn until it has ended.
    """
    async with asyncio.timeout(seconds):
        while True:
            turn = await read_turn(url, turn_id)
            if turn is not None and turn["state"] != "running":
                return turn
            await asyncio.sleep(0.02)


async def wait_for_calls(cluster: Cluster, seconds: float = 10) -> list[dict[str, Any]]:
    """
    Return the emulator's calls once each of them has ended.
    """
    async with asyncio.timeout(seconds):
        while True:
            calls = await asyncio.to_thread(cluster.book.calls)
            if all(call["outcome"] for call in calls):
                return calls
            await asyncio.sleep(0.05)


def to_seconds(moment: str) -> float:
    """
    Return a moment of the turns API in seconds since 1970.
    """
    return datetime.fromisoformat(moment).timestamp()


def _read_turn(url: str, turn_id: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"{url}/api/turns/{turn_id}", timeout=20) as response:
            turn: dict[str, Any] = msgspec.json.decode(response.read())
            return turn
    except urllib.error.HTTPError as error:
        with error:
            if error.code in {404, 410}:
                return None
            raise


def _ending_of(turn: dict[str, Any]) -> str:
    failure = turn["result"].get("failure")
    return f"failed:{failure['code']}" if failure is not None else str(turn["state"])
