"""Leads that are made one and taken apart again, over gRPC on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import Aborted, FailedPrecondition, InvalidArgument, InvalidFields, NotFound
from chassis.values import new_id
from crm.leads.v1 import cadences_pb2, captures_pb2, duplicates_pb2, interactions_pb2, leads_pb2, merges_pb2
from crm.leads.v1 import events_pb2 as lead_events
from crm.marketing.v1 import events_pb2 as marketing_events
from google.protobuf.json_format import ParseDict
from harness import start, until
from lead_calls import all_names, create, log_call, read, update

MERGE = merges_pb2.LeadMerge
CHANGING = ("etag", "update_time")


async def call(leads, method, by="users/root", **fields):
    request = ParseDict(fields, getattr(merges_pb2, f"{method}Request")())
    return await leads.call(f"MergeService/{method}", request, by=by)


async def merge(leads, *these, by="users/root", **fields):
    survivor, *others = [one.name for one in these]
    return await call(leads, "MergeLeads", by=by, name=survivor, merged=[{"name": one} for one in others], **fields)


async def undo(leads, lead, by="users/root", **fields):
    return await call(leads, "UndoMerge", by=by, name=lead.name, **fields)


def without(message, *names):
    """A copy without what every change changes."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name in (*CHANGING, *names):
        copy.ClearField(name)
    return copy


async def change(leads, method, lead, **fields):
    request = getattr(leads_pb2, f"{method}Request")(name=lead.name, **fields)
    return await leads.call(f"LeadService/{method}", request, by="users/root")


async def interact(leads, lead, **fields):
    request = interactions_pb2.LogInteractionRequest(name=lead.name, **({"kind": "EMAIL"} | fields))
    return await leads.call("InteractionService/LogInteraction", request, by="users/root")


async def interactions(leads, lead):
    request = interactions_pb2.ListInteractionsRequest(filter=f'lead = "{lead.name}"')
    return (await leads.call("InteractionService/ListInteractions", request, by="users/root")).interactions


async def enrol(leads, lead):
    steps = [{"kind": "CALL", "wait": {"kind": "ELAPSED", "seconds": 86400}}, {"kind": "EMAIL"}]
    asked = ParseDict({"cadence": {"displayName": "Първи", "steps": steps}}, cadences_pb2.CreateCadenceRequest())
    asked.cadence_id = new_id()
    cadence = await leads.call("CadenceService/CreateCadence", asked, by="users/root")
    request = cadences_pb2.EnrolLeadRequest(name=lead.name, cadence=cadence.name)
    return await leads.call("CadenceService/EnrolLead", request, by="users/root")


async def enrolment(leads, name):
    request = cadences_pb2.GetCadenceEnrolmentRequest(name=name)
    return await leads.call("CadenceService/GetCadenceEnrolment", request, by="users/root")


async def capture(leads, text):
    request = captures_pb2.CaptureLeadRequest(quick_entry={"text": text})
    return await leads.call("CaptureService/CaptureLead", request, by="users/root")


async def duplicates(leads, lead):
    request = duplicates_pb2.FindDuplicatesRequest(name=lead.name)
    return [one.lead.name for one in (await leads.call("DuplicateService/FindDuplicates", request)).duplicates]


async def two(leads, **fields):
    """Of one person: a lead that is worked, and one that came in later with more in it."""
    mark = new_id()[-6:]
    first = await create(leads, display_name="Ли Мин", email=f"li-{mark}@one.bg", owner="users/ana", **fields)
    again = await create(
        leads,
        display_name="李明",
        company="北京旷视科技有限公司",
        email=f"li-{mark}@two.bg",
        phone="+359 88 111 2233",
        note="Търси фурна",
        labels={"size": "large"},
        external_ids=[{"system": "fair", "id": mark}],
        owner="users/boris",
    )
    return first, again


async def test_leads_that_are_one_become_one(leads):
    first, again = await two(leads)
    made = await merge(leads, first, again)
    now, gone = await read(leads, first.name), await read(leads, again.name)
    assert now == made.result
    assert (now.display_name, now.email, now.owner) == (first.display_name, first.email, "users/ana")
    assert (now.company, now.phone_e164, now.note) == (again.company, "+359881112233", "Търси фурна")
    assert dict(now.labels) == {"size": "large"}
    assert list(now.external_ids) == list(again.external_ids)
    assert now.contact_time == first.contact_time
    assert leads_pb2.Lead.State.Name(gone.state) == "MERGED"
    assert gone.merged_into == first.name
    assert list(made.before) == [first, again]
    assert await leads.events(first.name) == ["LeadCreated", "LeadAssigned", "LeadsJoined"]
    assert await leads.events(again.name) == ["LeadCreated", "LeadAssigned", "LeadMerged"]


async def test_each_value_that_survived_says_whose_it_was_and_why(leads):
    first, again = await two(leads)
    await merge(leads, first, again)
    for lead in (first, again):
        (told,) = (await call(leads, "ExplainMerge", name=lead.name)).merges
        why = {one.field: (one.lead, MERGE.Reason.Name(one.reason)) for one in told.origins}
        assert why["display_name"] == why["email"] == (first.name, "OF_SURVIVOR")
        assert why["company"] == why["phone"] == why["note"] == (again.name, "ONLY_ONE")
        assert told.actor == "users/root"


async def test_a_preview_is_what_the_merge_makes_and_changes_nothing(leads):
    first, again = await two(leads)
    asked = {"name": first.name, "merged": [{"name": again.name}], "rule": "NEWEST"}
    shown = await call(leads, "PreviewMerge", **asked)
    assert (shown.name, shown.state) == ("", MERGE.STATE_UNSPECIFIED)
    assert [await read(leads, lead.name) for lead in (first, again)] == [first, again]
    made = await call(leads, "MergeLeads", **asked)
    assert shown.origins == made.origins
    assert without(shown.result) == without(made.result)
    assert shown.result.display_name == again.display_name


async def test_the_caller_chooses_field_by_field(leads):
    first, again = await two(leads)
    fields = [{"field": "email", "rule": "CHOSEN", "lead": again.name}, {"field": "display_name", "rule": "FULLEST"}]
    made = await merge(leads, first, again, fields=fields)
    assert (made.result.email, made.result.display_name) == (again.email, "Ли Мин")


@pytest.mark.parametrize(
    "fields",
    [
        [{"field": "state", "rule": "NEWEST"}],
        [{"field": "email", "rule": "CHOSEN"}],
        [{"field": "email", "rule": "NEWEST", "lead": "leads/x"}],
        [{"field": "email", "rule": "CHOSEN", "lead": f"leads/{new_id()}"}],
    ],
)
async def test_a_rule_that_cannot_be_followed_is_refused(leads, fields):
    with pytest.raises(InvalidFields):
        await merge(leads, *await two(leads), fields=fields)


async def test_a_lead_is_not_merged_into_itself(leads):
    first, again = await two(leads)
    for these in ((first, first), (first, again, again)):
        with pytest.raises(InvalidArgument):
            await merge(leads, *these)


async def test_what_was_said_and_planned_goes_along(leads):
    first, again = await two(leads)
    await log_call(leads, again.name, outcome="REACHED", note="Говори български")
    written = await interact(leads, first)
    at_work = await enrol(leads, again)
    await merge(leads, first, again)
    told = await interactions(leads, first)
    assert len(told) == 2
    assert {(one.owner, one.journey_id) for one in told} == {("users/ana", first.journey_id)}
    assert written.name in {one.name for one in told}
    assert await interactions(leads, again) == []
    goes_on = await enrolment(leads, at_work.name)
    assert (goes_on.lead, goes_on.owner, goes_on.state) == (first.name, "users/ana", at_work.state)
    now = await read(leads, first.name)
    assert (now.call_count, leads_pb2.Lead.State.Name(now.state)) == (1, "WORKING")


async def test_nobody_goes_through_two_cadences(leads):
    first, again = await two(leads)
    own, others = await enrol(leads, first), await enrol(leads, again)
    await merge(leads, first, again)
    ended = await enrolment(leads, others.name)
    assert (ended.lead, ended.stop_reason) == (first.name, "MERGED")
    assert (await enrolment(leads, own.name)).state == own.state
    await undo(leads, first)
    assert without(await enrolment(leads, others.name)) == without(others)
    assert without(await enrolment(leads, own.name)) == without(own)


async def test_undo_brings_everything_back(leads):
    first, again = await two(leads)
    for lead in (first, again):
        await interact(leads, lead)
        await log_call(leads, lead.name, outcome="NO_ANSWER")
    before = [await read(leads, lead.name) for lead in (first, again)]
    said = [await interactions(leads, lead) for lead in (first, again)]
    await merge(leads, first, again)
    undone = await undo(leads, first)
    assert MERGE.State.Name(undone.state) == "UNDONE"
    assert [without(await read(leads, lead.name)) for lead in before] == list(map(without, before))
    after = [await interactions(leads, lead) for lead in (first, again)]
    assert [[without(one) for one in some] for some in after] == [[without(one) for one in some] for some in said]
    assert (await leads.events(again.name))[-1] == "LeadUnmerged"
    assert (await leads.events(first.name))[-1] == "LeadsParted"


async def test_undo_keeps_what_was_done_since(leads):
    first, again = await two(leads)
    await log_call(leads, again.name, outcome="REACHED")
    await merge(leads, first, again)
    await log_call(leads, first.name, outcome="REACHED", note="Since")
    await update(leads, first.name, company="Since ООД", labels={"size": "large", "since": "yes"})
    await undo(leads, first)
    now = await read(leads, first.name)
    assert (now.company, dict(now.labels), now.call_count) == ("Since ООД", {"since": "yes"}, 1)
    assert (now.phone, list(now.external_ids)) == ("", [])
    assert [one.note for one in await interactions(leads, first)] == ["Since"]
    assert (await read(leads, again.name)).call_count == 1


async def test_merges_are_taken_back_from_the_last_to_the_first(leads):
    (first, again), (other, more) = await two(leads), await two(leads)
    before = [await read(leads, lead.name) for lead in (first, again, other, more)]
    await merge(leads, first, again)
    await merge(leads, first, more)
    await merge(leads, other, first)
    with pytest.raises(FailedPrecondition) as refused:
        await undo(leads, first)
    assert refused.value.metadata["merged_into"] == other.name
    await undo(leads, other)
    await undo(leads, first)
    await undo(leads, first)
    assert [without(await read(leads, lead.name)) for lead in before] == list(map(without, before))
    with pytest.raises(FailedPrecondition):
        await undo(leads, first)


async def test_a_tombstone_is_out_of_lists_and_takes_nothing(leads):
    first, again = await two(leads)
    await merge(leads, first, again)
    kept = await read(leads, again.name)
    mine = f'email = "{again.email}"'
    assert again.name not in await all_names(leads, filter=mine)
    assert again.name in await all_names(leads, filter=mine, show_archived=True)
    assert again.name not in await duplicates(leads, first)
    tries = [
        update(leads, again.name, note="x"),
        log_call(leads, again.name, outcome="REACHED"),
        interact(leads, again),
        enrol(leads, again),
        merge(leads, again, first),
        merge(leads, first, again),
        *(
            change(leads, f"{verb}Lead", again)
            for verb in ("Archive", "Restore", "Accept", "Wake", "Convert", "Recycle")
        ),
        change(leads, "QualifyLead", again),
        change(leads, "DisqualifyLead", again, reason="no_budget"),
        change(leads, "AssignLead", again, owner="users/ana"),
    ]
    for one in tries:
        with pytest.raises(FailedPrecondition):
            await one
    assert await read(leads, again.name) == kept


@pytest.mark.parametrize("state", ["CONVERTING", "CONVERTED"])
async def test_what_became_a_customer_is_not_merged(leads, state):
    first, again = await two(leads)
    await leads.rows("UPDATE leads SET state = $1 WHERE id = $2", state, again.name.removeprefix("leads/"))
    for these in ((first, again), (again, first)):
        with pytest.raises(FailedPrecondition):
            await merge(leads, *these)


async def test_a_lead_that_was_converted_since_stays_merged(leads):
    first, again = await two(leads)
    await merge(leads, first, again)
    await leads.rows("UPDATE leads SET state = 'CONVERTED' WHERE id = $1", first.name.removeprefix("leads/"))
    with pytest.raises(FailedPrecondition) as refused:
        await undo(leads, first)
    assert "LEAD_CONVERTED_SINCE" in refused.value.message


async def test_undo_has_its_time(leads):
    first, again = await two(leads)
    made = await merge(leads, first, again)
    assert made.undo_until.ToDatetime() - made.merge_time.ToDatetime() == timedelta(days=30)
    ago = datetime.now(UTC) - timedelta(seconds=1)
    await leads.rows("UPDATE lead_merges SET undo_until = $1 WHERE lead = $2", ago, first.name)
    with pytest.raises(FailedPrecondition) as refused:
        await undo(leads, first)
    assert "UNDO_TIME_OVER" in refused.value.message


async def test_a_merge_is_made_once_however_often_it_is_asked_for(leads):
    first, again = await two(leads)
    key = new_id()
    assert await merge(leads, first, again, requestId=key) == await merge(leads, first, again, requestId=key)
    assert len((await call(leads, "ExplainMerge", name=first.name)).merges) == 1


async def test_whoever_looked_before_the_others_changed_is_told(leads):
    first, again = await two(leads)
    await update(leads, again.name, note="Changed")
    with pytest.raises(Aborted):
        await call(leads, "MergeLeads", name=first.name, merged=[{"name": again.name, "etag": again.etag}])
    await call(leads, "MergeLeads", name=first.name, etag=first.etag, merged=[{"name": again.name}])
    with pytest.raises(Aborted):
        await undo(leads, first, etag=first.etag)


async def test_nobody_merges_what_he_may_not_see(leads):
    first, again = await two(leads)
    with pytest.raises(NotFound):
        await merge(leads, first, again, by="users/ana")
    with pytest.raises(NotFound):
        await merge(leads, again, first, by="users/ana")
    assert await merge(leads, first, again, by="users/mira")


async def test_of_merges_of_one_lead_at_once_one_is_made(leads):
    first, again = await two(leads)
    others = [first, *await two(leads)]
    tries = await asyncio.gather(*(merge(leads, one, again) for one in others), return_exceptions=True)
    assert sum(isinstance(one, merges_pb2.LeadMerge) for one in tries) == 1
    assert all(isinstance(one, merges_pb2.LeadMerge | FailedPrecondition) for one in tries), tries


async def test_a_call_at_the_moment_of_a_merge_is_not_lost(leads):
    first, again = await two(leads)
    results = await asyncio.gather(
        merge(leads, first, again), *(log_call(leads, again.name, outcome="REACHED") for _ in range(4)),
        return_exceptions=True,
    )  # fmt: skip
    told = [one for one in results[1:] if not isinstance(one, Exception)]
    assert (await read(leads, first.name)).call_count == len(told)
    assert len(await interactions(leads, first)) == len(told)


async def test_what_a_reaction_wrote_beside_a_merge_is_gathered(leads):
    first, again = await two(leads)
    made = await merge(leads, first, again)
    late = await interact(leads, first)
    await leads.rows("UPDATE interactions SET lead = $1 WHERE id = $2", again.name, late.name.partition("/")[2])
    event = lead_events.LeadMerged(lead=await read(leads, again.name), lead_merge=made.name)
    await leads.react(event, version=99)
    assert late.name in {one.name for one in await interactions(leads, first)}


async def test_who_writes_from_the_old_address_reaches_the_lead_that_goes_on(leads):
    first, again = await two(leads)
    await merge(leads, first, again)
    written = await capture(leads, f"Ли, {again.email}")
    assert written.lead == first.name
    rows = [leads_pb2.Lead(display_name="Li", email=again.email)]
    answer = await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows), by="users/root")
    assert answer.results[0].lead == first.name


async def test_another_system_reaches_it_by_its_key(leads):
    first, again = await two(leads)
    await merge(leads, first, again)
    row = leads_pb2.Lead(display_name="Ли Мин", external_ids=again.external_ids, region="Sofia")
    answer = await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=[row]), by="users/root")
    assert answer.results[0].lead == first.name


async def test_a_touch_of_the_old_journey_wakes_the_lead_that_goes_on(leads):
    first, again = await two(leads)
    await merge(leads, first, again)
    until_then = {"seconds": int(datetime.now(UTC).timestamp()) + 86400}
    await change(leads, "NurtureLead", first, nurture_until=until_then)
    touch = {"name": f"touches/{new_id()}", "channel": "channels/x", "journey_id": again.journey_id}
    event = marketing_events.TouchRecorded(touch=touch)
    event.event_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=1))
    await leads.react(event)
    assert leads_pb2.Lead.State.Name((await read(leads, first.name)).state) == "ASSIGNED"


async def test_clocks_go_along_in_their_order(backend, issuer):
    desk = await start("leads", backend, issuer)
    try:
        first, again = await two(desk)
        for lead, seconds in ((first, 2), (again, 1), (again, 3)):
            await desk.rows(
                "INSERT INTO lead_responses (id, version, create_time, update_time, lead, owner, team, journey_id,"
                " state, channel, target, cycle, start_time, due_time, waited_seconds) VALUES (gen_random_uuid(), 1,"
                " now(), now(), $1, $2, '', $3, 'MET', '', 'all', $4, now(), now(), 5)",
                lead.name, lead.owner, lead.journey_id, seconds,
            )  # fmt: skip
        held = "SELECT lead, cycle, owner FROM lead_responses ORDER BY lead, cycle"
        before = await desk.rows(held)
        await merge(desk, first, again)
        assert [(row["lead"], row["cycle"]) for row in await desk.rows(held)] == [(first.name, n) for n in (2, 3, 4)]
        await undo(desk, first)
        assert await desk.rows(held) == before
        await until(lambda: _told(desk), "the service heard of itself")
    finally:
        await desk.stop()


async def _told(desk):
    return await desk.rows("SELECT 1 FROM outbox WHERE type LIKE '%LeadsParted'")
