"""
What an account may use and how its regions are, as typed calls over `outcrop.emulator.quota` and `regions`.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from outcrop.emulator.quota import Quota, QuotaBook, parse_quotas
from outcrop.emulator.regions import RegionBook, parse_regions


class Quotas:
    """
    Set the quotas of an emulator.
    """

    def __init__(
        self, book: QuotaBook, initial: tuple[Quota, ...], run_on_loop: Callable[[Callable[[], Any]], Any]
    ) -> None:
        self._book = book
        self._initial = list(initial)
        self._quotas = list(initial)
        self._run_on_loop = run_on_loop

    def set(
        self,
        model: str = "*",
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        tokens_per_day: int | None = None,
        output_burn: float = 1.0,
    ) -> None:
        """
        Set the quota of a model, an ID or a glob, in place of the one it had; all buckets are full again.

        Raises:
            InvalidQuota: a value is out of its range.
        """
        quota = Quota(
            model=model,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            tokens_per_day=tokens_per_day,
            output_burn=output_burn,
        )
        # Encoded and parsed, because structs check their members' ranges only then.
        [checked] = parse_quotas(msgspec.json.encode({"quotas": [quota]}))
        self._replace([*(one for one in self._quotas if one.model != model), checked])

    def clear(self) -> None:
        """
        Drop all quotas.
        """
        self._replace([])

    def restore(self) -> None:
        """
        Return to the quotas of the settings, with full buckets.
        """
        self._replace(self._initial)

    def report(self) -> dict[str, Any]:
        """
        Return what `GET /_emulator/quotas` says: the quotas, and what is left of them.
        """
        report: dict[str, Any] = self._run_on_loop(self._book.report)
        return report

    def _replace(self, quotas: list[Quota]) -> None:
        self._run_on_loop(lambda: self._book.replace(quotas))
        self._quotas = list(quotas)


class Regions:
    """
    Set the health of regions.
    """

    def __init__(self, book: RegionBook, run_on_loop: Callable[[Callable[[], Any]], Any]) -> None:
        self._book = book
        self._run_on_loop = run_on_loop

    def set(self, region: str, health: Literal["ok", "down", "slow", "throttled"], *, pace: float = 0.1) -> None:
        """
        Set the health of one region; others stay as they are. `pace` is which part of its pace a slow one has.

        Raises:
            InvalidRegions: a value is out of its range.
        """
        regions = self._run_on_loop(self._book.report) | {region: {"health": health, "pace": pace}}
        checked = parse_regions(msgspec.json.encode(regions))
        self._run_on_loop(lambda: self._book.replace(checked))

    def clear(self) -> None:
        """
        Make all regions well.
        """
        self._run_on_loop(self._book.clear)
