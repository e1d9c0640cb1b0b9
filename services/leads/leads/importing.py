"""Many leads at once: each row looked up first, judged for itself, all written in one transaction."""

from chassis.convert import from_message, populated
from chassis.errors import ExternalIdTaken, InvalidFields
from chassis.rpc import violations
from chassis.values import ExternalId, business_time
from chassis.work import Work
from crm.leads.v1 import leads_pb2

from leads import tables
from leads.domain import Lead, LeadCreated, LeadUpdated

MOST_ROWS = 1000
Result = leads_pb2.ImportLeadsResponse.Result


async def import_leads(request: leads_pb2.ImportLeadsRequest, work: Work) -> leads_pb2.ImportLeadsResponse:
    """Upserts by external id; a row whose e-mail address or phone number an open lead has is a duplicate. A lead the
    caller may not see is as good as none: the answer would tell who is talked to, and by whom."""
    if not 1 <= len(request.leads) <= MOST_ROWS:
        raise InvalidFields(("leads", f"takes 1 to {MOST_ROWS} rows, got {len(request.leads)}"))
    work.retry_conflicts = True  # another import of the same rows at the same moment: look again
    rows = [_read(row, work) for row in request.leads]
    leads = [row for row in rows if isinstance(row, Lead)]
    known = await work.by_external_ids(Lead, [key for lead in leads for key in lead.external_ids])
    people = await _people(leads, work)
    results = []
    for message, row in zip(request.leads, rows, strict=True):
        if isinstance(row, str):
            results.append(Result(outcome=Result.REJECTED, reason=row))
        else:
            results.append(await _take(message, row, known, people, work))
    return leads_pb2.ImportLeadsResponse(results=results)


def _read(row: leads_pb2.Lead, work: Work) -> Lead | str:
    """The row as a lead, or why it is none."""
    try:
        if found := violations(row):
            raise InvalidFields(*found)
        lead = from_message(row, Lead)
        lead.normalise()
        lead.contact_time = business_time(lead.contact_time, work.now, "contact_time")
        return lead
    except InvalidFields as wrong:
        return "; ".join(f"{path}: {said}" for path, said in wrong.violations)


async def _people(leads: list[Lead], work: Work) -> dict[str, tuple[str, str]]:
    """E-mail address or phone digits → the open lead that has them, and its journey."""
    emails = sorted({lead.email for lead in leads if lead.email})
    phones = sorted({lead.phone_digits for lead in leads if lead.phone_digits})
    found: dict[str, tuple[str, str]] = {}
    if emails or phones:
        for row in await work.rows(tables.SAME_PERSON, emails=emails, phones=phones):
            visible = work.caller.sees(work.reach, row["owner"], row["team"])
            for key in (row["email"], row["phone_digits"]):
                if key and visible:
                    found.setdefault(key, (f"leads/{row['id']}", str(row["journey_id"])))
    return found


async def _take(
    message: leads_pb2.Lead,
    lead: Lead,
    known: dict[ExternalId, Lead],
    people: dict[str, tuple[str, str]],
    work: Work,
) -> leads_pb2.ImportLeadsResponse.Result:
    existing = next((known[key] for key in lead.external_ids if key in known), None)
    try:
        if existing is not None:
            return _update(existing, message, work)
        duplicate = people.get(lead.email) or people.get(lead.phone_digits)
        if duplicate:
            return Result(outcome=Result.DUPLICATE, lead=duplicate[0], journey_id=duplicate[1])
        name = lead.owner or keeper(work)
        owner = await work.responsible(name, "owner") if name else None
    except InvalidFields as wrong:
        return Result(outcome=Result.REJECTED, reason="; ".join(f"{path}: {said}" for path, said in wrong.violations))
    work.emit(LeadCreated(lead=work.add(lead), event_time=lead.contact_time or work.now))
    if owner:
        work.emit(lead.assign(owner.name, owner.team, at=lead.contact_time or work.now))
    known.update(dict.fromkeys(lead.external_ids, lead))
    people.update({key: (lead.name, lead.journey_id) for key in (lead.email, lead.phone_digits) if key})
    return Result(outcome=Result.CREATED, lead=lead.name, journey_id=lead.journey_id)


def keeper(work: Work) -> str:
    """Who gets a lead that is given to nobody: nobody, or the caller, if he would not see it otherwise."""
    return "" if work.caller.sees(work.reach, "", "") else work.caller.actor


def _update(lead: Lead, message: leads_pb2.Lead, work: Work) -> leads_pb2.ImportLeadsResponse.Result:
    """A row brings what it knows; it takes nothing away, and hands the lead to nobody."""
    if not work.sees(lead):
        raise InvalidFields(("external_ids", ExternalIdTaken().message))  # and no word about which lead has it
    mask = [name for name in populated(message) if name not in ("owner", "journey_id", "external_ids")]
    changed = work.update(lead, message, mask, "lead", Lead.normalise)
    if changed:
        work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
    outcome = Result.UPDATED if changed else Result.UNCHANGED
    return Result(outcome=outcome, lead=lead.name, journey_id=lead.journey_id)
