"""
The terminal of `outcrop chat`: reads prompts, shows answers as they come, obeys the commands and Ctrl-C.

History of the lines is kept for this session only: prompts are not written to disk.
"""

import contextlib
import re
import sys
from collections.abc import Callable

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from outcrop.commands.chat.bridge import Bridge
from outcrop.commands.chat.gateway import fetch_json
from outcrop.commands.chat.link import LinkFailed, make_visible
from outcrop.commands.chat.talk import Talk
from outcrop.errors import OutcropError

with contextlib.suppress(ImportError):  # not there on Windows
    import readline  # noqa: F401  importing it gives `input` its history and editing

EMULATOR_NOTICE = (
    "EMULATOR: every answer is simulated and no request leaves this machine; "
    "`outcrop doctor` says how to reach Amazon Bedrock"
)

HELP = """\
/help          this
/new           begin a new conversation
/model NAME    talk to another model, in a new conversation; without NAME: which there are
/quit          leave; so does Ctrl-D

A line that ends in a backslash goes on in the next one. Ctrl-C stops an answer and
keeps the conversation. A connection that drops is made again, and the answer goes on.
"""

_COMMAND = re.compile(r"/([a-z]+)(?:\s+(\S.*?))?\s*")
_BOLD, _PLAIN = "\001\033[1m\002", "\001\033[0m\002"


class Terminal:
    """
    Run one chat in the terminal. The talk is open; whoever opened it closes it.
    """

    def __init__(self, console: Console, bridge: Bridge, talk: Talk) -> None:
        self._console = console
        self._bridge = bridge
        self._talk = talk
        self._commands: dict[str, Callable[[str | None], None]] = {
            "help": lambda _: self._console.print(HELP, markup=False),
            "new": lambda _: self._begin_anew(),
            "model": self._change_model,
        }

    def run(self) -> int:
        """
        Read and answer until the user leaves. Returns the exit code.
        """
        self._greet()
        interrupts = 0
        while interrupts < 2:
            try:
                entry = self._read_entry()
            except EOFError:
                self._console.print()
                return 0
            except KeyboardInterrupt:
                interrupts += 1
                self._console.print()
                self._hint("Ctrl-C again leaves; so does Ctrl-D" if interrupts == 1 else "bye")
                continue
            interrupts = 0
            if not self._take(entry):
                return 0
        return 0

    def _greet(self) -> None:
        gateway = self._talk.gateway
        if gateway.upstream == "emulator":
            self._console.print(Panel(EMULATOR_NOTICE, style="yellow", expand=False))
        where = "" if gateway.own else f" at {gateway.url}"
        self._hint(f"{self._talk.model}{where}; /help tells what else there is")

    def _read_entry(self) -> str:
        # Only readline knows the marks around what takes no room on the line.
        marked = self._console.color_system and "readline" in sys.modules
        sign = f"{_BOLD}›{_PLAIN} " if marked else "› "
        lines = [input(sign)]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(input("… "))
        # What the terminal sent in another encoding than its own is no text.
        return "\n".join(lines).encode("utf-8", "replace").decode()

    def _take(self, entry: str) -> bool:
        """
        Obey a command or answer a prompt. Returns False where the user wants to leave.
        """
        command = _COMMAND.fullmatch(entry)
        if command is None:
            if entry.strip():
                self._answer(entry)
        elif command[1] in {"quit", "exit"}:
            return False
        else:
            self._obey(command[1], command[2])
        return True

    def _obey(self, name: str, argument: str | None) -> None:
        command = self._commands.get(name)
        if command is None:
            self._hint(f"there is no command /{name}; /help lists them")
            return
        try:
            command(argument)
        except OutcropError as error:
            self._complain(error.message)
        except KeyboardInterrupt:
            self._hint("stopped")

    def _answer(self, prompt: str) -> None:
        self._console.print(Rule(Text(make_visible(self._talk.model)), style="dim"))
        with self._bridge.holding_interrupts():
            try:
                self._write_answer(prompt)
            except KeyboardInterrupt:
                self._write(self._bridge.run(self._talk.stop) + "\n")
                self._hint("stopped; the conversation goes on")
            except LinkFailed as error:
                self._complain(f"{error.message}; this prompt is not part of the conversation")
        self._console.print(Rule(style="dim"))

    def _write_answer(self, prompt: str) -> None:
        with self._console.status(Text(f"waiting for {make_visible(self._talk.model)}")):
            self._bridge.run(self._talk.ask, prompt)
            piece = self._bridge.run(self._talk.read)
        self._write("(an empty answer)" if piece is None else piece)
        try:
            while piece is not None and (piece := self._bridge.run(self._talk.read)) is not None:
                self._write(piece)
        except LinkFailed:
            self._write("\n")
            raise
        self._write("\n")

    def _write(self, text: str) -> None:
        self._console.file.write(make_visible(text))
        self._console.file.flush()

    def _begin_anew(self) -> None:
        self._talk.begin(self._talk.model)
        self._hint("a new conversation")

    def _change_model(self, name: str | None) -> None:
        if name is None:
            self._list_models()
            return
        with self._bridge.holding_interrupts(), self._console.status(Text(f"looking for {make_visible(name)}")):
            self._bridge.run(self._talk.check, name)
        self._talk.begin(name)
        self._hint(f"{name}; a new conversation")

    def _list_models(self) -> None:
        listed = fetch_json(self._talk.gateway, "/api/models").get("models", [])
        names = [str(model["name"]) for model in listed]
        self._hint(f"now {self._talk.model}; there are {', '.join(names) or 'no others listed'}")

    def _hint(self, text: str) -> None:
        self._console.print(Text(make_visible(text), style="dim"))

    def _complain(self, text: str) -> None:
        self._console.print(Text(make_visible(text), style="red"))
