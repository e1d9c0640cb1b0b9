"""Calls about nurture paths."""

from collections import Counter, defaultdict
from operator import itemgetter

from chassis.convert import from_message, to_message
from chassis.work import Work
from crm.leads.v1 import nurture_pb2

from leads import nurture_tables, nurturing
from leads.domain.lead import Lead
from leads.domain.nurture import NurtureSettings, NurtureSettingsUpdated
from leads.domain.state import State
from leads.rpc.periods import period

MOST_EXAMPLES = 10
Answer = nurture_pb2.SimulateNurtureSettingsResponse


class Nurture:
    async def GetNurtureSettings(self, request: nurture_pb2.GetNurtureSettingsRequest, work: Work) -> NurtureSettings:
        return await nurturing.settings_of(work)

    async def UpdateNurtureSettings(
        self, request: nurture_pb2.UpdateNurtureSettingsRequest, work: Work
    ) -> NurtureSettings:
        given = request.nurture_settings
        settings = await work.get_or_add(NurtureSettings(), given.etag)
        changed = work.update(settings, given, request.update_mask.paths, "nurture_settings")
        await nurturing.check(settings, work)
        if changed:
            work.emit(NurtureSettingsUpdated(nurture_settings=settings, fields=changed, event_time=work.now))
        return settings

    async def SimulateNurtureSettings(self, request: nurture_pb2.SimulateNurtureSettingsRequest, work: Work) -> Answer:
        tried = await nurturing.settings_of(work)
        if request.HasField("nurture_settings"):
            tried = from_message(request.nurture_settings, NurtureSettings)
            await nurturing.check(tried, work)
        states = [State.NURTURING.name, *(State(state).name for state in request.states)]
        rows = await work.rows(nurture_tables.NEWEST, states=states, **work.sight())
        looked_at = sorted(rows, key=itemgetter("id"), reverse=True)[: nurture_tables.MOST_SIMULATED]
        now = Counter(row["path"] for row in looked_at if row["state"] == State.NURTURING.name)
        then = defaultdict[str, list[str]](list)
        for decision in await nurturing.decisions(tried.paths, [row["id"] for row in looked_at], work):
            then[decision.path].append(decision.lead)
        why = {path.path: path.inactive for path in tried.paths} | {"": ""}
        shares = [
            Answer.Share(
                path=path, leads=len(then[path]), now=now[path], examples=then[path][:MOST_EXAMPLES], inactive=said
            )
            for path, said in why.items()
        ]
        return Answer(leads=len(looked_at), more=len(rows) > len(looked_at), shares=shares)

    async def GetNurtureReport(
        self, request: nurture_pb2.GetNurtureReportRequest, work: Work
    ) -> nurture_pb2.NurtureReport:
        start, end = period(request, work.now)
        report = nurture_pb2.NurtureReport()
        rows = {
            row["path"]: dict(row)
            for row in await work.rows(nurture_tables.BECAME, start=start, end=end, **work.sight())
        }
        for row in await work.rows(nurture_tables.ON_IT, **work.sight()):
            rows.setdefault(row["path"], {"path": row["path"]})["on_it"] = row["leads"]
        entered = await work.rows(nurture_tables.ENTERED, start=start, end=end)
        report.more = entered[0]["number"] > nurture_tables.MOST_COUNTED
        report.rows.extend(nurture_pb2.NurtureReport.Row(**rows[path]) for path in sorted(rows)[:1000])
        return report

    async def ExplainNurture(
        self, request: nurture_pb2.ExplainNurtureRequest, work: Work
    ) -> nurture_pb2.NurtureExplanation:
        lead = await work.get(Lead, request.name)
        done = await nurturing.kept(lead, work) if lead.state is State.NURTURING else None
        paths = (await nurturing.settings_of(work)).paths
        told = done or (await nurturing.decisions(paths, [lead.id], work))[0]
        explanation = to_message(told, nurture_pb2.NurtureExplanation)
        explanation.done = done is not None
        return explanation
