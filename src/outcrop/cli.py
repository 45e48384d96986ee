"""
The command line: `outcrop serve · emulate · chat · models · keys · db · doctor`.

Arguments are parsed here, and errors become one sentence on standard error and exit code 1 (2 for wrong arguments).
Imports are inside the commands, so that `--help` is quick.
"""

import asyncio
import re
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from outcrop.errors import OutcropError

if TYPE_CHECKING:
    from outcrop.emulator.quota import Quota

app = typer.Typer(
    name="outcrop",
    help="A self-hosted chat gateway for Amazon Bedrock, with a local Bedrock emulator inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]
FirstTokenOption = Annotated[
    float | None, typer.Option("--first-token-ms", help="Emulator: time to the first token, in milliseconds.")
]
PaceOption = Annotated[
    float | None, typer.Option("--tokens-per-second", help="Emulator: pace; 0 is as fast as it can.")
]
JitterOption = Annotated[float | None, typer.Option("--jitter", help="Emulator: unevenness of the pace, 0 to 1.")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; beyond loopback, keys are needed.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    emulate: Annotated[
        bool | None, typer.Option("--emulate/--no-emulate", help="Use the emulator always, or never.")
    ] = None,
    config: ConfigOption = None,
    first_token_ms: FirstTokenOption = None,
    tokens_per_second: PaceOption = None,
    jitter: JitterOption = None,
) -> None:
    """
    Run the gateway. Without AWS credentials it uses the embedded emulator, and says so.

    Every setting can also be given as OUTCROP_NAME, or in the TOML file; docs/settings.md lists them.
    """
    with _errors_as_sentences():
        from outcrop.server.app import serve as run_server
        from outcrop.server.logs import configure_logs
        from outcrop.settings import load_settings

        given = {
            "host": host,
            "port": port,
            "emulate": emulate,
            "first_token_ms": first_token_ms,
            "tokens_per_second": tokens_per_second,
            "jitter": jitter,
        }
        settings = load_settings(given, config_file=config)
        configure_logs(settings.log_level, settings.log_format)
        _run(run_server(settings))


@app.command()
def emulate(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 9099,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    first_token_ms: FirstTokenOption = None,
    tokens_per_second: PaceOption = None,
    jitter: JitterOption = None,
    key: Annotated[
        list[str] | None, typer.Option(help="ACCESS_KEY_ID=SECRET whose signatures are accepted; repeatable.")
    ] = None,
    require_auth: Annotated[bool, typer.Option("--require-auth", help="Refuse requests without credentials.")] = False,
    record: Annotated[str | None, typer.Option(help="Send requests on to Bedrock and record them to a folder.")] = None,
    upstream: Annotated[
        str | None, typer.Option(help="What to record; default: Bedrock's endpoint of each request's region.")
    ] = None,
    replay: Annotated[str | None, typer.Option(help="Answer from a folder of recordings.")] = None,
    replay_pace: Annotated[str, typer.Option(help="fast, or recorded: as it came.")] = "fast",
    quota: Annotated[
        list[str] | None,
        typer.Option(help="MODEL=RPM,TPM: requests and tokens per minute of a model ID or glob; repeatable."),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="openai: a server with a real model answers.")] = None,
    engine_url: Annotated[str | None, typer.Option(help="Its base, as in http://127.0.0.1:11434/v1.")] = None,
    engine_model: Annotated[str | None, typer.Option(help="Which of its models; default: the first it lists.")] = None,
    engine_key: Annotated[str | None, typer.Option(help="The environment variable that has its API key.")] = None,
) -> None:
    """
    Run the local Bedrock emulator alone, for boto3, the AWS CLI and other SDKs (`--endpoint-url`).
    """
    with _errors_as_sentences():
        from outcrop.emulator.engine.settings import parse_engine
        from outcrop.emulator.server import run
        from outcrop.emulator.settings import EmulatorConfig
        from outcrop.emulator.tape.settings import TapeConfig

        has_tape = any((record, upstream, replay, replay_pace != "fast"))
        tape = (
            TapeConfig(record=record, upstream=upstream, replay=replay, replay_pace=replay_pace) if has_tape else None
        )
        base = EmulatorConfig(
            host=host,
            port=port,
            keys=_parse_keys(key) if key else None,
            strict_auth=require_auth,
            tape=tape,
            quotas=_parse_quotas(quota or []),
            engine=parse_engine(engine, url=engine_url, model=engine_model, key_variable=engine_key),
        )
        pace = {"first_token_ms": first_token_ms, "tokens_per_second": tokens_per_second, "jitter": jitter}
        run(msgspec.structs.replace(base, **{name: value for name, value in pace.items() if value is not None}))


@app.command()
def chat(
    model: Annotated[str, typer.Argument(help="Short name, model ID, profile or ARN.")] = "anthropic",
    url: Annotated[
        str | None, typer.Option(help="A running gateway (http://127.0.0.1:8080); default: one of its own.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="OUTCROP_KEY", help="The gateway's key, where it wants one.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="A system prompt.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, in tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(help="How free the model is, 0 to 1.")] = None,
) -> None:
    """
    Talk to a model in the terminal. Ctrl-C stops the answer, Ctrl-D leaves.

    The conversation survives a dropped connection: it is made again, and the running answer goes on where it was.
    """
    with _errors_as_sentences():
        from outcrop.commands.chat.command import ChatOptions, run_chat

        options = ChatOptions(
            model=model, url=url, key=key, system=system, max_tokens=max_tokens, temperature=temperature
        )
        raise typer.Exit(run_chat(options))


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all that is known.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask Bedrock which models the region has.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those past their end of life or not in the region.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """
    List the models by the names that clients may use.
    """
    with _errors_as_sentences():
        from outcrop.commands.models import print_models
        from outcrop.settings import load_settings

        settings = load_settings(config_file=config)
        print_models(settings, as_json=as_json, refresh=refresh, everything=everything)


@app.command()
def keys(
    name: Annotated[str, typer.Argument(help="Who the key is for.")],
    aws: Annotated[
        bool, typer.Option("--aws", help="An AWS access key, for SDKs that sign. Its secret stands in the settings.")
    ] = False,
) -> None:
    """
    Make a key for a caller. The key is shown once; the settings hold its digest only.
    """
    from outcrop.commands.keys import describe_new_key, describe_new_pair

    if not re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", name):
        raise typer.BadParameter("expected 1 to 64 letters, digits and '._@-'", param_hint="NAME")
    typer.echo(describe_new_pair(name) if aws else describe_new_key(name))


database = typer.Typer(
    help="Upgrade, check, back up, restore, export and import the database of conversations.", no_args_is_help=True
)
app.add_typer(database, name="db")


@database.command()
def upgrade(config: ConfigOption = None) -> None:
    """
    Bring the database to this program's version. A server does it by itself for a file.
    """
    with _errors_as_sentences():
        from outcrop.commands.db.command import run_upgrade
        from outcrop.settings import load_settings

        _run(run_upgrade(load_settings(config_file=config)))


@database.command()
def check(config: ConfigOption = None) -> None:
    """
    Check that the database is whole, and say what it holds. A server may run.
    """
    with _errors_as_sentences():
        from outcrop.commands.db.command import run_check
        from outcrop.settings import load_settings

        raise typer.Exit(0 if asyncio.run(run_check(load_settings(config_file=config))) else 1)


@database.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    config: ConfigOption = None,
) -> None:
    """
    Copy the database to a file. A server may run.
    """
    with _errors_as_sentences():
        from outcrop.commands.db.command import run_backup
        from outcrop.settings import load_settings

        run_backup(load_settings(config_file=config), target, force=force)


@database.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A copy that `outcrop db backup` made.")], config: ConfigOption = None
) -> None:
    """
    Put a copy in the database's place. The server must be stopped; what was there is kept beside it.
    """
    with _errors_as_sentences():
        from outcrop.commands.db.command import run_restore
        from outcrop.settings import load_settings

        _run(run_restore(load_settings(config_file=config), source))


@database.command()
def export(
    target: Annotated[str, typer.Argument(help="The file or folder to write; - is standard output.")],
    form: Annotated[
        str, typer.Option("--format", help="jsonl: all of it, a conversation a line; markdown: a folder, to read.")
    ] = "jsonl",
    owner: Annotated[str | None, typer.Option(help="Only this caller's conversations.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Also deleted ones that could still be restored.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    config: ConfigOption = None,
) -> None:
    """
    Write all conversations to a file, or a folder. A server may run.
    """
    with _errors_as_sentences():
        from outcrop.commands.db.export import ExportOptions, Form, run_export
        from outcrop.settings import load_settings

        if form not in list(Form):
            raise typer.BadParameter(f"expected {' or '.join(Form)}", param_hint="--format")
        options = ExportOptions(target=target, form=Form(form), owner=owner, deleted=deleted, force=force)
        raise typer.Exit(0 if run_export(load_settings(config_file=config), options) else 1)


@database.command("import")
def import_(
    source: Annotated[
        str, typer.Argument(help="What was exported as jsonl, or one conversation; - is standard input.")
    ],
    owner: Annotated[str | None, typer.Option(help="Whose they will be; default: whoever needs no key.")] = None,
    keep_owners: Annotated[bool, typer.Option("--keep-owners", help="Let them be whose they were.")] = False,
    from_line: Annotated[int, typer.Option(min=1, help="Where to begin, as after an interruption.")] = 1,
    config: ConfigOption = None,
) -> None:
    """
    Put conversations in that were exported. With SQLite, the server must be stopped.
    """
    with _errors_as_sentences():
        from outcrop.commands.db.importing import ImportOptions, run_import
        from outcrop.settings import load_settings

        options = ImportOptions(source=source, owner=owner, keep_owners=keep_owners, from_line=from_line)
        raise typer.Exit(0 if run_import(load_settings(config_file=config), options) else 1)


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """
    Check credentials, region, reachability, model access and clock, each with a remedy.
    """
    with _errors_as_sentences():
        from outcrop.commands.doctor.command import run_doctor
        from outcrop.settings import load_settings

        raise typer.Exit(run_doctor(load_settings(config_file=config)))


@app.command()
def version() -> None:
    """
    Print the version.
    """
    from outcrop import __version__

    typer.echo(__version__)


def main() -> None:
    """
    Run the command line.
    """
    app()


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except OutcropError as error:
        sys.stderr.write(f"outcrop: {error.message}\n")
        raise typer.Exit(1) from error
    except OSError as error:
        # A port that is taken, a file that can't be read: the system's own words name it.
        sys.stderr.write(f"outcrop: {error}\n")
        raise typer.Exit(1) from error


def _parse_keys(pairs: list[str]) -> dict[str, str]:
    keys_by_id = {}
    for pair in pairs:
        access_key_id, separator, secret = pair.partition("=")
        if not (access_key_id and separator and secret):
            raise typer.BadParameter("expected ACCESS_KEY_ID=SECRET", param_hint="--key")
        keys_by_id[access_key_id] = secret
    return keys_by_id


def _parse_quotas(texts: list[str]) -> "tuple[Quota, ...]":
    from outcrop.emulator.quota import InvalidQuota, parse_quota_option, require_distinct

    try:
        return require_distinct([parse_quota_option(text) for text in texts])
    except InvalidQuota as error:
        raise typer.BadParameter(str(error), param_hint="--quota") from error


def _run(main_coroutine: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main_coroutine)
    else:
        import uvloop

        uvloop.run(main_coroutine)
