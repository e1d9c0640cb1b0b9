"""Nurture paths over gRPC: what they let a lead sleep through, what a change would do, and what came of them."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition, InvalidArgument, InvalidFields, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import merges_pb2
from crm.marketing.v1 import events_pb2 as marketing_events
from google.protobuf.json_format import MessageToDict
from harness import PEOPLE, start
from lead_calls import a_channel, create, read
from nurture_calls import State, Verdict, a_cadence, a_segment, call, explained, nurtured, set_paths, woken


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def touch(desk, lead):
    event = marketing_events.TouchRecorded(touch={"name": f"touches/{new_id()}", "journey_id": lead.journey_id})
    event.event_time.FromDatetime(datetime.now(UTC))
    await desk.react(event)


async def answer(desk, lead):
    await call(desk, "Interaction/LogInteraction", name=lead.name, kind="CHAT", direction="INBOUND")


async def rise(desk, lead):
    event = lead_events.LeadScored(previous_band="cold")
    event.lead_score.name, event.lead_score.lead = lead.name.replace("leads/", "leadScores/"), lead.name
    event.lead_score.band = "hot"
    await desk.react(event)


CAUSES = {"TOUCH": touch, "ANSWER": answer, "SCORE": rise}


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_lead_sleeps_through_what_its_path_says_and_wakes_by_the_rest(desk, cause):
    bands = {"leadSettings": {"wakeBands": ["hot"]}, "updateMask": "wakeBands"}
    await call(desk, "Lead/UpdateLeadSettings", **bands)
    await set_paths(desk, {"path": "a", "days": 30, "sleepsThrough": [cause]})
    lead = await nurtured(desk)
    await set_paths(desk, {"path": "a", "days": 30})  # whoever is on it stays on it as it was
    await CAUSES[cause](desk, lead)
    assert (await read(desk, lead.name)).state == State.NURTURING
    for other in CAUSES.keys() - {cause}:
        asleep = await nurtured(desk, path="a") if other == cause else lead
        await CAUSES[other](desk, asleep)
        assert (await read(desk, asleep.name)).state == State.ASSIGNED
        break
    plain = await nurtured(desk)
    await CAUSES[cause](desk, plain)
    assert (await read(desk, plain.name)).state == State.ASSIGNED


async def test_a_path_whose_segment_or_cadence_went_is_passed_over_and_says_so(desk):
    channel = a_channel()
    segment, cadence = await a_segment(desk, f'channel = "{channel}"'), await a_cadence(desk)
    await set_paths(
        desk,
        {"path": "a", "segment": segment, "days": 90},
        {"path": "b", "cadence": cadence, "days": 60},
        {"path": "c", "days": 30},
    )
    assert (await nurtured(desk, channel=channel)).nurture_path == "a"
    await call(desk, "LeadSegment/ArchiveLeadSegment", name=segment)
    assert (await nurtured(desk, channel=channel)).nurture_path == "b"
    await call(desk, "Cadence/ArchiveCadence", name=cadence)
    lead = await nurtured(desk, channel=channel)
    assert lead.nurture_path == "c"
    said = [one.inactive for one in (await call(desk, "Nurture/GetNurtureSettings", by="users/ana")).paths]
    assert said == [f"{segment} is archived", f"{cadence} is archived", ""]
    assert [one.detail for one in (await explained(desk, lead)).paths] == said
    with pytest.raises(FailedPrecondition, match="is archived"):
        await nurtured(desk, path="b")
    with pytest.raises(InvalidFields, match=r"paths\[0\]\.segment"):
        await set_paths(desk, {"path": "a", "segment": segment, "days": 90})
    await call(desk, "LeadSegment/RestoreLeadSegment", name=segment)
    assert (await nurtured(desk, channel=channel)).nurture_path == "a"
    unasked = "UPDATE lead_segments SET filter = 'custom.gone = 1' WHERE id = $1"  # its field is not defined any more
    await desk.rows(unasked, segment.removeprefix("leadSegments/"))
    assert (await nurtured(desk, channel=channel)).nurture_path == "c"


async def test_scores_labels_and_feedback_say_for_whom_a_path_is(desk):
    channel = a_channel()
    segment = {"displayName": "S", "feedback": {"product": "p-1"}}
    made = await call(desk, "LeadSegment/CreateLeadSegment", leadSegment=segment, leadSegmentId=new_id())
    await set_paths(
        desk,
        {"path": "warm", "filter": f'score >= 40 AND channel = "{channel}"', "days": 9},
        {"path": "feedback", "segment": made.name, "days": 8},
        {"path": "large", "filter": 'labels.size = "голям 大"', "days": 7},
        {"path": "rest", "days": 6},
    )
    said = (
        "INSERT INTO known_feedback (feedback, product, kind, feedback_time, account, contact, email, phone)"
        " VALUES ($1, 'p-1', 'WISH', now(), '', '', 'wish@rosa.example', '')"
    )
    await desk.rows(said, new_id())
    assert (await nurtured(desk, email="wish@rosa.example")).nurture_path == "feedback"
    assert (await nurtured(desk, labels={"size": "голям 大"})).nurture_path == "large"
    assert (await nurtured(desk, labels={"size": "малък"})).nurture_path == "rest"
    lead = await create(desk, owner="users/ana", channel=channel)
    await desk.rows(
        "INSERT INTO lead_scores (id, version, create_time, update_time, lead, owner, team, live, score, band, points,"
        " parts, settings_etag, override_score) VALUES ($1::uuid, 1, now(), now(), $2, '', '', true, 50, 'warm', 50,"
        " '[]', '1', 0) ON CONFLICT (id) DO UPDATE SET score = 50, live = true",
        lead.name.removeprefix("leads/"),
        lead.name,
    )
    assert (await call(desk, "Lead/NurtureLead", name=lead.name)).nurture_path == "warm"


@pytest.fixture
async def quiet(desk):
    """No lead but those of this test."""
    for table in ("leads", "nurture_stays"):
        await desk.rows(f"DELETE FROM {table}")
    return desk


def shares(answer):
    return {one.path: (one.leads, one.now) for one in answer.shares}


async def test_a_simulation_says_who_would_go_where_and_changes_nothing(quiet):
    channel = a_channel()
    await set_paths(quiet, {"path": "a", "filter": f'channel = "{channel}"', "days": 30})
    asleep = [await nurtured(quiet, channel=channel) for _ in range(2)]
    awake = await create(quiet, channel=channel, owner="users/ana")
    await create(quiet, channel=a_channel(), owner="users/ana")
    today = await call(quiet, "Nurture/SimulateNurtureSettings")
    assert (today.leads, today.more, shares(today)) == (2, False, {"a": (2, 2), "": (0, 0)})
    assert list(today.shares[0].examples) == [asleep[1].name, asleep[0].name]
    wider = await call(quiet, "Nurture/SimulateNurtureSettings", states=["ASSIGNED", "NEW"])
    assert (wider.leads, shares(wider)) == (4, {"a": (3, 2), "": (1, 0)})
    assert wider.shares[0].examples[0] == awake.name
    tried = {"paths": [{"path": "b", "days": 5, "mostEntries": 1}, {"path": "a", "days": 5}]}
    other = await call(quiet, "Nurture/SimulateNurtureSettings", nurtureSettings=tried)
    assert shares(other) == {"b": (2, 0), "a": (0, 2), "": (0, 0)}
    assert (await read(quiet, asleep[0].name)) == asleep[0]
    with pytest.raises(InvalidFields, match=r"paths\[0\]\.days"):
        await call(quiet, "Nurture/SimulateNurtureSettings", nurtureSettings={"paths": [{"path": "b"}]})
    with pytest.raises(InvalidArgument):
        await call(quiet, "Nurture/SimulateNurtureSettings", states=["CONVERTED"])
    with pytest.raises(PermissionDenied):
        await call(quiet, "Nurture/SimulateNurtureSettings", by="users/ana")


async def report(desk, by="users/root", **period):
    told = await call(desk, "Nurture/GetNurtureReport", by=by, **period)
    rows = MessageToDict(told, preserving_proto_field_name=True).get("rows", [])
    return {row.pop("path", ""): row for row in rows}


async def test_a_report_says_what_came_of_those_on_a_path(quiet):
    await set_paths(quiet, {"path": "a", "days": 30}, {"path": "b", "filter": "channel = x", "days": 5})
    on_it, awake, qualified, closed = [await nurtured(quiet) for _ in range(4)]
    theirs = await nurtured(quiet, owner="users/chen")
    for lead in (awake, qualified):
        await woken(quiet, lead)
    await call(quiet, "Lead/NurtureLead", name=awake.name)  # twice down the same path: one lead
    await call(quiet, "Lead/QualifyLead", name=qualified.name)
    gone = await call(quiet, "Lead/DisqualifyLead", name=closed.name, reason="no_budget")
    await quiet.react(lead_events.LeadDisqualified(lead=gone), version=int(gone.etag))
    expected = {"on_it": 3, "entered": 5, "woken": 2, "qualified": 1, "disqualified": 1}
    assert await report(quiet) == {"a": expected}
    assert await report(quiet, by="users/chen") == {"a": {"on_it": 1, "entered": 1}}
    before = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert await report(quiet, endTime=before) == {"a": {"on_it": 3}}
    await quiet.rows("UPDATE leads SET state = 'CONVERTED', close_time = now() WHERE id = $1::uuid", qualified.name[6:])
    assert (await report(quiet))["a"]["converted"] == 1
    assert {on_it.nurture_path, theirs.nurture_path} == {"a"}
    with pytest.raises(InvalidFields, match="start_time"):
        await report(quiet, startTime=datetime.now(UTC).isoformat(), endTime=before)


async def test_a_lead_that_was_never_left_in_peace_is_told_where_it_would_go(quiet):
    await set_paths(quiet)
    lead = await create(quiet, owner="users/ana")
    told = await explained(quiet, lead)
    assert (told.path, told.done, len(told.paths)) == ("", False, 0)
    await set_paths(quiet, {"path": "a", "days": 30})
    told = await explained(quiet, lead, by="users/ana")
    assert (told.path, told.done, told.paths[0].verdict) == ("a", False, Verdict.TAKEN)
    nobodys = await create(quiet, by="users/mira")
    await quiet.rows("UPDATE leads SET owner = '', state = 'NEW' WHERE id = $1::uuid", nobodys.name[6:])
    await set_paths(quiet, {"path": "a", "days": 30, "cadence": await a_cadence(quiet)})
    assert (await call(quiet, "Lead/NurtureLead", name=nobodys.name)).nurture_path == "a"
    assert (await explained(quiet, nobodys)).cadence_enrolment == ""


async def test_a_merge_ends_the_stay_of_the_lead_that_goes_and_its_undoing_brings_it_back(quiet):
    await set_paths(quiet, {"path": "a", "days": 30})
    stays, goes = await create(quiet, owner="users/ana"), await nurtured(quiet)
    request = merges_pb2.MergeLeadsRequest(name=stays.name, merged=[{"name": goes.name}])
    merge = await quiet.call("MergeService/MergeLeads", request, by="users/root")

    async def open_stays() -> int:
        lead = await read(quiet, goes.name)
        away = lead_events.LeadMerged(lead=lead, lead_merge=merge.name)
        event = away if lead.state == State.MERGED else lead_events.LeadUnmerged(lead=lead)
        await quiet.react(event, version=int(lead.etag))
        return len(await quiet.rows("SELECT 1 FROM nurture_stays WHERE leave_time IS NULL"))

    assert await open_stays() == 0
    assert "on_it" not in (await report(quiet))["a"]
    await quiet.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=stays.name), by="users/root")
    assert await open_stays() == 1
    assert (await report(quiet))["a"]["on_it"] == 1
