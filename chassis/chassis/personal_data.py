"""Every service finds, tells and erases what it knows about a person (crm.chassis.v1.PersonalDataService)."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from crm.chassis.v1 import personal_pb2
from crm.options.v1 import options_pb2
from google.protobuf.json_format import MessageToDict

from chassis import convert
from chassis.erasing import Erasing, Forgetting
from chassis.errors import FailedPrecondition
from chassis.events import message_class
from chassis.personal import Kind, from_wire, kinds, to_wire
from chassis.persons import Mark, MarkKind, Person, Recogniser, address, is_name, mark, names_of
from chassis.records import names, sql_type
from chassis.spine import AUDIT_ENTRY, OUTBOX
from chassis.ties import haystack, tie
from chassis.values import Record, id_of, is_uuid
from chassis.work import Context, Work

MOST_FOUND = 2000  # records of one kind; a person with more is a company
MOST_EVENTS = 5000  # told in one export
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STAFF = ("owner", "team")  # who of the company works on it: no tie of the person
UNDER_WAY = (
    "SELECT (SELECT count(*) FROM stream_removal) + (SELECT count(*) FROM outbox WHERE position IS NULL"
    " AND (erasure = $1::uuid OR operation = 'erasure')) AS waiting"
)
ABOUT = f"SELECT {OUTBOX} FROM outbox WHERE subject = any($1::text[]) ORDER BY id DESC LIMIT $2::bigint"
ENTRIES = f"SELECT {AUDIT_ENTRY} FROM audit_entry WHERE subject = any($1::text[]) ORDER BY id DESC LIMIT $2::bigint"


class PrivacyKeyMissing(FailedPrecondition):
    """The service has no PRIVACY_KEY, by which it would recognise the person."""


@dataclass
class Found:
    """What one service found, as it is collected."""

    person: Person = field(default_factory=Person)
    emails: set[str] = field(default_factory=set)
    similar: set[str] = field(default_factory=set)
    shared: set[Mark] = field(default_factory=set)


class PersonalDataService:
    descriptor = personal_pb2.DESCRIPTOR.services_by_name["PersonalDataService"]

    def __init__(self, forgetting: Forgetting, in_flight: Callable[[str], Awaitable[int]]) -> None:
        """`in_flight`: how many events that were published before a round of erasing are not applied here yet."""
        self._forgetting, self._in_flight = forgetting, in_flight

    async def FindPerson(self, request: personal_pb2.FindPersonRequest, work: Work) -> personal_pb2.FindPersonResponse:
        context = _ready(work)
        person, found = from_wire(request.person), Found()
        emails, certain = set(map(address, request.emails)), set(map(address, request.certain_emails))
        for kind in kinds(context.service, context.mappers):
            if kind.message is not None:
                await _find(kind, person, emails | certain, certain, found, work)
                await _mentions(kind, sorted(emails | certain), found, context)
        return personal_pb2.FindPersonResponse(
            person=to_wire(found.person),
            emails=sorted(found.emails),
            similar=sorted(found.similar),
            shared=to_wire(Person(marks=list(found.shared))).marks,
        )

    async def ExportPerson(
        self, request: personal_pb2.ExportPersonRequest, work: Work
    ) -> personal_pb2.ExportPersonResponse:
        context, person = work.context, from_wire(request.person)
        records = []
        for kind in kinds(context.service, context.mappers):
            ids = _fit(kind, "id", names_of(person.records, kind.record.collection))
            if kind.message is not None and ids:
                shape = convert.message_class(kind.message)
                found = await work.find(kind.record, id=ids)
                records += [MessageToDict(convert.to_message(record, shape)) for record in found]
        about = person.records
        events = await context.database.fetch(ABOUT, [about, MOST_EVENTS + 1])
        entries = await context.database.fetch(ENTRIES, [about, MOST_EVENTS])
        told = {
            "records": records,
            "history": [_event(row) for row in reversed(events[:MOST_EVENTS])],
            "audit": [_entry(row) for row in reversed(entries)],
        }
        await work.audit("EXPORTED", about[0] if about else "", {"records": len(records), "events": len(events)})
        return personal_pb2.ExportPersonResponse(
            found=msgspec.json.encode(told), incomplete=len(events) > MOST_EVENTS or len(entries) == MOST_EVENTS
        )

    async def ErasePerson(
        self, request: personal_pb2.ErasePersonRequest, work: Work
    ) -> personal_pb2.ErasePersonResponse:
        context = _ready(work)
        person = from_wire(request.person)
        undone = request.validate_only
        erasing = Erasing(context, work.caller, request.erasure, person, self._forgetting, undone=undone)
        changed = await erasing.run()
        if undone:
            counts = personal_pb2.ErasureCounts(**erasing.counts)
            return personal_pb2.ErasePersonResponse(counts=counts, changed=changed, touched=erasing.touched)
        if not person.ties and not person.records:
            return personal_pb2.ErasePersonResponse()  # nobody: there is nothing to wait for
        waiting = (await context.database.fetch(UNDER_WAY, [request.erasure]))[0]["waiting"]
        waiting += await self._forgetting.files(context) + await self._in_flight(f"{request.erasure} {request.round}")
        totals = await erasing.totals()
        if not changed and not waiting:
            await erasing.settled(totals)
        return personal_pb2.ErasePersonResponse(
            counts=personal_pb2.ErasureCounts(**totals), changed=changed, waiting=waiting
        )


def _ready(work: Work) -> Context:
    if not work.context.privacy_key:
        raise PrivacyKeyMissing(service=work.context.service)
    return work.context


async def _find(kind: Kind, person: Person, emails: set[str], certain: set[str], found: Found, work: Work) -> None:
    """The records of one kind that are the person, or about them alone."""
    key = work.context.privacy_key
    known = Recogniser(key, person.marks)
    rows = await work.context.database.fetch(*_query(kind, person, emails), work.connection)
    for row in rows:
        record = kind.mapper.load(row)
        email = address(getattr(record, "email", "")) if kind.is_person else ""
        if _is_person(record, kind, person, known, email in certain):
            found.person = found.person.joined(_what_it_tells(record, kind, key))
            found.emails |= {email} - {""}
        elif email in emails:
            found.similar.add(record.name)
            if told := mark(key, MarkKind.EMAIL, email):
                found.shared.add(told)


def _query(kind: Kind, person: Person, emails: set[str]) -> tuple[str, list[Any]]:
    """The rows that may be the person's: by name, by address, by the references that lead to a person."""
    casts, arguments, tests = kind.mapper.casts, [], []

    def any_of(column: str, values: Iterable[str], compared: str = '"{}"') -> None:
        if fit := _fit(kind, column, values):
            arguments.append(fit)
            tests.append(f"{compared.format(column)} = any(${len(arguments)}::{casts[column]}[])")

    any_of("id", names_of(person.records, kind.record.collection))
    if kind.is_person:
        any_of("email", sorted(emails), 'lower("{}")')
    for name, link in kind.links.items():
        if link != options_pb2.GIVES:
            any_of(name, [*person.records, *person.references])
    where = " OR ".join(tests) or "false"
    columns = names(kind.mapper.columns)
    return f"SELECT {columns} FROM {kind.mapper.table.name} WHERE {where} ORDER BY id LIMIT {MOST_FOUND}", arguments


def _fit(kind: Kind, column: str, values: Iterable[str]) -> list[str]:
    """Those values that the column can hold."""
    return [one for one in values if kind.mapper.casts[column] != "UUID" or is_uuid(one)]


def _is_person(record: Record, kind: Kind, person: Person, known: Recogniser, certain: bool) -> bool:
    if record.name in person.records or certain:
        return True
    named = known.is_one(getattr(record, "display_name", ""))
    if kind.is_person and named and not record.only_by_name:
        return True  # the same address and the same name
    for name, link in kind.links.items():
        refers = getattr(record, name) in (*person.records, *person.references)
        if refers and (link in (options_pb2.ABOUT, options_pb2.SAME) or (link == options_pb2.NAMESAKE and named)):
            return True
    return False


def _what_it_tells(record: Record, kind: Kind, key: bytes) -> Person:
    """What a record of the person says about who they are and what they have to do with."""
    given = [
        getattr(record, name) for name, link in kind.links.items() if link in (options_pb2.GIVES, options_pb2.SAME)
    ]
    marks = []
    if kind.is_person:
        marks = [
            mark(key, MarkKind.NAME, getattr(record, "display_name", "")),
            mark(key, MarkKind.EMAIL, getattr(record, "email", "")),
            mark(key, MarkKind.PHONE, getattr(record, "phone", "")),
        ]
    ties = {tie(record.name)}
    for name, value in vars(record).items():
        if isinstance(value, str) and name not in STAFF and (is_name(value) or is_uuid(value)):
            ties |= {id_of(value)} if is_uuid(id_of(value)) else set()
    return Person(
        records=[record.name, *(one for one in given if "/" in one)],
        references=[one for one in given if one and "/" not in one],
        ties=sorted(ties),
        marks=[one for one in marks if one],
    )


async def _mentions(kind: Kind, emails: list[str], found: Found, context: Context) -> None:
    """Records elsewhere that mention one of the addresses: ties, so that they are looked through."""
    if not emails:
        return
    table = kind.mapper.table
    # No column may be called as the one here, or the row would be searched for in itself.
    sql = (
        f"SELECT id::text AS id FROM {table.name} WHERE EXISTS (SELECT FROM unnest($1::text[]) AS mine(mention)"
        f" WHERE position(mine.mention in lower({haystack(table)})) > 0) ORDER BY id LIMIT {MOST_FOUND}"
    )
    assert sql_type(table.columns["id"]) in ("UUID", "TEXT")
    rows = await context.database.fetch(sql, [emails])
    ties = [tie(f"{kind.record.collection}/{row['id']}") for row in rows]
    found.person = found.person.joined(Person(ties=ties))


def _event(row: Any) -> dict[str, Any]:
    message = message_class(row["type"]).FromString(row["payload"])
    return {
        "time": row["event_time"],
        "what": row["type"].rpartition(".")[2],
        "about": row["subject"],
        "by": row["actor"],
        "through": row["operation"],
        "said": MessageToDict(message),
    }


def _entry(row: Any) -> dict[str, Any]:
    return {
        "time": row["record_time"],
        "what": row["kind"],
        "about": row["subject"],
        "by": row["actor"],
        "details": msgspec.json.decode(row["details"]),
    }
