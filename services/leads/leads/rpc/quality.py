"""The call that tells how good the data are."""

from datetime import timedelta
from typing import Any

from chassis.work import Work
from crm.leads.v1 import quality_pb2

from leads import quality


class Quality:
    async def GetLeadQualityReport(
        self, request: quality_pb2.GetLeadQualityReportRequest, work: Work
    ) -> quality_pb2.LeadQualityReport:
        fields = tuple(request.fields) or quality.DEFAULT
        stale_time = work.now - timedelta(days=request.stale_days or quality.STALE_DAYS)
        rows = await work.rows(quality.counts(fields), stale_time=stale_time, **work.sight())
        answer = quality_pb2.LeadQualityReport(teams=[_told(row, fields) for row in rows])
        answer.stale_time.FromDatetime(stale_time)
        return answer


def _told(row: Any, fields: tuple[str, ...]) -> quality_pb2.TeamLeadQuality:
    numbers = {name: row[name] for name in ("leads", "complete", "unreachable", "stale", "duplicates")}
    missing = [quality_pb2.MissingLeadField(field=name, leads=row[f"missing_{name}"]) for name in fields]
    return quality_pb2.TeamLeadQuality(team=row["team"], missing=missing, **numbers)
