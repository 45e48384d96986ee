"""
One request as the operations see it: without HTTP.
"""

import msgspec


class Request(msgspec.Struct, frozen=True):
    """
    Hold what is asked, of which model or resource (its ID decoded once), from which region, with which body.
    """

    operation: str
    target: str
    region: str
    body: bytes
    request_id: str
