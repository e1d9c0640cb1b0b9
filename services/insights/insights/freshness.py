"""How far each source was read, told with every answer."""

from typing import Any

from chassis.work import Work

from insights import tables


async def tell_freshness(answer: Any, work: Work) -> None:
    """How far each source was read, by its name."""
    for row in await work.rows(tables.FRESHNESS):
        mark = answer.freshness[row["source"]]
        mark.position = row["position"]
        mark.event_time.FromDatetime(row["event_time"])
        mark.apply_time.FromDatetime(row["apply_time"])
