"""The calls leads answers, one method each."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.exports import export
from chassis.values import business_time
from chassis.work import Page, Work
from crm.leads.v1 import leads_pb2
from google.api import httpbody_pb2

from leads import conversion, importing
from leads.domain import (
    CallOutcome,
    Lead,
    LeadCreated,
    LeadSettings,
    LeadSettingsUpdated,
    LeadUpdated,
    Rotation,
)


class LeadService:
    descriptor = leads_pb2.DESCRIPTOR.services_by_name["LeadService"]

    async def CreateLead(self, request: leads_pb2.CreateLeadRequest, work: Work) -> Lead:
        lead = from_message(request.lead, Lead)
        lead.normalise()
        lead.contact_time = business_time(lead.contact_time, work.now, "lead.contact_time")
        work.emit(LeadCreated(lead=work.add(lead), event_time=lead.contact_time))
        if name := lead.owner or importing.keeper(work):
            owner = await work.responsible(name, "lead.owner")
            work.emit(lead.assign(owner.name, owner.team, at=lead.contact_time))
        return lead

    async def GetLead(self, request: leads_pb2.GetLeadRequest, work: Work) -> Lead:
        return await work.get(Lead, request.name)

    async def ListLeads(self, request: leads_pb2.ListLeadsRequest, work: Work) -> Page[Lead]:
        return await work.page(Lead, request)

    async def ExportLeads(self, request: leads_pb2.ExportLeadsRequest, work: Work) -> httpbody_pb2.HttpBody:
        return await export(Lead, leads_pb2.Lead, request, work)

    async def UpdateLead(self, request: leads_pb2.UpdateLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.lead.name, request.lead.etag)
        owner = lead.owner
        changed = work.update(lead, request.lead, request.update_mask.paths, "lead", Lead.normalise)
        if lead.owner != owner:
            raise InvalidFields(("lead.owner", "is changed with AssignLead"))
        if changed:
            work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
        return lead

    async def ArchiveLead(self, request: leads_pb2.ArchiveLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.archive(at=work.now))
        return lead

    async def RestoreLead(self, request: leads_pb2.RestoreLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.restore(at=work.now))
        return lead

    async def ImportLeads(self, request: leads_pb2.ImportLeadsRequest, work: Work) -> leads_pb2.ImportLeadsResponse:
        return await importing.import_leads(request, work)

    async def AssignLead(self, request: leads_pb2.AssignLeadRequest, work: Work) -> Lead:
        if bool(request.owner) == bool(request.team):
            raise InvalidFields(("owner", "name either an owner or a team"))
        lead = await work.get(Lead, request.name, request.etag)
        at = work.business_time(request, "assign_time")
        if request.owner:
            owner = await work.responsible(request.owner, "owner")
        else:
            owner = await work.responsible(await _next_in_turn(request.team, work), "team")
        work.emit(lead.assign(owner.name, owner.team, at))
        return lead

    async def LogCall(self, request: leads_pb2.LogCallRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        at = work.business_time(request, "call_time")
        work.emit(lead.log_call(CallOutcome(request.outcome), request.note, at))
        return lead

    async def QualifyLead(self, request: leads_pb2.QualifyLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        at = work.business_time(request, "qualify_time")
        work.emit(lead.qualify((await _settings(work)).qualification_checklist, request.note, at))
        return lead

    async def DisqualifyLead(self, request: leads_pb2.DisqualifyLeadRequest, work: Work) -> Lead:
        (await _settings(work)).check_reason(request.reason)
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.disqualify(request.reason, request.note, work.business_time(request, "close_time")))
        return lead

    async def ConvertLead(self, request: leads_pb2.ConvertLeadRequest, work: Work) -> Lead:
        return await conversion.convert_lead(request, work)

    async def GetLeadSettings(self, request: leads_pb2.GetLeadSettingsRequest, work: Work) -> LeadSettings:
        return await _settings(work)

    async def UpdateLeadSettings(self, request: leads_pb2.UpdateLeadSettingsRequest, work: Work) -> LeadSettings:
        settings = await work.get_or_add(LeadSettings(), request.lead_settings.etag)
        changed = work.update(settings, request.lead_settings, request.update_mask.paths, "lead_settings")
        if changed:
            work.emit(LeadSettingsUpdated(lead_settings=settings, fields=changed, event_time=work.now))
        return settings


async def _settings(work: Work) -> LeadSettings:
    """As configured, else the defaults."""
    return await work.find_one(LeadSettings, id=LeadSettings.ID) or LeadSettings()


async def _next_in_turn(team: str, work: Work) -> str:
    """Round robin among the active people of a team."""
    people = [member.name for member in await work.members.active_in_team(team)]
    rotation = await work.get_or_add(Rotation(id=team.removeprefix("teams/")))
    return rotation.next(people)
