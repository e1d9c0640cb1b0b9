"""Many leads at once: each row looked up first, judged for itself, all written in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.convert import from_message, populated
from chassis.errors import ExternalIdTaken, InvalidFields
from chassis.rpc import violations
from chassis.values import ExternalId, business_time, id_of
from chassis.work import Work
from crm.leads.v1 import imports_pb2, leads_pb2

from leads import import_tables, tables
from leads.domain.lead import Lead, LeadCreated, LeadUpdated
from leads.phones import digits
from leads.spelling import tidy

MOST_ROWS = 1000
Result = leads_pb2.ImportLeadsResponse.Result


async def import_leads(request: leads_pb2.ImportLeadsRequest, work: Work) -> leads_pb2.ImportLeadsResponse:
    if not 1 <= len(request.leads) <= MOST_ROWS:
        raise InvalidFields(("leads", f"takes 1 to {MOST_ROWS} rows, got {len(request.leads)}"))
    return await import_rows(request.leads, request, work)


async def import_rows(
    given: Sequence[leads_pb2.Lead | str],
    request: leads_pb2.ImportLeadsRequest | imports_pb2.ImportLeadRowsRequest,
    work: Work,
) -> leads_pb2.ImportLeadsResponse:
    """Upserts by external id; a row whose e-mail address or phone number an open lead has is a duplicate. A lead the
    caller may not see is as good as none: the answer would tell who is talked to, and by whom. `given`: leads, or why a
    row is none."""
    if request.validate_only:
        work = Work(work.context, work.caller, reach=work.reach, operation=work.operation)  # never committed
    work.retry_conflicts = True  # another import of the same rows at the same moment: look again
    rows = [row if isinstance(row, str) else _read(row, work) for row in given]
    leads = [row for row in rows if isinstance(row, Lead)]
    known = await work.by_external_ids(Lead, [key for lead in leads for key in lead.external_ids])
    people = await people_known(leads, work)
    by_email = await _by_email(people, work) if request.match_email else None
    results = []
    for message, row in zip(given, rows, strict=True):
        if isinstance(row, str) or isinstance(message, str):
            results.append(Result(outcome=Result.REJECTED, reason=str(row)))
        else:
            results.append(await _take(message, row, Known(known, people, by_email), work))
    answer = leads_pb2.ImportLeadsResponse(results=results)
    if request.validate_only:
        _unname(answer)
    elif request.import_id:
        await _note(request.import_id, answer, [*known.values(), *(by_email or {}).values()], work)
    return answer


def _unname(answer: leads_pb2.ImportLeadsResponse) -> None:
    """What would be new has no name yet; nor has what would be a duplicate of it."""
    new = {result.lead for result in answer.results if result.outcome == Result.CREATED}
    for result in answer.results:
        if result.lead in new:
            result.lead = result.journey_id = ""


async def _note(import_id: str, answer: leads_pb2.ImportLeadsResponse, known: list[Lead], work: Work) -> None:
    """Which leads this import made, and that what it changes of them was not somebody else."""
    created = {id_of(result.lead) for result in answer.results if result.outcome == Result.CREATED}
    named = {id_of(result.lead) for result in answer.results if result.outcome == Result.UPDATED} - created
    updated = {lead.id: lead.version for lead in known if lead.id in named}
    if created:
        await work.execute(import_tables.CREATED, import_id, work.caller.actor, sorted(created))
    if updated:
        changed = (list(updated), list(updated.values()))
        await work.execute(import_tables.CHANGED, import_id, work.caller.actor, *changed)


def _read(row: leads_pb2.Lead, work: Work) -> Lead | str:
    """The row as a lead, or why it is none."""
    try:
        if found := violations(row):
            raise InvalidFields(*found)
        lead = from_message(row, Lead)
        tidy(work)(lead)
        lead.contact_time = business_time(lead.contact_time, work.now, "contact_time")
        return lead
    except InvalidFields as wrong:
        return "; ".join(f"{path}: {said}" for path, said in wrong.violations)


async def people_known(leads: Sequence[Lead], work: Work) -> dict[str, tuple[str, str]]:
    """E-mail address or phone digits → the open lead that has them, and its journey."""
    emails = sorted({lead.email for lead in leads if lead.email})
    phones = sorted({number for lead in leads for number in numbers(lead)})
    found: dict[str, tuple[str, str]] = {}
    if emails or phones:
        for row in await work.rows(tables.SAME_PERSON, emails=emails, phones=phones):
            visible = work.caller.sees(work.reach, row["owner"], row["team"])
            for key in (row["email"], row["phone_digits"]):
                if key and visible:
                    found.setdefault(key, (f"leads/{row['id']}", str(row["journey_id"])))
    return found


@dataclass(frozen=True)
class Known:
    """The leads that rows may be about; those that rows make join them. `by_email` is None unless that counts."""

    by_key: dict[ExternalId, Lead]
    people: dict[str, tuple[str, str]]
    by_email: dict[str, Lead] | None


async def _by_email(people: dict[str, tuple[str, str]], work: Work) -> dict[str, Lead]:
    """The open leads of these addresses."""
    ids = {email: id_of(name) for email, (name, _) in people.items() if "@" in email}
    found = {lead.id: lead for lead in await work.find(Lead, id=list(set(ids.values())))} if ids else {}
    return {email: found[key] for email, key in ids.items() if key in found}


async def _take(
    message: leads_pb2.Lead,
    lead: Lead,
    there: Known,
    work: Work,
) -> leads_pb2.ImportLeadsResponse.Result:
    known, people, by_email = there.by_key, there.people, there.by_email
    existing = next((known[key] for key in lead.external_ids if key in known), None)
    if existing is None and by_email is not None and lead.email:
        existing = by_email.get(lead.email)
    try:
        if existing is not None:
            return _update(existing, message, work)
        duplicate = next((people[key] for key in (lead.email, *numbers(lead)) if key in people), None)
        if duplicate:
            return Result(outcome=Result.DUPLICATE, lead=duplicate[0], journey_id=duplicate[1])
        name = lead.owner or keeper(work)
        owner = await work.responsible(name, "owner") if name else None
        work.add(lead, whole=True)
    except InvalidFields as wrong:
        return Result(outcome=Result.REJECTED, reason="; ".join(f"{path}: {said}" for path, said in wrong.violations))
    work.emit(LeadCreated(lead=lead, event_time=lead.contact_time or work.now))
    if owner:
        work.emit(lead.assign(owner.name, owner.team, at=lead.contact_time or work.now))
    known.update(dict.fromkeys(lead.external_ids, lead))
    people.update({key: (lead.name, lead.journey_id) for key in (lead.email, *numbers(lead)) if key})
    if by_email is not None:
        by_email.setdefault(lead.email, lead)
    return Result(outcome=Result.CREATED, lead=lead.name, journey_id=lead.journey_id)


def numbers(lead: Lead) -> list[str]:
    """The digits by which its phone number may be known: with the country's code, and, of leads from before that was
    read, as they were written."""
    return [number for number in dict.fromkeys((lead.phone_digits, digits(lead.phone))) if number]


def keeper(work: Work) -> str:
    """Who gets a lead that is given to nobody: nobody, or the caller, if he would not see it otherwise."""
    return "" if work.caller.sees(work.reach, "", "") else work.caller.actor


def _update(lead: Lead, message: leads_pb2.Lead, work: Work) -> leads_pb2.ImportLeadsResponse.Result:
    """A row brings what it knows; it takes nothing away, and hands the lead to nobody."""
    if not work.sees(lead):
        raise InvalidFields(("external_ids", ExternalIdTaken().message))  # and no word about which lead has it
    mask = [name for name in populated(message) if name not in ("owner", "journey_id", "external_ids")]
    changed = work.update(lead, message, mask, "lead", tidy(work))
    if changed:
        work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
    outcome = Result.UPDATED if changed else Result.UNCHANGED
    return Result(outcome=outcome, lead=lead.name, journey_id=lead.journey_id)
