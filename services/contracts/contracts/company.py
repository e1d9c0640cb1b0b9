"""The company as its contracts know it: from the settings COMPANY_NAME and COMPANY_ZONE."""

import os
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis.settings import stop


@dataclass(frozen=True)
class Company:
    name: str
    zone: ZoneInfo


@cache
def company() -> Company:
    zone = os.environ.get("COMPANY_ZONE") or "UTC"
    try:
        return Company(os.environ.get("COMPANY_NAME") or "The Company", ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        stop(f"The setting COMPANY_ZONE names no time zone: {zone}")
        raise


async def prepare(_context: object) -> None:
    """A wrong setting is told at the start."""
    company()
