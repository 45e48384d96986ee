"""
What the simulated model says: fitting answers to some prompts, and a varied one to all others.

| a prompt with | gets |
|---|---|
| `echo TEXT`, `repeat after me: TEXT` | TEXT and nothing else, not even the note |
| `emulate N tokens`, `N tokens`, `N words` | exactly N tokens, or N words |
| `count to N` | the numbers |
| `what did I say` | the user's earlier messages |
| a greeting, `who are you`, `haiku`, `table`, `translate … to LANGUAGE`, `code` and a language | what it says |

Equal conversations get equal answers; see `Ask.digest`.
"""

import re
from collections.abc import Callable
from itertools import cycle, islice

from outcrop.emulator.conversation import Ask
from outcrop.emulator.speech import corpus
from outcrop.emulator.speech.dice import Dice
from outcrop.emulator.speech.tokens import tokenize

MAX_NUMBER = 100_000
_QUOTED_CHARACTERS = 200
# Some patterns take the square of their text's length.
_MATCHED_CHARACTERS = 2_000
_ECHO = re.compile(r"(?:please )?(?:echo|repeat after me):?[ \n](?P<text>.+)\Z", re.IGNORECASE | re.DOTALL)
_SCRIPTS = (
    ("cjk", re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")),
    ("arabic", re.compile(r"[\u0600-\u06ff]")),
    ("devanagari", re.compile(r"[\u0900-\u097f]")),
    ("cyrillic", re.compile(r"[\u0400-\u04ff]")),
)


def write_text(ask: Ask, dice: Dice) -> str:
    """
    Return the text of an answer, before any limit cuts it.
    """
    results = ask.last.tool_results
    if results:
        return f"The tool says: {'; '.join(result.text for result in results)}\n\n{corpus.NOTE}"
    prompt = ask.last.text.lstrip()
    echoed = _ECHO.match(prompt)
    if echoed:
        return echoed["text"]
    beginning = prompt[:_MATCHED_CHARACTERS]
    for pattern, write in _RULES:
        match = pattern.search(beginning)
        if match:
            return write(match, ask, dice)
    return _varied(beginning, ask, dice)


def write_thought(dice: Dice) -> str:
    """
    Return what the simulated model thinks before it answers.
    """
    return f"{dice.pick(corpus.THOUGHTS)} {corpus.NOTE}"


def _tokens(match: re.Match[str], _ask: Ask, dice: Dice) -> str:
    number = min(int(match["number"]), MAX_NUMBER)
    return "".join(islice(cycle(tokenize(_endless(dice))), number))


def _words(match: re.Match[str], _ask: Ask, dice: Dice) -> str:
    number = min(int(match["number"]), MAX_NUMBER)
    return " ".join(islice(cycle(_endless(dice).split()), number))


def _endless(dice: Dice) -> str:
    return f"{corpus.NOTE}\n\n" + "\n\n".join(dice.shuffled(corpus.PARAGRAPHS + corpus.SCRIPTS)) + "\n\n"


def _count(match: re.Match[str], _ask: Ask, _dice: Dice) -> str:
    number = min(int(match["number"]), MAX_NUMBER)
    return f"{', '.join(str(one) for one in range(1, number + 1))}\n\n{corpus.NOTE}"


def _recall(_match: re.Match[str], ask: Ask, _dice: Dice) -> str:
    said = [turn.text for turn in ask.turns if turn.speaker == "user"][:-1]
    if not said:
        return f"This is the first thing that you say to me.\n\n{corpus.NOTE}"
    lines = "\n".join(f"{number}. {_quote(text)}" for number, text in enumerate(said, 1))
    return f"Before this you said:\n\n{lines}\n\n{corpus.NOTE}"


def _introduce(_match: re.Match[str], ask: Ask, _dice: Dice) -> str:
    system = f" I was told: {_quote(ask.system)}" if ask.system else ""
    return f"I am not a model: I am the outcrop emulator, standing in for **{ask.title}**.{system} {corpus.NOTE}"


def _greet(_match: re.Match[str], ask: Ask, dice: Dice) -> str:
    return f"{dice.pick(corpus.GREETINGS)} I stand in for {ask.title}. {corpus.NOTE}"


def _haiku(_match: re.Match[str], _ask: Ask, dice: Dice) -> str:
    return f"{dice.pick(corpus.HAIKU)}\n\n{corpus.NOTE}"


def _table(_match: re.Match[str], _ask: Ask, dice: Dice) -> str:
    rocks = dice.shuffled(("granite", "basalt", "marble", "slate", "chalk"))
    rows = "\n".join(f"| {rock} | {dice.below(400) + 1} | {dice.pick(('✅', '❌'))} |" for rock in rocks)
    return f"A table, {corpus.NOTE}:\n\n| rock | age (million years) | seen |\n|---|---:|:---:|\n{rows}\n"


def _translate(match: re.Match[str], _ask: Ask, _dice: Dice) -> str:
    language = match["language"].lower()
    sentence = corpus.TRANSLATIONS.get(language)
    if sentence is None:
        return f"I know no {language}; I know {', '.join(corpus.TRANSLATIONS)}. {corpus.NOTE}"
    return f"*{sentence}*\n\nThat is my only sentence in {language.title()}. {corpus.NOTE}"


def _code(match: re.Match[str], _ask: Ask, _dice: Dice) -> str:
    language = match["language"].lower()
    return f"Here is an example, {corpus.NOTE}:\n\n```{language}\n{corpus.CODE[language]}```\n\nIt runs in linear time."


def _varied(prompt: str, ask: Ask, dice: Dice) -> str:
    for script, letters in _SCRIPTS:
        if letters.search(prompt):
            return f"{corpus.ANSWERS_BY_SCRIPT[script]} {corpus.NOTE}"
    turns = sum(turn.speaker == "user" for turn in ask.turns)
    about = f"You wrote {_quote(prompt)}" if prompt else "You wrote nothing in words"
    of = f"message {turns} of our conversation, to {ask.title}"
    lead = f"{dice.pick(corpus.OPENINGS)} {about}, {of}. {corpus.NOTE}"
    middle = [dice.pick(corpus.PARAGRAPHS), dice.pick(corpus.ELEMENTS)]
    if dice.below(2):
        middle.append(dice.pick(corpus.SCRIPTS))
    return "\n\n".join((lead, *middle, dice.pick(corpus.PARAGRAPHS)))


def _quote(text: str) -> str:
    short = " ".join(text.split())
    return f"“{short[:_QUOTED_CHARACTERS]}{'…' if len(short) > _QUOTED_CHARACTERS else ''}”"


_LANGUAGES = "|".join(corpus.CODE)
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Ask, Dice], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), write)
    for pattern, write in (
        (r"\b(?P<number>\d{1,9}) tokens\b", _tokens),
        (r"\b(?P<number>\d{1,9}) words\b", _words),
        (r"\bcount (?:up )?(?:from 1 )?to (?P<number>\d{1,9})\b", _count),
        (r"\bwhat (?:did|have) I (?:say|said|ask|asked|tell|told)\b", _recall),
        (r"\b(?:who|what) are you\b", _introduce),
        (r"\bhaiku\b", _haiku),
        (r"\btranslate\b.*\b(?:to|into) (?P<language>[a-z]{2,20})\b", _translate),
        (rf"\b(?P<language>{_LANGUAGES})\b.*\b(?:code|function|program|script|query)\b", _code),
        (rf"\b(?:code|function|program|script|query)\b.*\b(?P<language>{_LANGUAGES})\b", _code),
        (r"\btable\b", _table),
        (r"^(?:hi|hello|hey|good (?:morning|day|evening)|ping)\b.{0,40}$", _greet),
    )
)
