"""Calls about what the company asks of its leads."""

from chassis.work import Work
from crm.leads.v1 import leads_pb2

from leads.configuration import settings_of
from leads.domain.settings import LeadSettings, LeadSettingsUpdated


class Settings:
    async def GetLeadSettings(self, request: leads_pb2.GetLeadSettingsRequest, work: Work) -> LeadSettings:
        return await settings_of(work)

    async def UpdateLeadSettings(self, request: leads_pb2.UpdateLeadSettingsRequest, work: Work) -> LeadSettings:
        settings = await work.get_or_add(LeadSettings(), request.lead_settings.etag)
        changed = work.update(settings, request.lead_settings, request.update_mask.paths, "lead_settings")
        if changed:
            work.emit(LeadSettingsUpdated(lead_settings=settings, fields=changed, event_time=work.now))
        return settings
