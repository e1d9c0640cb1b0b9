"""Scores over gRPC, kept in the background, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from assignment_desk import a_policy
from chassis.errors import Aborted, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from crm.leads.v1 import leads_pb2, scores_pb2
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, start, until
from lead_calls import create, log_call, read, update

WEB = {"rule": "web", "points": 40, "conditions": [{"field": "channel", "test": "EQUALS", "value": "channels/web"}]}
COMPANY = {"rule": "company", "points": 30, "conditions": [{"field": "has_company", "test": "EQUALS", "value": "yes"}]}
CALLED = {"rule": "called", "points": -20, "conditions": [{"field": "call_count", "test": "AT_LEAST", "value": "1"}]}


@pytest.fixture(scope="module")
async def running(backend, issuer):
    service = await start("leads", backend, issuer, PEOPLE)
    yield service
    await service.stop()


@pytest.fixture
async def desk(running):
    """Nothing is configured, and there is no lead."""
    for table in ("leads", "lead_scores", "score_queue", "score_settings", "assignment_queue"):
        await running.rows(f"DELETE FROM {table}")
    return running


async def call(desk, method, by="users/root", **fields):
    request = ParseDict(fields, getattr(scores_pb2, f"{method}Request")())
    return await desk.call(f"ScoreService/{method}", request, by=by)


async def rules(desk, *given, **fields):
    """Over gRPC an empty list is not set, so the mask says what changes."""
    settings = {"rules": given} | fields
    return await call(desk, "UpdateScoreSettings", scoreSettings=settings, updateMask=",".join(settings))


async def score(desk, lead, by="users/root"):
    return await call(desk, "GetLeadScore", by, name=lead.name.replace("leads/", "leadScores/"))


async def scored(desk, lead, points):
    async def there():
        try:
            found = await score(desk, lead)
        except NotFound:
            return None
        return found if found.points == points else None

    return await until(there, f"{lead.name} has {points} points")


async def ranked(desk, by="users/root", **asked):
    found = (await call(desk, "RankLeads", by, **asked)).ranked_leads
    assert all(one.lead_score.lead == one.lead.name for one in found)
    return [one.lead.name for one in found]


async def quiet(desk):
    """All that changed was scored."""

    async def done():
        rows = await desk.rows("SELECT FROM score_queue")
        swept = await desk.rows("SELECT FROM score_duties WHERE sweep_after IS NULL")
        return swept and not rows

    await until(done, "every change was scored")


def soon(**ahead):
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


async def test_a_score_follows_its_lead_and_leaves_its_etag_alone(desk):
    await rules(desk, WEB, COMPANY, CALLED)
    made = await create(desk, channel="channels/web", owner="users/ana")
    first = await scored(desk, made, 40)
    assert (first.score, first.band, first.live, first.owner) == (40, "warm", True, "users/ana")
    assert [(part.rule, part.points) for part in first.parts] == [("web", 40)]
    assert (await read(desk, made.name)).etag == made.etag
    await update(desk, made.name, company="Роза ООД")
    assert (await scored(desk, made, 70)).band == "hot"
    await log_call(desk, made.name)
    assert (await scored(desk, made, 50)).band == "warm"
    assert await desk.events(first.name) == ["LeadScored"] * 3


async def test_a_company_that_gives_no_points_keeps_no_scores(desk):
    made = await create(desk, channel="channels/web")
    await quiet(desk)
    with pytest.raises(NotFound):
        await score(desk, made)
    assert await ranked(desk) == []
    await rules(desk, WEB)
    await scored(desk, made, 40)


async def test_other_settings_score_every_live_lead_again(desk, monkeypatch):
    monkeypatch.setattr("leads.scorekeeping.AT_ONCE", 3)
    made = [await create(desk, channel="channels/web") for _ in range(7)]
    await rules(desk, WEB)
    for lead in made:
        await scored(desk, lead, 40)
    changed = await rules(desk, COMPANY)
    for lead in made:
        assert (await scored(desk, lead, 0)).settings_etag == changed.etag


async def test_settings_are_guarded_by_their_etag_and_by_permission(desk):
    settings = await rules(desk, WEB)
    await rules(desk, COMPANY)
    with pytest.raises(Aborted):
        await call(desk, "UpdateScoreSettings", scoreSettings={"etag": settings.etag, "rules": [WEB]})
    with pytest.raises(InvalidFields):
        await rules(desk, WEB, WEB)
    for method in ("UpdateScoreSettings", "CheckScoreSettings"):
        with pytest.raises(PermissionDenied):
            await call(desk, method, by="users/ana", scoreSettings={"rules": [WEB]})
    kept = await call(desk, "GetScoreSettings", by="users/ana")
    assert ([one.rule for one in kept.rules], [one.band for one in kept.bands]) == (
        ["company"],
        ["hot", "warm", "cold"],
    )
    assert "ScoreSettingsUpdated" in await desk.events("scoreSettings/settings")


async def test_a_check_counts_who_would_change_bands_and_changes_nothing(desk):
    await rules(desk, WEB)
    made = await create(desk, channel="channels/web", company="Rosa")
    await create(desk)
    await scored(desk, made, 40)
    before = await score(desk, made)
    told = await call(desk, "CheckScoreSettings", scoreSettings={"rules": [WEB, COMPANY]})
    assert (told.leads, told.changed, dict(told.rules)) == (2, 1, {"web": 1, "company": 1})
    assert [(one.band, one.now, one.then) for one in told.bands] == [("hot", 0, 1), ("warm", 1, 0), ("cold", 1, 1)]
    await quiet(desk)
    assert await score(desk, made) == before


async def test_leads_rank_by_score_within_reach_by_band_and_by_owner(desk):
    await rules(desk, WEB, COMPANY)
    best = await create(desk, channel="channels/web", company="Rosa", owner="users/chen")
    good = await create(desk, channel="channels/web", owner="users/ana")
    poor = await create(desk, owner="users/ana")
    for lead, points in ((best, 70), (good, 40), (poor, 0)):
        await scored(desk, lead, points)
    assert await ranked(desk) == [best.name, good.name, poor.name]
    assert await ranked(desk, pageSize=1) == [best.name]
    assert await ranked(desk, band="warm") == [good.name]
    assert await ranked(desk, band="cold") == [poor.name]
    assert await ranked(desk, band="none") == []
    assert await ranked(desk, owner="users/ana") == [good.name, poor.name]
    assert await ranked(desk, by="users/ana") == [good.name, poor.name]
    assert await ranked(desk, by="users/mira") == [best.name, good.name, poor.name]  # her teams'
    assert await ranked(desk, by="users/ana", owner="users/chen") == []
    with pytest.raises(NotFound):
        await score(desk, best, by="users/ana")
    request = leads_pb2.DisqualifyLeadRequest(name=good.name, reason="no_budget")
    await desk.call("LeadService/DisqualifyLead", request, by="users/root")
    await until(lambda: _is_closed(desk, good), "the score knows that its lead is closed")
    assert await ranked(desk, by="users/ana") == [poor.name]


async def _is_closed(desk, lead):
    return not (await score(desk, lead)).live


async def test_a_lead_given_to_somebody_else_is_ranked_for_nobody_else_at_any_moment(desk, monkeypatch):
    await rules(desk, WEB)
    made = await create(desk, channel="channels/web", owner="users/ana")
    await scored(desk, made, 40)
    monkeypatch.setattr("leads.scorekeeping.LOOK_SECONDS", 60)
    await desk.rows("UPDATE leads SET owner = 'users/chen', team = 'teams/south' WHERE id = $1::uuid", made.name[6:])
    assert await ranked(desk, by="users/ana") == []


async def test_an_override_holds_for_its_time_and_is_taken_back(desk):
    await rules(desk, WEB)
    made = await create(desk, channel="channels/web", owner="users/ana")
    await scored(desk, made, 40)
    changed = await call(desk, "OverrideScore", by="users/ana", name=made.name, score=100, expireTime=soon(days=1))
    assert (changed.score, changed.points, changed.band) == (99.99, 40, "hot")
    await update(desk, made.name, company="Роза")
    await quiet(desk)
    assert (await score(desk, made)).score == 99.99
    assert (await call(desk, "OverrideScore", name=made.name)).score == 40
    await call(desk, "OverrideScore", name=made.name, score=90, expireTime=soon(days=1))
    await desk.rows("UPDATE lead_scores SET override_expire_time = now()")
    await until(lambda: _has(desk, made, 40), "the override has expired")


async def _has(desk, lead, value):
    return (await score(desk, lead)).score == value


async def test_a_closed_lead_is_not_overridden_and_nor_is_one_out_of_reach(desk):
    made = await create(desk, owner="users/chen")
    with pytest.raises(NotFound):
        await call(desk, "OverrideScore", by="users/ana", name=made.name, score=5, expireTime=soon(days=1))
    with pytest.raises(InvalidFields):
        await call(desk, "OverrideScore", name=made.name, score=5, expireTime=soon(days=-1))
    await desk.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=made.name), by="users/root")
    with pytest.raises(FailedPrecondition):
        await call(desk, "OverrideScore", name=made.name, score=5, expireTime=soon(days=1))


async def test_points_that_fade_are_looked_at_again_once_a_day(desk):
    await rules(desk, {"rule": "new", "points": 80, "decaySince": "contact_time", "halfLifeDays": 1})
    made = await create(desk)
    await scored(desk, made, 80)
    await quiet(desk)
    with pytest.MonkeyPatch.context() as away:
        away.setattr("leads.scorekeeping.keep_once", _nothing)
        await desk.rows("UPDATE leads SET contact_time = contact_time - interval '1 day'")
        await desk.rows("DELETE FROM score_queue")  # time goes by, and nothing changes
    await desk.rows("UPDATE score_duties SET sweep_time = sweep_time - interval '25 hours'")
    await scored(desk, made, 40)


async def test_leads_are_given_out_by_the_score_they_have_at_that_moment(desk, monkeypatch):
    await rules(desk, WEB)
    monkeypatch.setattr("leads.scorekeeping.keep_once", _nothing)  # the background lags behind
    rule = {"rule": "good", "people": ["users/ana"], "conditions": [{"fact": "SCORE", "at_least": 30}]}
    rest = {"rule": "rest", "people": ["users/chen"]}
    policy = await a_policy(desk, rule, rest)
    good, poor = await create(desk, channel="channels/web"), await create(desk)

    async def owner(lead):
        return (await read(desk, lead.name)).owner

    assert await until(lambda: owner(good), "the good one is given out") == "users/ana"
    assert await until(lambda: owner(poor), "the other one is given out") == "users/chen"
    from crm.leads.v1 import assignment_pb2

    asked = assignment_pb2.DeactivateAssignmentPolicyRequest(name=policy.name)
    await desk.call("AssignmentService/DeactivateAssignmentPolicy", asked, by="users/root")


async def _nothing(context):
    return False


async def test_of_equally_urgent_leads_the_one_with_the_higher_score_comes_first(desk):
    from crm.leads.v1 import next_leads_pb2

    await rules(desk, WEB)
    older, better = await create(desk, owner="users/ana"), await create(desk, owner="users/ana", channel="channels/web")
    await scored(desk, better, 40)
    found = await desk.call("NextLeadService/ListNextLeads", next_leads_pb2.ListNextLeadsRequest(), by="users/ana")
    assert [(one.lead.name, one.score) for one in found.next_leads] == [(better.name, 40), (older.name, 0.01)]


async def test_a_list_by_score_shows_everybody_the_leads_that_they_may_see(desk):
    await rules(desk, WEB, COMPANY)
    of_ana = [await create(desk, owner="users/ana", company=name) for name in ("", "Роза")]
    of_chen = await create(desk, owner="users/chen", channel="channels/web")
    for lead, points in ((of_ana[0], 0), (of_ana[1], 30), (of_chen, 40)):
        await scored(desk, lead, points)

    async def by_score(by):
        request = leads_pb2.ListLeadsRequest(order_by="score desc", view="SCORED")
        page = await desk.call("LeadService/ListLeads", request, by=by)
        return [(lead.name, lead.score.points) for lead in page.leads]

    hers = [(of_ana[1].name, 30), (of_ana[0].name, 0)]
    assert await by_score("users/ana") == hers
    assert await by_score("users/mira") == [(of_chen.name, 40), *hers]
    assert await by_score("users/boris") == []
    # The lead is another's before its score knows.
    await desk.rows("DELETE FROM score_duties")
    await desk.rows("UPDATE leads SET owner = 'users/boris' WHERE id = $1", of_ana[1].name.removeprefix("leads/"))
    try:
        assert await by_score("users/ana") == hers[1:]
        assert await by_score("users/mira") == [(of_chen.name, 40), *hers]
    finally:
        await desk.rows("INSERT INTO score_duties (id, sweep_time) VALUES ('duty', now())")
