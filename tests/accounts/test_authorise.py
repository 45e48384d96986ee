"""
What a caller may do.
"""

from typing import cast, get_args

import pytest

from outcrop.accounts.authenticate import Authenticator, make_key
from outcrop.accounts.authorise import MEMBER_ACTIONS, Action, authorise
from outcrop.accounts.principal import LOCAL, Principal
from outcrop.errors import NotAllowed, NotAuthenticated

ACTIONS: tuple[Action, ...] = get_args(Action)
MEMBER = Principal("key:alice", "alice")


@pytest.mark.parametrize("action", sorted(MEMBER_ACTIONS))
@pytest.mark.parametrize("principal", [LOCAL, MEMBER], ids=["local", "member"])
def test_members_may_what_is_listed(principal: Principal, action: Action) -> None:
    """
    A known caller may do what is listed for members.
    """
    authorise(principal, action)


def test_public_is_for_everybody() -> None:
    """
    What is public needs no caller.
    """
    authorise(None, "public")


@pytest.mark.parametrize("action", [action for action in ACTIONS if action != "public"])
def test_all_else_needs_a_caller(action: Action) -> None:
    """
    Without a caller every other action is refused as not authenticated.
    """
    with pytest.raises(NotAuthenticated, match="a key is needed to "):
        authorise(None, action)


@pytest.mark.parametrize("action", ["", "administer", "CHAT", "chat ", "public ", "list_models,chat"])
@pytest.mark.parametrize("principal", [LOCAL, MEMBER], ids=["local", "member"])
def test_what_is_not_listed_is_refused(principal: Principal, action: str) -> None:
    """
    An action that nobody listed is allowed to nobody.
    """
    with pytest.raises(NotAllowed):
        authorise(principal, cast("Action", action))


def test_every_action_has_a_decision() -> None:
    """
    Each action that a route may name is public or listed for members.
    """
    assert set(ACTIONS) == MEMBER_ACTIONS


@pytest.mark.parametrize("action", ACTIONS)
def test_the_carrier_of_a_key_changes_no_right(action: Action) -> None:
    """
    With `x-api-key` and with `Authorization` a caller has the same rights (CVE-2026-45339).
    """
    key, digest = make_key()
    authenticator = Authenticator({"alice": digest})
    bearer = authenticator.authenticate([(b"authorization", f"Bearer {key}".encode())])
    api_key = authenticator.authenticate([(b"x-api-key", key.encode())])
    assert bearer == api_key
    authorise(bearer, action)
    authorise(api_key, action)
