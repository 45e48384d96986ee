"""
The commands, each a function that prints what it did and raises what went wrong.
"""

import asyncio
from pathlib import Path

import typer

from outcrop.commands.db.files import back_up, check_file, replace_file
from outcrop.errors import SettingsError, StoreError
from outcrop.history.address import find_file, parse_address
from outcrop.history.maintenance import examine, read_revisions, upgrade_database
from outcrop.settings import Settings

PG_DUMP = "pg_dump --format=custom --file=outcrop.dump DATABASE"
PG_RESTORE = "pg_restore --clean --if-exists --dbname=DATABASE outcrop.dump"


async def run_upgrade(settings: Settings) -> None:
    """
    Bring the database to this program's version.

    Raises:
        SettingsError, StoreError: it can't be.
    """
    address = _need_database(settings)
    before, after = await upgrade_database(address)
    typer.echo(f"up to date ({after})" if before == after else f"upgraded from {before or 'nothing'} to {after}")


async def run_check(settings: Settings) -> bool:
    """
    Check the database; print what was found, and return whether all is well.

    Raises:
        SettingsError, StoreError: it can't be read.
    """
    address = _need_database(settings)
    path = _find_file(address)
    findings = [] if path is None else await asyncio.to_thread(check_file, path)
    if not findings:
        found = await examine(address)
        findings = list(found.findings)
        for line in found.lines:
            typer.echo(line)
    for finding in findings:
        typer.echo(f"! {finding}")
    return not findings


def run_backup(settings: Settings, target: Path, *, force: bool) -> None:
    """
    Write a copy of a SQLite database, also while a server uses it.

    Raises:
        SettingsError: it is no file, or the target is there already.
        StoreError: it could not be copied.
    """
    address = _need_database(settings)
    path = _find_file(address)
    if path is None:
        raise SettingsError(f"PostgreSQL is backed up by its own tool: {PG_DUMP}")
    if target.exists() and not force:
        raise SettingsError(f"{str(target)!r} is there already; choose another name, or use --force")
    size = back_up(path, target)
    typer.echo(f"{target}: {size} bytes")


async def run_restore(settings: Settings, source: Path) -> None:
    """
    Put a copy in the database's place. What was there stays beside it.

    Raises:
        SettingsError: it is no file.
        StoreError: a server uses the database, or the copy is not a good one.
    """
    address = _need_database(settings)
    path = _find_file(address)
    if path is None:
        raise SettingsError(f"PostgreSQL is restored by its own tool: {PG_RESTORE}")
    findings = await asyncio.to_thread(check_file, source)
    if findings:
        raise StoreError(f"{str(source)!r} is no good copy: {findings[0]}")
    # A copy of a version that this program does not know is refused here, before anything is replaced.
    await read_revisions(str(source))
    kept = await asyncio.to_thread(replace_file, path, source)
    await upgrade_database(address)
    typer.echo(f"restored from {source}" + ("" if kept is None else f"; what was there is in {kept}"))


def _need_database(settings: Settings) -> str:
    address = settings.find_database()
    if address is None:
        raise SettingsError("no conversations are kept: the setting database_url is 'none'")
    return address


def _find_file(address: str) -> Path | None:
    return find_file(parse_address(address))
