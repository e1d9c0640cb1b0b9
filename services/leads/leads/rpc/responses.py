"""Calls about how fast leads are answered."""

from chassis.calendars import CalendarUnknown
from chassis.errors import InvalidFields
from chassis.work import Page, Work
from crm.leads.v1 import responses_pb2

from leads import follow_up_tables
from leads.domain.response import LeadResponse, ResponseSettings, ResponseSettingsUpdated, ResponseTarget
from leads.rpc.periods import period

GroupBy = responses_pb2.GetResponseReportRequest.GroupBy


class Responses:
    async def GetResponseSettings(
        self, request: responses_pb2.GetResponseSettingsRequest, work: Work
    ) -> ResponseSettings:
        return await work.find_one(ResponseSettings, id=ResponseSettings.ID) or ResponseSettings()

    async def UpdateResponseSettings(
        self, request: responses_pb2.UpdateResponseSettingsRequest, work: Work
    ) -> ResponseSettings:
        given = request.response_settings
        settings = await work.get_or_add(ResponseSettings(), given.etag)
        changed = work.update(settings, given, request.update_mask.paths, "response_settings")
        settings.check()
        for number, target in enumerate(settings.targets):
            await _check(target, f"response_settings.targets[{number}]", work)
        if changed:
            work.emit(ResponseSettingsUpdated(response_settings=settings, fields=changed, event_time=work.now))
        return settings

    async def GetLeadResponse(self, request: responses_pb2.GetLeadResponseRequest, work: Work) -> LeadResponse:
        return await work.get(LeadResponse, request.name)

    async def ListLeadResponses(
        self, request: responses_pb2.ListLeadResponsesRequest, work: Work
    ) -> Page[LeadResponse]:
        return await work.page(LeadResponse, request)

    async def GetResponseReport(
        self, request: responses_pb2.GetResponseReportRequest, work: Work
    ) -> responses_pb2.ResponseReport:
        start, end = period(request, work.now)
        query = follow_up_tables.RESPONSE_REPORTS[GroupBy.Name(request.group_by or GroupBy.OWNER).lower()]
        rows = await work.rows(query, start=start, end=end, **work.sight())
        return responses_pb2.ResponseReport(rows=[_row(dict(row)) for row in rows])


async def _check(target: ResponseTarget, path: str, work: Work) -> None:
    """What a target names is there."""
    if target.escalate_to:
        await work.responsible(target.escalate_to, f"{path}.escalate_to", anybody=True)
    if target.calendar:
        try:
            await work.calendars.named(target.calendar)
        except CalendarUnknown as unknown:
            raise InvalidFields((f"{path}.calendar", f"{target.calendar} is not known here (yet)")) from unknown


def _row(found: dict[str, object]) -> responses_pb2.ResponseReport.Row:
    row = responses_pb2.ResponseReport.Row(**{key: value for key, value in found.items() if value is not None})  # type: ignore[arg-type]
    if row.met + row.missed:
        row.met_share = row.met / (row.met + row.missed)
    return row
