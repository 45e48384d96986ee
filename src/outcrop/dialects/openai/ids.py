"""
Names that OpenAI's clients see, made of a turn's ID: the same turn has the same names on every replica.
"""

from outcrop.errors import RequestError, UnknownTurn

RESPONSE_PREFIX = "resp_"
COMPLETION_PREFIX = "chatcmpl-"
ITEM_PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_"}
MAX_ID_CHARACTERS = 256


def to_response_id(turn_id: str) -> str:
    """
    Name a turn's response.
    """
    return f"{RESPONSE_PREFIX}{turn_id}"


def to_turn_id(response_id: str) -> str:
    """
    Find the turn that a response is named after. Whether there is such a turn, its log knows.

    Raises:
        UnknownTurn: no response has such a name.
    """
    turn_id = response_id.removeprefix(RESPONSE_PREFIX)
    is_one = turn_id != response_id and turn_id.isascii() and turn_id.isprintable()
    if not is_one or not 0 < len(turn_id) <= MAX_ID_CHARACTERS:
        raise UnknownTurn(f"there is no response {response_id[:80]!r}")
    return turn_id


def to_item_id(kind: str, turn_id: str, position: int) -> str:
    """
    Name the item at a position of a response's output.
    """
    return f"{ITEM_PREFIXES[kind]}{turn_id}_{position}"


def split_item_id(item_id: str) -> tuple[str, int]:
    """
    Find the turn, and the position in its output, that an item is named after.

    Raises:
        RequestError: no item of this server has such a name.
    """
    prefix = next((prefix for prefix in ITEM_PREFIXES.values() if item_id.startswith(prefix)), None)
    turn_id, _, position = item_id[len(prefix or "") :].rpartition("_")
    is_number = position.isascii() and position.isdigit() and len(position) < 10
    if prefix is None or not is_number or not 0 < len(turn_id) <= MAX_ID_CHARACTERS:
        raise RequestError(f"there is no item {item_id[:80]!r}")
    return turn_id, int(position)
