"""Leads recorded twice, found as they come in, and what people say of them; over gRPC on a real database."""

import pytest
from chassis.errors import Aborted, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import duplicates_pb2, leads_pb2
from duplicate_calls import call, came_in, tell
from harness import start
from hypothesis import given
from hypothesis import strategies as st
from lead_calls import create, read, update
from leads.domain.duplicate import duplicates
from leads.domain.lead import Lead
from leads.domain.match_settings import USUAL, Comparison, MatchSettings

Verdict = duplicates_pb2.Duplicate.Verdict


async def pairs(leads, *these, by="users/root"):
    """Those to be reviewed among these leads."""
    names = {lead.name for lead in these}
    found = (await call(leads, "ReviewDuplicates", by=by, pageSize=100)).pairs
    return [pair for pair in found if {pair.lead.name, pair.duplicate.lead.name} <= names]


@pytest.fixture
async def desk(backend, issuer):
    running = await start("leads", backend, issuer)
    yield running
    await running.stop()


async def test_a_lead_that_comes_in_twice_is_shown_for_review_and_says_why(leads):
    first, again = await came_in(leads)
    (pair,) = await pairs(leads, first, again)
    assert (pair.lead, pair.duplicate.lead) == (first, again)
    assert Verdict.Name(pair.duplicate.verdict) == "CERTAIN"
    assert pair.duplicate.score == pytest.approx(sum(one.points for one in pair.duplicate.evidence) - 8)
    assert await leads.events(pair.candidate) == ["DuplicateFound"]


async def test_a_pair_is_found_once_however_often_its_leads_change(leads):
    first, again = await came_in(leads)
    changed = await update(leads, again.name, display_name="Анна Петрова")
    await tell(leads, changed, "LeadUpdated", fields=["display_name"])
    assert len(await pairs(leads, first, again)) == 1


async def test_what_is_no_duplicate_any_more_is_not_shown(leads):
    first, again = await came_in(leads)
    await update(leads, again.name, display_name="Борис Кръстев", email=f"{new_id()}@other.bg")
    assert await pairs(leads, first, again) == []


async def test_a_lead_that_becomes_the_same_is_found_when_it_changes(leads):
    (first,) = await came_in(leads, count=1)
    other = await create(leads, display_name="Нула")
    await tell(leads, other)
    changed = await update(leads, other.name, display_name="Ана Петрова", email=first.email)
    await tell(leads, changed, "LeadUpdated", fields=["display_name", "email"])
    assert len(await pairs(leads, first, other)) == 1


async def test_who_says_that_they_are_two_is_not_asked_again(leads):
    first, again = await came_in(leads)
    (pair,) = await pairs(leads, first, again)
    dismissed = await call(leads, "DismissDuplicate", name=pair.candidate)
    assert (dismissed.actor, {dismissed.lead, dismissed.other}) == ("users/root", {first.name, again.name})
    changed = await update(leads, again.name, note="x", company="Роза")
    await tell(leads, changed, "LeadUpdated", fields=["company"])
    assert await pairs(leads, first, again) == []
    found = (await call(leads, "FindDuplicates", name=first.name)).duplicates
    assert [one.dismissed for one in found if one.lead.name == again.name] == [True]
    with pytest.raises(FailedPrecondition):
        await call(leads, "DismissDuplicate", name=pair.candidate)


@pytest.mark.parametrize("newer_goes_on", [False, True])
async def test_who_says_that_they_are_one_merges_them(leads, newer_goes_on):
    first, again = await came_in(leads)
    (pair,) = await pairs(leads, first, again)
    chosen = {"lead": again.name} if newer_goes_on else {}
    made = await call(leads, "AcceptDuplicate", name=pair.candidate, **chosen)
    stays, gone = (again, first) if newer_goes_on else (first, again)
    assert (made.lead, list(made.merged)) == (stays.name, [gone.name])
    assert (await read(leads, gone.name)).merged_into == stays.name
    assert await pairs(leads, first, again) == []


async def test_neither_of_a_pair_is_another_lead(leads):
    first, again = await came_in(leads)
    (pair,) = await pairs(leads, first, again)
    with pytest.raises(InvalidFields):
        await call(leads, "AcceptDuplicate", name=pair.candidate, lead=f"leads/{new_id()}")


async def test_a_pair_is_for_who_sees_both(leads):
    mine, theirs = await came_in(leads)
    await leads.rows("UPDATE leads SET owner = 'users/boris' WHERE id = $1", theirs.name.removeprefix("leads/"))
    (pair,) = await pairs(leads, mine, theirs)
    for by in ("users/ana", "users/boris"):
        assert await pairs(leads, mine, theirs, by=by) == []
        for method in ("DismissDuplicate", "AcceptDuplicate"):
            with pytest.raises(NotFound):
                await call(leads, method, by=by, name=pair.candidate)
    assert len(await pairs(leads, mine, theirs, by="users/mira")) == 1


async def test_an_archived_lead_is_not_reviewed(leads):
    first, again = await came_in(leads)
    await leads.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=again.name), by="users/root")
    assert await pairs(leads, first, again) == []


async def test_the_company_has_rules_of_its_own(desk):
    usual = await call(desk, "GetMatchSettings")
    assert (usual.prior, usual.review, usual.certain, len(usual.comparisons)) == (-8, 0, 10, 4)
    first, again = await came_in(desk)
    assert len(await pairs(desk, first, again)) == 1
    only_phone = [{"field": "phone", "different": -2, "same": 13}]
    changed = await call(desk, "UpdateMatchSettings", matchSettings={"comparisons": only_phone, "etag": usual.etag})
    assert await pairs(desk, first, again) == []
    assert (await call(desk, "FindDuplicates", name=first.name)).duplicates == []
    assert await desk.events("matchSettings/settings") == ["MatchSettingsUpdated"]
    with pytest.raises(Aborted):
        await call(desk, "UpdateMatchSettings", matchSettings={"certain": 20, "etag": usual.etag})
    assert await call(desk, "GetMatchSettings") == changed


@pytest.mark.parametrize(
    "settings",
    [
        {"comparisons": [{"field": "email", "same": 1}, {"field": "email", "same": 2}]},
        {"comparisons": [{"field": "email", "close": 5, "same": 1}]},
        {"review": 20, "certain": 10},
        {"comparisons": [{"field": "note", "same": 1}]},
    ],
)
async def test_rules_that_make_no_sense_are_refused(leads, settings):
    with pytest.raises(InvalidFields):
        await call(leads, "UpdateMatchSettings", matchSettings=settings)


async def test_salespeople_do_not_change_the_rules(leads):
    with pytest.raises(PermissionDenied):
        await call(leads, "UpdateMatchSettings", by="users/ana", matchSettings={"certain": 12})


POINTS = st.lists(st.integers(-20, 20), min_size=4, max_size=4).map(sorted)


@given(st.lists(POINTS, min_size=4, max_size=4), st.integers(-20, 0))
def test_the_same_lead_twice_scores_no_less_than_any_other_pair(points, prior):
    comparisons = [
        Comparison(field=one.field, **dict(zip(("different", "partly", "close", "same"), some, strict=True)))
        for one, some in zip(USUAL, points, strict=True)
    ]
    settings = MatchSettings(comparisons=comparisons, prior=prior, review=-200, certain=200)
    settings.check()
    given = {"company": "Роза ООД", "email": "a@rosa.bg", "phone_e164": "+359888111222", "phone": "0888 111 222"}
    mine = Lead(display_name="Ана Петрова", **given)
    others = [Lead(display_name="Ана Петрова", **given), Lead(display_name="Li", **(given | {"email": "b@x.bg"}))]
    found = {one.lead.id: one.score for one in duplicates(mine, others, settings.rules)}
    assert found[others[0].id] >= found[others[1].id]
