"""Calls about leads as records."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.exports import export
from chassis.values import business_time
from chassis.work import Page, Work
from crm.leads.v1 import leads_pb2
from google.api import httpbody_pb2

from leads import importing, ranking
from leads.domain.lead import Lead, LeadCreated, LeadUpdated
from leads.domain.merge import refuse_merged
from leads.spelling import tidy


class Leads:
    async def CreateLead(self, request: leads_pb2.CreateLeadRequest, work: Work) -> Lead:
        lead = from_message(request.lead, Lead)
        tidy(work)(lead)
        lead.contact_time = business_time(lead.contact_time, work.now, "lead.contact_time")
        work.emit(LeadCreated(lead=work.add(lead, whole=True), event_time=lead.contact_time))
        if name := lead.owner or importing.keeper(work):
            owner = await work.responsible(name, "lead.owner")
            work.emit(lead.assign(owner.name, owner.team, at=lead.contact_time))
        return lead

    async def GetLead(self, request: leads_pb2.GetLeadRequest, work: Work) -> Lead:
        return await work.get(Lead, request.name)

    async def ListLeads(
        self, request: leads_pb2.ListLeadsRequest, work: Work
    ) -> Page[Lead] | leads_pb2.ListLeadsResponse:
        return await ranking.listed(request, work)

    async def ExportLeads(self, request: leads_pb2.ExportLeadsRequest, work: Work) -> httpbody_pb2.HttpBody:
        return await export(Lead, leads_pb2.Lead, request, work)

    async def UpdateLead(self, request: leads_pb2.UpdateLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.lead.name, request.lead.etag)
        refuse_merged(lead)
        owner = lead.owner
        changed = work.update(lead, request.lead, request.update_mask.paths, "lead", tidy(work))
        if lead.owner != owner:
            raise InvalidFields(("lead.owner", "is changed with AssignLead"))
        if changed:
            work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
        return lead

    async def ArchiveLead(self, request: leads_pb2.ArchiveLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        refuse_merged(lead)
        work.emit(lead.archive(at=work.now))
        return lead

    async def RestoreLead(self, request: leads_pb2.RestoreLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        refuse_merged(lead)
        work.emit(lead.restore(at=work.now))
        return lead

    async def ImportLeads(self, request: leads_pb2.ImportLeadsRequest, work: Work) -> leads_pb2.ImportLeadsResponse:
        return await importing.import_leads(request, work)
