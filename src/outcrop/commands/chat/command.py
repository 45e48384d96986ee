"""
`outcrop chat`: talk to a model in the terminal, through a running gateway or through one of its own.

Where standard input or output is no terminal, standard input is one prompt, and the answer's text is all that goes to
standard output.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

import msgspec
from rich.console import Console

from outcrop.commands.chat.bridge import Bridge
from outcrop.commands.chat.gateway import look_at, own_gateway
from outcrop.commands.chat.link import Gateway, LinkFailed, make_visible, parse_gateway_url
from outcrop.commands.chat.talk import Talk
from outcrop.commands.chat.terminal import EMULATOR_NOTICE, Terminal
from outcrop.errors import RequestError

EXIT_INTERRUPTED = 130


class ChatOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the arguments of the command.
    """

    model: str
    url: str | None = None
    key: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None

    def __repr__(self) -> str:
        return f"ChatOptions(model={self.model!r}, url={self.url!r})"


def run_chat(options: ChatOptions) -> int:
    """
    Run the command and return its exit code.

    Raises:
        SettingsError: `url` is no address of a gateway.
        RequestError: standard input is no prompt.
        LinkFailed: the gateway can't be reached or refuses; without a terminal, also where the answer fails.
    """
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        return _run_in_terminal(options) if interactive else _run_in_pipe(options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run_in_terminal(options: ChatOptions) -> int:
    console = Console(highlight=False)
    with contextlib.ExitStack() as cleanup:
        bridge = cleanup.enter_context(Bridge())
        with console.status("looking for the gateway" if options.url else "starting a gateway"):
            gateway = cleanup.enter_context(_find_gateway(options))
            talk = _open(bridge, gateway, options, cleanup)
            bridge.run(talk.check, talk.model)
        return Terminal(console, bridge, talk).run()


def _run_in_pipe(options: ChatOptions) -> int:
    prompt = _read_prompt()
    with contextlib.ExitStack() as cleanup:
        bridge = cleanup.enter_context(Bridge())
        gateway = cleanup.enter_context(_find_gateway(options))
        if gateway.upstream == "emulator":
            sys.stderr.write(f"outcrop: {EMULATOR_NOTICE}\n")
        talk = _open(bridge, gateway, options, cleanup)
        bridge.run(talk.ask, prompt)
        return _copy_answer(bridge, talk)


def _copy_answer(bridge: Bridge, talk: Talk) -> int:
    write = _make_writer()
    last = ""
    try:
        while (piece := bridge.run(talk.read)) is not None:
            write(piece)
            last = piece
        if not last.endswith("\n"):
            write("\n")
    except LinkFailed:
        if last:
            write("\n")
        raise
    except OSError as error:
        # What is left unwritten would be written, and fail, once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise LinkFailed(f"the answer can't be written: {(error.strerror or str(error)).lower()}") from error
        # Else the reader, as `head`, has seen enough.
    return 0


def _make_writer() -> Callable[[str], None]:
    shown = sys.stdout.isatty()

    def write(text: str) -> None:
        sys.stdout.buffer.write((make_visible(text) if shown else text).encode())
        sys.stdout.buffer.flush()

    return write


def _read_prompt() -> str:
    if sys.stdin.isatty():
        sys.stderr.write("outcrop: type the prompt, and Ctrl-D on a line of its own\n")
    try:
        prompt = sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise RequestError(f"the prompt on standard input is not UTF-8, at byte {error.start}") from error
    if not prompt.strip():
        raise RequestError("the prompt on standard input is empty, expected text")
    return prompt


@contextlib.contextmanager
def _find_gateway(options: ChatOptions) -> Iterator[Gateway]:
    if options.url is None:
        with own_gateway() as gateway:
            yield gateway
    else:
        yield look_at(Gateway(url=parse_gateway_url(options.url), key=options.key))


def _open(bridge: Bridge, gateway: Gateway, options: ChatOptions, cleanup: contextlib.ExitStack) -> Talk:
    parameters = {
        "system": options.system,
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
    }
    talk = Talk(gateway, options.model, parameters)
    cleanup.callback(lambda: bridge.run(talk.close))
    bridge.run(talk.open)
    return talk
