"""The rules of own data: what a link opens, for how long, and whose word a value is."""

from datetime import UTC, datetime, timedelta

import pytest
from buf.validate import validate_pb2
from chassis.errors import FailedPrecondition
from crm.leads.v1 import leads_pb2, own_data_pb2
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.enrichment import (
    OWN_DATA,
    PERSON,
    EnrichedField,
    EnrichmentState,
    LeadEnrichment,
    Outcome,
    apply,
    value_of,
)
from leads.domain.lead import Lead
from leads.domain.own_data import (
    DEFAULT_DAYS,
    FIELDS,
    MOST_CHANGES,
    SHARED,
    OwnData,
    OwnDataChangedTooOften,
    OwnDataLink,
    OwnDataNotShared,
    hash_of,
    new_token,
)
from leads.domain.state import State

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
COMPANIES = st.sampled_from(["", "Rosa", "Роза", "玫瑰面包房", "Padaria São João"])


def lead(**fields):
    return Lead(**({"display_name": "Ana", "contact_time": NOW} | fields))


def shared(one, days=0, token="secret"):
    link = OwnDataLink.of(one)
    link.share(one, token, days, NOW)
    return link


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("archived", [False, True])
def test_a_link_opens_a_lead_that_is_still_its_own(state, archived):
    one = lead()
    link = shared(one)
    one.state, one.archive_time = state, NOW if archived else None
    dead = archived or state in (State.MERGED, State.CONVERTING, State.CONVERTED)
    assert link.opens(one, NOW) is not dead
    if dead:
        with pytest.raises(FailedPrecondition):
            link.share(one, "other", 0, NOW)
        assert link.token_hash == hash_of("secret")
    assert link.withdraw(one, NOW).lead is one  # whatever became of the lead


@given(st.integers(min_value=0, max_value=90), st.timedeltas(timedelta(0), timedelta(days=100)))
def test_a_link_opens_until_its_time_is_over(days, later):
    one = lead()
    link = shared(one, days)
    assert link.expire_time == NOW + timedelta(days=days or DEFAULT_DAYS)
    assert link.opens(one, NOW + later) is (later < timedelta(days=days or DEFAULT_DAYS))


def test_a_new_secret_replaces_the_one_before_and_counts_anew():
    one = lead()
    link = shared(one)
    link.changed(one, ["phone"], NOW)
    link.share(one, "other", 7, NOW)
    assert (link.token_hash, link.change_count, link.change_time) == (hash_of("other"), 0, None)
    assert link.expire_time == NOW + timedelta(days=7)


def test_what_was_withdrawn_is_kept_no_more_and_is_not_withdrawn_again():
    one = lead()
    link = shared(one)
    link.withdraw(one, NOW)
    assert (link.token_hash, link.withdraw_time) == (None, NOW)
    with pytest.raises(OwnDataNotShared):
        link.withdraw(one, NOW)
    link.share(one, "again", 0, NOW)
    assert (link.token_hash, link.withdraw_time) == (hash_of("again"), None)


def test_one_link_changes_so_often_and_not_once_more():
    one = lead()
    link = shared(one)
    for _ in range(MOST_CHANGES):
        assert link.changed(one, ["phone"], NOW).fields == ["phone"]
    with pytest.raises(OwnDataChangedTooOften):
        link.changed(one, ["phone"], NOW)
    assert link.change_count == MOST_CHANGES


def test_secrets_are_long_and_no_two_are_the_same():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}  # 256 bits, six to a character
    assert all(len(hash_of(token)) == 64 and token not in hash_of(token) for token in tokens)


def test_the_etag_tells_of_their_fields_and_of_nothing_else():
    one = lead()
    link = shared(one)
    before = OwnData.of(one, link).etag
    one.note, one.owner, one.state, one.version = "they pay late", "users/ana", State.WORKING, 9
    assert OwnData.of(one, link).etag == before
    seen = {before}
    for name in FIELDS:
        setattr(one, name, True if name == "do_not_call" else "玫瑰")
        seen.add(OwnData.of(one, link).etag)
    assert len(seen) == len(FIELDS) + 1


def test_their_fields_follow_the_rules_of_the_lead():
    """A field of own data means, allows and stores what the lead's does."""
    theirs, leads = own_data_pb2.OwnData.DESCRIPTOR.fields_by_name, leads_pb2.Lead.DESCRIPTOR.fields_by_name
    assert set(FIELDS) == set(theirs) - {"name", "etag", "expire_time"}
    for name in FIELDS:
        assert (theirs[name].number, theirs[name].type) == (leads[name].number, leads[name].type)
        rules = [one[name].GetOptions().Extensions[validate_pb2.field] for one in (theirs, leads)]
        assert rules[0].SerializeToString() == rules[1].SerializeToString()


def says(company):
    return EnrichedField(field="company", value=company, source="registry", fetch_time=NOW)


@given(COMPANIES, st.lists(COMPANIES, min_size=1, max_size=6))
def test_no_source_ever_writes_over_what_they_said_or_emptied(said, found):
    one = lead(company="what a source said before")
    enrichment = LeadEnrichment.of(one)
    enrichment.fields = [says(one.company)]
    one.company = said
    enrichment.said(one, ["company"], NOW)
    for company in found:
        proposals = enrichment.propose(one, [says(company)])
        apply(one, proposals)
        enrichment.note(proposals, NOW + timedelta(days=1))
        assert proposals[0].outcome is not Outcome.APPLIED
        assert one.company == said
    assert enrichment.fields == [EnrichedField(field="company", value=said, source=OWN_DATA, fetch_time=NOW)]


def test_what_somebody_here_changes_afterwards_is_no_longer_their_word():
    one = lead(company="Роза")
    enrichment = LeadEnrichment.of(one)
    enrichment.said(one, ["company", "do_not_call"], NOW)
    one.company = "Роза и син"
    enrichment.note(enrichment.propose(one, [says("Rosa")]), NOW)
    assert [(kept.field, kept.value, kept.source) for kept in enrichment.fields] == [
        ("company", "Роза и син", PERSON),
        ("do_not_call", "", OWN_DATA),
    ]


def test_who_says_so_does_not_keep_sources_from_being_asked():
    one = lead(do_not_call=True)
    waits, new = LeadEnrichment.of(one), LeadEnrichment.of(one)
    waits.due_time = NOW
    for enrichment in (waits, new):
        enrichment.said(one, ["do_not_call"], NOW)
        assert enrichment.fields[0].value == value_of(one, "do_not_call") == "true"
    assert (waits.state, waits.due_time) == (EnrichmentState.WAITING, NOW)
    assert new.state is EnrichmentState.DONE


def test_every_state_but_those_that_end_a_lead_can_be_shared():
    assert set(State) - SHARED == {State.MERGED, State.CONVERTING, State.CONVERTED}
