"""Recommendations over gRPC: what tries brought is counted in a real database, and compared with a recount."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import FailedPrecondition, NotFound
from chassis.unattended import unattended
from chassis.values import new_id
from crm.leads.v1 import approaches_pb2, interactions_pb2, leads_pb2, merges_pb2
from harness import PEOPLE, start
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_calls import create
from leads import approach_tables, approaching

Approach, Kind = approaches_pb2.Approach, interactions_pb2.Interaction.Kind
ZONE = "Europe/Sofia"
PUT = (
    "INSERT INTO interactions (id, version, create_time, update_time, lead, owner, team, journey_id, actor, kind,"
    " direction, outcome, note, interaction_time) VALUES ($1::uuid, 1, now(), now(), $2::text, '', '', NULL, '',"
    " $3::text, $4::text, $5::text, '', $6::timestamptz)"
)


@pytest.fixture(scope="module")
async def running(backend, issuer):
    service = await start("leads", backend, issuer, PEOPLE, company_zone=ZONE)
    yield service
    await service.stop()


@pytest.fixture
async def desk(running):
    """Nobody was ever in touch with anybody."""
    await running.rows("DELETE FROM interactions")
    return running


async def counted(desk):
    await desk.rows("UPDATE approach_duties SET count_time = NULL")
    await unattended(desk.process.context, "counting", approaching.count)


async def recommended(desk, lead, by="users/root"):
    request = approaches_pb2.RecommendApproachRequest(name=lead.name)
    return await desk.call("ApproachService/RecommendApproach", request, by=by)


async def happened(desk, lead, kind, direction, outcome, at):
    await desk.rows(PUT, new_id(), lead.name, kind, direction, outcome, at)


async def history(desk, *, calls=30, answered=12, hour=14, channel="channels/fair"):
    """Calls in that hour UTC, one to each of so many leads; the first ones were reached."""
    for place in range(calls):
        lead = await create(desk, channel=channel)
        outcome = "REACHED" if place < answered else "NO_ANSWER"
        at = datetime.now(UTC).replace(hour=hour, minute=place, second=0, microsecond=0) - timedelta(days=3)
        await happened(desk, lead, "CALL", "OUTBOUND", outcome, at)


STORIES = st.lists(
    st.tuples(
        st.integers(0, 3),  # which lead
        st.sampled_from(["CALL", "EMAIL", "VISIT", "SMS", "CHAT"]),
        st.sampled_from(["OUTBOUND", "OUTBOUND", "INBOUND"]),
        st.sampled_from(["REACHED", "NO_ANSWER", "CALL_BACK", "WRONG_NUMBER", "OUTCOME_UNSPECIFIED"]),
        st.integers(0, 370 * 24),  # hours ago
    ),
    max_size=40,
    unique_by=lambda one: one[4],
)


def recount(story, channels, now):
    """The same in Python, a lead and a try at a time."""
    tries, answers = Counter(), Counter()
    told = [one for one in story if one[4] <= 365 * 24]
    for which, kind, direction, outcome, ago in told:
        if direction == "INBOUND":
            continue
        later = [one for one in told if one[0] == which and one[4] < ago]
        after = max(later, key=lambda one: one[4], default=None)
        reply = after is not None and after[2] == "INBOUND" and ago - after[4] <= 7 * 24
        hour = (now - timedelta(hours=ago)).astimezone(ZoneInfo(ZONE)).hour
        tries[channels[which], kind, hour] += 1
        answers[channels[which], kind, hour] += outcome in ("REACHED", "CALL_BACK") or reply
    return {key: (tries[key], answers[key]) for key in tries}


@given(STORIES)
@settings(max_examples=25, deadline=None)
async def test_what_is_counted_is_what_a_recount_finds(running, story):
    await running.rows("DELETE FROM interactions")
    channels = ["channels/fair", "channels/fair", "channels/web", ""]
    leads = [await create(running, channel=channel) for channel in channels]
    now = datetime.now(UTC) - timedelta(minutes=1)
    for which, kind, direction, outcome, ago in story:
        await happened(running, leads[which], kind, direction, outcome, now - timedelta(hours=ago))
    await counted(running)
    rows = await running.rows("SELECT * FROM approach_rates")
    found = {(row["segment"], row["kind"], row["hour"]): (row["tries"], row["answers"]) for row in rows}
    assert found == recount(story, channels, now)
    for which, lead in enumerate(leads):
        own = approaching.own_answers(await running.rows(approach_tables.STORY.sql, lead.name))
        mine = [one for one in story if one[0] == which]
        assert {kind.name: tries for kind, (tries, _) in own.items()} == Counter(one[1] for one in mine)


async def test_a_new_lead_is_called_at_the_hours_at_which_leads_like_it_were_reached(desk):
    await history(desk)
    await counted(desk)
    lead = await create(desk, owner="users/ana", phone="0888 123 456", channel="channels/fair")
    found = await recommended(desk, lead, by="users/ana")
    hour = (datetime.now(UTC) - timedelta(days=3)).replace(hour=14).astimezone(ZoneInfo(ZONE)).hour
    assert (found.step, found.kind) == (Approach.FIRST_CONTACT, Kind.CALL)
    assert found.start_hour <= hour < found.end_hour
    assert (found.tries, found.segment, found.enough_data) == (30, "channels/fair", True)
    (option,) = found.options
    assert (option.tries, option.answers, option.segment_tries, option.segment_answers) == (30, 12, 30, 12)
    at = found.contact_time.ToDatetime(UTC)
    assert at > datetime.now(UTC) - timedelta(minutes=1)
    assert found.start_hour <= at.astimezone(ZoneInfo(ZONE)).hour < found.end_hour
    assert found.count_time.ToDatetime(UTC) <= datetime.now(UTC)
    assert [reason.cause for reason in found.reasons] == [Approach.Reason.STATE, Approach.Reason.RATE]
    again = await recommended(desk, lead, by="users/ana")
    assert (again.step, again.kind, again.options[0].rate) == (found.step, found.kind, option.rate)


async def test_without_data_nothing_is_recommended_and_that_is_said(desk):
    await counted(desk)
    lead = await create(desk, owner="users/ana", phone="0888 123 456")
    found = await recommended(desk, lead)
    assert (found.step, found.kind, found.enough_data) == (Approach.FIRST_CONTACT, Kind.KIND_UNSPECIFIED, False)
    assert not found.options
    assert "Not enough data: 0 tries in 365 days" in found.reasons[-1].sentence


async def test_tries_are_counted_once_an_hour(desk):
    await counted(desk)
    await history(desk, calls=1)
    await unattended(desk.process.context, "counting", approaching.count)
    assert await desk.rows("SELECT FROM approach_rates") == []
    await desk.rows("UPDATE approach_duties SET count_time = now() - interval '61 minutes'")
    await unattended(desk.process.context, "counting", approaching.count)
    assert len(await desk.rows("SELECT FROM approach_rates")) == 1


async def test_who_wrote_by_mail_is_answered_at_once(desk):
    await history(desk)
    await counted(desk)
    lead = await create(desk, owner="users/ana", phone="0888 123 456", email="li@rosa.example")
    logged = interactions_pb2.LogInteractionRequest(name=lead.name, kind="EMAIL", direction="INBOUND")
    await desk.call("InteractionService/LogInteraction", logged, by="users/ana")
    found = await recommended(desk, lead)
    assert found.step == Approach.ANSWER
    soon = found.contact_time.ToDatetime(UTC) - datetime.now(UTC)
    assert soon < timedelta(minutes=1)


async def test_the_story_of_a_merged_lead_counts_for_the_one_that_goes_on_and_returns_with_an_undo(desk):
    survivor, other = await create(desk, channel="channels/web"), await create(desk, channel="channels/fair")
    await happened(desk, other, "CALL", "OUTBOUND", "REACHED", datetime.now(UTC) - timedelta(days=1))

    async def segments():
        await counted(desk)
        return [row["segment"] for row in await desk.rows("SELECT segment FROM approach_rates")]

    assert await segments() == ["channels/fair"]
    merged = merges_pb2.MergeLeadsRequest(name=survivor.name, merged=[{"name": other.name}])
    await desk.call("MergeService/MergeLeads", merged, by="users/root")
    assert await segments() == ["channels/web"]
    await desk.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=survivor.name), by="users/root")
    assert await segments() == ["channels/fair"]


async def test_a_closed_lead_is_approached_by_nobody_and_one_out_of_sight_is_not_told_of(desk):
    lead = await create(desk, owner="users/ana")
    with pytest.raises(NotFound):
        await recommended(desk, lead, by="users/chen")
    await desk.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=lead.name), by="users/root")
    with pytest.raises(FailedPrecondition):
        await recommended(desk, lead)


async def test_of_very_many_interactions_the_newest_are_counted(desk, monkeypatch):
    monkeypatch.setattr(approach_tables, "MOST_COUNTED", 3)
    lead = await create(desk)
    for days in (1, 2, 3, 4):
        at = datetime.now(UTC) - timedelta(days=days)
        await happened(desk, lead, "CALL", "OUTBOUND", "REACHED" if days == 4 else "NO_ANSWER", at)
    await counted(desk)
    [row] = await desk.rows("SELECT sum(tries)::int AS tries, sum(answers)::int AS answers FROM approach_rates")
    assert (row["tries"], row["answers"]) == (3, 0)
