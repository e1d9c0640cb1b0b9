"""Makes leads of captures: what no lead can be made of is kept with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chassis.convert import from_message
from chassis.database import Query
from chassis.errors import InvalidFields
from chassis.rpc import violations
from chassis.values import id_of
from chassis.work import Work
from crm.leads.v1 import leads_pb2
from sqlalchemy import text

from leads import importing, tables, waking
from leads.domain.capture import FIELDS, LONGEST_NOTE, Capture, Kind
from leads.domain.lead import MATERIAL, Lead, LeadCreated, LeadUpdated
from leads.domain.state import LIVE, WakeCause
from leads.spelling import tidy

THREAD = Query(
    text(
        "SELECT lead FROM captures WHERE message_id = any(CAST(:ids AS text[])) AND message_id <> '' AND lead <> ''"
        " ORDER BY array_position(CAST(:ids AS text[]), message_id) LIMIT 1"
    )
)
# What a lead that is there already takes over, where it has nothing.
TAKEN_OVER = [name for name in FIELDS if name not in ("display_name", "note", "channel")]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will become of a capture: a new lead, something more about one, or nothing for a reason."""

    lead: Lead | None = None
    existing: Lead | None = None
    reason: str = ""


async def known(capture: Capture, work: Work) -> Capture | None:
    """The same thing, if it came in before."""
    if not capture.capture_key:
        return None
    found = await work.find_one(Capture, kind=capture.kind.name, capture_key=capture.capture_key)
    if found is not None and not work.sees(found):
        raise InvalidFields(("capture_key", "is taken by what is beyond your reach"))
    return found


async def plan(capture: Capture, work: Work, answers: list[str] | None = None, why_not: str = "") -> Plan:
    """Looks at everything and changes nothing. `answers`: the Message-IDs of e-mails before this one."""
    drafted = _drafted(capture, work, why_not)
    if drafted.lead is None:
        return drafted
    await _tie(drafted.lead, capture, work)
    existing = await _of_thread(answers or [], work) or await _same_person(drafted.lead, work)
    return Plan(existing=existing) if existing else drafted


async def plan_many(captures: Sequence[Capture], work: Work) -> list[Plan]:
    """As `plan`, of captures without thread or material, with one look at who is there. They are carried out in their
    order: of two of one address the second is added to the lead of the first."""
    drafts = [_drafted(capture, work) for capture in captures]
    people = await importing.people_known([draft.lead for draft in drafts if draft.lead], work)
    ids = sorted({id_of(name) for name, _ in people.values()})
    leads = {lead.name: lead for lead in await work.find(Lead, id=ids)} if ids else {}
    known = {key: leads[name] for key, (name, _) in people.items() if _is_live(leads[name])}
    plans = []
    for draft in drafts:
        keys = (draft.lead.email, *importing.numbers(draft.lead)) if draft.lead else ()
        existing = next((known[key] for key in keys if key in known), None)
        plans.append(Plan(existing=existing) if existing else draft)
        if draft.lead and not existing:
            known |= {key: draft.lead for key in keys if key}
    return plans


async def carry_out(planned: Plan, capture: Capture, work: Work) -> None:
    if planned.existing:
        await _add(capture, planned.existing, work)
    elif planned.lead:
        await _create(capture, planned.lead, work)
    else:
        work.emit(capture.refuse(planned.reason, work.now))


def _drafted(capture: Capture, work: Work, why_not: str = "") -> Plan:
    """A new lead, or why there can be none."""
    if reason := why_not or capture.missing:
        return Plan(reason=reason)
    try:
        lead = _lead(capture, work)
    except InvalidFields as wrong:
        return Plan(reason="; ".join(f"{path}: {said}" for path, said in wrong.violations))
    capture.email, capture.phone, capture.channel = lead.email, lead.phone, lead.channel
    return Plan(lead=lead)


def _lead(capture: Capture, work: Work) -> Lead:
    """A lead as CreateLead would take it; InvalidFields if it would not."""
    said = {name: getattr(capture, name) for name in FIELDS}
    message = leads_pb2.Lead(**(said | {"display_name": capture.called, "journey_id": capture.journey_id}))
    if found := violations(message):
        raise InvalidFields(*found)
    lead = from_message(message, Lead)
    lead.contact_time = capture.contact_time
    tidy(work)(lead)
    return lead


async def _tie(lead: Lead, capture: Capture, work: Work) -> None:
    """A lead knows by which material it came in, and who shared it; the first stays. A link that is not known says
    nothing: nobody is turned away for a link that was typed off wrong."""
    if capture.material_link and not lead.material_link:
        for row in await work.rows(tables.MATERIAL_LINK, material_link=capture.material_link):
            lead.material_link, lead.material, lead.shared_by = capture.material_link, row["material"], row["owner"]


async def _of_thread(answers: list[str], work: Work) -> Lead | None:
    rows = await work.rows(THREAD, ids=answers) if answers else []
    return await _live(id_of(rows[0]["lead"]), work) if rows else None


async def _same_person(lead: Lead, work: Work) -> Lead | None:
    """The live lead that has the address or number. One the caller may not see is as good as none."""
    asked: dict[str, Any] = {"emails": [lead.email] if lead.email else [], "phones": importing.numbers(lead)}
    rows = await work.rows(tables.SAME_PERSON, **asked) if any(asked.values()) else []
    seen = [str(row["id"]) for row in rows if work.caller.sees(work.reach, row["owner"], row["team"])]
    return await _live(seen[0], work) if seen else None


async def _live(lead_id: str, work: Work) -> Lead | None:
    lead = await work.find_one(Lead, id=lead_id)
    return lead if lead and _is_live(lead) and work.sees(lead) else None


def _is_live(lead: Lead) -> bool:
    return lead.state in LIVE and not lead.archive_time


async def _create(capture: Capture, lead: Lead, work: Work) -> None:
    at = lead.contact_time or work.now
    work.emit(LeadCreated(lead=work.add(lead), event_time=at))
    if name := importing.keeper(work):
        owner = await work.responsible(name, "owner")
        work.emit(lead.assign(owner.name, owner.team, at=at))
    work.emit(capture.take(lead.name, lead.owner, lead.team, lead.journey_id, new=True, at=work.now))


async def _add(capture: Capture, lead: Lead, work: Work) -> None:
    """Brings what is new and takes nothing away; a lead that was left in peace is so no more."""
    changed, before = [], replace(lead)
    for name in TAKEN_OVER:
        if getattr(capture, name) and not getattr(lead, name):
            setattr(lead, name, getattr(capture, name))
            changed.append(name)
    await _tie(lead, capture, work)
    changed += [name for name in MATERIAL if getattr(lead, name) != getattr(before, name)]
    if capture.note and capture.note not in lead.note:
        lead.note = "\n\n".join(part for part in (lead.note, capture.note) if part)[:LONGEST_NOTE]
        changed.append("note")
    if changed:
        tidy(work)(lead)
        work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
    if capture.kind is not Kind.PROSPECT:  # of whom a source tells, and who did not turn to anybody
        await waking.wake(lead, WakeCause.ANSWER, capture.contact_time or work.now, work)
    work.emit(capture.take(lead.name, lead.owner, lead.team, lead.journey_id, new=False, at=work.now))
