"""Leads exported in the background: whole, by the rules of a small export, for whoever began it."""

import csv
import io

import pytest
from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from chassis.operation import KEPT
from chassis.values import new_id
from crm.leads.v1 import leads_pb2, operations_pb2
from crm.type.v1 import operations_pb2 as shapes
from harness import Person, start, until
from lead_calls import a_channel, create

from chassis import exports, operations

MIRA = "users/mira"
Operation = shapes.Operation


async def begin(leads, by=MIRA, **asked):
    return await leads.call(
        "LeadOperationService/StartLeadExport", operations_pb2.StartLeadExportRequest(**asked), by=by
    )


async def read(leads, name, by=MIRA):
    return await leads.call(
        "LeadOperationService/GetLeadOperation", operations_pb2.GetLeadOperationRequest(name=name), by=by
    )


async def ended(leads, operation, by=MIRA):
    async def look():
        found = await read(leads, operation.name, by)
        return found if found.state != Operation.RUNNING else None

    return await until(look, f"{operation.name} has ended")


async def part(leads, operation, number=0, by=MIRA):
    request = operations_pb2.DownloadLeadOperationRequest(name=operation.name, part=number)
    return await leads.call("LeadOperationService/DownloadLeadOperation", request, by=by)


async def whole(leads, operation, by=MIRA):
    return b"".join([(await part(leads, operation, number, by)).data for number in range(operation.part_count)])


async def cancel(leads, operation, by=MIRA):
    request = operations_pb2.CancelLeadOperationRequest(name=operation.name)
    return await leads.call("LeadOperationService/CancelLeadOperation", request, by=by)


def names(data):
    return [row["display_name"] for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))]


@pytest.fixture(scope="module")
async def office(backend, issuer):
    """A service whose operations this file alone may stop and hold up."""
    running = await start("leads", backend, issuer)
    yield running
    await running.stop()


@pytest.fixture
async def channel(office):
    """A channel with seven leads of ana's and chen's, and one beyond mira's reach."""
    made = a_channel()
    for number in range(7):
        owner = ("users/ana", "users/chen")[number % 2]
        await create(office, owner=owner, channel=made, display_name=f"李 Ж {number}", note='=1+1\nзначи, "да"')
    await create(office, owner="users/dora", channel=made, display_name="beyond")
    return made


async def test_an_export_in_the_background_is_the_file_that_a_small_export_is(office, channel):
    filter = f'channel = "{channel}"'
    small = await office.call("LeadService/ExportLeads", leads_pb2.ExportLeadsRequest(filter=filter), by=MIRA)
    begun = await begin(office, filter=filter)
    assert (begun.state, begun.owner, begun.team) == (Operation.RUNNING, MIRA, "teams/sales")
    done = await ended(office, begun)
    assert (done.state, done.total_items, done.done_items, done.failed_items) == (Operation.SUCCEEDED, 7, 7, 0)
    assert (done.media_type, done.byte_count) == (small.content_type, len(small.data))
    assert await whole(office, done) == small.data
    assert names(small.data) == [f"李 Ж {number}" for number in reversed(range(7))]
    assert await office.events(done.name) == ["LeadOperationStarted", "LeadOperationEnded"]


async def test_a_large_file_comes_in_parts_that_end_between_rows(office, channel, monkeypatch):
    monkeypatch.setattr(operations, "PART_BYTES", 2000)
    monkeypatch.setattr(exports, "BACKGROUND_CHUNK", 2)
    done = await ended(office, await begin(office, filter=f'channel = "{channel}"'))
    assert done.part_count > 2
    parts = [(await part(office, done, number)).data for number in range(done.part_count)]
    assert all(0 < len(one) <= 2000 and one.endswith(b"\r\n") for one in parts)
    assert names(b"".join(parts)) == [f"李 Ж {number}" for number in reversed(range(7))]
    with pytest.raises(InvalidArgument):
        await part(office, done, done.part_count)


async def test_more_rows_than_there_may_be_are_refused_once_and_not_tried_again(office, channel, monkeypatch):
    monkeypatch.setattr(exports, "MOST_IN_BACKGROUND", 6)
    done = await ended(office, await begin(office, filter=f'channel = "{channel}"'))
    assert (done.state, done.error_reason) == (Operation.FAILED, "EXPORT_BEYOND_FILES")


async def test_a_lead_made_while_it_runs_is_not_in_it(office, channel, monkeypatch):
    monkeypatch.setattr(exports, "BACKGROUND_CHUNK", 1)
    begun = await begin(office, filter=f'channel = "{channel}"')

    async def first():
        found = await read(office, begun.name)
        return found.done_items > 0

    await until(first, "a part is done")
    await create(office, owner="users/ana", channel=channel, display_name="late")
    done = await ended(office, begun)
    assert "late" not in names(await whole(office, done))
    assert done.done_items == 7


async def test_an_operation_is_its_owners_alone(office, channel):
    done = await ended(office, await begin(office))
    for asked in (
        read(office, done.name, "users/ana"),
        part(office, done, by="users/ana"),
        cancel(office, done, "users/ana"),
    ):
        with pytest.raises(NotFound):
            await asked
    request = operations_pb2.ListLeadOperationsRequest()
    mine = await office.call("LeadOperationService/ListLeadOperations", request, by=MIRA)
    assert done.name in [one.name for one in mine.operations]
    theirs = await office.call("LeadOperationService/ListLeadOperations", request, by="users/ana")
    assert not theirs.operations


async def test_an_administrator_ends_anybodys_operation_and_takes_nobodys_file(office, channel, waiting):
    begun = await begin(office)
    await cancel(office, begun, "users/root")
    waiting()
    assert (await ended(office, begun)).state == Operation.CANCELLED
    done = await ended(office, await begin(office))
    assert (await read(office, done.name, "users/root")).state == Operation.SUCCEEDED
    with pytest.raises(NotFound):
        await part(office, done, by="users/root")


async def test_a_file_made_by_a_systems_rights_is_that_systems_alone(office, channel):
    agent = Person("serviceAccounts/agent", ("importer", "sales_manager"), "teams/sales")
    await office.know(agent)
    asked = operations_pb2.StartLeadExportRequest()
    begun = await office.call("LeadOperationService/StartLeadExport", asked, by=agent.name, acting_for="users/ana")
    assert begun.owner == "users/ana"
    done = await ended(office, begun, "users/ana")
    with pytest.raises(NotFound):
        await part(office, done, by="users/ana")
    request = operations_pb2.DownloadLeadOperationRequest(name=done.name)
    method = "LeadOperationService/DownloadLeadOperation"
    assert (await office.call(method, request, by=agent.name, acting_for="users/ana")).data


async def test_who_may_not_take_leads_along_begins_no_export(office):
    with pytest.raises(PermissionDenied):
        await begin(office, by="users/ana")


async def test_a_filter_that_cannot_be_read_is_told_at_once(office):
    with pytest.raises(InvalidArgument):
        await begin(office, filter="colour = 3")


@pytest.fixture
async def waiting(office, monkeypatch):
    """Operations are begun and not worked on until the test says so."""
    operating = office.process._operating
    do_next = operating.do_next

    async def nothing():
        return False

    monkeypatch.setattr(operating, "do_next", nothing)
    yield lambda: monkeypatch.setattr(operating, "do_next", do_next)
    monkeypatch.setattr(operating, "do_next", do_next)


async def test_an_operation_that_is_cancelled_makes_no_file(office, channel, waiting):
    begun = await begin(office)
    asked = await cancel(office, begun)
    assert asked.state == Operation.RUNNING
    assert (await read(office, begun.name)).HasField("cancel_time")
    waiting()
    done = await ended(office, begun)
    assert (done.state, done.part_count) == (Operation.CANCELLED, 0)
    with pytest.raises(FailedPrecondition):
        await part(office, done)
    assert (await cancel(office, done)).state == Operation.CANCELLED


async def test_nobody_has_more_than_five_under_way(office, waiting):
    for _ in range(operations.MOST_RUNNING):
        last = await begin(office)
    with pytest.raises(ResourceExhausted):
        await begin(office)
    waiting()
    await ended(office, last)
    await begin(office)


async def test_rights_are_those_of_each_moment(office, channel, waiting):
    clerk = Person("users/clerk", ("sales_manager",), "teams/sales")
    await office.know(clerk)
    begun = await begin(office, by=clerk.name)
    await office.know(Person(clerk.name, ("salesperson",), "teams/sales"))
    waiting()
    done = await ended(office, begun, clerk.name)
    assert (done.state, done.error_reason, done.part_count) == (Operation.FAILED, "NOT_PERMITTED", 0)


async def test_a_result_is_kept_from_who_may_not_take_it_along_any_more(office, channel):
    clerk = Person("users/clerk2", ("sales_manager",), "teams/sales")
    await office.know(clerk)
    done = await ended(office, await begin(office, by=clerk.name), clerk.name)
    await office.know(Person(clerk.name, ("salesperson",), "teams/sales"))
    with pytest.raises(PermissionDenied):
        await part(office, done, by=clerk.name)


async def test_the_work_of_somebody_deactivated_ends(office, channel, waiting):
    clerk = Person("users/leaver", ("sales_manager",), "teams/sales")
    await office.know(clerk)
    begun = await begin(office, by=clerk.name)
    await office.know(Person(clerk.name, clerk.roles, clerk.team, active=False))
    waiting()

    async def state():
        rows = await office.rows("SELECT state, error_reason FROM operation WHERE id::text = $1", begun.name[-36:])
        return rows[0] if rows[0]["state"] != "RUNNING" else None

    assert tuple(await until(state, "it was given up")) == ("FAILED", "CALLER_UNKNOWN")


async def test_a_result_is_kept_for_a_day(office, channel):
    done = await ended(office, await begin(office))
    assert done.expire_time.ToDatetime() - done.end_time.ToDatetime() == KEPT
    await office.rows("UPDATE operation SET expire_time = now() WHERE id::text = $1", done.name[-36:])
    with pytest.raises(FailedPrecondition):
        await part(office, done)
    await office.process._operating.forget()
    assert not await office.rows("SELECT 1 FROM operation_part WHERE operation_id::text = $1", done.name[-36:])
    await office.rows("UPDATE operation SET end_time = now() - interval '31 days' WHERE id::text = $1", done.name[-36:])
    await office.process._operating.forget()
    with pytest.raises(NotFound):
        await read(office, done.name)


async def test_a_repeated_request_begins_one_operation(office):
    request_id = new_id()
    one, two = [await begin(office, request_id=request_id) for _ in range(2)]
    assert one.name == two.name


async def test_an_export_that_was_taken_leaves_an_audit_entry(office, channel):
    done = await ended(office, await begin(office, filter=f'channel = "{channel}"'))
    rows = await office.rows("SELECT actor, details FROM audit_entry WHERE kind = 'EXPORTED' ORDER BY id DESC LIMIT 1")
    assert rows[0]["actor"] == MIRA
    assert f'"bytes": {done.byte_count}' in rows[0]["details"]
    assert channel in rows[0]["details"]


async def test_an_operation_goes_on_where_a_process_that_died_left_it(backend, issuer, monkeypatch):
    monkeypatch.setattr(exports, "BACKGROUND_CHUNK", 1)
    leads = await start("leads", backend, issuer)
    for number in range(12):
        await create(leads, owner="users/ana", display_name=f"lead {number}")
    begun = await begin(leads)

    async def some():
        return (await read(leads, begun.name)).done_items >= 3

    await until(some, "a few parts are done")
    await leads.stop()
    rows = None
    again = await start("leads", backend, issuer, database=leads.database)
    try:
        rows = await again.rows("SELECT done_items, state FROM operation")
        done = await ended(again, begun)
        assert done.state == Operation.SUCCEEDED
        assert names(await whole(again, done)) == [f"lead {number}" for number in reversed(range(12))]
    finally:
        await again.stop()
    assert rows[0]["done_items"] >= 3
