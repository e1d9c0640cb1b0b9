"""What becomes of a lead between its making and its end, over gRPC: taken on, given back, left in peace, woken."""

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import captures_pb2, interactions_pb2
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import leads_pb2 as pb
from crm.marketing.v1 import events_pb2 as marketing_events
from leads import overdue

from chassis import values

BY = "users/root"
TOMORROW = datetime.now(UTC) + timedelta(days=1)
DAY_SECONDS = 24 * 3600


async def call(leads, method, by=BY, **fields):
    request = getattr(pb, f"{method}Request")(**fields)
    return await leads.call(f"LeadService/{method}", request, by=by)


async def new(leads, **fields) -> pb.Lead:
    return await call(leads, "CreateLead", lead={"display_name": "Ана Петрова", "owner": "users/ana"} | fields)


async def read(leads, name) -> pb.Lead:
    return await call(leads, "GetLead", name=name)


async def set_up(leads, *paths, **settings) -> None:
    request = pb.UpdateLeadSettingsRequest(lead_settings=settings)
    request.update_mask.paths.extend(paths or settings)
    await leads.call("LeadService/UpdateLeadSettings", request, by=BY)


@pytest.fixture
async def settings(leads):
    """Sets the company's settings for one test."""

    async def set_them(**given):
        await set_up(leads, **given)

    yield set_them
    await set_up(leads, "nurture_plans", "nurture_limit", "recycle_after_days", "wake_bands")


@contextmanager
def later(days: float):
    """Lets this process live some days later. It believes no token meanwhile."""
    values._OFFSET_NS = int(days * DAY_SECONDS * 1e9)
    try:
        yield
    finally:
        values._OFFSET_NS = 0


async def wake_due(leads, days: float = 0) -> int:
    """How many leads wake by themselves, that many days from now."""
    with later(days):
        return await overdue.wake_due(leads.process.context)


async def last_event(leads, name, kind):
    """The payload of a lead's last event."""
    rows = await leads.rows("SELECT type, payload FROM outbox WHERE subject = $1 ORDER BY id DESC LIMIT 1", name)
    assert rows[0]["type"] == f"crm.leads.v1.{kind.__name__}"
    return kind.FromString(rows[0]["payload"])


async def test_the_assignee_takes_a_lead_on(leads):
    made = await new(leads)
    accepted = await call(leads, "AcceptLead", by="users/ana", name=made.name)
    assert (accepted.state, accepted.HasField("sal_time")) == (pb.Lead.WORKING, True)
    assert await leads.events(made.name) == ["LeadCreated", "LeadAssigned", "LeadAccepted"]
    with pytest.raises(FailedPrecondition, match="WORKING"):
        await call(leads, "AcceptLead", by="users/ana", name=made.name)


async def test_a_rejected_lead_is_the_teams_and_no_longer_the_assignees(leads):
    made = await new(leads)
    rejected = await call(leads, "RejectLead", by="users/ana", name=made.name, reason="wrong_region", note="Пловдив")
    assert (rejected.state, rejected.owner, rejected.team) == (pb.Lead.NEW, "", "teams/north")
    with pytest.raises(NotFound):
        await call(leads, "GetLead", by="users/ana", name=made.name)
    assert (await call(leads, "GetLead", by="users/mira", name=made.name)).rejected_by == ["users/ana"]
    told = await last_event(leads, made.name, lead_events.LeadRejected)
    assert (told.previous_owner, told.reason, told.note) == ("users/ana", "wrong_region", "Пловдив")


async def test_a_colleague_neither_accepts_nor_rejects_for_the_assignee(leads):
    made = await new(leads)
    for method, more in (("AcceptLead", {}), ("RejectLead", {"reason": "busy"})):
        with pytest.raises(NotFound):
            await call(leads, method, by="users/boris", name=made.name, **more)


async def test_a_lead_is_left_in_peace_until_its_day_and_wakes_by_itself(leads):
    made = await new(leads)
    asleep = await call(leads, "NurtureLead", name=made.name, nurture_until=TOMORROW, reason="no_budget_yet")
    assert (asleep.state, asleep.nurture_reason) == (pb.Lead.NURTURING, "no_budget_yet")
    await wake_due(leads)
    assert (await read(leads, made.name)).state == pb.Lead.NURTURING
    await wake_due(leads, days=2)
    awake = await read(leads, made.name)
    assert (awake.state, awake.owner) == (pb.Lead.ASSIGNED, "users/ana")
    assert (await leads.events(made.name))[-2:] == ["LeadNurtured", "LeadWoken"]


async def test_many_looks_at_once_wake_a_lead_once(leads):
    made = await new(leads)
    await call(leads, "NurtureLead", name=made.name, nurture_until=TOMORROW)
    with later(days=2):
        await asyncio.gather(*(overdue.wake_due(leads.process.context) for _ in range(4)))
    assert (await leads.events(made.name)).count("LeadWoken") == 1


async def test_an_archived_lead_sleeps_on_until_it_is_restored(leads):
    made = await new(leads)
    await call(leads, "NurtureLead", name=made.name, nurture_until=TOMORROW)
    await call(leads, "ArchiveLead", name=made.name)
    await wake_due(leads, days=2)
    assert (await read(leads, made.name)).state == pb.Lead.NURTURING
    await call(leads, "RestoreLead", name=made.name)
    await wake_due(leads, days=2)
    assert (await read(leads, made.name)).state == pb.Lead.ASSIGNED


async def test_a_plan_says_how_long_and_a_lead_is_nurtured_so_often_and_no_more(leads, settings):
    await settings(nurture_plans=[{"plan": "quarter", "days": 90}], nurture_limit=1)
    made = await new(leads)
    asleep = await call(leads, "NurtureLead", name=made.name, plan="quarter")
    days = (asleep.nurture_until.ToDatetime(tzinfo=UTC) - datetime.now(UTC)) / timedelta(days=1)
    assert (round(days), asleep.nurture_plan) == (90, "quarter")
    await call(leads, "WakeLead", name=made.name, note="Обади се")
    with pytest.raises(FailedPrecondition, match="NURTURED_TOO_OFTEN"):
        await call(leads, "NurtureLead", name=made.name, plan="quarter")


@pytest.mark.parametrize("asked", [{}, {"plan": "nobody_made_it"}, {"nurture_until": datetime(2020, 1, 1, tzinfo=UTC)}])
async def test_a_nurture_without_an_end_is_refused(leads, asked):
    made = await new(leads)
    with pytest.raises(InvalidFields):
        await call(leads, "NurtureLead", name=made.name, **asked)
    assert (await read(leads, made.name)).state == pb.Lead.ASSIGNED


async def touch(leads, journey_id: str, at: datetime) -> None:
    event = marketing_events.TouchRecorded(touch={"name": f"touches/{new_id()}", "journey_id": journey_id})
    event.event_time.FromDatetime(at)
    await leads.react(event)


async def test_an_inbound_touch_wakes_a_lead(leads):
    made = await new(leads)
    await call(leads, "NurtureLead", name=made.name, nurture_until=TOMORROW)
    await touch(leads, new_id(), datetime.now(UTC))
    assert (await read(leads, made.name)).state == pb.Lead.NURTURING
    await touch(leads, made.journey_id, datetime.now(UTC))
    assert (await read(leads, made.name)).state == pb.Lead.ASSIGNED


async def test_a_touch_from_before_told_late_wakes_nobody(leads):
    made = await new(leads)
    await call(leads, "NurtureLead", name=made.name, nurture_until=TOMORROW)
    await touch(leads, made.journey_id, datetime.now(UTC) - timedelta(days=3))
    assert (await read(leads, made.name)).state == pb.Lead.NURTURING


async def test_a_touch_of_a_lead_that_is_worked_on_changes_nothing(leads):
    made = await new(leads)
    await touch(leads, made.journey_id, datetime.now(UTC))
    assert (await read(leads, made.name)).etag == made.etag


async def asleep(leads) -> pb.Lead:
    made = await new(leads, email=f"{new_id()}@rosa.example")
    return await call(leads, "NurtureLead", name=made.name, nurture_until=TOMORROW)


async def log(leads, name, **fields):
    request = interactions_pb2.LogInteractionRequest(name=name, kind="CHAT", **fields)
    return await leads.call("InteractionService/LogInteraction", request, by=BY)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"direction": "INBOUND"}, pb.Lead.ASSIGNED),
        ({"direction": "OUTBOUND"}, pb.Lead.NURTURING),
        ({"direction": "INBOUND", "interaction_time": datetime(2020, 1, 1, tzinfo=UTC)}, pb.Lead.NURTURING),
    ],
    ids=["they answer", "we write", "they wrote long ago"],
)
async def test_an_answer_wakes_a_lead(leads, said, state):
    lead = await asleep(leads)
    await log(leads, lead.name, **said)
    assert (await read(leads, lead.name)).state == state
    if state == pb.Lead.ASSIGNED:
        told = await last_event(leads, lead.name, lead_events.LeadWoken)
        assert told.cause == lead_events.LeadWoken.ANSWER


async def test_a_lead_that_comes_in_again_is_awake(leads):
    lead = await asleep(leads)
    form = captures_pb2.CaptureLeadRequest(web_form={"values": {"email": lead.email, "name": "Ана"}})
    taken = await leads.call("CaptureService/CaptureLead", form, by=BY)
    assert taken.lead == lead.name
    assert (await read(leads, lead.name)).state == pb.Lead.ASSIGNED


async def test_an_archived_lead_that_answers_sleeps_on(leads):
    lead = await asleep(leads)
    await call(leads, "ArchiveLead", name=lead.name)
    await log(leads, lead.name, direction="INBOUND")
    await touch(leads, lead.journey_id, datetime.now(UTC))
    assert (await read(leads, lead.name)).state == pb.Lead.NURTURING


async def scored(leads, name, band, before=""):
    event = lead_events.LeadScored(previous_band=before)
    event.lead_score.name, event.lead_score.lead = name.replace("leads/", "leadScores/"), name
    event.lead_score.band = band
    await leads.react(event)


@pytest.mark.parametrize(
    ("before", "band", "state"),
    [
        ("cold", "warm", pb.Lead.ASSIGNED),
        ("", "warm", pb.Lead.ASSIGNED),
        ("hot", "warm", pb.Lead.NURTURING),
        ("warm", "hot", pb.Lead.NURTURING),
    ],
    ids=["rose", "first score", "fell", "into another band"],
)
async def test_a_score_that_rises_into_a_band_that_wakes_wakes_a_lead(leads, settings, before, band, state):
    await settings(wake_bands=["warm"])
    lead = await asleep(leads)
    await scored(leads, lead.name, band, before)
    assert (await read(leads, lead.name)).state == state


async def test_no_score_wakes_a_lead_unless_the_company_says_so(leads):
    lead = await asleep(leads)
    await scored(leads, lead.name, "hot", "cold")
    assert (await read(leads, lead.name)).state == pb.Lead.NURTURING


async def test_a_disqualified_lead_is_opened_again_with_a_reason(leads):
    made = await new(leads)
    await call(leads, "DisqualifyLead", name=made.name, reason="no_budget")
    with pytest.raises(InvalidFields, match="note"):
        await call(leads, "ReopenLead", name=made.name)
    opened = await call(leads, "ReopenLead", name=made.name, note="New budget")
    assert (opened.state, opened.disqualify_reason, opened.HasField("close_time")) == (pb.Lead.ASSIGNED, "", False)


async def test_a_lead_whose_owner_left_comes_back_to_the_queue(leads):
    made = await new(leads)
    await call(leads, "DisqualifyLead", name=made.name, reason="no_budget")
    await leads.rows("UPDATE leads SET owner = 'users/gone' WHERE id = $1", made.name.removeprefix("leads/"))
    opened = await call(leads, "ReopenLead", name=made.name, note="New budget")
    assert (opened.state, opened.owner) == (pb.Lead.NEW, "")


async def test_a_neglected_lead_goes_back_to_its_team_if_the_company_wants_that(leads, settings):
    idle, worked, done = [await new(leads) for _ in range(3)]
    await call(leads, "QualifyLead", name=done.name)
    await call(leads, "LogCall", name=worked.name, call_time=datetime.now(UTC) + timedelta(hours=20))
    with later(days=14.5):
        assert await overdue.recycle_neglected(leads.process.context) == 0  # nobody asked for it
    await settings(recycle_after_days=14)
    with later(days=14.5):
        await overdue.recycle_neglected(leads.process.context)
    recycled = await read(leads, idle.name)
    assert (recycled.state, recycled.owner, recycled.recycle_count) == (pb.Lead.NEW, "", 1)
    assert (await read(leads, worked.name)).state == pb.Lead.WORKING
    assert (await read(leads, done.name)).state == pb.Lead.QUALIFIED


async def test_a_manager_takes_a_lead_back_and_a_salesperson_does_not(leads):
    made = await new(leads)
    with pytest.raises(PermissionDenied):
        await call(leads, "RecycleLead", by="users/ana", name=made.name)
    assert (await call(leads, "RecycleLead", by="users/mira", name=made.name)).state == pb.Lead.NEW


async def test_a_row_written_by_an_older_release_is_read(leads):
    """It knows neither milestones nor nurture: the columns hold their defaults."""
    later = ("merged_into", "nurture_path", "nurture_plan", "nurture_reason", "nurture_count", "rejected_by",
             "recycle_count", "mql_time", "sal_time", "sql_time", "work_time", "nurture_until",
             )  # fmt: skip
    rows = await leads.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'leads'")
    older = [f'"{row["column_name"]}"' for row in rows if row["column_name"] not in later]
    made, copy = await new(leads), new_id()
    kept = ", ".join(f"'{copy}'" if name == '"id"' else name for name in older)
    sql = f"INSERT INTO leads ({', '.join(older)}) SELECT {kept} FROM leads WHERE id = $1"
    await leads.rows(sql, made.name.removeprefix("leads/"))
    found = await read(leads, f"leads/{copy}")
    assert (found.state, found.HasField("mql_time"), found.nurture_count) == (pb.Lead.ASSIGNED, False, 0)
    assert (await call(leads, "AcceptLead", name=found.name)).state == pb.Lead.WORKING
