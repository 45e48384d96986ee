"""
`outcrop doctor`: look at all that `serve` needs, and say what to do about what is missing.

Nothing is changed, and no secret is shown. The models are asked for one token each, which AWS bills at a fraction of a
cent: nothing less shows that they can be called.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from outcrop.calls import ResolvedModel
from outcrop.catalogue.models import add_file, load_catalogue
from outcrop.catalogue.resolve import DEFAULT_SHORT_NAMES, resolve
from outcrop.commands.doctor.findings import (
    HOW_TO_GET_CREDENTIALS,
    Finding,
    check_port,
    describe_endpoint,
    describe_region,
    describe_settings,
    describe_versions,
    find_expiry,
    judge_clock,
    judge_expiry,
)
from outcrop.commands.doctor.models import ask_models
from outcrop.commands.doctor.reach import StepFailed, describe_reach, explain_step, reach
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.errors import CredentialsMissing, OutcropError
from outcrop.settings import Settings
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import BotocoreCredentials, CredentialSource, Identity, StaticCredentials
from outcrop.upstream.deadlines import Deadlines
from outcrop.upstream.endpoint import find_endpoint_url, find_region, parse_endpoint
from outcrop.upstream.proxy import find_proxy
from outcrop.upstream.tls import make_tls_context
from outcrop.wire.sigv4 import Credentials

DEFAULT_REGION = "us-east-1"
EMULATOR_CREDENTIALS = Credentials("emulator", "emulator")
SIGNS = {"good": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "red")}
PLAIN_SIGNS = {"good": "ok", "warning": "!", "bad": "FAIL"}

Report = Callable[[Finding], None]


def run_doctor(settings: Settings) -> int:
    """
    Look at everything and print what was found. Returns 0 where `serve` can do its work, else 1.
    """
    console = Console(highlight=False)
    levels: list[str] = []

    def report(finding: Finding) -> None:
        levels.append(finding.level)
        _print_finding(console, finding)

    with console.status("looking"):
        asyncio.run(_Examination(settings, report).run())
    bad, warnings = levels.count("bad"), levels.count("warning")
    if bad:
        console.print(Text(f"\n{bad} of {len(levels)} checks failed", style="red"))
    else:
        console.print(
            Text(f"\nall is well{f', with {warnings} to think about (!)' if warnings else ''}", style="green")
        )
    return 1 if bad else 0


class _Examination:
    """
    Look at one thing after the other; each is reported as it is found.
    """

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._found_region: str | None = None

    async def run(self) -> None:
        """
        Look at everything.
        """
        settings = self._settings
        self._report(describe_settings(settings))
        self._report(describe_versions())
        try:
            self._found_region = await asyncio.to_thread(find_region, settings.region, os.environ)
            async with AsyncExitStack() as cleanup:
                await self._look_at_upstream(cleanup)
        except OutcropError as error:
            self._report(Finding("bad", "settings", error.message, "correct it; `serve` would not start"))
        self._report(await asyncio.to_thread(check_port, settings.host, settings.port))

    async def _look_at_upstream(self, cleanup: AsyncExitStack) -> None:
        if self._settings.emulate == "true":
            self._report(Finding("good", "upstream", "the emulator, as the setting emulate says"))
            await self._look_at_emulator(cleanup)
            return
        source = BotocoreCredentials()
        cleanup.push_async_callback(source.aclose)
        try:
            identity = await source.find_identity()
        except CredentialsMissing as error:
            self._report(Finding("bad", "credentials", error.message, "`serve` does not start before this works"))
            return
        if identity.kind != "none":
            await self._look_at_bedrock(source, identity)
        elif self._settings.emulate == "false":
            self._report(Finding("bad", "credentials", "there are none, and emulate is false", HOW_TO_GET_CREDENTIALS))
        else:
            text = "no AWS credentials were found: `serve` uses the emulator, and every answer is simulated"
            self._report(Finding("warning", "upstream", text, f"for Amazon Bedrock, {HOW_TO_GET_CREDENTIALS}"))
            await self._look_at_emulator(cleanup)

    async def _look_at_emulator(self, cleanup: AsyncExitStack) -> None:
        region = self._report_region(emulated=True)
        port = self._settings.emulator_port
        emulator = EmulatorServer(
            EmulatorConfig(port=port, first_token_ms=0, tokens_per_second=0, jitter=0, region=region)
        )
        try:
            await emulator.start()
        except OSError as error:
            text = f"it does not start on port {port}: {(error.strerror or str(error)).lower()}"
            self._report(Finding("bad", "emulator", text, "set OUTCROP_EMULATOR_PORT to 0 or to a free port"))
            return
        cleanup.push_async_callback(emulator.stop)
        self._report(Finding("good", "emulator", "it starts"))
        await self._ask_models(region, emulator.url, StaticCredentials(credentials=EMULATOR_CREDENTIALS))

    async def _look_at_bedrock(self, source: CredentialSource, identity: Identity) -> None:
        self._report(Finding("good", "upstream", "Amazon Bedrock, for there are AWS credentials"))
        region = self._report_region(emulated=False)
        ends_at = await asyncio.to_thread(find_expiry, identity)
        self._report(judge_expiry(identity, ends_at, datetime.now(UTC)))
        url = await asyncio.to_thread(find_endpoint_url, region, os.environ)
        self._report(describe_endpoint(url, os.environ))
        endpoint = parse_endpoint(url)
        proxy = find_proxy(endpoint, os.environ)
        tls = make_tls_context(os.environ) if endpoint.secure else None
        try:
            reached = await reach(endpoint, proxy, tls)
        except StepFailed as failure:
            self._report(explain_step(endpoint, proxy, failure))
            self._report(Finding("warning", "models", "not asked: the endpoint was not reached"))
            return
        self._report(describe_reach(endpoint, proxy, reached))
        self._report(judge_clock(reached.date, reached.at))
        await self._ask_models(region, url, source)

    def _report_region(self, *, emulated: bool) -> str:
        region = self._found_region or DEFAULT_REGION
        self._report(describe_region(self._settings, os.environ, self._found_region, region, emulated=emulated))
        return region

    async def _ask_models(self, region: str, url: str, source: CredentialSource) -> None:
        settings = self._settings
        client = BedrockClient(
            endpoint_url=url,
            region=region,
            credentials=source,
            deadlines=Deadlines(connect_seconds=settings.connect_timeout_seconds),
        )
        try:
            short_names = {**DEFAULT_SHORT_NAMES, **settings.models}
            table = load_catalogue() if settings.catalogue is None else add_file(load_catalogue(), settings.catalogue)

            def resolve_name(name: str) -> ResolvedModel:
                return resolve(name, short_names=short_names, region=region, catalogue=table, routes=settings.routes)

            for finding in await ask_models(client, short_names, resolve_name):
                self._report(finding)
        finally:
            await client.aclose()


def _print_finding(console: Console, finding: Finding) -> None:
    sign, style = SIGNS[finding.level]
    if not console.encoding.lower().startswith("utf"):
        sign = PLAIN_SIGNS[finding.level]
    line = Text(f"{sign} ", style=style).append(f"{finding.subject}: ", style="bold").append(finding.text, style="none")
    console.print(line, soft_wrap=True)
    if finding.remedy is not None:
        console.print(Text(f"  to do: {finding.remedy}", style="dim"), soft_wrap=True)
