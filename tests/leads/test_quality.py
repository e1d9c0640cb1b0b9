"""How good the data on open leads are: complete, stale, recorded twice; by team, within the caller's reach."""

import pytest
from chassis.errors import InvalidArgument, PermissionDenied
from crm.leads.v1 import leads_pb2, quality_pb2
from duplicate_calls import call as review
from duplicate_calls import came_in
from harness import start
from lead_calls import a_channel, create


@pytest.fixture
async def office(backend, issuer):
    running = await start("leads", backend, issuer)
    yield running
    await running.stop()


async def report(leads, by="users/root", **asked):
    request = quality_pb2.GetLeadQualityReportRequest(**asked)
    answer = await leads.call("LeadQualityService/GetLeadQualityReport", request, by=by)
    return {team.team: team for team in answer.teams}


def missing(team):
    return {one.field: one.leads for one in team.missing}


async def test_what_is_missing_is_counted_by_team(office):
    whole = {"email": "ida@example.com", "phone": "+359 888 123 456", "company": "Ж", "country": "BG"}
    await create(office, owner="users/ana", channel=a_channel(), **whole)
    await create(office, owner="users/boris", email="bo@example.com", company="李")
    await create(office, owner="users/chen")
    found = await report(office)
    assert set(found) == {"teams/north", "teams/south"}
    north, south = found["teams/north"], found["teams/south"]
    assert (north.leads, north.complete, north.unreachable) == (2, 1, 0)
    assert missing(north) == {"email": 0, "phone": 1, "company": 0, "channel": 1, "country": 1}
    assert (south.leads, south.complete, south.unreachable) == (1, 0, 1)
    assert missing(south) == {"email": 1, "phone": 1, "company": 1, "channel": 1, "country": 1}


async def test_a_company_says_what_makes_a_lead_complete(office):
    await create(office, owner="users/ana", language="bg", company_size=7)
    [team] = (await report(office, fields=["language", "company_size", "owner"])).values()
    assert (team.complete, missing(team)) == (1, {"language": 0, "company_size": 0, "owner": 0})
    [team] = (await report(office, fields=["region"])).values()
    assert (team.complete, missing(team)) == (0, {"region": 1})
    with pytest.raises(InvalidArgument):
        await report(office, fields=["note"])


async def test_a_lead_that_nobody_touched_is_stale(office):
    made = [await create(office, owner="users/ana") for _ in range(3)]
    ids = [lead.name.partition("/")[2] for lead in made]
    old = (
        "UPDATE leads SET create_time = t, assign_time = t, work_time = t FROM (SELECT now() - interval '20 days' t) x"
    )
    await office.rows(f"{old} WHERE id = any($1::uuid[])", ids)
    await office.rows("UPDATE leads SET last_inbound_time = now() WHERE id = $1::uuid", ids[0])
    await office.rows("UPDATE leads SET state = 'NURTURING' WHERE id = $1::uuid", ids[1])
    assert (await report(office))["teams/north"].stale == 1
    assert (await report(office, stale_days=30))["teams/north"].stale == 0


async def test_leads_in_pairs_that_nobody_decided_about_are_counted_as_duplicates(office):
    await came_in(office, 2, owner="users/ana", display_name="Ана Петрова")
    await came_in(office, 2, owner="users/ana", display_name="李小龙")
    await came_in(office, 1, owner="users/ana", display_name="Ida Nobody")
    assert (await report(office))["teams/north"].duplicates == 4
    pair = (await review(office, "ReviewDuplicates")).pairs[0].candidate
    await review(office, "DismissDuplicate", name=pair)
    assert (await report(office))["teams/north"].duplicates == 2


async def test_what_the_caller_does_not_see_is_not_counted_and_is_nobodys_duplicate(office):
    for owner in ("users/ana", "users/dora"):
        await came_in(office, 1, owner=owner, email="ida@example.com")
    await create(office, owner="users/boris")
    mine = await report(office, by="users/ana")
    assert {name: (team.leads, team.duplicates) for name, team in mine.items()} == {"teams/north": (1, 0)}
    assert {name: team.leads for name, team in (await report(office, by="users/mira")).items()} == {"teams/north": 2}
    found = {name: team.duplicates for name, team in (await report(office)).items()}
    assert found == {"teams/north": 1, "teams/service": 1}
    with pytest.raises(PermissionDenied):
        await report(office, by="users/dora")


async def test_closed_and_archived_leads_are_not_counted(office):
    lost = await create(office, owner="users/ana")
    await office.call("LeadService/DisqualifyLead", leads_pb2.DisqualifyLeadRequest(name=lost.name, reason="no_budget"))
    put_away = await create(office, owner="users/ana")
    await office.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=put_away.name))
    assert await report(office) == {}
