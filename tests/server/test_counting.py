"""
Counts are bounded, end when their client goes, and are refused while the server stops.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import Message as AsgiMessage
from starlette.types import Scope

from outcrop.calls import MessageSink, StreamEnd, UpstreamCall, WholeAnswer
from outcrop.catalogue.models import Catalogue
from outcrop.catalogue.resolve import resolve
from outcrop.catalogue.table import load_catalogue
from outcrop.errors import Draining, RequestError, TooManyRequests, UpstreamThrottled
from outcrop.server.anthropic_routes import AnthropicRoutes
from outcrop.server.app import EMULATOR_CREDENTIALS, build_services
from outcrop.server.bedrock_lists import BedrockLists
from outcrop.server.bedrock_routes import BedrockRoutes
from outcrop.server.counting import COUNTED_ANSWER_TOKENS, MAX_COUNTS, TokenCounter
from outcrop.server.services import Services, UpstreamInfo
from outcrop.settings import Settings
from outcrop.types import ChatRequest, GenerationParams, Message, Reasoning, TextPart
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials
