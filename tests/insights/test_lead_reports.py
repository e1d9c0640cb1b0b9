"""The report on leads: what became of them, now and as it was known at any moment, within the caller's reach."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.errors import InvalidArgument, InvalidFields, PermissionDenied
from chassis.values import id_of, new_id
from crm.insights.v1 import lead_reports_pb2 as pb
from crm.leads.v1 import events_pb2 as leads
from harness import start
from histories import day
from hypothesis import given, settings
from hypothesis import strategies as st
from insights import lead_reports
from insights.lead_facts import FIRST as FIRSTS
from insights.lead_facts import LAST as LASTS
from lead_tales import Tale

FIRST, LAST = {"year": 2025, "month": 12, "day": 1}, {"year": 2026, "month": 12, "day": 31}


def a_channel():
    return f"channels/{new_id()}"


async def asked(insights, by="users/root", **wanted):
    request = pb.GetLeadReportRequest(**({"start_date": FIRST, "end_date": LAST} | wanted))
    return await insights.call("LeadReportService/GetLeadReport", request, by=by)


async def groups(insights, by="users/root", **wanted):
    return {group.key: group for group in (await asked(insights, by, **wanted)).groups}


def steps(group):
    return {pb.LeadStep.Name(step.step): step for step in group.steps}


def reached(group):
    return {name: step.leads for name, step in steps(group).items() if step.leads}


def days(duration):
    return duration.ToTimedelta() / timedelta(days=1)


async def test_what_became_of_the_leads_of_a_channel(insights):
    channel = a_channel()
    await Tale(channel).assigned(1).accepted(2).called(3).qualified(5).converted(9).told_to(insights)
    await Tale(channel).assigned(2).called(6).lost(7).told_to(insights)
    await Tale(channel).assigned(3).told_to(insights)
    await Tale(channel, owner="").told_to(insights)
    found = (await groups(insights, group_by="CHANNEL"))[channel]
    assert (found.leads, found.open, found.untouched, found.lost) == (4, 2, 2, 1)
    assert found.untouched_share == 0.5
    expected = {"ASSIGNED": 3, "CONTACTED": 2, "ACCEPTED": 1, "MQL": 3, "SAL": 2, "SQL": 1, "CONVERTED": 1}
    assert reached(found) == expected
    assert [step.share for step in found.steps] == [count / 4 for count in expected.values()]
    assert [(loss.reason, loss.leads) for loss in found.losses] == [("no_budget", 1)]


async def test_how_long_each_step_took(insights):
    channel = a_channel()
    for late in range(1, 11):
        await Tale(channel).assigned(late).accepted(late + 2).called(late + 4).qualified(30).told_to(insights)
    found = steps((await groups(insights, group_by="CHANNEL"))[channel])
    assert (days(found["ASSIGNED"].median), days(found["ASSIGNED"].p90)) == (5, 9)
    assert (days(found["CONTACTED"].median), days(found["CONTACTED"].p90)) == (9, 13)
    accepted = found["ACCEPTED"]
    assert (days(accepted.median), days(accepted.median_wait), accepted.previous) == (7, 2, pb.ASSIGNED)
    assert (days(found["SQL"].median), found["SQL"].previous) == (30, pb.SAL)
    assert (days(found["SQL"].median_wait), days(found["SQL"].p90_wait)) == (22, 26)
    assert not found["CONVERTED"].HasField("median")


async def test_the_first_of_each_step_counts_whatever_came_later(insights):
    channel = a_channel()
    tale = Tale(channel).assigned(1).called(2).given_back(3).assigned(8, "users/chen", "teams/south").called(9)
    await tale.told_to(insights)
    found = steps((await groups(insights, group_by="CHANNEL"))[channel])
    assert (days(found["ASSIGNED"].median), days(found["CONTACTED"].median)) == (1, 2)


async def test_a_report_tells_what_was_known_at_a_moment(insights):
    channel = a_channel()
    tale = Tale(channel).assigned(1).lost(4).reopened(6).assigned(7, "users/chen", "teams/south").qualified(8)
    await tale.converted(9).taken_back(12).told_to(insights)

    async def at(when):
        return await groups(insights, group_by="OWNER", channel=channel, as_of_time=day(when))

    assert not await at(-1)
    assert [(key, one.lost, one.open) for key, one in (await at(5)).items()] == [("users/ana", 1, 0)]
    assert [loss.reason for loss in (await at(5))["users/ana"].losses] == ["no_budget"]
    assert [(key, one.lost, one.open) for key, one in (await at(6)).items()] == [("users/ana", 0, 1)]
    assert reached((await at(6))["users/ana"]) == {"ASSIGNED": 1, "MQL": 1}
    converted = await at(10)
    assert (converted["users/chen"].open, reached(converted["users/chen"])["CONVERTED"]) == (0, 1)
    now = await groups(insights, group_by="OWNER", channel=channel)
    assert (now["users/chen"].open, "CONVERTED" in reached(now["users/chen"])) == (1, False)


async def test_what_was_recorded_later_was_not_known_before(insights):
    channel = a_channel()
    await Tale(channel).tell(leads.LeadQualified, 2, recorded=20, state="QUALIFIED", sql_time=day(2)).told_to(insights)
    before = await groups(insights, group_by="CHANNEL", channel=channel, as_of_time=day(19))
    assert "SQL" not in reached(before[channel])
    after = await groups(insights, group_by="CHANNEL", channel=channel, as_of_time=day(20))
    assert days(steps(after[channel])["SQL"].median) == 2


async def test_leads_merged_into_another_are_not_counted(insights):
    channel = a_channel()
    await Tale(channel).told_to(insights)
    await Tale(channel).merged(3).told_to(insights)
    assert (await groups(insights, group_by="CHANNEL"))[channel].leads == 1
    assert (await groups(insights, group_by="CHANNEL", as_of_time=day(2)))[channel].leads == 2


async def test_a_lead_is_its_first_campaigns(insights):
    channel = a_channel()
    await Tale(channel).captured(2, "autumn").captured(1, "лято").told_to(insights)
    await Tale(channel).captured(1, "").told_to(insights)
    found = await groups(insights, group_by="CAMPAIGN", channel=channel)
    assert {key: one.leads for key, one in found.items()} == {"лято": 1, "": 1}
    assert set(await groups(insights, group_by="CAMPAIGN", channel=channel, as_of_time=day(0.5))) == {""}


async def test_a_campaign_that_is_erased_is_forgotten_here(insights):
    channel = a_channel()
    tale = await Tale(channel).captured(1, "for Ida Lund").told_to(insights)
    [told] = await insights.rows("SELECT event_id FROM lead_campaigns WHERE lead = $1::uuid", id_of(tale.name))
    capture = {"name": f"captures/{new_id()}", "lead": tale.name}
    event = leads.LeadCaptured(capture=capture, event_time=day(1))
    again = {"id": str(told["event_id"]), "erasure": new_id(), "record_time": day(1), "position": 1}
    await insights.react(event, **again)
    assert set(await groups(insights, group_by="CAMPAIGN", channel=channel)) == {""}


async def test_everybody_sees_what_became_of_the_leads_within_their_reach(insights):
    channel = a_channel()
    for owner, team in (("users/ana", "teams/north"), ("users/chen", "teams/south"), ("users/dora", "teams/service")):
        await Tale(channel, owner, team).told_to(insights)

    async def seen(by, **wanted):
        return set(await groups(insights, by, group_by="OWNER", channel=channel, **wanted))

    for moment in ({}, {"as_of_time": day(3)}):
        assert await seen("users/ana", **moment) == {"users/ana"}
        assert await seen("users/mira", **moment) == {"users/ana", "users/chen"}
        assert await seen("users/root", **moment) == {"users/ana", "users/chen", "users/dora"}
        assert await seen("users/ana", owner="users/chen", **moment) == set()
    with pytest.raises(PermissionDenied):
        await seen("users/dora")


async def test_leads_are_picked_by_channel_person_and_team(insights):
    channel = a_channel()
    await Tale(channel).told_to(insights)
    await Tale(channel, "users/chen", "teams/south").told_to(insights)
    for wanted in ({"owner": "users/chen"}, {"team": "teams/south"}):
        assert set(await groups(insights, group_by="TEAM", channel=channel, **wanted)) == {"teams/south"}
    [whole] = (await asked(insights, channel=channel)).groups
    assert (whole.key, whole.leads) == ("", 2)
    assert not (await asked(insights, channel=a_channel())).groups


@pytest.fixture(scope="module")
async def shanghai(backend, issuer):
    running = await start("insights", backend, issuer, company_zone="Asia/Shanghai")
    yield running
    await running.stop()


async def test_weeks_and_months_are_those_of_the_companys_zone(shanghai):
    # Day 0 is Thursday, 1 January 2026, 09:00 UTC: Sunday 11 January, 17:00 UTC is Monday in Shanghai.
    for born in (0, 10, 10 + 8 / 24):
        await Tale(born=born).told_to(shanghai)
    weeks = (await asked(shanghai, group_by="WEEK")).groups
    assert [(one.key, one.leads) for one in weeks] == [("2025-12-29", 1), ("2026-01-05", 1), ("2026-01-12", 1)]
    await Tale(born=-16 / 24).told_to(shanghai)  # 31 December, 17:00 UTC
    months = (await asked(shanghai, group_by="MONTH")).groups
    assert [(one.key, one.leads) for one in months] == [("2026-01", 4)]
    new_year = {"year": 2026, "month": 1, "day": 1}
    one_day = await asked(shanghai, start_date=new_year, end_date=new_year)
    assert (one_day.groups[0].leads, one_day.time_zone) == (2, "Asia/Shanghai")


async def test_a_report_has_so_many_groups_and_no_more(insights, monkeypatch):
    channel = a_channel()
    for owner in ("users/ana", "users/chen"):
        await Tale(channel, owner).told_to(insights)
    monkeypatch.setattr(lead_reports, "MOST_GROUPS", 2)
    assert len(await groups(insights, group_by="OWNER", channel=channel)) == 2
    monkeypatch.setattr(lead_reports, "MOST_GROUPS", 1)
    with pytest.raises(InvalidArgument) as refused:
        await asked(insights, group_by="OWNER", channel=channel)
    assert refused.value.metadata["reason"] == "TOO_MANY_GROUPS"


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_date": LAST, "end_date": FIRST},
        {"start_date": {"year": 2026, "month": 2, "day": 30}},
        {"start_date": {"year": 1900, "month": 1, "day": 1}},
        {"as_of_time": day(100_000)},
    ],
)
async def test_a_period_that_is_none_is_refused(insights, wrong):
    with pytest.raises(InvalidFields):
        await asked(insights, **wrong)


async def test_a_report_is_taken_along_as_a_file(insights):
    channel = a_channel()
    await Tale(channel).assigned(1).called(2).lost(3).told_to(insights)
    await Tale(channel, "=cmd()", "").told_to(insights)
    report = {"start_date": FIRST, "end_date": LAST, "group_by": "OWNER", "channel": channel}
    request = pb.ExportLeadReportRequest(report=report)
    answer = await insights.call("LeadReportService/ExportLeadReport", request, by="users/root")
    assert answer.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    found = {row["key"]: row for row in rows}
    assert set(found) == {"users/ana", "'=cmd()"}
    ana = found["users/ana"]
    assert (ana["leads"], ana["lost"], ana["losses"]) == ("1", "1", "no_budget: 1")
    assert (ana["contacted_leads"], ana["contacted_median_seconds"]) == ("1", str(2 * 86400))
    assert ana["converted_median_seconds"] == ""
    taken = await insights.rows("SELECT actor FROM audit_entry WHERE kind = 'EXPORTED' AND subject = 'reports/leads'")
    assert [row["actor"] for row in taken] == ["users/root"]
    with pytest.raises(PermissionDenied):
        await insights.call("LeadReportService/ExportLeadReport", request, by="users/ana")


# All of it counted anew from the history.
FIRSTS_TOLD = ", ".join(f"min({name}) AS {name}" for name in FIRSTS)
COUNTED = (
    f"SELECT lead, {', '.join(f'f.{name}' for name in FIRSTS)}, {', '.join(f'l.{name}' for name in LASTS)}, told FROM"
    " (SELECT DISTINCT ON (lead) * FROM lead_history ORDER BY lead, epoch DESC, version DESC, event_id DESC) l"
    f" JOIN (SELECT lead, max(record_time) AS told, {FIRSTS_TOLD} FROM lead_history GROUP BY lead) f USING (lead)"
    " WHERE lead = any($1::uuid[]) ORDER BY lead"
)
KEPT = (
    f"SELECT {', '.join(['lead', *FIRSTS, *LASTS])}, record_time AS told FROM lead_facts"
    " WHERE lead = any($1::uuid[]) ORDER BY lead"
)
verbs = st.sampled_from(
    [
        "assigned",
        "accepted",
        "called",
        "given_back",
        "qualified",
        "converted",
        "taken_back",
        "lost",
        "reopened",
        "merged",
    ]
)
histories = st.lists(st.tuples(st.integers(0, 2), verbs), max_size=15)


@settings(max_examples=25, deadline=None)
@given(histories, st.randoms(use_true_random=False), st.integers(-1, 16))
async def test_after_a_random_history_in_any_order_what_is_kept_is_what_is_counted(insights, history, chance, moment):
    """The facts kept as events came are those of the history; the report of a moment is that of the events by then."""
    channel = a_channel()
    tales = [Tale(channel, born=0) for _ in range(3)]
    for at, (which, verb) in enumerate(history, 1):
        getattr(tales[which], verb)(at)
    events = [event for tale in tales for event in tale.events]
    chance.shuffle(events)
    for event in [*events, *events[: len(events) // 2]]:
        await insights.process._inbox.apply(event)
    names = [id_of(tale.name) for tale in tales]
    assert await insights.rows(KEPT, names) == await insights.rows(COUNTED, names)

    then, other = await groups(insights, channel=channel, as_of_time=day(moment)), a_channel()
    for tale in tales:
        copy = Tale(other)
        for event in (event for event in tale.events[1:] if event.record_time <= day(moment)):
            message = type(event.message)()
            message.CopyFrom(event.message)
            message.lead.name, message.lead.channel = copy.name, other
            copy.events.append(replace(event, id=new_id(), message=message, subject=copy.name))
        if moment >= 0:
            await copy.told_to(insights)
    assert then == await groups(insights, channel=other)
