"""
What is kept of chats and of their calls, held against what clients were told.
"""

import asyncio
import contextlib
import http.client
import random
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from tests.e2e.replicas.books import SHOWN_DIFFERENCES
from tests.e2e.replicas.cluster import Cluster
from tests.e2e.replicas.viewer import Transcript

READ_SECONDS = 60.0
SETTLE_SECONDS = 90.0
STORE_FAILED = "failed:storage"
ROLES = ("user", "assistant")
OPEN = """
SELECT turn_id FROM calls WHERE settled_at IS NULL UNION SELECT turn_id FROM messages WHERE state = 'running'
"""


class KeptBooks:
    """
    Compare the stored messages, through the API, and the ledger's rows with the transcripts of one run.

    Args:
        seed: is printed with every difference.
        database_url: where the ledger is read.

    Attributes:
        unacknowledged: rows of turns that no client was ever told of.
    """

    def __init__(self, cluster: Cluster, seed: int, database_url: str) -> None:
        self._cluster = cluster
        self._seed = seed
        self._database_url = database_url
        self._dice = random.Random(seed)
        self._differences: list[str] = []
        self._before: set[str] = set()
        self.unacknowledged = 0

    async def open(self) -> None:
        """
        Take note of what other runs have left.
        """
        self._before = {row["turn_id"] for row in await self._ask("SELECT turn_id FROM calls")}

    async def wait_until_settled(self, transcripts: Sequence[Transcript]) -> None:
        """
        Wait until every turn that a client was told of has its end in the database.
        """
        told = {transcript.turn_id for transcript in transcripts}
        async with asyncio.timeout(SETTLE_SECONDS):
            while {row["turn_id"] for row in await self._ask(OPEN)} & told:
                await asyncio.sleep(0.2)

    async def check(self, transcripts: Sequence[Transcript], complaints: Sequence[str]) -> dict[str, int]:
        """
        Compare, and count the states that are kept.

        Raises:
            AssertionError: the books differ.
        """
        self._differences += complaints
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in await self._ask("SELECT * FROM calls"):
            rows[row["turn_id"]].append(row)
        by_chat: dict[str, list[Transcript]] = defaultdict(list)
        for transcript in transcripts:
            if transcript.turn_id is not None:
                by_chat[transcript.ask.chat_id].append(transcript)
        states: Counter[str] = Counter()
        for chat_id, turns in by_chat.items():
            branch = await read_chat(self._cluster, self._dice, chat_id)
            self._check_branch(chat_id, branch, turns)
            for transcript in turns:
                states[self._check_turn(branch, transcript, rows[str(transcript.turn_id)])] += 1
        known = {transcript.turn_id for transcript in transcripts}
        self._check_unknown([row for turn_id in rows.keys() - known - self._before for row in rows[turn_id]])
        shown = "\n  ".join(self._differences[:SHOWN_DIFFERENCES])
        assert not self._differences, f"seed {self._seed}: {len(self._differences)} differences\n  {shown}"
        return dict(states)

    def _check_branch(self, chat_id: str, branch: Sequence[dict[str, Any]], turns: Sequence[Transcript]) -> None:
        expected = [(role, turn.ask.message_id if role == "user" else turn.turn_id) for turn in turns for role in ROLES]
        found = [(each["role"], each["id"] if each["role"] == "user" else each["turnId"]) for each in branch]
        self._expect(found == expected, f"{chat_id}: kept are {found}, expected {expected}")

    def _check_turn(
        self, branch: Sequence[dict[str, Any]], transcript: Transcript, rows: Sequence[dict[str, Any]]
    ) -> str:
        name = f"turn {transcript.turn_id} of {transcript.ask.canary} ({transcript.ending})"
        answer = find_answer(branch, transcript)
        if answer is None:
            self._expect(is_so=False, difference=f"{name}: nothing is kept")
            return "nothing"
        asked = next((each for each in branch if each["id"] == transcript.ask.message_id), None)
        self._expect(asked is not None and text_in(asked) == transcript.ask.prompt, f"{name}: the prompt is not kept")
        state, text = str(answer["state"]), text_in(answer)
        self._expect(text == transcript.text, f"{name}: {len(transcript.text)} characters shown, {len(text)} kept")
        ending = f"failed:{answer['failure']['code']}" if answer["failure"] is not None else state
        # A commit whose confirmation was lost in a crash may have happened: then more is kept than was told.
        is_better = (transcript.ending, ending) == (STORE_FAILED, "completed") and text == transcript.ask.text
        self._expect(ending == transcript.ending or is_better, f"{name}: kept as {ending}")
        self._expect(len(rows) == 1, f"{name}: {len(rows)} rows in the ledger, expected 1")
        for row in rows:
            self._expect(row["outcome"] == state, f"{name}: billed as {row['outcome']}, kept as {state}")
            self._expect(row["settled_at"] is not None, f"{name}: its row is open")
        return ending

    def _check_unknown(self, rows: Sequence[dict[str, Any]]) -> None:
        """
        Look at intents that were committed and never acknowledged: a crash came between. No call was made for them.
        """
        self.unacknowledged = len(rows)
        for row in rows:
            self._expect(row["output_tokens"] == 0, f"turn {row['turn_id']}: billed, and no client was told of it")

    async def _ask(self, statement: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self._database_url)
        try:
            return [dict(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def _expect(self, is_so: object, difference: str) -> None:
        if not is_so:
            self._differences.append(difference)


async def read_chat(cluster: Cluster, dice: random.Random, chat_id: str) -> list[dict[str, Any]]:
    """
    Read the messages of a chat from any replica that can read them now; none where the chat is not kept.
    """
    async with asyncio.timeout(READ_SECONDS):
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return await asyncio.to_thread(_read_chat, dice.choice(cluster.urls), chat_id)
            await asyncio.sleep(dice.uniform(0.05, 0.2))


def find_answer(branch: Sequence[dict[str, Any]], transcript: Transcript) -> dict[str, Any] | None:
    """
    Find a turn's answer in a chat.
    """
    return next((each for each in branch if each["turnId"] == transcript.turn_id), None)


def text_in(message: dict[str, Any]) -> str:
    """
    Join the text of a kept message.
    """
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def _read_chat(url: str, chat_id: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{url}/api/conversations/{chat_id}?limit=100", timeout=20) as response:
            messages: list[dict[str, Any]] = msgspec.json.decode(response.read())["messages"]
            return messages
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                return []
            raise
