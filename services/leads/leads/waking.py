"""What wakes a nurtured lead besides its day and a call: that they touched us or answered, and a score that rose."""

from datetime import datetime

from chassis.work import Work

from leads import nurturing, scorekeeping
from leads.configuration import settings_of
from leads.domain.lead import Lead
from leads.domain.state import State, WakeCause
from leads.owners import is_active


async def wake(lead: Lead, cause: WakeCause, at: datetime, work: Work) -> None:
    """Wakes it if it is nurtured, unless its path lets it sleep. What lies before it was left in peace, and is told
    late, wakes nobody."""
    asleep = lead.state is State.NURTURING and lead.archive_time is None
    if not asleep or await nurturing.sleeps_through(lead, cause, work):
        return
    if lead.work_time and at > lead.work_time:
        work.emit(lead.wake(cause, "", await is_active(lead.owner, work), work.now))


async def wake_by_score(name: str, before: str, band: str, at: datetime, work: Work) -> None:
    """Wakes it if its score rose into a band that wakes. `before` is empty for a first score."""
    if band not in (await settings_of(work)).wake_bands:
        return
    floors = {one.band: one.at_least for one in (await scorekeeping.settings_of(work)).bands}
    lead = await work.find_one(Lead, id=name.removeprefix("leads/"))
    if lead and (before not in floors or floors.get(band, 0) > floors[before]):
        await wake(lead, WakeCause.SCORE, at, work)
