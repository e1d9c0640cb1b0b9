"""Segments over gRPC: saved filters, and who is in them for whom."""

import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from crm.leads.v1 import segments_pb2 as pb

BY = "users/root"


async def call(leads, method, by=BY, **fields):
    return await leads.call(f"LeadSegmentService/{method}", getattr(pb, f"{method}Request")(**fields), by=by)


async def lead(leads, channel, owner="users/ana"):
    given = {"display_name": "王芳", "channel": channel, "owner": owner}
    return await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=given), by=BY)


@pytest.fixture
async def fair(leads):
    """A channel of this test's own and the segment of its leads."""
    channel = f"channels/{new_id()}"
    segment = {"display_name": f"Панаир {new_id()}", "filter": f'channel = "{channel}"'}
    return channel, await call(leads, "CreateLeadSegment", lead_segment=segment)


async def members(leads, segment, by=BY, **paging):
    page = await call(leads, "ListSegmentLeads", by, parent=segment.name, **paging)
    return [one.name for one in page.leads]


async def size(leads, segment, by=BY):
    return (await call(leads, "GetLeadSegmentSize", by, name=segment.name)).leads


async def test_a_lead_is_in_a_segment_while_its_filter_selects_it(leads, fair):
    channel, segment = fair
    made = [await lead(leads, channel) for _ in range(3)]
    await lead(leads, "channels/elsewhere")
    assert await members(leads, segment) == [one.name for one in reversed(made)]
    gone = leads_pb2.ArchiveLeadRequest(name=made[0].name)
    await leads.call("LeadService/ArchiveLead", gone, by=BY)
    elsewhere = leads_pb2.UpdateLeadRequest(lead={"name": made[1].name, "channel": "channels/elsewhere"})
    await leads.call("LeadService/UpdateLead", elsewhere, by=BY)
    assert await members(leads, segment) == [made[2].name]
    assert await size(leads, segment) == 1


async def test_everybody_finds_in_a_segment_the_leads_that_they_may_see(leads, fair):
    channel, segment = fair
    of_ana, of_chen = [await lead(leads, channel, owner) for owner in ("users/ana", "users/chen")]
    assert await members(leads, segment, by="users/ana") == [of_ana.name]
    assert await members(leads, segment, by="users/chen") == [of_chen.name]
    assert (await size(leads, segment, by="users/ana"), await size(leads, segment, by="users/mira")) == (1, 2)
    for ask in (members, size):
        with pytest.raises(PermissionDenied):
            await ask(leads, segment, by="users/marta")


async def test_a_segment_is_read_page_by_page_until_its_filter_changes(leads, fair):
    channel, segment = fair
    made = [(await lead(leads, channel)).name for _ in range(3)]
    first = await call(leads, "ListSegmentLeads", parent=segment.name, page_size=2)
    rest = await members(leads, segment, page_size=2, page_token=first.next_page_token)
    assert [one.name for one in first.leads] + rest == made[::-1]
    narrower = {"name": segment.name, "filter": f"{segment.filter} AND state = NEW"}
    await call(leads, "UpdateLeadSegment", lead_segment=narrower)
    with pytest.raises(InvalidFields, match="page_token"):
        await members(leads, segment, page_size=2, page_token=first.next_page_token)
    assert await size(leads, segment) == 0  # they are ASSIGNED


@pytest.mark.parametrize("wrong", ["", "colour = red", "state = SOMEWHERE", "state = NEW OR state = ASSIGNED", "state"])
async def test_a_filter_by_which_leads_cannot_be_listed_makes_no_segment(leads, fair, wrong):
    _, segment = fair
    with pytest.raises(InvalidFields, match="filter"):
        await call(leads, "CreateLeadSegment", lead_segment={"display_name": "X", "filter": wrong})
    request = pb.UpdateLeadSegmentRequest(lead_segment={"name": segment.name, "filter": wrong})
    request.update_mask.paths.append("filter")
    with pytest.raises(InvalidFields, match="filter"):
        await leads.call("LeadSegmentService/UpdateLeadSegment", request, by=BY)
    assert (await call(leads, "GetLeadSegment", name=segment.name)).filter == segment.filter


async def test_a_segment_is_put_away_and_brought_back(leads, fair):
    _, segment = fair
    await call(leads, "ArchiveLeadSegment", name=segment.name)
    with pytest.raises(FailedPrecondition):
        await call(leads, "ArchiveLeadSegment", name=segment.name)
    listed = await call(leads, "ListLeadSegments", page_size=1000)
    assert segment.name not in [one.name for one in listed.lead_segments]
    await call(leads, "RestoreLeadSegment", name=segment.name)
    with pytest.raises(FailedPrecondition):
        await call(leads, "RestoreLeadSegment", name=segment.name)
    kinds = ("Created", "Archived", "Restored")
    assert await leads.events(segment.name) == [f"LeadSegment{kind}" for kind in kinds]


async def test_a_slug_is_taken_once_and_only_by_who_may_configure(leads):
    given, slug = {"display_name": "Prime", "filter": "state = QUALIFIED"}, new_id()
    made = await call(leads, "CreateLeadSegment", lead_segment=given, lead_segment_id=slug)
    assert made.name == f"leadSegments/{slug}"
    with pytest.raises(AlreadyExists):
        await call(leads, "CreateLeadSegment", lead_segment=given, lead_segment_id=slug)
    with pytest.raises(PermissionDenied):
        await call(leads, "CreateLeadSegment", by="users/ana", lead_segment=given)
