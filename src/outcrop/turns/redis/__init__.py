"""
The turn log in Redis or Valkey: for many replicas that serve each other's turns.

- `log.py`: `RedisTurnLog`, the public face; it puts the parts together.
- `connection.py`: the only file that imports the driver: connections, scripts, published messages, errors.
- `scripts.py`: all that Redis does atomically, as Lua; `keys.py`: the names; `codec.py`: the bytes.
- `writer.py`: group commit of this replica's own turns; `closing.py`: how one ends.
- `mirror.py`: what this replica keeps of a log in memory, and its readers.
- `follower.py`: turns that run on other replicas; `membership.py`: leases, and the orphans of the dead.

What a delta costs: one element of one EVALSHA, in which Redis runs HMGET, XADD, HSET and PUBLISH. An idle replica sends
one EVALSHA for one delta; under load all deltas that came while the last EVALSHA was under way share the next one, and
neighbours of one turn are merged into one entry. Nothing polls for entries: readers here are woken when Redis has
acknowledged, readers elsewhere by the published batch.

Not supported: Redis Cluster (the scripts touch keys of many turns at once).
"""

from outcrop.turns.redis.log import RedisTurnLog

__all__ = ["RedisTurnLog"]
