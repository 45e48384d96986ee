"""
One `authorise(principal, action)`: what a caller may do. A route names its action, or it can't be registered.
"""

from typing import Literal, get_args

from outcrop.accounts.principal import Principal
from outcrop.errors import NotAllowed, NotAuthenticated

Action = Literal[
    "public", "list_models", "count_tokens", "chat", "read_turns", "stop_turns", "delete_turns", "read_conversations",
    "change_conversations",
]  # fmt: skip
"""
`public` needs no principal: the page's files and the health of the server.
"""

MEMBER_ACTIONS: frozenset[Action] = frozenset(get_args(Action))


def authorise(principal: Principal | None, action: Action) -> None:
    """
    Let the caller pass, or refuse.

    Raises:
        NotAuthenticated: the action needs a principal and there is none.
        NotAllowed: this principal may not do it.
    """
    if action == "public":
        return
    if principal is None:
        raise NotAuthenticated(f"a key is needed to {action.replace('_', ' ')}")
    if action not in MEMBER_ACTIONS:
        raise NotAllowed(f"{principal.display_name!r} may not {action.replace('_', ' ')}")
