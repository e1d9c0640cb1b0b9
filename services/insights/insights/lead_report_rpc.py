"""The calls about the report on leads."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chassis.convert import moment
from chassis.errors import InvalidFields
from chassis.exports import csv_file
from chassis.work import Work
from crm.insights.v1 import lead_reports_pb2 as pb
from google.api import httpbody_pb2
from google.type import date_pb2

from insights.freshness import tell_freshness
from insights.lead_reports import STEPS, Asked, Group, Step, period, report


class LeadReportService:
    descriptor = pb.DESCRIPTOR.services_by_name["LeadReportService"]

    async def GetLeadReport(self, request: pb.GetLeadReportRequest, work: Work) -> pb.LeadReport:
        asked = _asked(request, work)
        answer = pb.LeadReport(
            groups=[_message(group) for group in await report(asked, work)],
            start_date=_date(asked.first_day),
            end_date=_date(asked.last_day),
            time_zone=asked.zone,
        )
        if asked.as_of:
            answer.as_of_time.FromDatetime(asked.as_of)
        await tell_freshness(answer, work)
        return answer

    async def ExportLeadReport(self, request: pb.ExportLeadReportRequest, work: Work) -> httpbody_pb2.HttpBody:
        asked = _asked(request.report, work)
        groups = await report(asked, work)
        answer = csv_file([_HEAD, *map(_line, groups)])
        details = {"group_by": asked.group_by, "rows": len(groups), "bytes": len(answer.data)}
        await work.audit("EXPORTED", "reports/leads", details)
        return answer


def _asked(request: pb.GetLeadReportRequest, work: Work) -> Asked:
    zone = work.context.company_zone
    today = work.now.astimezone(ZoneInfo(zone)).date()
    first, last = period(_day(request, "start_date"), _day(request, "end_date"), today)
    as_of = moment(request.as_of_time, "as_of_time") if request.HasField("as_of_time") else None
    if as_of and as_of > work.now:
        raise InvalidFields(("as_of_time", "lies in the future"))
    return Asked(
        group_by=pb.LeadGrouping.Name(request.group_by),
        first_day=first,
        last_day=last,
        zone=zone,
        as_of=as_of,
        channel=request.channel,
        owner=request.owner,
        team=request.team,
    )


def _day(request: Any, name: str) -> date | None:
    if not request.HasField(name):
        return None
    given = getattr(request, name)
    try:
        return date(given.year, given.month, given.day)
    except ValueError as wrong:
        raise InvalidFields((name, f"is no day: {wrong}")) from wrong


def _date(day: date) -> date_pb2.Date:
    return date_pb2.Date(year=day.year, month=day.month, day=day.day)


def _message(group: Group) -> pb.LeadGroup:
    return pb.LeadGroup(
        key=group.key,
        leads=group.leads,
        open=group.open,
        untouched=group.untouched,
        untouched_share=group.untouched / group.leads,
        lost=group.lost,
        steps=[_step(step, group.leads) for step in group.steps],
        losses=[pb.LeadLoss(reason=reason, leads=leads) for reason, leads in group.losses],
    )


def _step(step: Step, leads: int) -> pb.LeadStepFigures:
    answer = pb.LeadStepFigures(step=step.step, leads=step.leads, share=step.leads / leads)  # type: ignore[arg-type]
    if step.previous:
        answer.previous = pb.LeadStep.Value(step.previous)
    for names, seconds in ((("median", "p90"), step.since_contact), (("median_wait", "p90_wait"), step.since_previous)):
        for name, value in zip(names, seconds or (), strict=False):
            getattr(answer, name).FromTimedelta(timedelta(seconds=value))
    return answer


_TIMES = ("median_seconds", "p90_seconds", "median_wait_seconds", "p90_wait_seconds")
_HEAD = ["key", "leads", "open", "untouched", "lost"]
_HEAD += [f"{step.lower()}_{name}" for step in STEPS for name in ("leads", *_TIMES)]
_HEAD += ["losses"]


def _line(group: Group) -> list[str]:
    cells: list[str] = [group.key, *(str(one) for one in (group.leads, group.open, group.untouched, group.lost))]
    for step in group.steps:
        times = [*(step.since_contact or ("", "")), *(step.since_previous or ("", ""))]
        cells += [str(step.leads), *(str(round(one)) if one != "" else "" for one in times)]  # type: ignore[arg-type]
    return [*cells, "; ".join(f"{reason}: {leads}" for reason, leads in group.losses)]
