"""Definitions of fields: made, changed, archived, bounded; and what other services then know."""

import pytest
from chassis.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    InvalidFields,
    PermissionDenied,
    ResourceExhausted,
)
from chassis.values import new_id
from crm.directory.v1 import custom_fields_pb2 as pb
from custom_calls import front
from directory.domain.custom_field import MOST_IN_USE
from directory_calls import erasing_suite
from google.protobuf.json_format import ParseDict
from harness import until

BY = "users/root"
TIER = {"slug": "tier", "type": "ENUM", "options": [{"value": "злато"}, {"value": "сребро"}]}


async def call(directory, method, by=BY, **fields):
    request = getattr(pb, f"{method}Request")()
    return await directory.call(f"CustomFieldService/{method}", ParseDict(fields, request), by=by)


async def define(directory, slug="", by=BY, **fields):
    given = {"displayName": "Бюджет", "resource": "LEAD", "type": "NUMBER", "slug": slug or a_slug()} | fields
    return await call(directory, "CreateCustomField", by=by, customField=given)


async def change(directory, field, **fields):
    return await call(directory, "UpdateCustomField", customField={"name": field.name, **fields})


def a_slug():
    return f"f{new_id().replace('-', '')}"


async def test_a_definition_is_kept_as_it_was_given_and_told(directory):
    made = await define(directory, range={"minimum": 0, "maximum": 5000}, indexed=True, personal=True)
    assert made.name == f"customFields/lead-{made.slug}"
    assert (made.range.maximum, made.indexed, made.personal) == (5000, True, True)
    assert await call(directory, "GetCustomField", name=made.name) == made
    listed = await call(directory, "ListCustomFields", filter='resource = LEAD AND type = "NUMBER"', pageSize=1000)
    assert made in list(listed.custom_fields)
    assert await directory.events(made.name) == ["CustomFieldCreated"]


async def test_a_slug_is_taken_within_its_resource_only(directory):
    made = await define(directory)
    await define(directory, made.slug, resource="ACCOUNT")
    with pytest.raises(AlreadyExists):
        await define(directory, made.slug)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "Budget"},
        {"slug": "1st"},
        {"slug": "a-b"},
        {"slug": "a.b"},
        {"resource": "RESOURCE_UNSPECIFIED"},
        {"type": "TYPE_UNSPECIFIED"},
        {"displayName": ""},
        {"type": "ENUM"},
        {"options": [{"value": "x"}]},
        {**TIER, "options": [{"value": "a"}, {"value": "a"}]},
        {**TIER, "options": [{"value": "a;b"}]},
        {**TIER, "options": [{"value": ""}]},
        {"range": {"minimum": 2, "maximum": 1}},
        {"range": {"minimum": "-Infinity", "maximum": 1}},
        {"type": "STRING", "range": {"maximum": 1}},
        {"maxLength": 5},
        {"type": "STRING", "maxLength": 1001},
        {"type": "STRING", "maxLength": 256, "indexed": True},
    ],
)
async def test_a_definition_that_contradicts_itself_is_refused(directory, wrong):
    with pytest.raises(InvalidArgument):
        await define(directory, **wrong)


@pytest.mark.parametrize("fixed", [{"slug": "other"}, {"resource": "ACCOUNT"}, {"type": "STRING"}, {"indexed": True}])
async def test_what_values_rest_on_never_changes(directory, fixed):
    with pytest.raises(InvalidFields):
        await change(directory, await define(directory), **fixed)


async def test_options_are_added_and_archived_but_never_left_out(directory):
    made = await define(directory, **TIER | {"slug": a_slug()})
    more = [*TIER["options"], {"value": "бронз"}]
    more[0] = more[0] | {"archived": True}
    changed = await change(directory, made, options=more)
    assert (changed.options[0].value, changed.options[0].archived) == ("злато", True)
    with pytest.raises(InvalidFields):
        await change(directory, made, options=more[1:])
    with pytest.raises(Aborted):
        await change(directory, made, etag=made.etag, displayName="Late")
    assert await directory.events(made.name) == ["CustomFieldCreated", "CustomFieldUpdated"]


async def test_a_field_is_archived_and_restored(directory):
    made = await define(directory)
    archived = await call(directory, "ArchiveCustomField", name=made.name)
    assert archived.HasField("archive_time")
    with pytest.raises(FailedPrecondition):
        await call(directory, "ArchiveCustomField", name=made.name)
    restored = await call(directory, "RestoreCustomField", name=made.name)
    assert not restored.HasField("archive_time")
    with pytest.raises(FailedPrecondition):
        await call(directory, "RestoreCustomField", name=made.name)


async def test_a_resource_has_so_many_fields_and_no_more(directory):
    made = [await define(directory, resource="OPPORTUNITY") for _ in range(MOST_IN_USE)]
    with pytest.raises(ResourceExhausted):
        await define(directory, resource="OPPORTUNITY")
    await call(directory, "ArchiveCustomField", name=made[0].name)
    await define(directory, resource="OPPORTUNITY")
    with pytest.raises(ResourceExhausted):
        await call(directory, "RestoreCustomField", name=made[0].name)


async def test_who_sells_reads_definitions_and_makes_none(directory):
    made = await define(directory)
    assert await call(directory, "GetCustomField", by="users/ana", name=made.name) == made
    with pytest.raises(PermissionDenied):
        await define(directory, by="users/ana")


async def test_a_file_of_leads_asks_for_their_fields_as_the_command_does(directory):
    made = await define(directory)
    await call(directory, "ArchiveCustomField", name=made.name)
    async with front(directory=directory) as http:
        asked = {"filter": "resource = LEAD", "showArchived": "true", "pageSize": 1000}
        told = (await http.get("/v1/customFields", params=asked)).json()["customFields"]
    assert (made.slug, "NUMBER") in [(one["slug"], one["type"]) for one in told]


@pytest.fixture(scope="module")
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


async def test_leads_know_a_definition_soon_after_directory_does(suite):
    made = await define(suite["directory"], **TIER)
    known = suite["leads"].process.context.custom_fields

    async def there():
        return known.of("leads").get("tier")

    definition = await until(there, "leads knows the field")
    assert [option.value for option in definition.options] == ["злато", "сребро"]
    await call(suite["directory"], "ArchiveCustomField", name=made.name)

    async def archived():
        return known.of("leads")["tier"].archived

    await until(archived, "leads knows that it is archived")
