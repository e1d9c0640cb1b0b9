"""What a model would have said: trained on leads closed before a day, judged by those that came after it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leads.scoring.drift import over_time
from leads.scoring.metrics import Bin, Metrics, measure

MOST_JUDGED = 5_000  # leads; more would say the same
MOST_LEARNED_FROM = 30_000  # leads, the latest before the cut: it is to be seen what such a model is worth, soon


@dataclass(frozen=True)
class Closed:
    """A closed lead: what was known at its first contact, and what became of it (1 won, 0 lost)."""

    record: Mapping[str, Any]
    won: int
    team: str
    contact_time: datetime
    close_time: datetime


@dataclass(frozen=True)
class Backtest:
    cut: datetime
    trained_on: int
    metrics: Metrics
    months: dict[str, Bin]


class NothingToTest(ValueError):
    """No closed lead came after the cut."""


def cut_at(leads: Sequence[Closed], share: float) -> datetime:
    """The moment from which on the last `share` of the leads came."""
    times = sorted(lead.contact_time for lead in leads)
    return times[min(int(len(times) * (1 - share)), len(times) - 1)]


def backtest(leads: Sequence[Closed], cut: datetime, **options: Any) -> Backtest:
    """Trains on what was known at `cut` only; a lead that was still open then teaches nothing. Raises NothingToTest,
    and what `train` raises."""
    from leads.scoring.training import train

    known = [lead for lead in leads if lead.close_time < cut and lead.contact_time < cut]
    before = sorted(known, key=lambda lead: lead.contact_time)[-MOST_LEARNED_FROM:]
    after = [lead for lead in leads if lead.contact_time >= cut]
    after = after[:: math.ceil(len(after) / MOST_JUDGED)] if after else []
    if not after:
        raise NothingToTest(f"no lead since {cut.isoformat()}")
    trained = train(
        [lead.record for lead in before], [lead.won for lead in before], [lead.team for lead in before], **options
    )
    scores = [trained.model.probability(lead.record, lead.team) for lead in after]
    won = [lead.won for lead in after]
    months = over_time([f"{lead.contact_time:%Y-%m}" for lead in after], scores, won)
    return Backtest(cut, len(before), measure(scores, won), months)
