"""The rules of enrichment: people win, and each value says where it is from."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from leads.domain.delivery import MOST_TRIES
from leads.domain.enrichment import (
    EnrichedField,
    EnrichmentState,
    LeadEnrichment,
    Outcome,
    apply,
    fits,
    pointed,
    value_of,
)
from leads.domain.lead import Lead

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
COMPANIES = st.sampled_from(["", "Rosa", "Роза", "玫瑰"])


def lead(**fields):
    return Lead(display_name="Ana", contact_time=NOW, **fields)


def says(field, value, source="registry"):
    return EnrichedField(field=field, value=value, source=source, fetch_time=NOW)


def asked(one, enrichment, *found):
    """Asks once; the outcomes."""
    proposals = enrichment.propose(one, found)
    apply(one, proposals)
    enrichment.note(proposals, NOW)
    return [proposal.outcome for proposal in proposals]


def test_what_is_empty_is_filled_in_and_says_from_where():
    one = lead()
    enrichment = LeadEnrichment.of(one)
    found = [says("company", "Роза ООД"), says("company_size", "12"), says("labels.industry", "bakery")]
    assert asked(one, enrichment, *found) == [Outcome.APPLIED] * 3
    assert (one.company, one.company_size, one.labels) == ("Роза ООД", 12, {"industry": "bakery"})
    assert enrichment.fields == found


def test_what_a_source_filled_in_it_may_bring_up_to_date():
    one = lead()
    enrichment = LeadEnrichment.of(one)
    asked(one, enrichment, says("company_size", "12"))
    assert asked(one, enrichment, says("company_size", "15")) == [Outcome.APPLIED]
    assert one.company_size == 15
    assert [kept.value for kept in enrichment.fields] == ["15"]


@given(COMPANIES, st.lists(st.tuples(st.booleans(), COMPANIES), max_size=12))
def test_no_source_ever_changes_what_a_person_typed_or_emptied(typed, story):
    """Whatever sources say and people type, in any order: a source changes an empty field, or its own last word."""
    one = lead(company=typed)
    enrichment, sources_word, persons = LeadEnrichment.of(one), "", False
    for by_person, text in story:
        if by_person:
            one.company = text
            continue
        before = one.company
        asked(one, enrichment, *([says("company", text)] if text else []))
        persons |= bool(sources_word) and bool(text) and before != sources_word
        if before != sources_word or persons or not text:
            assert one.company == before
        else:
            assert one.company == text
            sources_word = text


def test_a_word_typed_back_after_a_change_is_a_persons_word():
    one = lead()
    enrichment = LeadEnrichment.of(one)
    asked(one, enrichment, says("company", "Rosa"))
    one.company = "Роза"
    assert asked(one, enrichment, says("company", "Rosa")) == [Outcome.KEPT]
    one.company = "Rosa"
    assert asked(one, enrichment, says("company", "Rosa AG")) == [Outcome.KEPT]
    assert [kept.source for kept in enrichment.fields] == ["person"]


def test_a_value_that_a_person_typed_stays_theirs_if_a_source_says_the_same():
    one = lead(company="Rosa")
    enrichment = LeadEnrichment.of(one)
    assert asked(one, enrichment, says("company", "Rosa")) == [Outcome.SAME]
    assert enrichment.fields == []
    assert asked(one, enrichment, says("company", "Rosa AG")) == [Outcome.KEPT]


def test_the_first_of_two_sources_is_believed():
    one = lead()
    found = [says("company", "Rosa", "first"), says("company", "Roza", "second")]
    assert asked(one, LeadEnrichment.of(one), *found) == [Outcome.APPLIED, Outcome.KEPT]
    assert one.company == "Rosa"


def test_what_is_no_value_of_its_field_is_passed_over():
    for field, value in [
        ("company_size", "about 10"), ("company_size", "0"), ("company_size", "٣"), ("company_size", "9" * 30),
        ("country", "bg"), ("country", "Bulgaria"), ("language", "Български"), ("company", "a\nb"),
        ("company", "x" * 201),
        ("region", "\u202eevil"), ("labels.industry", "x" * 64), ("company", ""),
    ]:  # fmt: skip
        assert not fits(lead(), says(field, value)), (field, value)
    for field, value in [("company_size", "10"), ("country", "BG"), ("language", "pt-BR"), ("company", "玫瑰")]:
        assert fits(lead(), says(field, value)), (field, value)
    assert not fits(lead(labels={str(number): "x" for number in range(50)}), says("labels.industry", "bakery"))


def test_a_source_that_is_away_is_asked_ever_later_and_not_for_ever():
    one = LeadEnrichment.of(lead())
    waits = []
    for tries in range(1, MOST_TRIES + 1):
        one.failed({"registry": "HTTP 503"}, NOW, tries, for_good=False)
        waits.append(one.due_time - NOW if one.due_time else None)
    assert waits[0] == timedelta(seconds=30)
    assert waits[-1] is None
    assert (one.state, one.error) == (EnrichmentState.FAILED, "registry: HTTP 503")
    again = LeadEnrichment.of(lead())
    again.failed({"registry": "HTTP 403"}, NOW, 1, for_good=True)
    assert again.state is EnrichmentState.FAILED


def test_a_pointer_finds_plain_values_only():
    document = {"a/b": {"~": [{"n": 12}, "x"]}, "yes": True, "none": None, "long": " a \n b ", "list": ["x"]}
    assert pointed(document, "/a~1b/~0/0/n") == "12"
    assert pointed(document, "/a~1b/~0/1") == "x"
    assert pointed(document, "/long") == "a b"
    for nothing in ("/yes", "/none", "/list", "/list/9", "/list/-1", "/absent/deep", "/a~1b", "/list/٠"):
        assert pointed(document, nothing) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.lists(st.text(max_size=5), max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts)))
def test_whatever_a_source_answers_is_text_or_nothing(document, pointer):
    found = pointed(document, pointer)
    assert isinstance(found, str)
    assert len(found) <= 1000
    assert found == " ".join(found.split())


def test_a_lead_says_its_values_as_text():
    one = lead(company_size=3, labels={"a": "b"})
    assert [value_of(one, name) for name in ("company_size", "labels.a", "labels.c", "region")] == ["3", "b", "", ""]
