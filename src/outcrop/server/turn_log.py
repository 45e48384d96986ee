"""
Which turn log the settings ask for.
"""

import os
import socket
import time

from outcrop.errors import SettingsError
from outcrop.settings import Settings
from outcrop.turns.fallback import FallbackTurnLog
from outcrop.turns.log import TurnLog
from outcrop.turns.memory import MemoryTurnLog


def make_turn_log(settings: Settings) -> TurnLog:
    """
    Make the turn log; it is not opened yet.

    Raises:
        SettingsError: it is to be in Redis, and the driver is not installed, or the URL can't be understood.
    """
    if settings.turn_log == "memory":
        return _make_memory_log(settings)
    log = _make_redis_log(settings)
    if settings.turn_log_fallback == "refuse":
        return log
    return FallbackTurnLog(log, _make_memory_log(settings))


def _make_memory_log(settings: Settings) -> MemoryTurnLog:
    return MemoryTurnLog(
        max_log_bytes=settings.max_answer_bytes,
        max_retained_bytes=settings.turn_log_bytes,
        retention_seconds=settings.turn_retention_seconds,
        idempotency_seconds=settings.idempotency_seconds,
        clock=time.time,
    )


def _make_redis_log(settings: Settings) -> TurnLog:
    try:
        from outcrop.turns.redis import RedisTurnLog  # noqa: PLC0415  the driver is an extra
    except ImportError as error:
        raise SettingsError("setting turn_log is a Redis URL, which needs the extra `outcrop[redis]`") from error
    return RedisTurnLog(
        settings.turn_log,
        replica_id=f"{socket.gethostname()}:{os.getpid()}",
        max_log_bytes=settings.max_answer_bytes,
        max_retained_bytes=settings.turn_log_bytes,
        retention_seconds=settings.turn_retention_seconds,
        idempotency_seconds=settings.idempotency_seconds,
        lease_seconds=settings.lease_seconds,
    )
