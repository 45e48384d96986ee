"""
Where the parts are plugged together, and where it is decided what answers: Bedrock, or the embedded emulator.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from outcrop.accounts.limits import OpenBudget
from outcrop.adapters.registry import find_adapter, find_native_adapter
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.server.counting import TokenCounter
from outcrop.server.guard import Guard, GuardRules
from outcrop.server.history import Kept, keep_house, open_history
from outcrop.server.http import build_routes
from outcrop.server.lifecycle import GatewayServer, make_uvicorn_config
from outcrop.server.models import ModelDirectory, keep_fresh
from outcrop.server.services import Services, UpstreamInfo
from outcrop.server.turn_log import make_turn_log
from outcrop.settings import Settings
from outcrop.turns.acceptance import TurnLimits
from outcrop.turns.ports import Ports
from outcrop.turns.service import TurnService
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import BotocoreCredentials, CredentialSource, StaticCredentials, missing
from outcrop.upstream.deadlines import Deadlines
from outcrop.upstream.endpoint import find_endpoint_url, find_region
from outcrop.upstream.pool import PoolLimits
from outcrop.wire.sigv4 import Credentials

DEFAULT_REGION = "us-east-1"
WILDCARD_HOSTS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  compared with, not bound to
EMULATOR_CREDENTIALS = Credentials(access_key_id="emulator", secret_access_key="emulator")  # noqa: S106  no secret: it opens nothing

logger = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """
    Run the gateway until it is told to stop, and drain it.

    Raises:
        SettingsError: the settings can't be served as they stand.
        CredentialsMissing: `emulate` is false and there are no AWS credentials, or looking for them failed.
    """
    region = await asyncio.to_thread(find_region, settings.region, os.environ) or DEFAULT_REGION
    async with AsyncExitStack() as cleanup:
        source, info = await choose_upstream(settings, region, cleanup)
        client = _make_client(settings, source, info)
        cleanup.push_async_callback(client.aclose)
        services = await build_services(settings, client, info, cleanup)
        if info.kind == "bedrock":
            fresh = keep_fresh(services.models, os.environ, refresh=settings.refresh_models)
            await cleanup.enter_async_context(fresh)
        server = GatewayServer(
            make_uvicorn_config(build_app(services), settings), services, lambda port: _announce(settings, port, info)
        )
        await server.serve()


async def choose_upstream(
    settings: Settings, region: str, cleanup: AsyncExitStack
) -> tuple[CredentialSource, UpstreamInfo]:
    """
    Decide what answers, once and for the whole run: there is no silent change later.

    An emulator that is started here is stopped by `cleanup`.
    """
    if settings.emulate != "true":
        source = BotocoreCredentials()
        identity = await source.find_identity()
        if identity.kind != "none":
            endpoint_url = find_endpoint_url(region, os.environ)
            info = UpstreamInfo(
                kind="bedrock",
                region=region,
                endpoint_url=endpoint_url,
                credentials=f"{identity.kind}/{identity.method}",
            )
            return source, info
        await source.aclose()
        if settings.emulate == "false":
            raise missing()
    return await _start_emulator(settings, region, cleanup)


async def _start_emulator(
    settings: Settings, region: str, cleanup: AsyncExitStack
) -> tuple[CredentialSource, UpstreamInfo]:
    emulator = EmulatorServer(
        EmulatorConfig(
            port=settings.emulator_port,
            first_token_ms=settings.first_token_ms,
            tokens_per_second=settings.tokens_per_second,
            jitter=settings.jitter,
            region=region,
        )
    )
    port = await emulator.start()
    cleanup.push_async_callback(emulator.stop)
    static = StaticCredentials(credentials=EMULATOR_CREDENTIALS)
    info = UpstreamInfo(
        kind="emulator", region=region, endpoint_url=f"http://127.0.0.1:{port}", credentials="none needed"
    )
    return static, info


async def build_services(
    settings: Settings, client: BedrockClient, info: UpstreamInfo, cleanup: AsyncExitStack
) -> Services:
    """
    Build the parts of a server around a client, and open the turn log and the database; `cleanup` closes them.

    Raises:
        SettingsError: a short name stands for nothing, or the user's own catalogue can't be used.
        StoreError: the turn log can't be used.
    """
    models = ModelDirectory(settings, info.region)
    kept = await open_history(settings, cleanup)
    ports = _make_ports(settings, client, models, kept)
    turns = TurnService(ports, _to_limits(settings))
    await turns.open()
    cleanup.push_async_callback(turns.aclose)
    await cleanup.enter_async_context(keep_house(kept, ports, turns, settings))
    if settings.title_model:
        # A name that stands for nothing is said now, and not with each chat.
        models.resolve(settings.title_model)
    services = Services(
        settings=settings,
        turns=turns,
        upstream=info,
        models=models,
        counter=TokenCounter(ports, lambda: models.catalogue),
        conversations=kept.conversations,
        news=kept.news,
    )
    cleanup.push_async_callback(services.titles.aclose)
    return services


def _make_ports(settings: Settings, client: BedrockClient, models: ModelDirectory, kept: Kept) -> Ports:
    return Ports(
        log=make_turn_log(settings),
        upstream=client,
        region=models.region,
        resolve=models.resolve,
        find_adapter=find_adapter,
        find_native_adapter=find_native_adapter,
        ledger=kept.ledger,
        budget=OpenBudget(),
        price=models.price,
        clock=time.time,
    )


def _to_limits(settings: Settings) -> TurnLimits:
    return TurnLimits(
        max_turns=settings.max_turns,
        default_max_tokens=settings.default_max_tokens,
        merge_bytes=settings.merge_bytes,
        grace_seconds=settings.grace_seconds,
        continues_interrupted=settings.continue_interrupted,
    )


def build_app(services: Services) -> ASGIApp:
    """
    Build the ASGI application: the routes behind the guard.
    """
    settings = services.settings
    application = Starlette(routes=build_routes(services), exception_handlers={404: _not_found, 405: _not_found})
    own = () if settings.host in WILDCARD_HOSTS else (settings.host,)
    rules = GuardRules(
        hosts=frozenset(name.lower() for name in (*settings.allowed_hosts, *own)),
        origins=frozenset(settings.allowed_origins),
    )
    return Guard(application, rules)


def _not_found(request: Request, error: Any) -> Response:
    status = getattr(error, "status_code", 404)
    message = f"there is no {request.method} {request.url.path[:100]}"
    return JSONResponse({"error": {"code": "not_found", "message": message}}, status)


def _make_client(settings: Settings, source: CredentialSource, info: UpstreamInfo) -> BedrockClient:
    return BedrockClient(
        endpoint_url=info.endpoint_url,
        region=info.region,
        credentials=source,
        deadlines=Deadlines(
            connect_seconds=settings.connect_timeout_seconds,
            first_byte_seconds=settings.first_byte_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
            total_seconds=settings.turn_timeout_seconds,
        ),
        limits=PoolLimits(max_connections=settings.max_turns),
    )


def _announce(settings: Settings, port: int, info: UpstreamInfo) -> None:
    url = f"http://{settings.host if ':' not in settings.host else f'[{settings.host}]'}:{port}"
    logger.info("listening", url=url, region=info.region, upstream=info.kind, credentials=info.credentials)
    if info.kind == "emulator":
        logger.warning(
            "EMULATOR: every answer is simulated and no request leaves this machine; "
            "set AWS credentials or OUTCROP_EMULATE=false for Amazon Bedrock",
            emulator_url=info.endpoint_url,
        )
