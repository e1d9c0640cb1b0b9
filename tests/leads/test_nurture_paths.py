"""Nurture paths over gRPC: leads left in peace are sent down the path that is for them, and leave it when they wake."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import Aborted, FailedPrecondition, InvalidArgument, InvalidFields, NotFound, PermissionDenied
from crm.leads.v1 import events_pb2 as lead_events
from harness import PEOPLE, start, until
from lead_calls import a_channel, create, listed, read
from nurture_calls import (
    State,
    Verdict,
    a_cadence,
    a_segment,
    call,
    enrolments,
    explained,
    nurtured,
    set_paths,
    woken,
)


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


def days(lead) -> int:
    return round((lead.nurture_until.ToDatetime(tzinfo=UTC) - datetime.now(UTC)) / timedelta(days=1))


async def test_settings_are_kept_whole_told_and_changed_by_who_may(desk):
    cadence, segment = await a_cadence(desk), await a_segment(desk, f'channel = "{a_channel()}"')
    kept = await set_paths(
        desk, {"path": "fair", "displayName": "Панаир 展会", "segment": segment, "cadence": cadence, "days": 90,
               "sleepsThrough": ["TOUCH"], "mostEntries": 2, "pauseDays": 30},
    )  # fmt: skip
    assert await call(desk, "Nurture/GetNurtureSettings", by="users/ana") == kept
    assert (await desk.events("nurtureSettings/settings"))[-1] == "NurtureSettingsUpdated"
    with pytest.raises(PermissionDenied):
        await call(desk, "Nurture/UpdateNurtureSettings", by="users/ana", nurtureSettings={})
    await set_paths(desk)
    with pytest.raises(Aborted):
        await set_paths(desk, nurtureSettings={"etag": kept.etag, "paths": []})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"days": 0}, "days"),
        ({"filter": "colour = red"}, "filter"),
        ({"filter": "state = NEW OR state = WORKING"}, "filter"),
        ({"cadence": "cadences/none"}, "cadence"),
        ({"segment": "leadSegments/none"}, "segment"),
    ],
)
async def test_a_path_nobody_can_be_sent_down_is_refused(desk, wrong, field):
    with pytest.raises(InvalidFields, match=rf"paths\[0\]\.{field}"):
        await set_paths(desk, {"path": "a", "days": 30} | wrong)
    plain = await a_cadence(desk, forNurturing=False)
    with pytest.raises(InvalidFields, match="is not for nurtured leads"):
        await set_paths(desk, {"path": "a", "days": 30, "cadence": plain})
    for beyond in ({"days": 3651}, {"sleepsThrough": ["TOUCH", "TOUCH"]}, {"path": "A b"}, {"pauseDays": -1}):
        with pytest.raises(InvalidArgument):
            await set_paths(desk, {"path": "a", "days": 30} | beyond)
    with pytest.raises(InvalidArgument):
        await set_paths(desk, *({"path": f"p{n}", "days": 1} for n in range(51)))


async def test_a_lead_goes_down_the_first_path_that_is_for_it(desk):
    channel, other, cadence = a_channel(), a_channel(), await a_cadence(desk)
    segment = await a_segment(desk, f'state = NURTURING AND channel = "{channel}"')
    await set_paths(
        desk,
        {"path": "first", "segment": segment, "cadence": cadence, "days": 90},
        {"path": "second", "filter": f'channel = "{channel}" AND labels:vip', "days": 10},
        {"path": "third", "filter": f'channel = "{other}" AND state = WORKING', "days": 5},
        {"path": "fourth", "filter": f'channel = "{other}"', "days": 20},
    )
    lead = await nurtured(desk, channel=channel, labels={"vip": ""})
    assert (lead.state, lead.nurture_path, days(lead)) == (State.NURTURING, "first", 90)
    assert await enrolments(desk, lead) == [(cadence, "ACTIVE", "")]
    told = await explained(desk, lead, by="users/ana")
    assert (told.path, told.named, told.done) == ("first", False, True)
    assert told.cadence_enrolment.startswith("cadenceEnrolments/")
    assert [Verdict.Name(one.verdict) for one in told.paths] == ["TAKEN", "OPEN", "NOT_SELECTED", "NOT_SELECTED"]
    assert (await nurtured(desk, channel=other)).nurture_path == "fourth"  # it is about to be NURTURING, not WORKING
    mine = await listed(desk, filter=f'nurture_path = first AND channel = "{channel}"')
    assert [one.name for one in mine.leads] == [lead.name]


async def test_a_lead_that_no_path_is_for_sleeps_as_before_and_says_why(desk):
    await set_paths(desk, {"path": "fair", "filter": f'channel = "{a_channel()}"', "days": 90})
    with pytest.raises(InvalidFields, match="name a day or a plan"):
        await nurtured(desk)
    lead = await nurtured(desk, nurtureUntil=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    assert (lead.nurture_path, days(lead)) == ("", 3)
    told = await explained(desk, lead)
    assert (told.path, told.done, told.paths[0].verdict) == ("", True, Verdict.NOT_SELECTED)
    with pytest.raises(NotFound):
        await explained(desk, lead, by="users/chen")


async def test_a_path_is_named_whoever_it_is_for(desk):
    await set_paths(
        desk,
        {"path": "all", "days": 90},
        {"path": "fair", "filter": f'channel = "{a_channel()}"', "days": 30, "mostEntries": 1},
    )
    lead = await nurtured(desk, path="fair")
    assert (lead.nurture_path, days(lead), (await explained(desk, lead)).named) == ("fair", 30, True)
    await woken(desk, lead)
    with pytest.raises(FailedPrecondition, match="NURTURE_PATH_CLOSED"):
        await call(desk, "Lead/NurtureLead", name=lead.name, path="fair")
    with pytest.raises(InvalidFields, match="is none of all, fair"):
        await call(desk, "Lead/NurtureLead", name=lead.name, path="nobody_made_it")
    day = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    again = await call(desk, "Lead/NurtureLead", name=lead.name, nurtureUntil=day)
    assert (again.nurture_path, days(again)) == ("all", 3)


async def test_a_lead_comes_back_to_a_path_after_its_pause_and_not_before(desk):
    await set_paths(desk, {"path": "a", "days": 30, "pauseDays": 10}, {"path": "b", "days": 5})
    lead = await nurtured(desk)
    await woken(desk, lead)
    assert [one.verdict for one in (await explained(desk, lead)).paths] == [Verdict.TOO_SOON, Verdict.TAKEN]
    back = "UPDATE nurture_stays SET enter_time = enter_time - interval '10 days', leave_time = now() - $1::interval"
    for ago, path in ((timedelta(days=9, hours=23), "b"), (timedelta(days=10), "a")):
        await desk.rows(f"{back} WHERE lead_id = $2::uuid AND path = 'a'", ago, lead.name.removeprefix("leads/"))
        assert (await call(desk, "Lead/NurtureLead", name=lead.name)).nurture_path == path
        await woken(desk, lead)


async def test_a_stay_ends_with_the_peace_even_if_nobody_noticed(desk):
    await set_paths(desk, {"path": "a", "days": 30, "mostEntries": 1}, {"path": "b", "days": 5})
    lead = await nurtured(desk)
    await call(desk, "Lead/WakeLead", name=lead.name)  # its event is still on its way
    assert (await call(desk, "Lead/NurtureLead", name=lead.name)).nurture_path == "b"
    stays = await desk.rows(
        "SELECT path, leave_time IS NULL AS open FROM nurture_stays WHERE lead_id = $1::uuid ORDER BY id",
        lead.name.removeprefix("leads/"),
    )
    assert [(one["path"], one["open"]) for one in stays] == [("a", False), ("b", True)]


async def test_the_cadence_of_a_path_runs_while_the_lead_sleeps_and_ends_when_it_wakes(desk):
    cadence = await a_cadence(desk)
    await set_paths(desk, {"path": "a", "days": 30, "cadence": cadence})
    lead = await nurtured(desk)
    work = {"name": lead.name, "kind": "EMAIL", "direction": "OUTBOUND"}

    async def is_next():
        shown = await call(desk, "NextLead/ListNextLeads", by="users/ana", pageSize=100)
        return lead.name in [one.lead.name for one in shown.next_leads]

    await until(is_next, "the step is due, and its lead comes forward in its sleep")
    kept = await call(desk, "Interaction/LogInteraction", by="users/ana", **work)
    told = lead_events.LeadContacted(lead=await read(desk, lead.name), interaction=kept)
    told.event_time.CopyFrom(kept.interaction_time)
    await desk.react(told, version=2)
    (enrolment,) = (
        await call(desk, "Cadence/ListCadenceEnrolments", filter=f'lead = "{lead.name}"')
    ).cadence_enrolments
    assert (enrolment.step, enrolment.for_nurturing, (await read(desk, lead.name)).state) == (1, True, State.NURTURING)
    assert not await is_next()
    await woken(desk, lead)
    assert await enrolments(desk, lead) == [(cadence, "STOPPED", "WOKEN")]


@pytest.mark.parametrize("ending", ["DisqualifyLead", "ArchiveLead"])
async def test_whatever_ends_the_peace_ends_the_cadence(desk, ending):
    await set_paths(desk, {"path": "a", "days": 30, "cadence": await a_cadence(desk)})
    lead = await nurtured(desk)
    more = {"reason": "no_budget"} if ending == "DisqualifyLead" else {}
    ended = await call(desk, f"Lead/{ending}", name=lead.name, **more)
    await desk.react(lead_events.LeadDisqualified(lead=ended), version=int(ended.etag))
    assert (await enrolments(desk, lead))[0][1] == "STOPPED"


async def test_a_lead_changes_from_a_cadence_for_work_into_that_of_its_path_at_once(desk):
    plain, cadence = await a_cadence(desk, forNurturing=False), await a_cadence(desk)
    await set_paths(desk, {"path": "a", "days": 30, "cadence": cadence})
    made = await create(desk, owner="users/ana")
    with pytest.raises(FailedPrecondition, match="CADENCE_FOR_NURTURING"):
        await call(desk, "Cadence/EnrolLead", name=made.name, cadence=cadence)
    await call(desk, "Cadence/EnrolLead", name=made.name, cadence=plain)
    lead = await call(desk, "Lead/NurtureLead", name=made.name)
    assert await enrolments(desk, lead) == [(cadence, "ACTIVE", ""), (plain, "STOPPED", "CLOSED")]
    await call(desk, "Cadence/StopCadence", name=(await explained(desk, lead)).cadence_enrolment)
    with pytest.raises(FailedPrecondition, match="LEAD_NOT_TO_BE_WORKED"):
        await call(desk, "Cadence/EnrolLead", name=made.name, cadence=plain)
    await call(desk, "Cadence/EnrolLead", name=made.name, cadence=cadence)


async def test_of_many_that_leave_a_lead_in_peace_at_once_one_does(desk):
    await set_paths(desk, {"path": "a", "days": 30, "cadence": await a_cadence(desk)})
    made = await create(desk, owner="users/ana")
    asked = [call(desk, "Lead/NurtureLead", name=made.name) for _ in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, FailedPrecondition) for answer in answers) == 4
    stays = await desk.rows("SELECT 1 FROM nurture_stays WHERE lead_id = $1::uuid", made.name.removeprefix("leads/"))
    assert (len(stays), len(await enrolments(desk, made))) == (1, 1)
