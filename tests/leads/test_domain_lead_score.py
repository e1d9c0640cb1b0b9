"""Points by rules, and the score of a lead, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.lead import Lead
from leads.domain.lead_facts import KNOWN, LABEL, TIMES, facts, first_facts
from leads.domain.lead_score import HIGHEST, LOWEST, LeadScore, Scorer
from leads.domain.score_settings import Band, ScoreSettings
from leads.domain.state import State
from leads.scoring.rules import Comparison, Condition, Rule

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
BANDS = [Band(band="hot", at_least=60), Band(band="cold")]


def lead(**fields):
    return Lead(**({"display_name": "李", "contact_time": NOW} | fields))


def scorer(*rules, **fields):
    return Scorer(ScoreSettings(rules=list(rules), bands=BANDS, version=3, **fields), UTC)


def has(field, test=Comparison.FILLED, value=""):
    return Condition(field=field, test=test, value=value)


def scored(given, by, now=NOW):
    score = LeadScore.of(given)
    return score, score.follow(given, by, now)


def test_points_are_the_sum_of_the_rules_whose_conditions_hold():
    web = Rule(rule="web", points=30, conditions=[has("channel", Comparison.EQUALS, "channels/WEB")])
    large = Rule(rule="large", points=40, conditions=[has("company_size", Comparison.AT_LEAST, "50")])
    free = Rule(rule="free_mail", points=-15, conditions=[has("email_domain", Comparison.CONTAINS, "mail.bg")])
    by = scorer(web, large, free)
    score, _ = scored(lead(channel="channels/web", company_size=80, email="ana@mail.bg"), by)
    assert (score.points, score.score, score.band) == (55, 55.0, "cold")
    assert [(part.rule, part.points) for part in score.parts] == [("free_mail", -15), ("large", 40), ("web", 30)]
    assert scored(lead(email="ana@rosa.bg"), by)[0].parts == []


def test_points_fade_by_half_in_each_half_life_and_are_none_without_that_time():
    by = scorer(Rule(rule="replied", points=80, decay_since="last_inbound_time", half_life_days=7))
    for age, points in ((0, 80), (7, 40), (14, 20)):
        assert scored(lead(last_inbound_time=NOW - age * DAY), by)[0].points == points
    assert scored(lead(), by)[0].points == 0


def test_a_score_says_by_which_settings_it_was_given():
    assert scored(lead(), scorer(Rule(rule="all", points=5)))[0].settings_etag == "3"


@given(points=st.lists(st.integers(-100, 100), min_size=1, max_size=20), override=st.none() | st.floats(0, 100))
def test_no_score_of_an_open_lead_is_0_or_100(points, override):
    by = scorer(*(Rule(rule=f"r{number}", points=worth) for number, worth in enumerate(points)))
    score = LeadScore.of(lead())
    if override is not None:
        score.override(override, NOW + DAY, NOW)
    score.follow(lead(), by, NOW)
    assert LOWEST <= score.score <= HIGHEST
    assert score.points == min(max(sum(points), 0), 100)


def test_a_lead_is_told_of_when_its_band_changes_and_not_otherwise():
    by = scorer(Rule(rule="web", points=70, conditions=[has("channel")]))
    score, told = scored(lead(), by)
    assert told is None  # into the lowest band
    told = score.follow(lead(channel="channels/web"), by, NOW)
    assert (told.previous_band, told.lead_score.band) == ("cold", "hot")
    assert score.follow(lead(channel="channels/app"), by, NOW) is None
    assert score.follow(lead(), by, NOW).lead_score.band == "cold"


def test_an_override_holds_until_it_expires_and_the_points_stay_beside_it():
    by = scorer(Rule(rule="all", points=10))
    score, _ = scored(lead(), by)
    score.override(90, NOW + DAY, NOW)
    assert score.follow(lead(), by, NOW).lead_score.score == 90
    assert (score.points, score.band) == (10, "hot")
    assert score.follow(lead(), by, NOW + DAY).previous_band == "hot"
    assert (score.score, score.override_expire_time) == (10, None)


@pytest.mark.parametrize("until", [NOW, NOW - DAY, NOW + 367 * DAY])
def test_an_override_ends_ahead_and_within_a_year(until):
    with pytest.raises(InvalidFields):
        LeadScore.of(lead()).override(5, until, NOW)


@pytest.mark.parametrize("closed", [{"state": State.CONVERTED}, {"state": State.MERGED}, {"archive_time": NOW}])
def test_the_score_of_a_closed_lead_stays_as_it_was(closed):
    by = scorer(Rule(rule="web", points=70, conditions=[has("channel")]))
    score, _ = scored(lead(channel="channels/web"), by)
    assert score.follow(lead(owner="users/ana", **closed), by, NOW) is None
    assert (score.live, score.score, score.owner) == (False, 70, "users/ana")


def test_days_and_hours_are_those_of_the_company():
    late = lead(contact_time=datetime(2026, 11, 29, 22, 30, tzinfo=UTC))  # Sunday
    assert (facts(late, UTC)["weekday"], facts(late, UTC)["hour"]) == (7, 22)
    assert (facts(late, ZoneInfo("Europe/Sofia"))["weekday"], facts(late, ZoneInfo("Asia/Shanghai"))["hour"]) == (1, 6)


def test_every_fact_that_settings_know_is_there_and_the_other_way_round():
    given = facts(lead(labels={"segment": "кафенета"}), UTC)
    assert set(given) == KNOWN | {f"{LABEL}segment"}
    assert all(hasattr(lead(), name) for name in TIMES)


def test_nothing_that_comes_after_the_first_contact_is_among_the_first_facts():
    plain = lead(labels={"segment": "хлебарници"})
    worked = replace(
        plain, state=State.CONVERTED, owner="users/ana", team="teams/north", call_count=9, assign_time=NOW,
        sql_time=NOW, last_call_time=NOW,
        last_inbound_time=NOW, last_outbound_time=NOW, qualify_time=NOW, close_time=NOW,
        disqualify_reason="no_budget", account="accounts/1", opportunity="opportunities/1", recycle_count=2,
        nurture_count=1, rejected_by=["users/chen"], mql_time=NOW, sal_time=NOW, work_time=NOW, call_back_time=NOW,
    )  # fmt: skip
    assert first_facts(worked, UTC) == first_facts(plain, UTC)


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"rules": [Rule(rule="a", points=1), Rule(rule="a", points=2)]}, "rules[1].rule"),
        ({"rules": [Rule(rule="a", points=1, half_life_days=3)]}, "rules[0].decay_since"),
        ({"rules": [Rule(rule="a", points=1, decay_since="contact_time")]}, "rules[0].decay_since"),
        ({"rules": [Rule(rule="a", points=1, conditions=[has("state")])]}, "rules[0].conditions[0].field"),
        (
            {"rules": [Rule(rule="a", points=1, conditions=[has("hour", Comparison.AT_LEAST, "noon")])]},
            "rules[0].conditions[0].value",
        ),
        (
            {"rules": [Rule(rule="a", points=1, conditions=[has("company", Comparison.CONTAINS, " ")])]},
            "rules[0].conditions[0].value",
        ),
        ({"bands": [Band(band="hot", at_least=60)]}, "bands"),
        ({"bands": [Band(band="hot", at_least=60), Band(band="hot")]}, "bands"),
        ({"bands": [Band(band="hot", at_least=6), Band(band="warm", at_least=7), Band(band="cold")]}, "bands"),
    ],
)
def test_settings_that_could_not_be_followed_are_refused(settings, path):
    with pytest.raises(InvalidFields) as refused:
        ScoreSettings(**settings).check()
    assert f"score_settings.{path}" in str(refused.value.violations)


def test_settings_without_bands_have_the_usual_ones():
    settings = ScoreSettings(bands=[])
    settings.check()
    assert [band.band for band in settings.bands] == ["hot", "warm", "cold"]
    assert [settings.band_of(score) for score in (99.9, 60, 59.9, 25, 24.9, 0.01)] == [
        "hot", "hot", "warm", "warm", "cold", "cold",
    ]  # fmt: skip
