"""Bulk edits: what was seen is what is changed, each lead by the rules of a single update, and it can be taken back."""

from functools import partial

import bulk_calls
import pytest
from bulk_calls import outcomes
from chassis.errors import Aborted, FailedPrecondition, InvalidArgument, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import leads_pb2, operations_pb2, segments_pb2
from google.protobuf.json_format import MessageToDict
from harness import Person, start, until
from lead_calls import a_channel, create, read, update
from leads import bulk_editing

MIRA, ANA = "users/mira", "users/ana"
call = partial(bulk_calls.call, by=MIRA)
ended, items, previewed, started, undone = (
    partial(one, by=MIRA)
    for one in (bulk_calls.ended, bulk_calls.items, bulk_calls.previewed, bulk_calls.started, bulk_calls.undone)
)


async def get(leads, edit, by=MIRA):
    return await bulk_calls.edit_of(leads, edit.name, by)


async def verb(leads, method, name, by="users/root", **fields):
    return await leads.call(f"LeadService/{method}", getattr(leads_pb2, f"{method}Request")(name=name, **fields), by=by)


@pytest.fixture(scope="module")
async def office(backend, issuer):
    """A service whose operations this file alone may stop and hold up."""
    running = await start("leads", backend, issuer)
    yield running
    await running.stop()


@pytest.fixture
async def fair(office):
    """A channel of this test's own with three leads of ana's."""
    channel = a_channel()
    made = [await create(office, owner=ANA, channel=channel, display_name=f"王芳 {number}") for number in range(3)]
    return channel, [one.name for one in made]


async def test_a_preview_says_what_would_differ_and_changes_nothing(office, fair):
    channel, (one, two, three) = fair
    await update(office, two, company="Стара ООД", labels={"fair": "2025", "size": "large"})
    await update(office, three, company="Нова ООД", labels={"fair": "2026"})
    versions = [(await read(office, name)).etag for name in fair[1]]
    edit = await previewed(
        office, filter=f'channel = "{channel}"', lead={"company": "Нова ООД", "labels": {"fair": "2026"}}
    )
    assert list(edit.fields) == ["company", "labels.fair"]
    assert (edit.selected, edit.changing, edit.unchanged, edit.refused, edit.changed) == (3, 2, 1, 0, 0)
    assert edit.HasField("preview_time")
    seen = await items(office, edit)
    assert outcomes(seen) == {one: "CHANGING", two: "CHANGING", three: "UNCHANGED"}
    assert MessageToDict(seen[one].before) == {}
    assert MessageToDict(seen[two].before) == {"company": "Стара ООД", "labels.fair": "2025"}
    assert MessageToDict(seen[two].after) == {"company": "Нова ООД", "labels.fair": "2026"}
    assert [(await read(office, name)).etag for name in fair[1]] == versions


async def test_an_edit_changes_what_was_seen_with_an_event_for_each_lead(office, fair):
    channel, names = fair
    edit = await previewed(office, filter=f'channel = "{channel}"', lead={"note": "见过", "country": "bg"})
    done = await started(office, edit)
    assert (done.changed, done.refused, done.selected) == (3, 0, 3)
    for name in names:
        lead = await read(office, name)
        assert (lead.note, lead.country, lead.display_name[:2]) == ("见过", "BG", "王芳")
        assert (await office.events(name))[-1] == "LeadUpdated"
    told = await office.rows("SELECT actor, operation FROM outbox WHERE subject = $1 ORDER BY version DESC", names[0])
    assert tuple(told[0]) == (MIRA, "operation bulk edit")
    assert outcomes(await items(office, edit)) == dict.fromkeys(names, "CHANGED")
    audit = await office.rows("SELECT actor, details FROM audit_entry WHERE subject = $1", edit.name)
    assert audit[0]["actor"] == MIRA
    assert '"leads": 3' in audit[0]["details"]


async def test_the_etag_of_the_preview_binds_the_start_to_what_was_seen(office, fair):
    channel, _ = fair
    made = await call(
        office, "CreateLeadBulkEdit", lead_bulk_edit={"filter": f'channel = "{channel}"', "lead": {"note": "x"}}
    )
    await ended(office, made.preview_operation)
    for etag in (made.etag, "77"):
        with pytest.raises(Aborted):
            await call(office, "StartLeadBulkEdit", name=made.name, etag=etag)
    with pytest.raises(InvalidArgument):
        await call(office, "StartLeadBulkEdit", name=made.name)
    assert (await started(office, await get(office, made))).changed == 3


async def test_a_lead_that_changed_or_came_since_the_preview_stays_as_it_is(office, fair):
    channel, (one, two, three) = fair
    edit = await previewed(office, filter=f'channel = "{channel}"', lead={"region": "Пловдив"})
    await update(office, two, company="somebody was faster")
    late = await create(office, owner=ANA, channel=channel)
    done = await started(office, edit)
    assert (done.changed, done.refused) == (2, 1)
    assert [(one.reason, one.leads) for one in done.refusals] == [("STALE_ETAG", 1)]
    assert [(await read(office, name)).region for name in (one, two, three, late.name)] == [
        "Пловдив",
        "",
        "Пловдив",
        "",
    ]
    refused = await items(office, edit, outcome="REFUSED")
    assert {name: item.reason for name, item in refused.items()} == {two: "STALE_ETAG"}
    operation = await ended(office, done.operation)
    assert (operation.total_items, operation.done_items, operation.failed_items) == (3, 3, 1)
    assert [(one.subject, one.reason) for one in operation.problems] == [(two, "STALE_ETAG")]


async def test_each_lead_that_cannot_be_changed_says_why(office, fair):
    _, (fine, closed, archived) = fair
    await verb(office, "DisqualifyLead", closed, reason="no_need")
    await verb(office, "ArchiveLead", archived)
    foreign = await create(office, owner="users/dora")
    full = await create(office, owner=ANA, labels={f"k{number}": "v" for number in range(50)})
    nobody = f"leads/{new_id()}"
    names = [fine, closed, archived, foreign.name, full.name, nobody]
    edit = await previewed(office, leads=names, lead={"labels": {"new": "1"}})
    assert not edit.leads
    seen = await items(office, edit)
    assert {name: item.reason for name, item in seen.items()} == {
        fine: "", closed: "LEAD_CLOSED", archived: "LEAD_ARCHIVED_ALREADY", full.name: "INVALID_FIELDS",
        foreign.name: "RECORD_NOT_FOUND", nobody: "RECORD_NOT_FOUND",
    }  # fmt: skip
    assert "at most 50" in seen[full.name].message
    assert {one.reason: one.leads for one in edit.refusals}["RECORD_NOT_FOUND"] == 2
    assert (edit.changing, edit.refused) == (1, 5)
    everything = await previewed(office, leads=names, lead={"labels": {"new": "1"}}, include_closed=True)
    assert (everything.changing, everything.refused) == (3, 3)
    assert (await started(office, everything)).changed == 3
    assert (await read(office, closed)).labels == {"new": "1"}


async def test_a_filter_selects_closed_and_archived_leads_only_if_that_is_asked_for(office, fair):
    channel, (_, closed, archived) = fair
    await verb(office, "DisqualifyLead", closed, reason="no_need")
    await verb(office, "ArchiveLead", archived)
    asked = {"filter": f'channel = "{channel}"', "lead": {"note": "win them back"}}
    edit = await previewed(office, **asked)
    assert (edit.selected, edit.changing, edit.refused) == (2, 1, 1)
    edit = await previewed(office, **asked, include_closed=True)
    assert (edit.selected, edit.changing, edit.refused) == (3, 3, 0)


async def test_a_segment_and_names_select_leads_as_a_filter_does(office, fair):
    channel, names = fair
    segment = segments_pb2.CreateLeadSegmentRequest(
        lead_segment={"display_name": f"Панаир {new_id()}", "filter": f'channel = "{channel}"'}
    )
    made = await office.call("LeadSegmentService/CreateLeadSegment", segment, by=MIRA)
    by_segment = await previewed(office, segment=made.name, lead={"note": "x"})
    by_name = await previewed(office, leads=names[:2], lead={"note": "x"})
    assert (by_segment.selected, by_name.selected) == (3, 2)
    assert set(await items(office, by_segment)) == set(names)


async def test_fields_that_are_named_and_empty_are_cleared(office, fair):
    channel, (one, two, _) = fair
    await update(office, one, company="A", company_size=7, labels={"a": "1", "b": "2"}, note="keep")
    edit = await previewed(
        office, filter=f'channel = "{channel}"', lead={"region": "Faro"},
        fields=["company", "company_size", "labels.a", "region", "labels.never"],
    )  # fmt: skip
    done = await started(office, edit)
    lead = await read(office, one)
    assert (lead.company, lead.company_size, dict(lead.labels), lead.note) == ("", 0, {"b": "2"}, "keep")
    assert (await read(office, two)).region == "Faro"
    await undone(office, done)
    lead = await read(office, one)
    assert (lead.company, lead.company_size, dict(lead.labels), lead.region) == ("A", 7, {"a": "1", "b": "2"}, "")


async def test_an_undo_gives_back_what_nobody_changed_since_and_tells_what_it_left(office, fair):
    channel, (one, two, three) = fair
    await update(office, one, company="before", labels={"old": "1"})
    values = {"company": "after", "region": "Лисабон", "labels": {"fair": "2026"}}
    done = await started(office, await previewed(office, filter=f'channel = "{channel}"', lead=values))
    await update(office, two, company="somebody's own", note="and a note")
    await update(office, three, company="theirs", region="theirs", labels={"fair": "2027"})
    back = await undone(office, done)
    assert (back.changed, back.undone, back.left) == (3, 2, 2)
    first, second, third = [await read(office, name) for name in (one, two, three)]
    assert (first.company, first.region, dict(first.labels)) == ("before", "", {"old": "1"})
    assert (second.company, second.region, second.note, dict(second.labels)) == ("somebody's own", "", "and a note", {})
    assert (third.company, third.region, dict(third.labels)) == ("theirs", "theirs", {"fair": "2027"})
    seen = await items(office, back)
    assert outcomes(seen) == {one: "UNDONE", two: "UNDONE", three: "LEFT"}
    assert [list(seen[name].left_fields) for name in (one, two)] == [[], ["company"]]
    assert set(seen[three].left_fields) == {"company", "region", "labels.fair"}
    assert seen[three].reason == "FIELDS_CHANGED_SINCE"
    assert (await office.events(one))[-2:] == ["LeadUpdated", "LeadUpdated"]
    assert (await office.events(three))[-2:] == ["LeadUpdated", "LeadUpdated"]  # the edit's and theirs


async def test_an_edit_is_taken_back_within_thirty_days_and_started_within_one(office, fair):
    channel, _ = fair
    asked = {"filter": f'channel = "{channel}"', "lead": {"note": "x"}}
    edit = await previewed(office, **asked)
    with pytest.raises(FailedPrecondition):
        await call(office, "UndoLeadBulkEdit", name=edit.name)
    late = "UPDATE lead_bulk_edits SET preview_time = preview_time - interval '25 hours' WHERE id::text = $1"
    await office.rows(late, edit.name[-36:])
    with pytest.raises(FailedPrecondition):
        await call(office, "StartLeadBulkEdit", name=edit.name, etag=edit.etag)
    done = await started(office, await previewed(office, **asked))
    assert (done.undo_until.ToDatetime() - done.start_time.ToDatetime()).days == 30
    over = "UPDATE lead_bulk_edits SET undo_until = now() - interval '1 second' WHERE id::text = $1"
    await office.rows(over, done.name[-36:])
    with pytest.raises(FailedPrecondition):
        await call(office, "UndoLeadBulkEdit", name=done.name)


async def test_an_edit_that_was_taken_back_is_not_started_again(office, fair):
    channel, _ = fair
    done = await started(office, await previewed(office, filter=f'channel = "{channel}"', lead={"note": "x"}))
    back = await undone(office, done)
    with pytest.raises(FailedPrecondition):
        await call(office, "StartLeadBulkEdit", name=back.name, etag=back.etag)
    assert (await undone(office, back)).undone == 3  # nothing is left to be taken back


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


async def test_one_step_of_an_edit_is_under_way_at_a_time(office, fair, waiting):
    channel, _ = fair
    made = await call(
        office, "CreateLeadBulkEdit", lead_bulk_edit={"filter": f'channel = "{channel}"', "lead": {"note": "x"}}
    )
    for step, given in (("Start", {"etag": made.etag}), ("Undo", {})):
        with pytest.raises(FailedPrecondition):
            await call(office, f"{step}LeadBulkEdit", name=made.name, **given)
    waiting()
    await ended(office, made.preview_operation)
    assert (await started(office, await get(office, made))).changed == 3


async def test_an_edit_that_was_cancelled_goes_on_with_the_rest_and_nothing_is_changed_twice(office, fair, monkeypatch):
    channel, names = fair
    monkeypatch.setattr(bulk_editing, "PART", 1)
    edit = await previewed(office, filter=f'channel = "{channel}"', lead={"note": "x"})
    operating = office.process._operating
    do_next = operating.do_next
    monkeypatch.setattr(operating, "do_next", lambda: until_cancelled(office, edit, do_next))
    done = await started(office, edit)
    assert 0 < done.changed < 3
    monkeypatch.setattr(operating, "do_next", do_next)
    whole = await started(office, done)
    assert (whole.changed, whole.refused) == (3, 0)
    assert [(await office.events(name)).count("LeadUpdated") for name in names] == [1, 1, 1]
    assert (await undone(office, whole)).undone == 3


async def until_cancelled(office, edit, do_next):
    """One part, and then somebody cancels."""
    more = await do_next()
    found = await get(office, edit)
    if found.changed and found.changed != 3:
        cancel = operations_pb2.CancelLeadOperationRequest(name=found.operation)
        await office.call("LeadOperationService/CancelLeadOperation", cancel, by=MIRA)
    return more


async def test_an_edit_goes_on_where_a_process_that_died_left_it(backend, issuer, monkeypatch):
    monkeypatch.setattr(bulk_editing, "PART", 1)
    leads = await start("leads", backend, issuer)
    names = [(await create(leads, owner=ANA)).name for _ in range(12)]
    edit = await previewed(leads, leads=names, lead={"note": "once"})
    begun = await call(leads, "StartLeadBulkEdit", name=edit.name, etag=edit.etag)

    async def some():
        return (await get(leads, edit)).changed >= 3

    await until(some, "a few leads are changed")
    await leads.stop()
    again = await start("leads", backend, issuer, database=leads.database)
    try:
        assert (await ended(again, begun.operation)).done_items == 12
        assert (await get(again, edit)).changed == 12
        assert [(await again.events(name)).count("LeadUpdated") for name in names] == [1] * 12
    finally:
        await again.stop()


async def test_rights_are_those_of_each_moment(office, fair, waiting):
    channel, names = fair
    clerk = Person("users/editor", ("sales_manager",), "teams/sales")
    await office.know(clerk)
    waiting()
    edit = await previewed(office, by=clerk.name, filter=f'channel = "{channel}"', lead={"note": "x"})
    await office.know(Person(clerk.name, ("salesperson",), "teams/sales"))
    done = await started(office, edit, by=clerk.name)
    assert (done.changed, done.refused, done.refusals[0].reason) == (0, 3, "RECORD_NOT_FOUND")
    assert not (await read(office, names[0])).note
    assert [MessageToDict(one.after) for one in (await items(office, edit, by=clerk.name)).values()] == [{}] * 3


async def test_an_edit_is_seen_by_those_whose_permission_reaches_who_made_it(office, fair):
    channel, _ = fair
    edit = await previewed(office, by=ANA, filter=f'channel = "{channel}"', lead={"note": "x"})
    assert (await get(office, edit, by=MIRA)).selected == 3
    for by in ("users/boris", "users/chen"):
        with pytest.raises(NotFound):
            await get(office, edit, by=by)
        with pytest.raises(NotFound):
            await items(office, edit, by=by)
        listed = await call(office, "ListLeadBulkEdits", by=by)
        assert edit.name not in [one.name for one in listed.lead_bulk_edits]
    with pytest.raises(PermissionDenied):
        await get(office, edit, by="users/marta")
    await started(office, edit, by=ANA)
    assert (await undone(office, edit, by=MIRA)).undone == 3  # her manager takes it back
    foreign = await previewed(office, by="users/chen", filter=f'channel = "{channel}"', lead={"note": "x"})
    assert foreign.selected == 0


async def test_items_are_read_page_by_page_each_once(office, fair):
    channel, names = fair
    edit = await previewed(office, filter=f'channel = "{channel}"', lead={"note": "x"})
    first = await call(office, "ListLeadBulkEditItems", parent=edit.name, page_size=2)
    rest = await call(office, "ListLeadBulkEditItems", parent=edit.name, page_size=2, page_token=first.next_page_token)
    assert [one.lead for one in (*first.items, *rest.items)] == sorted(names)
    assert not rest.next_page_token
    with pytest.raises(InvalidFields, match="page_token"):
        await items(office, edit, page_token=first.next_page_token, outcome="CHANGING")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"lead": {"note": "x"}}, "filter"),
        ({"filter": "state = NEW", "leads": [f"leads/{new_id()}"], "lead": {"note": "x"}}, "filter"),
        ({"filter": "state = NEW"}, "fields"),
        ({"filter": "state = NEW", "lead": {"email": "a@b.example"}, "fields": ["email"]}, "fields"),
        ({"filter": "state = NEW", "lead": {"owner": "users/ana"}, "fields": ["owner"]}, "fields"),
        ({"filter": "state = NEW", "fields": ["labels."]}, "fields"),
        ({"filter": "state = NEW", "lead": {"country": "Bulgaria"}}, "lead.country"),
        ({"filter": "state = NEW", "lead": {"labels": {"k": "v" * 256}}}, "lead.labels"),
        ({"filter": "state = NEW", "lead": {"custom": {"nothing": "x"}}}, "custom.nothing"),
        ({"filter": "colour = red", "lead": {"note": "x"}}, "filter"),
    ],
)
async def test_what_no_lead_could_take_is_refused_at_once(office, asked, says):
    with pytest.raises(InvalidFields, match=says):
        await call(office, "CreateLeadBulkEdit", lead_bulk_edit=asked)


async def test_more_leads_than_an_edit_may_have_are_told_and_nothing_is_kept_of_them(office, fair, monkeypatch):
    monkeypatch.setattr(bulk_editing, "MOST_LEADS", 2)
    channel, _ = fair
    asked = {"filter": f'channel = "{channel}"', "lead": {"note": "x"}}
    made = await call(office, "CreateLeadBulkEdit", lead_bulk_edit=asked)
    assert (await ended(office, made.preview_operation)).error_reason == "BULK_EDIT_TOO_LARGE"
    assert not await items(office, made)
    with pytest.raises(FailedPrecondition):
        await call(office, "StartLeadBulkEdit", name=made.name, etag=made.etag)


async def test_a_repeated_request_makes_one_edit_and_starts_it_once(office, fair):
    channel, _ = fair
    asked = {"filter": f'channel = "{channel}"', "lead": {"note": "x"}}
    ids = new_id(), new_id()
    one, two = [await call(office, "CreateLeadBulkEdit", lead_bulk_edit=asked, request_id=ids[0]) for _ in range(2)]
    assert one.name == two.name
    await ended(office, one.preview_operation)
    edit = await get(office, one)
    first, second = [
        await call(office, "StartLeadBulkEdit", name=edit.name, etag=edit.etag, request_id=ids[1]) for _ in range(2)
    ]
    assert first.operation == second.operation
    await ended(office, first.operation)


async def test_an_edit_is_forgotten_with_its_items_after_its_time(office, fair):
    channel, _ = fair
    edit = await previewed(office, filter=f'channel = "{channel}"', lead={"note": "x"})
    kept = await previewed(office, filter=f'channel = "{channel}"', lead={"note": "y"})
    old = "UPDATE lead_bulk_edits SET create_time = now() - interval '33 days' WHERE id::text = $1"
    await office.rows(old, edit.name[-36:])
    await office.rows(bulk_editing.tables.PRUNE)
    with pytest.raises(NotFound):
        await get(office, edit)
    count = "SELECT count(*) AS left FROM lead_bulk_edit_items WHERE edit_id::text = $1"
    assert [(await office.rows(count, one.name[-36:]))[0]["left"] for one in (edit, kept)] == [0, 3]
