"""
Names in Redis. What a person made up (an owner, a chat, an idempotency key) is hashed before it is part of one.

With the prefix `outcrop:`

| key | kind | holds |
|---|---|---|
| `epoch` | string | a random name of this store's contents |
| `turn:ID` | hash | a turn: owner's digest, token, state, replica, epoch, first and last position, opening, summary |
| `log:ID` | stream | its entries: one stream entry per batch, with the ID `LAST-0` |
| `key:DIGEST` | string | idempotency key → turn and fingerprint |
| `chat:DIGEST` | string | chat → its latest turn |
| `replicas` | sorted set | replica → end of its lease, in milliseconds of Redis's clock |
| `turns:REPLICA` | set | the running turns of a replica |
| `finals`, `sizes`, `retained` | sorted set, hash, integer | final logs by age, their bytes, the sum |

Channels: `on:ID` carries a turn's batches, `ctl:REPLICA` what concerns a replica's own turns. `news` carries
who has changed which conversation (`history/redis_news.py`).
"""

import hashlib
import re
import secrets

_TURN_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NOT_IN_A_REPLICA = re.compile(r"[^A-Za-z0-9_.-]+")


def is_turn_id(name: str) -> bool:
    """
    Tell whether a name can be a turn's: everything else is unknown without asking Redis.
    """
    return _TURN_ID.fullmatch(name) is not None


def digest(*names: str) -> str:
    """
    Hash names that a person made up, unambiguously, to 40 characters.
    """
    encoded = [name.encode("utf-8", "surrogatepass") for name in names]
    return hashlib.sha256(b"".join(b"%d:%s" % (len(name), name) for name in encoded)).hexdigest()[:40]


def name_life(replica_id: str) -> str:
    """
    Name one life of a replica: after a restart it is another one, and the old one's turns are orphans.
    """
    return f"{_NOT_IN_A_REPLICA.sub('-', replica_id)[:64] or 'replica'}.{secrets.token_hex(4)}"
