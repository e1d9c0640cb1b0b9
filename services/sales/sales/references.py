"""References and responsibility: whom a record belongs to, and whether what it names exists and may be seen."""

from typing import TypeVar

from chassis.errors import ExternalIdTaken, InvalidFields
from chassis.identity import Caller
from chassis.reach import readable, readable_of
from chassis.values import CustomerRecord, id_of, is_uuid
from chassis.work import LostRace, Work

from sales import tables
from sales.domain.account import Account
from sales.domain.contact import Contact
from sales.domain.lead_acceptance import Mode, Target
from sales.domain.opportunity import Opportunity

R = TypeVar("R", bound=CustomerRecord)
L = TypeVar("L", Account, Contact, Opportunity)

OWN_KINDS: dict[str, type[CustomerRecord]] = {kind.collection: kind for kind in (Account, Contact, Opportunity)}


async def referenced(kind: type[R], name: str, field_path: str, work: Work) -> R:
    """The record a field names; InvalidFields if there is none or the caller may not read it."""
    record = await work.find_one(kind, id=id_of(name)) if is_uuid(id_of(name)) else None
    if record is None or not work.may_read(record):
        raise InvalidFields((field_path, f"there is no {name}, or you may not see it"))
    return record


async def journey_of(subject: str, field_path: str, work: Work) -> str:
    """The journey of the record an activity is about, ours or a neighbour's; InvalidFields if it is not known."""
    collection = subject.partition("/")[0]
    if collection in OWN_KINDS:
        return (await referenced(OWN_KINDS[collection], subject, field_path, work)).journey_id
    rows = await work.rows(tables.SUBJECT, name=subject)
    if not rows or not readable_of(work.caller, collection, rows[0]["owner"], rows[0]["team"]):
        raise InvalidFields((field_path, f"{subject} is not known here (yet), or you may not see it"))
    if merged_into := rows[0]["merged_into"]:
        raise InvalidFields((field_path, f"{subject} was merged into {merged_into}, which goes on in its place"))
    return str(rows[0]["journey_id"] or "")


async def linked_record(kind: type[L], target: Target, field_path: str, user: Caller, work: Work) -> L | None:
    """The record a target names, None if it names none; InvalidFields if there is none, if it is archived or the user
    may not read it, or if a name stands where none is asked for."""
    if (target.mode is Mode.LINK) != bool(target.name):
        raise InvalidFields((f"{field_path}.name", "goes with LINK, and LINK with a name"))
    if not target.name:
        return None
    is_one = target.name.startswith(f"{kind.collection}/") and is_uuid(id_of(target.name))
    record = await work.find_one(kind, id=id_of(target.name)) if is_one else None
    if record is None or record.archive_time or not readable(user, work.context.mappers[kind], record):
        raise InvalidFields((f"{field_path}.name", f"there is no {target.name}, or you may not see it"))
    return record


async def give_owner(record: CustomerRecord, field_path: str, work: Work) -> None:
    """The owner as asked for, else the caller; the team is the owner's."""
    member = await work.responsible(record.owner or work.caller.actor, field_path)
    record.owner, record.team = member.name, member.team


async def team_of(owner: str, work: Work) -> str:
    """The team of somebody who need not be active any more; empty if unknown here."""
    member = await work.members.named(owner)
    return member.team if member else ""


async def refuse_taken(record: CustomerRecord, work: Work) -> None:
    """ExternalIdTaken if another record has one of this new one's keys. For calls that look again after a race: they
    would meet the same unique index each time."""
    for key, found in (await work.by_external_ids(type(record), record.external_ids)).items():
        if found.id == record.id:
            raise LostRace()  # made since we looked
        raise ExternalIdTaken(external_id=f"{key.system}/{key.kind}/{key.id}")
