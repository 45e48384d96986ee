"""
Serve recorded exchanges: statuses, headers and bodies byte for byte, in the chunks in which they came.
"""

import asyncio
import difflib
from collections import defaultdict

from outcrop.emulator.book import Call
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.sending.line import Line
from outcrop.emulator.tape.exchange import Question, Recorded
from outcrop.emulator.tape.folder import load_folder
from outcrop.emulator.tape.request import TapeRequest, fresh_date

_COMPARED_CHARACTERS = 2_000
_MAX_COMPARED = 200
_CHUNKS_BETWEEN_BREATHS = 16


class Replayer:
    """
    Answer from recordings. A question that was asked several times gets its answers in order, then the last one again.

    Raises:
        SettingsError: the folder has no recordings, or one that is broken.
    """

    def __init__(self, folder: str, *, is_paced: bool) -> None:
        self._is_paced = is_paced
        self._answers: defaultdict[str, list[Recorded]] = defaultdict(list)
        self._asked: defaultdict[str, int] = defaultdict(int)
        for recorded in load_folder(folder):
            self._answers[recorded.question.digest].append(recorded)

    async def answer(self, request: TapeRequest, line: Line, call: Call) -> None:
        """
        Answer one request; the call's entry says how it went.

        Raises:
            Refusal: it was never recorded.
            ClientGone: the client went before the end.
        """
        recorded = self._find(request.question)
        started = asyncio.get_running_loop().time()
        if self._is_paced and recorded.pieces:
            await line.wait_until(started + recorded.pieces[0].at_ms / 1000)
        await line.start(recorded.status, [*fresh_date(), *recorded.headers])
        for number, piece in enumerate(recorded.pieces):
            if self._is_paced:
                await line.wait_until(started + piece.at_ms / 1000)
            if number % _CHUNKS_BETWEEN_BREATHS == 0:
                await line.breathe()
            await line.write(piece.bytes)
        if self._is_paced:
            await line.wait_until(started + recorded.end_ms / 1000)
        line.check()
        await line.finish()
        call.end("completed")

    def _find(self, question: Question) -> Recorded:
        answers = self._answers.get(question.digest)
        if answers is None:
            raise Refusal("ResourceNotFoundException", self._not_recorded(question))
        number = self._asked[question.digest]
        self._asked[question.digest] += 1
        return answers[min(number, len(answers) - 1)]

    def _not_recorded(self, question: Question) -> str:
        """
        Say which recorded question is nearest, and where the bodies part.
        """
        asked = f"{question.method} {question.path} was not recorded"
        others = [answers[0].question for answers in self._answers.values()]
        here = [other for other in others if (other.method, other.path) == (question.method, question.path)]
        if not here:
            spelled = {f"{other.method} {other.path}": None for other in others}
            nearest = difflib.get_close_matches(f"{question.method} {question.path}", list(spelled), n=1, cutoff=0.0)
            return f"{asked}; the nearest recorded request is {nearest[0]}"
        other = max(here[:_MAX_COMPARED], key=lambda candidate: _likeness(candidate.body, question.body))
        file = f"{other.file_name_start}0001.jsonl"
        return f"{asked} with this body; the nearest recorded one is in {file}: {_difference(other, question)}"


def _likeness(one: bytes, other: bytes) -> float:
    texts = (_beginning(one), _beginning(other))
    return difflib.SequenceMatcher(None, *texts, autojunk=False).quick_ratio()


def _beginning(body: bytes) -> str:
    return body[:_COMPARED_CHARACTERS].decode("utf-8", "replace")


def _difference(recorded: Question, asked: Question) -> str:
    if recorded.query != asked.query:
        return f"its query is {recorded.query!r}, this one's {asked.query!r}"
    pairs = zip(recorded.body, asked.body, strict=False)
    place = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    if place is None:
        place = min(len(recorded.body), len(asked.body))
    one, other = (_around(body, place) for body in (recorded.body, asked.body))
    return f"it has {one!r} where this one has {other!r}"


def _around(body: bytes, place: int) -> str:
    return body[max(0, place - 20) : place + 40].decode("utf-8", "replace")
