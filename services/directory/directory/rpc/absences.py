"""Absences: recorded, changed, taken back."""

from chassis.convert import from_message
from chassis.work import Page, Work
from crm.directory.v1 import calendars_pb2

from directory.domain.absence import Absence, AbsenceRecorded, AbsenceUpdated


class Absences:
    async def CreateAbsence(self, request: calendars_pb2.CreateAbsenceRequest, work: Work) -> Absence:
        absence = from_message(request.absence, Absence)
        owner = await work.responsible(absence.owner or work.caller.actor, "absence.owner")
        absence.owner, absence.team = owner.name, owner.team
        await _settle(absence, work)
        work.emit(AbsenceRecorded(absence=work.add(absence), event_time=work.now))
        return absence

    async def GetAbsence(self, request: calendars_pb2.GetAbsenceRequest, work: Work) -> Absence:
        return await work.get(Absence, request.name)

    async def ListAbsences(self, request: calendars_pb2.ListAbsencesRequest, work: Work) -> Page[Absence]:
        return await work.page(Absence, request)

    async def UpdateAbsence(self, request: calendars_pb2.UpdateAbsenceRequest, work: Work) -> Absence:
        absence = await work.get(Absence, request.absence.name, request.absence.etag)
        absence.require_recorded()
        if work.update(absence, request.absence, request.update_mask.paths, "absence"):
            await _settle(absence, work)
            work.emit(AbsenceUpdated(absence=absence, event_time=work.now))
        return absence

    async def CancelAbsence(self, request: calendars_pb2.CancelAbsenceRequest, work: Work) -> Absence:
        absence = await work.get(Absence, request.name, request.etag)
        work.emit(absence.cancel(at=work.now))
        return absence


async def _settle(absence: Absence, work: Work) -> None:
    """Whole days are those of the calendar the person works by."""
    absence.settle((await work.calendars.of(absence.owner)).hours.zone)
