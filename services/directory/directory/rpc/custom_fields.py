"""Custom fields: defined, changed, taken out of use."""

from chassis.convert import from_message
from chassis.work import Page, Work
from crm.directory.v1 import custom_fields_pb2 as pb

from directory import tables
from directory.domain.custom_field import (
    MOST,
    MOST_IN_USE,
    CustomField,
    CustomFieldCreated,
    CustomFieldUpdated,
    Resource,
    TooManyCustomFields,
)


class CustomFields:
    async def CreateCustomField(self, request: pb.CreateCustomFieldRequest, work: Work) -> CustomField:
        field = from_message(request.custom_field, CustomField)
        field.key()
        field.check(before=[])
        await _check_room(field.resource, work)
        work.emit(CustomFieldCreated(custom_field=work.add(field), event_time=work.now))
        return field

    async def GetCustomField(self, request: pb.GetCustomFieldRequest, work: Work) -> CustomField:
        return await work.get(CustomField, request.name)

    async def ListCustomFields(self, request: pb.ListCustomFieldsRequest, work: Work) -> Page[CustomField]:
        return await work.page(CustomField, request)

    async def UpdateCustomField(self, request: pb.UpdateCustomFieldRequest, work: Work) -> CustomField:
        field = await work.get(CustomField, request.custom_field.name, request.custom_field.etag)
        options = field.options
        if work.update(field, request.custom_field, request.update_mask.paths, "custom_field"):
            field.check(before=options)
            work.emit(CustomFieldUpdated(custom_field=field, event_time=work.now))
        return field

    async def ArchiveCustomField(self, request: pb.ArchiveCustomFieldRequest, work: Work) -> CustomField:
        field = await work.get(CustomField, request.name, request.etag)
        work.emit(field.archive(at=work.now))
        return field

    async def RestoreCustomField(self, request: pb.RestoreCustomFieldRequest, work: Work) -> CustomField:
        field = await work.get(CustomField, request.name, request.etag)
        work.emit(field.restore(at=work.now))
        await _check_room(field.resource, work, already=1)
        return field


async def _check_room(resource: Resource, work: Work, already: int = 0) -> None:
    """Whether the resource may have one more in use; `already`: how many of all it has in any case."""
    count = (await work.rows(tables.CUSTOM_FIELDS_OF, resource=resource.name))[0]
    if count["in_use"] >= MOST_IN_USE or count["all"] - already >= MOST:
        raise TooManyCustomFields(in_use=count["in_use"], most_in_use=MOST_IN_USE, most=MOST)
