"""What happens to a lead on its way: worked, qualified, given up, converted."""

from chassis.convert import moment
from chassis.work import Work
from crm.leads.v1 import leads_pb2

from leads import conversion, nurturing
from leads.configuration import settings_of
from leads.domain.interaction import Interaction, InteractionKind
from leads.domain.lead import Lead
from leads.domain.state import CallOutcome, WakeCause
from leads.owners import is_active


class Life:
    async def AcceptLead(self, request: leads_pb2.AcceptLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.accept(work.business_time(request, "accept_time")))
        return lead

    async def RejectLead(self, request: leads_pb2.RejectLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.reject(request.reason, request.note, work.business_time(request, "reject_time")))
        return lead

    async def LogCall(self, request: leads_pb2.LogCallRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        at, outcome = work.business_time(request, "call_time"), CallOutcome(request.outcome)
        call = Interaction(
            lead=lead.name, kind=InteractionKind.CALL, outcome=outcome, note=request.note, interaction_time=at
        )
        work.emit(lead.log_call(outcome, request.note, at))
        work.add(call.of(lead, by=work.caller.actor))
        return lead

    async def QualifyLead(self, request: leads_pb2.QualifyLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        at = work.business_time(request, "qualify_time")
        work.emit(lead.qualify((await settings_of(work)).qualification_checklist, request.note, at))
        return lead

    async def DisqualifyLead(self, request: leads_pb2.DisqualifyLeadRequest, work: Work) -> Lead:
        (await settings_of(work)).check_reason(request.reason)
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.disqualify(request.reason, request.note, work.business_time(request, "close_time")))
        return lead

    async def NurtureLead(self, request: leads_pb2.NurtureLeadRequest, work: Work) -> Lead:
        work.retry_conflicts = True  # it may be taken into a cadence at the same time: look again
        asked = moment(request.nurture_until, "nurture_until") if request.HasField("nurture_until") else None
        lead = await work.get(Lead, request.name, request.etag)
        said = {name: getattr(request, name) for name in ("plan", "path", "reason", "note")}
        await nurturing.nurture(lead, work, asked=asked, **said)
        return lead

    async def WakeLead(self, request: leads_pb2.WakeLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        active = await is_active(lead.owner, work)
        work.emit(lead.wake(WakeCause.REQUEST, request.note, active, at=work.now))
        return lead

    async def ReopenLead(self, request: leads_pb2.ReopenLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.reopen(request.note, await is_active(lead.owner, work), at=work.now))
        return lead

    async def RecycleLead(self, request: leads_pb2.RecycleLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name, request.etag)
        work.emit(lead.recycle(request.note, at=work.now))
        return lead

    async def ConvertLead(self, request: leads_pb2.ConvertLeadRequest, work: Work) -> Lead:
        return await conversion.convert_lead(request, work)
