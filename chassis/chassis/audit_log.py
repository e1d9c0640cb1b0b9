"""Every service answers for its audit trail (crm.chassis.v1.AuditService)."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from crm.chassis.v1 import audit_pb2
from crm.options.v1 import options_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from chassis.database import Database
from chassis.errors import InvalidFields
from chassis.events import message_class
from chassis.records import names
from chassis.seals import ENTRY, EVENT, FIRST, content_digest, metadata_digest, seal
from chassis.spine import AUDIT_ENTRY, OUTBOX, audit_seal
from chassis.work import Work

PAGE, VERIFIED = 50, 1_000
UNSEALED_SECONDS = 60  # a published event that is not sealed by then was put there behind the relay's back

LIST = (
    "SELECT s.number, s.id::text AS id, s.kind, p.id::text AS before_id FROM audit_seal s LEFT JOIN LATERAL"
    " (SELECT id FROM audit_seal e WHERE e.subject = s.subject AND e.kind = 'event' AND e.number < s.number"
    " ORDER BY e.number DESC LIMIT 1) p ON s.kind = 'event'"
    " WHERE {} AND s.number < $1::bigint ORDER BY s.number DESC LIMIT $2::bigint"
)
EVENTS = f"SELECT {OUTBOX} FROM outbox WHERE id = any($1::uuid[])"
ENTRIES = f"SELECT {AUDIT_ENTRY} FROM audit_entry WHERE id = any($1::uuid[])"
LINKS = (
    f"SELECT {names(audit_seal.columns.keys())}, id::text AS row_id FROM audit_seal"
    " WHERE number > $1::bigint ORDER BY number LIMIT $2::bigint"
)
SEAL_AT = "SELECT seal FROM audit_seal WHERE number = $1::bigint"
LAST = "SELECT max(number) AS last FROM audit_seal"
ERASURES = "SELECT details->>'erasure' AS erasure FROM audit_entry WHERE kind = 'ERASED'"
UNSEALED = (
    "SELECT id::text AS id, subject FROM outbox o WHERE position IS NOT NULL"
    f" AND record_time < now() - interval '{UNSEALED_SECONDS} seconds'"
    " AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.id = o.id) LIMIT 100"
)
NEWEST = 2**62


class AuditService:
    descriptor = audit_pb2.DESCRIPTOR.services_by_name["AuditService"]

    async def ListAuditEntries(
        self, request: audit_pb2.ListAuditEntriesRequest, work: Work
    ) -> audit_pb2.ListAuditEntriesResponse:
        asked = {name: getattr(request, name) for name in ("subject", "actor") if getattr(request, name)}
        if not asked:
            raise InvalidFields(("subject", "say about which record, or by which actor"))
        where = " AND ".join(f"s.{name} = ${number}::text" for number, name in enumerate(asked, 3))
        database, size = work.context.database, request.page_size or PAGE
        rows = await database.fetch(LIST.format(where), [request.before or NEWEST, size, *asked.values()], None, 2.0)
        wanted = [row["id"] for row in rows] + [row["before_id"] for row in rows if row["before_id"]]
        events = {str(row["id"]): row for row in await database.fetch(EVENTS, [wanted])}
        entries = {str(row["id"]): row for row in await database.fetch(ENTRIES, [wanted])}
        personal = work.caller.may("audit.personal")
        found = [
            _changed(row, events, personal) if row["kind"] == EVENT else _entry(row, entries[row["id"]])
            for row in rows
            if row["id"] in (events if row["kind"] == EVENT else entries)
        ]
        return audit_pb2.ListAuditEntriesResponse(entries=found)

    async def VerifyAudit(self, request: audit_pb2.VerifyAuditRequest, work: Work) -> audit_pb2.VerifyAuditResponse:
        database = work.context.database
        limit = request.limit or VERIFIED
        before = await database.fetch(SEAL_AT, [request.after])
        links = await database.fetch(LINKS, [request.after, limit])
        findings = []
        if request.after and not before:
            findings.append(f"number {request.after} was removed")
        previous = before[0]["seal"] if before else FIRST
        findings += await _broken(database, request.after, previous, links)
        done = len(links) < limit
        if done:
            for row in await database.fetch(UNSEALED, []):
                findings.append(f"event {row['id']} about {row['subject']} was never sealed")
        last = (await database.fetch(LAST, []))[0]["last"] or 0
        number, head = (links[-1]["number"], links[-1]["seal"]) if links else (request.after, previous)
        return audit_pb2.VerifyAuditResponse(
            checked_to=number, seal=head.hex(), findings=findings, done=done, last=last
        )


async def _broken(database: Database, after: int, previous: bytes, links: Sequence[Any]) -> list[str]:
    """What is wrong with these links, which follow the one that has the seal `previous`."""
    ids = [link["row_id"] for link in links]
    rows = {EVENT: {str(row["id"]): row for row in await database.fetch(EVENTS, [ids])}}
    rows[ENTRY] = {str(row["id"]): row for row in await database.fetch(ENTRIES, [ids])}
    erasures = {row["erasure"] for row in await database.fetch(ERASURES, [])}
    found, expected = [], after
    for link in links:
        expected += 1
        what = f"number {link['number']} ({link['kind']} {link['row_id']} about {link['subject'] or 'nothing'})"
        if link["number"] != expected:
            found.append(f"numbers {expected} to {link['number'] - 1} were removed from the chain")
            expected = link["number"]
        digests = link["metadata_digest"], link["content_digest"]
        if seal(previous, link["number"], link["kind"], link["row_id"], *digests) != link["seal"]:
            found.append(f"{what}: its seal does not follow from the one before: links were changed or reordered")
        previous = link["seal"]
        row = rows.get(link["kind"], {}).get(link["row_id"])
        found += [f"{what}: {said}" for said in _differs(link, row, erasures)]
    return found


def _differs(link: Mapping[str, Any], row: Mapping[str, Any] | None, erasures: set[str]) -> list[str]:
    """How a row differs from what was sealed."""
    if row is None:
        return ["the row was removed"]
    said = []
    if metadata_digest(link["kind"], row) != link["metadata_digest"] or (row["subject"], row["actor"]) != (
        link["subject"], link["actor"],
    ):  # fmt: skip
        said.append("who, when or what was changed after it was sealed")
    if row["erasure"]:
        if str(row["erasure"]) not in erasures:
            said.append(f"its content was taken out by an erasure {row['erasure']} that nobody recorded")
    elif content_digest(link["kind"], row) != link["content_digest"]:
        said.append("its content was changed after it was sealed")
    return said


def _changed(row: asyncpg.Record, events: Mapping[str, Any], personal: bool) -> audit_pb2.AuditEntry:
    event = events[row["id"]]
    before = _snapshot(events[row["before_id"]]) if row["before_id"] in events else None
    answer = _known(row["number"], event, audit_pb2.AuditEntry.CHANGED)
    answer.type = event["type"].rpartition(".")[2]
    answer.changes.extend(changes(before, _snapshot(event), personal))
    return answer


def _entry(row: asyncpg.Record, entry: Mapping[str, Any]) -> audit_pb2.AuditEntry:
    answer = _known(row["number"], entry, audit_pb2.AuditEntry.Kind.Value(entry["kind"]))
    answer.type = entry["kind"]
    answer.details = entry["details"]
    return answer


def _known(number: int, row: Mapping[str, Any], kind: int) -> audit_pb2.AuditEntry:
    answer = audit_pb2.AuditEntry(
        number=number,
        kind=kind,  # type: ignore[arg-type]
        id=str(row["id"]),
        subject=row["subject"],
        actor=row["actor"],
        origin=row["origin"],
        operation=row["operation"],
        source=row["source"],
        trace_id=row["traceparent"][3:35],
        erasure=str(row["erasure"] or ""),
    )
    answer.record_time.FromDatetime(row["record_time"])
    return answer


def _snapshot(event: Mapping[str, Any]) -> Message:
    """The record as an event tells it: the event's first field."""
    message = message_class(event["type"]).FromString(event["payload"])
    return getattr(message, message.DESCRIPTOR.fields[0].name)


def changes(before: Message | None, after: Message, personal: bool) -> list[audit_pb2.AuditEntry.Change]:
    """The fields in which two snapshots of a record differ, in the order of the contract."""
    old = MessageToDict(before) if before is not None and type(before) is type(after) else {}
    new = MessageToDict(after)
    found = []
    for field in after.DESCRIPTOR.fields:
        name = field.json_name
        if old.get(name) == new.get(name) or field.name in ("etag", "update_time"):
            continue
        hidden = field.GetOptions().Extensions[options_pb2.personal] and not personal
        values = ["…" if hidden and name in side else _json(side, name) for side in (old, new)]
        found.append(audit_pb2.AuditEntry.Change(field=name, before=values[0], after=values[1]))
    return found


def _json(side: Mapping[str, Any], name: str) -> str:
    return msgspec.json.encode(side[name]).decode() if name in side else ""
