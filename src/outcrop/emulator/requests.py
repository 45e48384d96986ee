"""
One request as the operations see it: without HTTP.
"""

import msgspec


class Request(msgspec.Struct, frozen=True):
    """
    Hold what is asked, of which model or resource (its ID decoded once), from which region, with which body.

    `latency` and `tier` are what the headers of InvokeModel want of the service; `pace` is which part of its usual pace
    the region has.
    """

    operation: str
    target: str
    region: str
    body: bytes
    request_id: str
    latency: str | None = None
    tier: str | None = None
    pace: float = 1.0
