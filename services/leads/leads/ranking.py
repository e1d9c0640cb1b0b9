"""Leads in the order of their scores, read from an index of the scores in its order, whoever asks."""

from typing import Any

from chassis.convert import to_message
from chassis.errors import InvalidFields
from chassis.filtering import make_token, page_size, read_token
from chassis.identity import Reach
from chassis.records import names
from chassis.work import Page, Work
from crm.leads.v1 import leads_pb2

from chassis import lists
from leads.domain.lead import Lead
from leads.domain.lead_score import LeadScore

OF_OWNER = "owner = $1::text"
HIGHEST_FIRST = "ORDER BY score DESC, id DESC"
BY_SCORE = "score desc"
Answer = leads_pb2.ListLeadsResponse


def highest(conditions: list[str], arguments: list[Any], limit: int, work: Work) -> str:
    """SQL: the highest scores within the caller's reach. Of each team its own highest first: one sort over all teams'
    leads would read them all."""
    columns = names(work.context.mappers[LeadScore].columns)
    arguments.append(limit)
    first = f"{HIGHEST_FIRST} LIMIT ${len(arguments)}::bigint"

    def top(*more: str) -> str:
        return f"SELECT {columns} FROM lead_scores WHERE {' AND '.join((*conditions, *more))} {first}"

    if work.reach is Reach.ALL:
        return top()
    arguments.append(work.caller.actor)
    own = top(f"owner = ${len(arguments)}::text")
    teams = {Reach.TEAM: work.caller.teams, Reach.SUBTREE: work.caller.subtree}.get(work.reach)
    if teams is None:
        return own
    arguments.append(sorted(teams))
    if OF_OWNER in conditions:  # one person's are few
        return top(f"(owner = ${len(arguments) - 1}::text OR team = any(${len(arguments)}::text[]))")
    each = f"unnest(${len(arguments)}::text[]) AS mine(team) CROSS JOIN LATERAL ({top('team = mine.team')}) page"
    both = f"({own}) UNION ALL (SELECT page.* FROM {each})"
    return f"SELECT {columns} FROM (SELECT DISTINCT ON (id) * FROM ({both}) found) page {first}"


async def scored(sql: str, arguments: list[Any], work: Work) -> list[LeadScore]:
    mapper = work.context.mappers[LeadScore]
    rows = await work.context.database.fetch(sql, arguments, work.connection, 2.0)
    return [mapper.load(row) for row in rows]  # type: ignore[misc]


async def leads_of(scores: list[LeadScore], work: Work) -> dict[str, Lead]:
    """Those that the caller may see: a score may not know yet that somebody else has its lead."""
    found = await work.find(Lead, id=[one.id for one in scores]) if scores else []
    return {lead.id: lead for lead in found if work.sees(lead)}


async def listed(
    request: leads_pb2.ListLeadsRequest, work: Work, among: lists.Among | None = None
) -> Page[Lead] | Answer:
    """The page that is asked for, each lead with its score if that is asked for: one query more, however many leads."""
    if request.order_by.split() == BY_SCORE.split():
        return await _by_score(request, work, among)
    if request.order_by.strip():
        raise InvalidFields(("order_by", f"is empty for the newest first, or {BY_SCORE!r}"))
    page = await work.page(Lead, request, among)
    if request.view != request.SCORED:
        return page
    found = await work.find(LeadScore, id=[lead.id for lead in page.records]) if page.rows else []
    return _told(page.records, {score.id: score for score in found}, page.next_page_token)


async def _by_score(request: leads_pb2.ListLeadsRequest, work: Work, among: lists.Among | None) -> Answer:
    size, key = page_size(request.page_size), work.context.page_token_key
    bound = lists.bound_to(work, Lead, request, among, BY_SCORE)
    after = read_token(key, request.page_token, bound) if request.page_token else ""
    sql, arguments = ordered(request, after, work, among)
    scores = await scored(sql, arguments, work)
    last = f"{scores[size - 1].score!r} {scores[size - 1].id}" if len(scores) > size else ""
    leads = await leads_of(scores[:size], work)
    shown = [leads[one.id] for one in scores[:size] if one.id in leads]
    asked_for = {one.id: one for one in scores} if request.view == request.SCORED else {}
    return _told(shown, asked_for, make_token(key, last, bound) if last else "")


def ordered(
    request: leads_pb2.ListLeadsRequest, after: str, work: Work, among: lists.Among | None = None
) -> tuple[str, list[Any]]:
    """SQL and its parameters: one score more than the page has, behind `after`, the last score and id of the page
    before."""
    arguments: list[Any] = []

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    of_leads = " AND ".join(lists.asked(work, Lead, request, bind, among)) or "true"
    conditions = ["live", f"id IN (SELECT id FROM leads WHERE {of_leads})"]
    if after:
        score, lead = after.split(" ")
        conditions.append(f"(score, id) < ({bind(float(score), 'float8')}, {bind(lead, 'uuid')})")
    return highest(conditions, arguments, page_size(request.page_size) + 1, work), arguments


def _told(leads: list[Lead], scores: dict[str, LeadScore], next_page_token: str) -> Answer:
    answer = Answer(next_page_token=next_page_token)
    for lead in leads:
        told = to_message(lead, leads_pb2.Lead)
        if score := scores.get(lead.id):
            told.score.value, told.score.band, told.score.points = score.score, score.band, score.points
            told.score.probability, told.score.live = score.probability, score.live
        answer.leads.append(told)
    return answer
