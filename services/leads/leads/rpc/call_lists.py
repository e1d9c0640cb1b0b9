"""Calls about call lists: filling them, whom to telephone next, and what came of it."""

from chassis.convert import from_message, moment, to_message
from chassis.errors import InvalidFields, RecordNotFound
from chassis.work import Page, Work
from crm.leads.v1 import call_lists_pb2, leads_pb2

from chassis import lists, operations
from leads import call_tables, calling
from leads.domain.call_list import CallList, CallListCreated, CallListUpdated, Disposition
from leads.domain.call_list_entry import Call, CallListEntry
from leads.domain.lead import Lead
from leads.domain.operation import LeadOperation
from leads.selecting import selected

MOST_COUNTED = 100_000  # of more the total is not known


class CallLists:
    async def CreateCallList(self, request: call_lists_pb2.CreateCallListRequest, work: Work) -> CallList:
        call_list = from_message(request.call_list, CallList)
        await calling.check(call_list, work)
        work.emit(CallListCreated(call_list=work.add(call_list), event_time=work.now))
        return call_list

    async def GetCallList(self, request: call_lists_pb2.GetCallListRequest, work: Work) -> CallList:
        return await work.get(CallList, request.name)

    async def ListCallLists(self, request: call_lists_pb2.ListCallListsRequest, work: Work) -> Page[CallList]:
        return await work.page(CallList, request)

    async def UpdateCallList(self, request: call_lists_pb2.UpdateCallListRequest, work: Work) -> CallList:
        call_list = await work.get(CallList, request.call_list.name, request.call_list.etag)
        call_list.require_open()
        changed = work.update(
            call_list, request.call_list, request.update_mask.paths, "call_list", tidy=CallList.settle
        )
        if changed:
            await calling.check(call_list, work)
            work.emit(CallListUpdated(call_list=call_list, fields=changed, event_time=work.now))
        return call_list

    async def PauseCallList(self, request: call_lists_pb2.PauseCallListRequest, work: Work) -> CallList:
        call_list = await work.get(CallList, request.name, request.etag)
        work.emit(call_list.pause(at=work.now))
        return call_list

    async def ResumeCallList(self, request: call_lists_pb2.ResumeCallListRequest, work: Work) -> CallList:
        call_list = await work.get(CallList, request.name, request.etag)
        work.emit(call_list.resume(at=work.now))
        return call_list

    async def CloseCallList(self, request: call_lists_pb2.CloseCallListRequest, work: Work) -> CallList:
        call_list = await work.get(CallList, request.name, request.etag)
        work.emit(call_list.close(at=work.now))
        return call_list

    async def FillCallList(self, request: call_lists_pb2.FillCallListRequest, work: Work) -> LeadOperation:
        (await work.get(CallList, request.name)).require_open()
        if sum(map(bool, (request.filter, request.segment, request.leads))) != 1:
            raise InvalidFields(("filter", "name either a filter, a segment or leads"))
        total = len(request.leads)
        if not request.leads:  # what is wrong with the filter is told now
            try:
                asked, among = await selected(request.filter, request.segment, work)
            except RecordNotFound as missing:
                raise InvalidFields(("segment", f"there is no segment {request.segment}")) from missing
            counted = await lists.count(work, Lead, asked, MOST_COUNTED + 1, among)
            total = counted if counted <= MOST_COUNTED else 0
        what = {"filter": request.filter, "segment": request.segment, "leads": list(request.leads)}
        given = {"call_list": request.name, "priority": request.priority, **what}
        return await operations.begin(LeadOperation, calling.FILL, given, work, total=total)

    async def NextCall(self, request: call_lists_pb2.NextCallRequest, work: Work) -> call_lists_pb2.NextCallResponse:
        call_list = await work.get(CallList, request.name)
        entry = await calling.next_call(call_list, work)
        if entry is None:
            return call_lists_pb2.NextCallResponse()
        work.taken = 1  # whoever asks again and again reads lead after lead, and is noticed
        return call_lists_pb2.NextCallResponse(
            entry=to_message(entry, call_lists_pb2.CallListEntry),
            lead=to_message(await work.get(Lead, entry.lead), leads_pb2.Lead),
            script=call_list.script,
        )

    async def RecordCall(self, request: call_lists_pb2.RecordCallRequest, work: Work) -> CallListEntry:
        entry = await work.get(CallListEntry, request.name, request.etag)
        at = work.business_time(request, "call_time")
        back = moment(request.call_back_time, "call_back_time") if request.HasField("call_back_time") else None
        disposition = Disposition(request.disposition)
        entry.require_caller(work.caller.actor)
        interaction = await calling.log(entry, disposition, request.note, at, back, work)
        call = Call(caller=work.caller.actor, disposition=disposition, call_time=at, interaction=interaction.name)
        work.emit(entry.record(call, back, of=await work.get(CallList, entry.call_list)))
        return entry

    async def ReleaseCall(self, request: call_lists_pb2.ReleaseCallRequest, work: Work) -> CallListEntry:
        entry = await work.get(CallListEntry, request.name, request.etag)
        until = work.now + (await work.get(CallList, entry.call_list)).lease
        work.emit(entry.release(work.caller.actor, until, at=work.now))
        return entry

    async def GetCallListProgress(
        self, request: call_lists_pb2.GetCallListProgressRequest, work: Work
    ) -> call_lists_pb2.CallListProgress:
        call_list = await work.get(CallList, request.name)
        (counts,) = await work.rows(call_tables.PROGRESS, list=call_list.name, now=work.now, **work.sight())
        told = call_lists_pb2.CallListProgress(**counts)
        for row in await work.rows(call_tables.CALLS, list=call_list.name, **work.sight()):
            if row["caller"] is None:
                told.dispositions.add(disposition=row["disposition"], calls=row["calls"])
            else:
                rate = row["calls"] / row["hours"]
                told.callers.add(
                    caller=row["caller"],
                    calls=row["calls"],
                    reached=row["reached"],
                    hours=row["hours"],
                    calls_per_hour=rate,
                )
        return told

    async def GetCallListEntry(self, request: call_lists_pb2.GetCallListEntryRequest, work: Work) -> CallListEntry:
        return await work.get(CallListEntry, request.name)

    async def ListCallListEntries(
        self, request: call_lists_pb2.ListCallListEntriesRequest, work: Work
    ) -> Page[CallListEntry]:
        return await work.page(CallListEntry, request)
