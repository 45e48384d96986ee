"""
Ask a model over the raw WebSocket and print the answer as it comes.

    python examples/raw_client.py "Tell me a story" [llama3] [ws://127.0.0.1:8080]

Needs the `websockets` package.
"""

import asyncio
import sys

from websockets.asyncio.client import connect


async def main(prompt: str, model: str = "llama3", server: str = "ws://127.0.0.1:8080") -> None:
    """
    Send one prompt; the server marks the answer's end with an empty message (`done=1`).
    """
    async with connect(f"{server}/ws/model?model={model}&streaming=true&done=1") as socket:
        await socket.send(prompt)
        while piece := await socket.recv():
            print(piece, end="", flush=True)
        print()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
