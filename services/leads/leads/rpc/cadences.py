"""Calls about cadences, who is in one, and how often anybody is contacted."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.values import slug
from chassis.work import Page, Work
from crm.leads.v1 import cadences_pb2

from leads import cadencing
from leads.domain.cadence import (
    Cadence,
    CadenceCreated,
    CadenceEnrolment,
    CadenceUpdated,
    InCadenceAlready,
    StopReason,
)
from leads.domain.contact_limits import ContactSettings, ContactSettingsUpdated
from leads.domain.lead import Lead


class Cadences:
    async def CreateCadence(self, request: cadences_pb2.CreateCadenceRequest, work: Work) -> Cadence:
        given = request.cadence
        cadence = from_message(given, Cadence, id=request.cadence_id or slug(given.display_name))
        cadence.check()
        work.emit(CadenceCreated(cadence=work.add(cadence), event_time=work.now))
        return cadence

    async def GetCadence(self, request: cadences_pb2.GetCadenceRequest, work: Work) -> Cadence:
        return await work.get(Cadence, request.name)

    async def ListCadences(self, request: cadences_pb2.ListCadencesRequest, work: Work) -> Page[Cadence]:
        return await work.page(Cadence, request)

    async def UpdateCadence(self, request: cadences_pb2.UpdateCadenceRequest, work: Work) -> Cadence:
        cadence = await work.get(Cadence, request.cadence.name, request.cadence.etag)
        if work.update(cadence, request.cadence, request.update_mask.paths, "cadence"):
            cadence.check()
            work.emit(CadenceUpdated(cadence=cadence, event_time=work.now))
        return cadence

    async def ArchiveCadence(self, request: cadences_pb2.ArchiveCadenceRequest, work: Work) -> Cadence:
        cadence = await work.get(Cadence, request.name, request.etag)
        work.emit(cadence.archive(at=work.now))
        return cadence

    async def RestoreCadence(self, request: cadences_pb2.RestoreCadenceRequest, work: Work) -> Cadence:
        cadence = await work.get(Cadence, request.name, request.etag)
        work.emit(cadence.restore(at=work.now))
        return cadence

    async def EnrolLead(self, request: cadences_pb2.EnrolLeadRequest, work: Work) -> CadenceEnrolment:
        work.retry_conflicts = True  # two at once: the second one looks again, and is told
        lead = await work.get(Lead, request.name)
        cadence = await work.find_one(Cadence, id=request.cadence.removeprefix("cadences/"))
        if cadence is None:
            raise InvalidFields(("cadence", f"there is no cadence {request.cadence}"))
        if found := await cadencing.active(lead.name, work):
            raise InCadenceAlready(lead=lead.name, enrolment=found.name)
        return await cadencing.enrol(cadence, lead, work)

    async def GetCadenceEnrolment(
        self, request: cadences_pb2.GetCadenceEnrolmentRequest, work: Work
    ) -> CadenceEnrolment:
        return await work.get(CadenceEnrolment, request.name)

    async def ListCadenceEnrolments(
        self, request: cadences_pb2.ListCadenceEnrolmentsRequest, work: Work
    ) -> Page[CadenceEnrolment]:
        return await work.page(CadenceEnrolment, request)

    async def StopCadence(self, request: cadences_pb2.StopCadenceRequest, work: Work) -> CadenceEnrolment:
        enrolment = await work.get(CadenceEnrolment, request.name, request.etag)
        work.emit(enrolment.stop(StopReason.REQUESTED, work.now))
        await work.cancel_timer(cadencing.STEP, enrolment.name)
        return enrolment

    async def GetContactSettings(self, request: cadences_pb2.GetContactSettingsRequest, work: Work) -> ContactSettings:
        return await cadencing.settings_of(work)

    async def UpdateContactSettings(
        self, request: cadences_pb2.UpdateContactSettingsRequest, work: Work
    ) -> ContactSettings:
        given = request.contact_settings
        settings = await work.get_or_add(ContactSettings(), given.etag)
        changed = work.update(settings, given, request.update_mask.paths, "contact_settings")
        settings.check()
        if changed:
            work.emit(ContactSettingsUpdated(contact_settings=settings, fields=changed, event_time=work.now))
        return settings
