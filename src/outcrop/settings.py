"""
Every setting, its default and what it is for.

Sources, strongest first: the command line, environment variables (`OUTCROP_PORT=9000`; lists and tables as JSON), and a
TOML file (`--config`, or `OUTCROP_CONFIG`). A wrong or unknown setting stops the start: a `SettingsError` names it,
its value, and what is allowed.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as SourceError

from outcrop.errors import SettingsError

PREFIX = "OUTCROP_"
NOT_SETTINGS = frozenset({"OUTCROP_CONFIG", "OUTCROP_KEY", "OUTCROP_REQUIRE_SERVICES"})
"""
Variables with our prefix that are not settings: the file's name, the key of `outcrop chat`, and a switch of the tests.
"""

SIGNING_PAIR = re.compile(r"[A-Z0-9]{16,128}:[A-Za-z0-9+/=_-]{32,128}")

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Bytes = Annotated[int, Field(ge=1, le=1 << 34)]


class Settings(BaseSettings):
    """
    Hold the settings of one server. Immutable.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=False
    )

    host: str = "127.0.0.1"
    """Address to listen on. Beyond loopback, `api_keys` or `signing_keys` must be set."""

    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to listen on; 0 picks a free one and says which."""

    allowed_hosts: tuple[str, ...] = ()
    """Names that clients may use in the Host header, besides loopback names and `host`."""

    allowed_origins: tuple[str, ...] = ()
    """Web origins (`https://chat.example.org`) whose pages may call this server, besides its own page."""

    api_keys: dict[str, SecretStr] = {}
    """Who may call: a table of name → SHA-256 digest of the key, made by `outcrop keys NAME`. Empty: loopback only."""

    signing_keys: dict[str, SecretStr] = {}
    """Who may sign as AWS's SDKs do: a table of name → `KEY_ID:SECRET`, made by `outcrop keys NAME --aws`. Secret."""

    emulate: Literal["auto", "true", "false"] = "auto"
    """Use the embedded emulator instead of Bedrock: always, never, or (auto) where no AWS credentials are found."""

    region: str | None = None
    """AWS region; default: that of the AWS configuration, else us-east-1."""

    models: dict[str, str] = {}
    """Short names for models: name → model ID, profile or ARN; `family=ARN` where an ARN hides its model."""

    routes: dict[str, Literal["native", "converse"]] = {}
    """How models are called, where the catalogue's way is not wanted: base ID or family → `native` or `converse`."""

    catalogue: Path | None = None
    """TOML file with your own models, written as in `outcrop/catalogue/data`: adds entries, or overrides them."""

    refresh_models: bool = True
    """Ask Bedrock at the start, in the background, which models the region has. Never done with the emulator."""

    default_max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """Longest answer, in tokens, where the request does not say."""

    max_prompt_bytes: Bytes = 1 << 20
    """Longest prompt, in bytes."""

    max_request_bytes: Bytes = 25_000_000
    """Longest request, in bytes: a body, or a frame of the chat protocol. Bedrock itself takes 25,000,000."""

    max_conversation_bytes: Bytes = 4 << 20
    """Longest conversation that a raw socket with `memory=1` keeps, in bytes."""

    max_answer_bytes: Bytes = 8 << 20
    """Longest answer, in bytes of its log."""

    database_url: str = ""
    """Where chats are kept: a file, `postgresql://…` or `none`. Default: `outcrop.db` in the user's data folder."""

    keep_all_dialects: bool = False
    """Keep also what comes through the other dialects, each request without `x-outcrop-conversation` for itself."""

    title_model: str = ""
    """The model that makes titles of new chats from their first prompt. Default: none; the title is its first words."""

    undo_delete_seconds: Annotated[float, Field(ge=0, le=2_592_000)] = 600
    """Time in which a deleted conversation can be taken back; after it, it is deleted for good, with its files."""

    keep_days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    """Days after which a conversation that nobody touched is deleted for good, unless it is pinned. Default: never."""

    turn_log: str = "memory"
    """Where answers are logged: `memory` (one replica), or `redis://host:port/0` (many; extra `outcrop[redis]`)."""

    turn_log_fallback: Literal["refuse", "memory"] = "refuse"
    """New turns while Redis is down: refused, or kept in memory (then only this replica knows them)."""

    lease_seconds: Annotated[float, Field(ge=1, le=300)] = 10
    """Redis: time without a sign of life after which a replica's turns are taken over by another."""

    continue_interrupted: bool = False
    """Redis: go on with the answer of a replica that died, where the model can. Keeps prompts in Redis meanwhile."""

    grace_seconds: Annotated[float, Field(ge=0, le=3_600)] = 60
    """Time that an answer runs on when its last reader has gone, in the dialects that can resume."""

    idempotency_seconds: Annotated[float, Field(ge=60, le=604_800)] = 86_400
    """Time that an idempotency key is remembered."""

    max_turns: Annotated[int, Field(ge=1)] = 2000
    """Turns that may run at once; beyond it new ones are refused."""

    max_sockets: Annotated[int, Field(ge=1)] = 10_000
    """WebSockets that may be open at once."""

    max_waiting_prompts: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Prompts that one raw socket may have waiting behind the running one."""

    max_unsent_bytes: Bytes = 256 << 10
    """Bytes that may wait unsent on one socket before its turn's deltas are held back and merged."""

    connect_timeout_seconds: Seconds = 5
    """Time to reach Bedrock: name, TCP and TLS."""

    first_byte_timeout_seconds: Seconds = 60
    """Time from the request to the first byte of the answer."""

    idle_timeout_seconds: Seconds = 30
    """Longest silence inside an answer."""

    turn_timeout_seconds: Seconds = 600
    """Longest turn."""

    slow_reader_timeout_seconds: Seconds = 60
    """Time that a client may take nothing of what waits for it, before its connection is closed."""

    handshake_timeout_seconds: Seconds = 10
    """Time that a new connection may take for its first complete request."""

    drain_timeout_seconds: Annotated[float, Field(ge=0, le=3_600)] = 30
    """Time that running turns get to finish after SIGTERM."""

    turn_retention_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300
    """Time that a finished turn's log stays readable."""

    turn_log_bytes: Bytes = 256 << 20
    """Memory for finished turns' logs; beyond it the oldest go first."""

    merge_bytes: Annotated[int, Field(ge=1, le=1 << 20)] = 16 << 10
    """Largest text that is merged into one delta while every reader is behind."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe messages that are logged. Prompts and answers are never logged."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """How log lines look; auto: console on a terminal, else JSON."""

    emulator_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port of the embedded emulator; 0 picks a free one."""

    first_token_ms: Annotated[float, Field(ge=0, le=600_000)] = 250
    """Emulator: time to the first token, in milliseconds."""

    tokens_per_second: Annotated[float, Field(ge=0, le=1_000_000)] = 60
    """Emulator: pace of an answer; 0 means as fast as it can."""

    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Emulator: how uneven the pace is, from 0 (a metronome) to 1."""

    @field_validator("emulate", mode="before")
    @classmethod
    def _accept_booleans(cls, value: object) -> object:
        if isinstance(value, bool):
            return "true" if value else "false"
        return value.lower() if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _check_digests(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, digest in value.items():
            text = digest.get_secret_value()
            if len(text) != 64 or set(text) - set("0123456789abcdef"):
                raise ValueError(f"the digest of {name!r} is not 64 hexadecimal digits; make one with `outcrop keys`")
        return value

    @field_validator("signing_keys")
    @classmethod
    def _check_pairs(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, pair in value.items():
            if SIGNING_PAIR.fullmatch(pair.get_secret_value()) is None:
                raise ValueError(f"the pair of {name!r} is not KEY_ID:SECRET; make one with `outcrop keys NAME --aws`")
        key_ids = {pair.get_secret_value().partition(":")[0] for pair in value.values()}
        if len(key_ids) != len(value):
            raise ValueError("two names have the same key ID; make a pair for each with `outcrop keys NAME --aws`")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, separator, host = origin.partition("://")
            if scheme not in {"http", "https"} or not separator or not host or "/" in host:
                raise ValueError(f"{origin!r} is not an origin; write it as https://chat.example.org, without a path")
        return tuple(origin.lower() for origin in value)

    @field_validator("turn_log")
    @classmethod
    def _check_turn_log(cls, value: str) -> str:
        if value != "memory" and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("expected memory, redis://host:port/0, rediss://… or unix://path")
        return value

    @model_validator(mode="after")
    def _refuse_open_bind(self) -> Self:
        if not is_loopback(self.host) and not self.api_keys and not self.signing_keys:
            raise ValueError(
                f"host is {self.host!r}, which other machines can reach, and no api_keys are set; "
                "make a key with `outcrop keys NAME`, or listen on 127.0.0.1"
            )
        return self

    def find_database(self) -> str | None:
        """
        Return the database's address: a file in the user's data folder where none is set; None where nothing is kept.
        """
        if self.database_url:
            return None if self.database_url == "none" else self.database_url
        folder = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return str(Path(folder).expanduser() / "outcrop" / "outcrop.db")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  part of the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  part of the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """
        Order the sources: arguments, environment, TOML file.
        """
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def is_loopback(host: str) -> bool:
    """
    Tell whether an address to listen on is reachable from this machine only.
    """
    return host in {"localhost", "::1", "[::1]"} or (host.startswith("127.") and host.replace(".", "").isdigit())


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """
    Read the settings from all sources.

    Args:
        overrides: values from the command line; None values count as not given.
        config_file: a TOML file; default: the one that `OUTCROP_CONFIG` names, if any.
        environ: looked at for unknown `OUTCROP_…` names; values are always read from the process environment.

    Raises:
        SettingsError: a setting is unknown or wrong; the message says which, its value, and what is allowed.
    """
    environ = os.environ if environ is None else environ
    _refuse_unknown_variables(environ)
    if config_file is None and environ.get("OUTCROP_CONFIG"):
        config_file = Path(environ["OUTCROP_CONFIG"])
    if config_file is not None and not config_file.is_file():
        raise SettingsError(f"the settings file {str(config_file)!r} does not exist")
    source = type("Settings", (Settings,), {"model_config": {**Settings.model_config, "toml_file": config_file}})
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        settings: Settings = source(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except (SourceError, ValueError) as error:
        raise SettingsError(f"the settings cannot be read: {error}") from error
    return settings


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | NOT_SETTINGS
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`outcrop serve --help` lists the settings"
            raise SettingsError(f"unknown setting {name}; {hint}")


def _explain(error: ValidationError) -> str:
    sentences = []
    for detail in error.errors(include_url=False):
        name = ".".join(str(step) for step in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, list(Settings.model_fields), n=1)
            sentences.append(f"unknown setting {name}" + (f"; did you mean {near[0]}?" if near else ""))
        elif not name:
            sentences.append(message)
        elif name.startswith(("api_keys", "signing_keys")) or name in {"turn_log", "database_url"}:
            # Their values are secrets, or may hold one.
            sentences.append(f"setting {name.partition('.')[0]}: {message}")
        else:
            sentences.append(f"setting {name} is {detail['input']!r}: {message[0].lower()}{message[1:]}")
    return "; ".join(sentences)
