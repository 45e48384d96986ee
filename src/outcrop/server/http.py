"""
The HTTP routes, and the one table in which every route names what it is allowed for.
"""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from outcrop import __version__
from outcrop.accounts.authorise import Action, authorise
from outcrop.errors import OutcropError
from outcrop.server.anthropic_routes import AnthropicRoutes
from outcrop.server.api import build_api_routes
from outcrop.server.bedrock_lists import BedrockLists
from outcrop.server.bedrock_routes import BedrockRoutes
from outcrop.server.chat_routes import ChatRoutes
from outcrop.server.chat_socket import ChatEndpoint
from outcrop.server.conversation_routes import ConversationRoutes
from outcrop.server.openai_chat import ChatCompletionsRoutes
from outcrop.server.openai_responses import ResponsesRoutes
from outcrop.server.openai_socket import ResponsesEndpoint
from outcrop.server.openapi import build_document, render_page
from outcrop.server.page import build_missing_routes, read_page
from outcrop.server.services import Services
from outcrop.server.sockets import RawEndpoint
from outcrop.server.turn_routes import TurnRoutes


def build_routes(services: Services) -> list[BaseRoute]:
    """
    Build every route of the server. Each has an action; there is no way to add one without.
    """
    routes: list[BaseRoute] = [
        _json_route("/healthz", "public", services, describe_health),
        _json_route("/readyz", "public", services, describe_readiness),
        _json_route("/api/models", "list_models", services, describe_models),
        _json_route("/v1/models", "list_models", services, describe_models_for_openai),
        WebSocketRoute("/ws/model", RawEndpoint(services), name="raw"),
        WebSocketRoute("/api/chat", ChatEndpoint(services), name="chat"),
        WebSocketRoute("/v1/responses", ResponsesEndpoint(services), name="responses"),
        *ChatRoutes(services).routes(),
        *TurnRoutes(services).routes(),
        *_build_api(services),
        *AnthropicRoutes(services).routes(),
        *BedrockRoutes(services).routes(),
        *BedrockLists(services).routes(),
        *ChatCompletionsRoutes(services).routes(),
        *ResponsesRoutes(services).routes(),
    ]
    page = read_page(files("outcrop.server") / "built")
    return [*routes, *(build_missing_routes() if page is None else page.routes())]


def _build_api(services: Services) -> list[BaseRoute]:
    """
    Build the declared operations, their document, and the page of it.
    """
    conversations = ConversationRoutes(services.conversations, services.turns, services.models.region)
    operations = conversations.operations()
    document = build_document(operations)
    style = files("outcrop.server") / "static" / "docs.css"
    return [
        *build_api_routes(services, operations),
        _file_route("/api/openapi.json", msgspec.json.encode(document), "application/json"),
        _file_route("/api/docs", render_page(document).encode(), "text/html; charset=utf-8"),
        _file_route("/api/docs.css", style.read_bytes(), "text/css; charset=utf-8"),
    ]


def describe_health(services: Services) -> tuple[int, dict[str, Any]]:
    """
    Say that the server lives, and what answers: Bedrock, or the emulator.
    """
    upstream = services.upstream
    emulated = upstream.kind == "emulator"
    health = {
        "status": "draining" if services.turns.draining else "ok",
        "version": __version__,
        "upstream": upstream.kind,
        "region": upstream.region,
        "running_turns": services.turns.running,
        "key_required": services.authenticator.required,
    }
    if emulated:
        health["emulator_url"] = upstream.endpoint_url
        health["notice"] = "every answer is simulated by the embedded emulator; no request leaves this machine"
    return 200, health


def describe_readiness(services: Services) -> tuple[int, dict[str, Any]]:
    """
    Say whether new work is welcome: 200, or 503 while the server drains.
    """
    if services.turns.draining:
        return 503, {"ready": False, "reason": "this server is stopping"}
    return 200, {"ready": True}


def describe_models(services: Services) -> tuple[int, dict[str, Any]]:
    """
    List the models for a menu, short names first, with all that is known of each.
    """
    return 200, services.models.describe()


def describe_models_for_openai(services: Services) -> tuple[int, dict[str, Any]]:
    """
    List the models as OpenAI's API does. When a model was made is not known, so `created` is 0.
    """
    lines = [
        {"id": model.name, "object": "model", "created": 0, "owned_by": model.provider or "unknown"}
        for model in services.models.listed
    ]
    return 200, {"object": "list", "data": lines}


def _json_route(
    path: str, action: Action, services: Services, describe: Callable[[Services], tuple[int, dict[str, Any]]]
) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            principal = None if action == "public" else services.authenticator.authenticate(request.scope["headers"])
            authorise(principal, action)
            status, body = describe(services)
        except OutcropError as error:
            status, body = error.status, {"error": {"code": error.code, "message": error.message}}
        headers = {"cache-control": "no-store"}
        return Response(msgspec.json.encode(body), status, headers, media_type="application/json")

    return Route(path, endpoint, methods=["GET"])


def _file_route(path: str, content: bytes, media_type: str) -> Route:
    async def endpoint(_request: Request) -> Response:
        return Response(content, 200, {"cache-control": "no-cache"}, media_type=media_type)

    return Route(path, endpoint, methods=["GET"])
