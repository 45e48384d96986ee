"""
A client of the gateway's native protocol, for asyncio: many chats over one WebSocket, and no answer lost with it.

    async with Client("http://127.0.0.1:8080") as client:
        chat = client.chat(model="llama3")
        async for piece in chat.send("Hello"):
            print(piece.text, end="")

It knows nothing of the server but the protocol, as any foreign client does; docs/client.md tells it in full. The
protocol's state is in files without I/O (`frames`, `parts`, `request`, `backoff`); the socket is in `link` alone.
"""

from outcrop.client.answer import Answer, WholeAnswer
from outcrop.client.chat import Chat
from outcrop.client.client import Client
from outcrop.client.failures import (
    AnswerLost,
    ChatFailed,
    ClientClosed,
    GatewayRefused,
    GatewayUnreachable,
    ProtocolViolated,
)
from outcrop.client.link import LinkOptions
from outcrop.client.pieces import DataPiece, OtherPiece, Piece, ReasoningPiece, TextPiece, ToolCall, Usage

__all__ = [
    "Answer",
    "AnswerLost",
    "Chat",
    "ChatFailed",
    "Client",
    "ClientClosed",
    "DataPiece",
    "GatewayRefused",
    "GatewayUnreachable",
    "LinkOptions",
    "OtherPiece",
    "Piece",
    "ProtocolViolated",
    "ReasoningPiece",
    "TextPiece",
    "ToolCall",
    "Usage",
    "WholeAnswer",
]
