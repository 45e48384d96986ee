"""
Regions of different health: one that is down, one that throttles, one that is slow.

A request's region is the one that it was signed for; where it names none, the emulator's own.
"""

from typing import Annotated, Any, Literal

import msgspec

from outcrop.emulator.rules.refusals import Refusal

MAX_REGIONS = 100
_WELL = 1.0

Region = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}\Z")]


class RegionHealth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Hold how a region is. `pace` is for slow ones: which part of the usual pace is left.
    """

    health: Literal["ok", "down", "slow", "throttled"]
    pace: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1


class InvalidRegions(Exception):
    """
    Say what is wrong with the regions' health, and what is allowed.
    """


def parse_regions(body: bytes) -> dict[str, RegionHealth]:
    """
    Parse the body of `PUT /_emulator/regions`.

    Raises:
        InvalidRegions: it is none; the message says what it may be.
    """
    try:
        regions = msgspec.json.decode(body, type=dict[Region, RegionHealth])
    except msgspec.DecodeError as error:
        reason = str(error)
        raise InvalidRegions(
            f"{reason[:1].lower()}{reason[1:]}; expected an object of regions, as eu-west-1, with health "
            "(ok, down, slow, throttled) and pace (above 0, at most 1, for slow)"
        ) from error
    if len(regions) > MAX_REGIONS:
        raise InvalidRegions(f"there are {len(regions)} regions, limit is {MAX_REGIONS}")
    return regions


class RegionBook:
    """
    Keep the health of the regions; all are well at first.
    """

    def __init__(self) -> None:
        self._regions: dict[str, RegionHealth] = {}

    def replace(self, regions: dict[str, RegionHealth]) -> None:
        """
        Set the health of these regions; all others are well.
        """
        self._regions = dict(regions)

    def clear(self) -> None:
        """
        Make all regions well.
        """
        self._regions.clear()

    def report(self) -> dict[str, Any]:
        """
        Return what `GET /_emulator/regions` says.
        """
        return {name: msgspec.to_builtins(region) for name, region in self._regions.items()}

    def pace_in(self, region: str) -> float:
        """
        Return which part of its usual pace a region has.

        Raises:
            Refusal: it is down, or throttles.
        """
        found = self._regions.get(region)
        if found is None or found.health == "ok":
            return _WELL
        if found.health == "down":
            raise Refusal("ServiceUnavailableException")
        if found.health == "throttled":
            raise Refusal("ThrottlingException", "Too many requests, please wait before trying again.")
        return found.pace
