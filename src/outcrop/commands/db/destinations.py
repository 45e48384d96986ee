"""
Where an export goes: standard output, a file, or a folder. A file or a folder is there as a whole at the end, or not.

What is made is its owner's alone, and made beside the target under a name that begins with a dot.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from outcrop.commands.db.files import put_in_place
from outcrop.errors import SettingsError, StoreError
from outcrop.history.export import Exported

ENDING = ".md"
FORBIDDEN = frozenset('/\\:*?"<>|')
"""
What some system takes for more than a letter of a name.
"""

OWNER_BYTES, TITLE_BYTES, ID_BYTES = 40, 90, 60
"""
Together, with what stands between them, well below the 255 bytes that a name may have.
"""


class Destination(Protocol):
    """
    Take conversations.
    """

    def add(self, conversation: Exported, written: IO[bytes]) -> None:
        """
        Take one, from the place where `written` stands.
        """


class Lines:
    """
    Write each conversation as a line.
    """

    def __init__(self, to: BinaryIO) -> None:
        self._to = to

    def add(self, conversation: Exported, written: IO[bytes]) -> None:
        """
        Write a line.
        """
        del conversation
        shutil.copyfileobj(written, self._to)
        self._to.write(b"\n")


class Folder:
    """
    Write each conversation to a file of its own, named after it.

    Args:
        path: an empty folder, which nobody else writes to.
        name_owners: let names begin with the owner's.
    """

    def __init__(self, path: Path, *, name_owners: bool) -> None:
        self._path = path
        self._name_owners = name_owners

    def add(self, conversation: Exported, written: IO[bytes]) -> None:
        """
        Write a file.
        """
        with self._make(conversation) as to:
            shutil.copyfileobj(written, to)

    def _make(self, conversation: Exported) -> BinaryIO:
        name = name_file(conversation, name_owner=self._name_owners)
        # The file system knows which names are one and the same to it (letters' case, accents): it is asked.
        for number in range(1, sys.maxsize):
            path = self._path / (f"{name} ({number}){ENDING}" if number > 1 else f"{name}{ENDING}")
            with contextlib.suppress(FileExistsError):
                return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
        raise StoreError(f"there are too many files {name!r}")


def name_file(conversation: Exported, *, name_owner: bool) -> str:
    """
    Name a conversation's file, without an ending, by its title and its id: a name on any system, and no path.
    """
    title = clean_name(conversation.title, TITLE_BYTES) or "Conversation"
    name = f"{title} - {clean_name(conversation.conversation_id, ID_BYTES)}"
    return f"{clean_name(conversation.owner, OWNER_BYTES)} - {name}" if name_owner else name


def clean_name(written: str, limit: int) -> str:
    """
    Return what of a text can be part of a file's name, in up to `limit` bytes of UTF-8; maybe nothing.

    It has no separator, no control and no invisible character, and neither begins nor ends with a space or a dot, nor
    begins with a hyphen, which programs would take for an option.
    """
    kept = (each if each.isprintable() and each not in FORBIDDEN else " " for each in written)
    cut = " ".join("".join(kept).split()).lstrip("-. ").encode()[:limit].decode(errors="ignore")
    return cut.rstrip(". ")


@contextlib.contextmanager
def to_output() -> Iterator[Destination]:
    """
    Write to standard output.

    Raises:
        StoreError: nobody reads it any more.
    """
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as to:
            yield Lines(to)
    except BrokenPipeError:
        raise StoreError("nobody reads the export any more") from None


@contextlib.contextmanager
def to_file(target: Path, *, force: bool) -> Iterator[Destination]:
    """
    Write to a file, which is put in its place at the end of the block; nothing of it is left where the block fails.

    Raises:
        SettingsError: something is there, and may not be replaced.
        StoreError: it can't be written.
    """
    if target.is_dir() or (target.exists() and not target.is_file()):
        raise SettingsError(f"{str(target)!r} is no file; choose another name, or `-` for standard output")
    _check_free(target, force=force)
    with _as_store_error(target):
        number, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".partial", dir=target.parent)
        partial = Path(name)
        try:
            with os.fdopen(number, "wb") as to:
                yield Lines(to)
            put_in_place(partial, target)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def to_folder(target: Path, *, force: bool, name_owners: bool) -> Iterator[Destination]:
    """
    Write to a folder, which is put in its place at the end of the block; nothing of it is left where the block fails.

    Raises:
        SettingsError: something is there, and may not be replaced; a folder may if all in it is Markdown.
        StoreError: it can't be written.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise SettingsError(f"{str(target)!r} is no folder; choose another name")
    if target.exists() and any(target.iterdir()):
        _check_free(target, force=force)
        strange = next((each.name for each in target.iterdir() if not _is_ours(each)), None)
        if strange is not None:
            raise SettingsError(f"{str(target)!r} has {strange!r} in it, which is no export's; choose another name")
    with _as_store_error(target):
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", suffix=".partial", dir=target.parent))
        try:
            folder = partial / "new"
            folder.mkdir(0o700)
            yield Folder(folder, name_owners=name_owners)
            if target.exists():
                target.rename(partial / "old")
            put_in_place(folder, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return path.suffix == ENDING and path.is_file() and not path.is_symlink()


def _check_free(target: Path, *, force: bool) -> None:
    if target.exists() and not force:
        raise SettingsError(f"{str(target)!r} is there already; choose another name, or use --force")


@contextlib.contextmanager
def _as_store_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{str(target)!r} can't be written: {error}") from error
