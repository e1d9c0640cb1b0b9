"""What the company asks of its leads."""

from chassis.work import Work

from leads.domain.settings import LeadSettings


async def settings_of(work: Work) -> LeadSettings:
    """As configured, else the defaults."""
    return await work.find_one(LeadSettings, id=LeadSettings.ID) or LeadSettings()
