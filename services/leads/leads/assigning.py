"""Who gets which leads, from what is stored: people and what they have, whose turn it is, and the decisions kept."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec
from chassis.convert import to_message
from chassis.database import Query
from chassis.members import Member
from chassis.values import new_id
from chassis.work import MOST_FOUND, Work
from crm.leads.v1 import assignment_pb2
from sqlalchemy import text

from leads import scorekeeping
from leads.domain.account_key import account_key
from leads.domain.assignment.assignee import Assignee
from leads.domain.assignment.assigner import Assigner
from leads.domain.assignment.decision import Decision
from leads.domain.assignment.person import Person, Presence, Presences
from leads.domain.assignment.policy import OF_THE_LEAD, AssignmentPolicy, Fact, LeadFacts, Strategy
from leads.domain.assignment.turns import AssignmentTurns, Turn
from leads.domain.lead import Lead
from leads.domain.state import OPEN

KEPT_DAYS = 400
MOST_EXPLAINED = 50

# By the days of the company's zone, this month's.
TAKEN = Query(
    text(
        "SELECT owner, (assign_time AT TIME ZONE CAST(:zone AS text))::date AS day, count(*) AS number FROM leads"
        " WHERE owner = any(CAST(:people AS text[])) AND assign_time >= CAST(:since AS timestamptz) GROUP BY 1, 2"
    )
)
LOADS = Query(
    text(
        "SELECT owner, count(*) AS number FROM leads WHERE owner = any(CAST(:people AS text[]))"
        f" AND state IN ({', '.join(repr(state.name) for state in OPEN)}) AND archive_time IS NULL GROUP BY 1"
    )
)
DECISIONS = Query(
    text(
        "SELECT told FROM assignment_decisions WHERE lead_id = CAST(:lead AS uuid)"
        f" ORDER BY id DESC LIMIT {MOST_EXPLAINED}"
    )
)
# An account the lead names, else those called like its company.
ACCOUNT_OWNERS = Query(
    text(
        "SELECT account, key, owner FROM account_owners"
        " WHERE (account = any(CAST(:accounts AS text[])) OR key = any(CAST(:keys AS text[]))) AND owner <> ''"
    )
)
FORGET_WAITING = "DELETE FROM assignment_decisions WHERE waits AND lead_id = any($1::uuid[])"
KEEP_DECISION = (
    "INSERT INTO assignment_decisions (id, lead_id, waits, decide_time, told)"
    " VALUES ($1::uuid, $2::uuid, $3::boolean, $4::timestamptz, $5::jsonb)"
)
PRUNE = (
    "DELETE FROM assignment_decisions WHERE id IN (SELECT id FROM assignment_decisions"
    f" WHERE decide_time < now() - interval '{KEPT_DAYS} days' ORDER BY decide_time LIMIT 10000) RETURNING 1"
)


async def facts_of(
    policy: AssignmentPolicy,
    leads: Sequence[Lead],
    work: Work,
    at: Callable[[Lead], datetime],
    not_to: Iterable[str] = (),
) -> list[LeadFacts]:
    """What the rules know of each lead."""
    owners = await _account_owners(leads, work) if policy.uses(Strategy.ACCOUNT_OWNER) else {}
    scores = await scorekeeping.scores_of(leads, work) if policy.asks(Fact.SCORE) else {}
    return [
        replace(_facts(lead, at(lead), not_to), account_owner=owners.get(lead.id, ""), score=scores.get(lead.id))
        for lead in leads
    ]


async def _account_owners(leads: Sequence[Lead], work: Work) -> dict[str, str]:
    """Lead's id → who has its account. Of accounts of one name that several people have, nobody is the owner."""
    keys = {lead.id: account_key(lead.company) for lead in leads}
    asked = {"accounts": sorted({lead.account for lead in leads} - {""}), "keys": sorted(set(keys.values()) - {""})}
    named: dict[str, str] = {}
    called: dict[str, set[str]] = {}
    for row in await work.rows(ACCOUNT_OWNERS, **asked):
        named[row["account"]] = row["owner"]
        called.setdefault(row["key"], set()).add(row["owner"])
    found = {}
    for lead in leads:
        alike = called.get(keys[lead.id], set())
        found[lead.id] = named.get(lead.account) or (next(iter(alike)) if len(alike) == 1 else "")
    return found


def _facts(lead: Lead, at: datetime, not_to: Iterable[str]) -> LeadFacts:
    return LeadFacts(
        lead=lead.name,
        at=at,
        channel=lead.channel,
        landing_page=lead.landing_page,
        country=lead.country,
        region=lead.region,
        language=lead.language,
        product=lead.product,
        labels=lead.labels,
        company_size=lead.company_size or None,
        custom=lead.custom,
        material=lead.material,
        shared_by=lead.shared_by,
        not_to=frozenset([*not_to, *lead.rejected_by]),
    )


async def assigner(
    policy: AssignmentPolicy, facts: Sequence[LeadFacts], work: Work, turns: dict[str, Turn]
) -> Assigner:
    """To give out these leads as things stand now."""
    people = await _people(await _members(policy, facts, work), work)
    zone = ZoneInfo(work.context.company_zone)
    taken = await _taken([person.name for person in people if person.is_limited], zone, work)
    loads: dict[str, int] = {}
    names = [person.name for person in people]
    if policy.uses(Strategy.LEAST_LOADED):
        loads = {row["owner"]: row["number"] for row in await work.rows(LOADS, people=names)}
    as_now = [replace(one, taken=taken.get(one.name, {}), open_leads=loads.get(one.name, 0)) for one in people]
    return Assigner(policy, as_now, turns, await presences(names, work), zone)


async def assigner_of_old(policy: AssignmentPolicy, facts: Sequence[LeadFacts], work: Work) -> Assigner:
    """To give out leads of the past: capacities are today's, desks are empty, and it is everybody's turn."""
    people = await _people(await _members(policy, facts, work), work)
    present = await presences([person.name for person in people], work)
    return Assigner(policy, people, {}, present, ZoneInfo(work.context.company_zone))


async def _taken(people: Sequence[str], zone: ZoneInfo, work: Work) -> dict[str, dict[date, int]]:
    """What these people were given this month, by day. Asked of those with a capacity only: of the others a large
    company's month would be counted again for each batch."""
    taken: dict[str, dict[date, int]] = {}
    since = work.now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if people:
        for row in await work.rows(TAKEN, zone=zone.key, people=people, since=since):
            taken.setdefault(row["owner"], {})[row["day"]] = row["number"]
    return taken


async def _members(policy: AssignmentPolicy, facts: Sequence[LeadFacts], work: Work) -> list[Member]:
    owners = {getattr(one, name) for one in facts for name in OF_THE_LEAD.values()} - {""}
    return await work.members.people(policy.teams, policy.people | owners)


async def presences(people: Iterable[str], work: Work) -> Presences:
    """Where these people are, by their calendars and leave."""
    times = {name: await work.calendars.of(name) for name in people}

    def present(person: str, at: datetime) -> Presence:
        if times[person].is_away(at):
            return Presence.ON_LEAVE
        return Presence.AT_WORK if times[person].hours.is_open(at) else Presence.OFF_HOURS

    return present


async def _people(members: Sequence[Member], work: Work) -> list[Person]:
    ids = [member.name.removeprefix("users/") for member in members]
    found = [await work.find(Assignee, id=ids[first : first + MOST_FOUND]) for first in range(0, len(ids), MOST_FOUND)]
    said = {one.person: one for some in found for one in some}
    return [_person(member, said.get(member.name) or Assignee(id="")) for member in members]


def _person(member: Member, said: Assignee) -> Person:
    return Person(
        name=member.name,
        team=member.team,
        active=member.active,
        paused=said.paused,
        daily_capacity=said.daily_capacity or None,
        monthly_capacity=said.monthly_capacity or None,
    )


async def assign(
    policy: AssignmentPolicy, leads: Sequence[Lead], work: Work, not_to: Iterable[str] = ()
) -> list[Decision]:
    """Gives leads out by a policy with this commit, and keeps why. The caller holds the row of the duty: nobody else
    gives out leads meanwhile, so that nobody is given more than they can take."""
    kept = await work.get_or_add(AssignmentTurns(id=policy.id))
    facts = await facts_of(policy, leads, work, lambda _: work.now, not_to)
    by = await assigner(policy, facts, work, kept.turns)
    decisions = [by.decide(one) for one in facts]
    for lead, decision in zip(leads, decisions, strict=True):
        if decision.owner:
            given = lead.assign(decision.owner, decision.team, work.now, policy=policy.name, rule=decision.rule)
            work.emit(given)
    await keep(decisions, work)
    return decisions


async def preview(
    policy: AssignmentPolicy, leads: Sequence[Lead], work: Work, not_to: Iterable[str] = ()
) -> list[Decision]:
    """What `assign` would decide now."""
    kept = await work.find_one(AssignmentTurns, id=policy.id)
    facts = await facts_of(policy, leads, work, lambda _: work.now, not_to)
    return await _decided(await assigner(policy, facts, work, deepcopy(kept.turns) if kept else {}), facts)


async def simulated(policy: AssignmentPolicy, leads: Sequence[Lead], work: Work) -> list[Decision]:
    """What would have been decided about leads of the past, each at its first contact."""
    facts = await facts_of(policy, leads, work, lambda lead: lead.contact_time or work.now)
    return await _decided(await assigner_of_old(policy, facts, work), facts)


async def _decided(by: Assigner, facts: Sequence[LeadFacts]) -> list[Decision]:
    """Many decisions, beside the event loop: thousands take a second."""
    return await asyncio.to_thread(lambda: [by.decide(one) for one in facts])


async def keep(decisions: Sequence[Decision], work: Work) -> None:
    """Keeps decisions; of those that gave a lead to nobody each lead's last one."""
    await work.execute(FORGET_WAITING, [_lead_id(one) for one in decisions])
    for one in decisions:
        told = msgspec.json.encode(one).decode()
        await work.execute(KEEP_DECISION, new_id(), _lead_id(one), not one.owner, one.decide_time, told)


async def explained(lead: Lead, work: Work) -> list[assignment_pb2.AssignmentDecision]:
    """What was decided about a lead, newest first."""
    rows = await work.rows(DECISIONS, lead=lead.id)
    kept = [msgspec.json.decode(row["told"], type=Decision) for row in rows]
    return [to_message(one, assignment_pb2.AssignmentDecision) for one in kept]


def _lead_id(decision: Decision) -> str:
    return decision.lead.removeprefix("leads/")
