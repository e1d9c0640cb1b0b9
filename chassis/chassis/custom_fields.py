"""Everybody's copy of directory's definitions of fields, held in memory: a write asks nobody what it may hold.

Kept by events like the members. A process that stores such values looks once a second whether a definition changed.
"""

import asyncio
from collections.abc import Mapping

import msgspec
from crm.directory.v1 import custom_fields_pb2
from crm.directory.v1 import events_pb2 as directory_events

from chassis.convert import from_message
from chassis.custom_values import NONE, Definition
from chassis.database import Database
from chassis.errors import DatabaseAway
from chassis.events import latest, on
from chassis.telemetry import log
from chassis.work import Work

LOOK_SECONDS = 1.0
Field = custom_fields_pb2.CustomField
COLLECTIONS: Mapping[int, str] = {Field.LEAD: "leads", Field.ACCOUNT: "accounts", Field.OPPORTUNITY: "opportunities"}

DIGEST = "SELECT coalesce(md5(string_agg(document::text, '' ORDER BY name)), '') AS digest FROM custom_field"
ALL = "SELECT collection, document::text AS document FROM custom_field ORDER BY name"
PUT = (
    "INSERT INTO custom_field (name, collection, slug, type, indexed, document)"
    " VALUES ($1::text, $2::text, $3::text, $4::text, $5::boolean, $6::jsonb) ON CONFLICT (name) DO UPDATE"
    " SET indexed = excluded.indexed, document = excluded.document"
)


class CustomFields:
    """The definitions as this process knows them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._digest = ""
        self._known: dict[str, dict[str, Definition]] = {}

    def of(self, collection: str) -> Mapping[str, Definition]:
        """The definitions of a collection such as `leads` by slug, archived ones included."""
        return self._known.get(collection, NONE)

    def impersonal(self, collection: str) -> set[str]:
        """The slugs of those fields of a collection that say nothing about a person."""
        return {slug for slug, one in self.of(collection).items() if not one.personal}

    async def look(self) -> None:
        """Reads the definitions if they changed."""
        digest = (await self._database.fetch(DIGEST, []))[0]["digest"]
        if digest == self._digest:
            return
        known: dict[str, dict[str, Definition]] = {}
        for row in await self._database.fetch(ALL, []):
            definition = msgspec.json.decode(row["document"], type=Definition)
            known.setdefault(row["collection"], {})[definition.slug] = definition
        self._known, self._digest = known, digest

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except DatabaseAway:
                continue
            except Exception as odd:
                log.warning("definitions of fields stay as they are for now: %s", odd or type(odd).__name__)


@on(
    directory_events.CustomFieldCreated,
    directory_events.CustomFieldUpdated,
    directory_events.CustomFieldArchived,
    directory_events.CustomFieldRestored,
    keep=latest,
)
async def know_custom_field(event: directory_events.CustomFieldUpdated, work: Work) -> None:
    field = event.custom_field
    collection = COLLECTIONS.get(field.resource)
    if collection is None or field.type not in Field.Type.values():
        return  # a later release has them of other records and of other types, too
    definition = from_message(field, Definition, archived=field.HasField("archive_time"))
    document = msgspec.json.encode(definition).decode()
    row = (field.name, collection, definition.slug, definition.type.name, definition.indexed, document)
    await work.execute(PUT, *row)


REACTIONS = (know_custom_field,)
