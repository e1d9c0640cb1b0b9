"""Calls about how points are given."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from chassis.convert import from_message
from chassis.custom_values import Definition
from chassis.database import Query
from chassis.work import Work
from crm.leads.v1 import scores_pb2
from sqlalchemy import select

from leads import score_tables, scorekeeping, tables
from leads.domain.lead import Lead
from leads.domain.lead_score import LeadScore
from leads.domain.score_settings import ScoreSettings, ScoreSettingsUpdated

MOST_CHECKED = 2000
NEWEST_LIVE = Query(
    select(tables.leads)
    .where(tables.is_live, tables.leads.c.archive_time.is_(None))
    .order_by(tables.leads.c.id.desc())
    .limit(MOST_CHECKED)
)
Answer = scores_pb2.CheckScoreSettingsResponse


class ScoreSettingsCalls:
    async def GetScoreSettings(self, request: scores_pb2.GetScoreSettingsRequest, work: Work) -> ScoreSettings:
        return (await scorekeeping.settings_of(work)).judged(_own(work))

    async def UpdateScoreSettings(self, request: scores_pb2.UpdateScoreSettingsRequest, work: Work) -> ScoreSettings:
        settings = await work.get_or_add(ScoreSettings(), request.score_settings.etag)
        changed = work.update(settings, request.score_settings, request.update_mask.paths, "score_settings")
        settings.check(_own(work))
        settings.rules = settings.judged(_own(work)).rules
        if changed:
            work.emit(ScoreSettingsUpdated(score_settings=settings, fields=changed, event_time=work.now))
            await work.execute(score_tables.SWEEP)
        return settings

    async def CheckScoreSettings(self, request: scores_pb2.CheckScoreSettingsRequest, work: Work) -> Answer:
        tried = from_message(request.score_settings, ScoreSettings)
        tried.check(_own(work))
        scorer = await scorekeeping.scorer_of(work)
        then = replace(scorer, settings=tried.in_use(_own(work)))
        before, after, gave = Counter[str](), Counter[str](), Counter[str]()
        changed = 0
        for lead in [work.context.mappers[Lead].load(row) for row in await work.rows(NEWEST_LIVE)]:
            assert isinstance(lead, Lead)
            here, there = LeadScore.of(lead), LeadScore.of(lead)
            here.follow(lead, scorer, work.now)
            there.follow(lead, then, work.now)
            before[here.band] += 1
            after[there.band] += 1
            gave.update(part.rule for part in there.parts)
            changed += here.band != there.band
            await asyncio.sleep(0)
        bands = dict.fromkeys([*(band.band for band in tried.bands), *sorted(before)])
        shown = [Answer.Band(band=band, now=before[band], then=after[band]) for band in bands]
        return Answer(leads=before.total(), changed=changed, bands=shown, rules=gave)


def _own(work: Work) -> Mapping[str, Definition]:
    """The company's own fields of leads."""
    return work.context.custom_fields.of(Lead.collection)
