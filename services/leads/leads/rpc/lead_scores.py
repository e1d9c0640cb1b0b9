"""Calls about the scores of leads."""

import asyncio
from typing import Any

from chassis.convert import moment, to_message
from chassis.filtering import page_size
from chassis.work import Work
from crm.leads.v1 import leads_pb2, scores_pb2

from leads import ranking, scorekeeping
from leads.domain.lead import Lead
from leads.domain.lead_facts import first_facts
from leads.domain.lead_score import LeadScore, is_scored
from leads.domain.state import REFUSAL, LeadArchivedAlready, LeadClosed
from leads.scoring.explain import explain


class LeadScores:
    async def GetLeadScore(self, request: scores_pb2.GetLeadScoreRequest, work: Work) -> LeadScore:
        return await work.get(LeadScore, request.name)

    async def RankLeads(self, request: scores_pb2.RankLeadsRequest, work: Work) -> scores_pb2.RankLeadsResponse:
        sql, arguments = await ranked(request, work)
        scores = await ranking.scored(sql, arguments, work)
        leads = await ranking.leads_of(scores, work)
        return scores_pb2.RankLeadsResponse(
            ranked_leads=[
                scores_pb2.RankedLead(
                    lead=to_message(leads[one.id], leads_pb2.Lead), lead_score=to_message(one, scores_pb2.LeadScore)
                )
                for one in scores
                if one.id in leads
            ]
        )

    async def ExplainScore(self, request: scores_pb2.ExplainScoreRequest, work: Work) -> scores_pb2.ScoreExplanation:
        lead = await work.get(Lead, request.name)
        scorer = await scorekeeping.scorer_of(work)
        parts = sorted(scorer.points(lead, work.now).parts.items(), key=lambda part: (-abs(part[1]), part[0]))
        told = scores_pb2.ScoreExplanation(lead=lead.name, scoring_model=scorer.champion)
        for rule, points in parts:
            told.parts.add(rule=rule, points=points)
        if scorer.champion_model:
            why = await asyncio.to_thread(explain, scorer.champion_model, first_facts(lead, scorer.zone), lead.team)
            told.probability, told.base = why.probability, why.base
            for one in why.reasons:
                told.reasons.add(field=one.field, value=one.value, contribution=one.contribution, sentence=one.sentence)
        return told

    async def OverrideScore(self, request: scores_pb2.OverrideScoreRequest, work: Work) -> LeadScore:
        lead = await work.get(Lead, request.name)
        if not is_scored(lead):
            closed = REFUSAL.get(lead.state, LeadArchivedAlready if lead.archive_time else LeadClosed)
            raise closed(lead=lead.name, state=lead.state.name)
        until = moment(request.expire_time, "expire_time") if request.HasField("expire_time") else None
        score = await work.get_or_add(LeadScore.of(lead))
        score.override(request.score, until, work.now)
        if event := score.follow(lead, await scorekeeping.scorer_of(work), work.now):
            work.emit(event)
        return score


async def ranked(request: scores_pb2.RankLeadsRequest, work: Work) -> tuple[str, list[Any]]:
    """SQL and its parameters: the highest scores that are asked for, within the caller's reach."""
    conditions, arguments = await _asked(request, work)
    return ranking.highest(conditions, arguments, page_size(request.page_size), work), arguments


async def _asked(request: scores_pb2.RankLeadsRequest, work: Work) -> tuple[list[str], list[Any]]:
    """Conditions and their parameters. A band is asked for by its bounds, which the index knows."""
    conditions, arguments = ["live"], list[Any]()
    if request.owner:
        arguments.append(request.owner)
        conditions.append(ranking.OF_OWNER)
    if request.band:
        bands = (await scorekeeping.settings_of(work)).bands
        above = [100.0, *(band.at_least for band in bands)]
        low, high = next(
            ((band.at_least, top) for band, top in zip(bands, above, strict=False) if band.band == request.band),
            (0.0, 0.0),  # there is no such band
        )
        arguments += [low, high]
        last = len(arguments)
        conditions.append(f"score >= ${last - 1}::float8 AND score < ${last}::float8")
    return conditions, arguments
