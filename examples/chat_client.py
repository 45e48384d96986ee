"""
Two questions of one conversation at a gateway that may drop the connection at any time.

    python examples/chat_client.py [llama3] [http://127.0.0.1:8080]

Needs the `outcrop` package, and a key in OUTCROP_KEY where the gateway wants one.
"""

import asyncio
import os
import sys

from outcrop.client import ChatFailed, Client


async def main(model: str = "llama3", url: str = "http://127.0.0.1:8080") -> None:
    """
    Print both answers as they come, and what they took.
    """
    async with Client(url, key=os.environ.get("OUTCROP_KEY")) as client:
        chat = client.chat(model=model)
        for prompt in ("echo Name a river.", "What did I say?"):
            answer = chat.send(prompt)
            async for piece in answer:
                print(piece.text, end="", flush=True)
            whole = await answer.whole()
            print(f"\n[{whole.stop_reason}, {whole.usage}]")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except ChatFailed as error:
        sys.exit(f"{error.code}: {error.message}")
