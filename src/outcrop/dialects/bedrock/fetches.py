"""
Refuse, in a body that goes to Bedrock unread, whatever Bedrock would fetch with this server's own rights.
"""

from typing import Any

from outcrop.errors import RequestError

_SCHEMES = ("s3:", "http:", "https:")
_NOT_READ = frozenset({"arguments", "input", "inputSchema", "input_schema", "json", "parameters", "schema"})
"""
What stands below these is a tool's business, or a schema's; nobody fetches it.
"""


def refuse_fetches(value: Any, where: str) -> None:
    """
    Walk through a JSON value and refuse locations in S3 and web addresses of content.

    Raises:
        RequestError: there is one; the message names its place.
    """
    waiting = [(where, value)]
    while waiting:
        place, one = waiting.pop()
        if isinstance(one, list):
            waiting += [(f"{place}[{position}]", inner) for position, inner in enumerate(one)]
        elif isinstance(one, dict):
            for name, inner in one.items():
                at = f"{place}.{name[:80]}" if place else name[:80]
                is_address = name in {"url", "image_url", "uri"} and isinstance(inner, str)
                if name == "s3Location" or (is_address and inner.strip().lower().startswith(_SCHEMES)):
                    raise RequestError(f"{at} can't be served: nothing is fetched for a client, send the content")
                if name not in _NOT_READ:
                    waiting.append((at, inner))
