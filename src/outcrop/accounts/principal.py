"""
Who is asking.
"""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """
    Name a caller. Turns belong to a `principal_id`; another's turn looks like an unknown one.
    """

    principal_id: str
    display_name: str


LOCAL = Principal("local", "you, on this machine")
"""
The one caller of a server without keys, which listens on loopback only.
"""
