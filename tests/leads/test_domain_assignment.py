"""Who gets a lead: the rules by themselves, without a database."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import InvalidFields
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.domain.account_key import account_key
from leads.domain.assignment.assigner import Assigner
from leads.domain.assignment.decision import MOST_TOLD, Passing
from leads.domain.assignment.person import Person, Presence, Verdict
from leads.domain.assignment.policy import AssignmentPolicy, Condition, Fact, LeadFacts, Rule, Strategy
from leads.domain.assignment.turns import Turn

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)
ANYBODY = {"teams": ["teams/a"]}


def a_policy(*rules: Rule, fallback: Rule | None = None, seed: str = "seed") -> AssignmentPolicy:
    return AssignmentPolicy(id=seed, display_name="Test", rules=list(rules), fallback=fallback)


def one_rule(strategy: Strategy = Strategy.EVEN, **fields) -> AssignmentPolicy:
    return a_policy(Rule(rule="all", strategy=strategy, **(ANYBODY | fields)))


def people(*names: str, **fields) -> list[Person]:
    return [Person(name=f"users/{name}", team="teams/a", **fields) for name in names]


def at_work(person: str, at: datetime) -> Presence:
    return Presence.AT_WORK


def lead(number: int = 0, at: datetime = AT, **fields) -> LeadFacts:
    return LeadFacts(lead=f"leads/{number}", at=at, **fields)


def assigner(policy, staff, turns=None, presence=at_work, zone=UTC) -> Assigner:
    return Assigner(policy, staff, {} if turns is None else turns, presence, zone)


def given_out(by: Assigner, number: int, **fields) -> Counter:
    """Owner → how many of so many leads; the empty name counts those nobody could take."""
    return Counter(by.decide(lead(one, **fields)).owner for one in range(number))


def verdicts(decision) -> dict[str, str]:
    return {one.person.removeprefix("users/"): one.verdict.name for one in decision.candidates}


# ---- conditions


@pytest.mark.parametrize(
    ("condition", "fields", "met"),
    [
        (Condition(fact=Fact.CHANNEL, any_of=["channels/web"]), {"channel": "channels/web"}, True),
        (Condition(fact=Fact.CHANNEL, any_of=["channels/web"]), {"channel": "channels/fair"}, False),
        (Condition(fact=Fact.COUNTRY, any_of=["DE", "at"]), {"country": "AT"}, True),
        (Condition(fact=Fact.COUNTRY, none_of=["DE"]), {"country": "DE"}, False),
        (Condition(fact=Fact.COUNTRY, none_of=["DE"]), {}, True),
        (Condition(fact=Fact.REGION, any_of=["ПЛОВДИВ"]), {"region": "Пловдив"}, True),
        (Condition(fact=Fact.REGION, any_of=["São Paulo"]), {"region": "SÃO PAULO"}, True),
        (Condition(fact=Fact.REGION, any_of=["上海"]), {"region": "上海"}, True),
        (Condition(fact=Fact.LANGUAGE, any_of=["pt"]), {"language": "pt-BR"}, True),
        (Condition(fact=Fact.LANGUAGE, any_of=["pt-BR"]), {"language": "pt"}, False),
        (Condition(fact=Fact.LANGUAGE, any_of=["p"]), {"language": "pt"}, False),
        (Condition(fact=Fact.LABEL, label="size", any_of=["large"]), {"labels": {"size": "Large"}}, True),
        (Condition(fact=Fact.LABEL, label="size", any_of=["large"]), {"labels": {"kind": "large"}}, False),
        (Condition(fact=Fact.CUSTOM, custom="tier", any_of=["злато"]), {"custom": {"tier": "Злато"}}, True),
        (Condition(fact=Fact.CUSTOM, custom="tier", any_of=["злато"]), {"custom": {"other": "Злато"}}, False),
        (Condition(fact=Fact.CUSTOM, custom="tier", none_of=["злато"]), {}, True),
        (Condition(fact=Fact.CUSTOM, custom="tags", any_of=["b", "c"]), {"custom": {"tags": ["a", "b"]}}, True),
        (Condition(fact=Fact.CUSTOM, custom="tags", none_of=["b"]), {"custom": {"tags": ["a", "b"]}}, False),
        (Condition(fact=Fact.CUSTOM, custom="yes", any_of=["true"]), {"custom": {"yes": True}}, True),
        (Condition(fact=Fact.CUSTOM, custom="budget", at_least=5), {"custom": {"budget": 5}}, True),
        (Condition(fact=Fact.CUSTOM, custom="budget", at_least=5, at_most=9), {"custom": {"budget": 9.5}}, False),
        (Condition(fact=Fact.CUSTOM, custom="budget", at_most=9), {}, False),
        (Condition(fact=Fact.SCORE, at_least=50), {"score": 50.0}, True),
        (Condition(fact=Fact.SCORE, at_least=50), {"score": 49.9}, False),
        (Condition(fact=Fact.SCORE, at_most=50), {}, False),
        (Condition(fact=Fact.COMPANY_SIZE, at_least=10, at_most=20), {"company_size": 20.0}, True),
        (Condition(fact=Fact.COMPANY_SIZE, at_least=10, at_most=20), {"company_size": 21.0}, False),
    ],
)
def test_a_condition_holds_or_does_not(condition, fields, met):
    assert condition.met_by(lead(**fields)) is met


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (Rule(rule="x"), "rules[0].teams"),
        (Rule(rule="fallback", **ANYBODY), "rules[0].rule"),
        (Rule(rule="x", conditions=[Condition(fact=Fact.COMPANY_SIZE, any_of=["5"])], **ANYBODY), "conditions[0].fact"),
        (Rule(rule="x", conditions=[Condition(fact=Fact.COMPANY_SIZE)], **ANYBODY), "conditions[0].fact"),
        (Rule(rule="x", conditions=[Condition(fact=Fact.CHANNEL, at_least=5)], **ANYBODY), "conditions[0].fact"),
        (Rule(rule="x", conditions=[Condition(fact=Fact.LABEL, any_of=["a"])], **ANYBODY), "conditions[0].label"),
        (
            Rule(rule="x", conditions=[Condition(fact=Fact.COMPANY_SIZE, at_least=5, at_most=4)], **ANYBODY),
            "conditions[0].at_least",
        ),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule, path):
    with pytest.raises(InvalidFields) as refused:
        a_policy(rule).check()
    assert any(path in field for field, _ in refused.value.violations)


def test_a_policy_knows_whether_it_asks_for_the_score():
    by_score = a_policy(Rule(rule="x", conditions=[Condition(fact=Fact.SCORE, at_least=5)], **ANYBODY))
    by_score.check()
    assert by_score.asks(Fact.SCORE)
    assert not by_score.asks(Fact.CHANNEL)


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(InvalidFields, match="taken"):
        a_policy(Rule(rule="x", **ANYBODY), Rule(rule="x", **ANYBODY)).check()


def test_a_policy_that_names_nobody_is_refused():
    with pytest.raises(InvalidFields, match="nobody"):
        a_policy().check()


def test_a_sound_policy_is_taken():
    owner = Rule(rule="theirs", strategy=Strategy.ACCOUNT_OWNER)
    a_policy(owner, Rule(rule="rest", **ANYBODY), fallback=Rule(rule="fallback", people=["users/root"])).check()


# ---- rules in order


def test_the_first_rule_that_fits_decides_and_the_others_say_why_not():
    german = Rule(rule="dach", conditions=[Condition(fact=Fact.COUNTRY, any_of=["DE"])], people=["users/ana"])
    rest = Rule(rule="rest", people=["users/boris"])
    by = assigner(a_policy(german, rest), people("ana", "boris"))
    assert by.decide(lead(country="DE")).owner == "users/ana"
    decision = by.decide(lead(country="BG"))
    assert (decision.owner, decision.rule, decision.policy) == ("users/boris", "rest", "assignmentPolicies/seed")
    assert [(one.rule, one.why, one.condition) for one in decision.passed] == [("dach", Passing.CONDITION_NOT_MET, 0)]


def test_a_rule_whose_people_are_all_full_passes_the_lead_on():
    first = Rule(rule="first", people=["users/ana"])
    policy = a_policy(first, fallback=Rule(rule="fallback", people=["users/boris"]))
    by = assigner(policy, [*people("ana", daily_capacity=1), *people("boris")])
    assert [by.decide(lead(n)).owner for n in range(2)] == ["users/ana", "users/boris"]
    decision = by.decide(lead(2))
    assert verdicts(decision) == {"boris": "CHOSEN", "ana": "DAY_FULL"}
    assert decision.passed[0].why is Passing.NOBODY_FREE


def test_nobody_gets_a_lead_that_nobody_can_take():
    decision = assigner(one_rule(), people("ana", paused=True)).decide(lead())
    assert (decision.owner, decision.rule, verdicts(decision)) == ("", "", {"ana": "PAUSED"})


@pytest.mark.parametrize(
    ("staff", "presence", "verdict"),
    [
        ({"active": False}, Presence.AT_WORK, Verdict.NOT_ACTIVE),
        ({"paused": True}, Presence.AT_WORK, Verdict.PAUSED),
        ({"daily_capacity": 3, "taken": {DAY: 3}}, Presence.AT_WORK, Verdict.DAY_FULL),
        ({"daily_capacity": 0}, Presence.AT_WORK, Verdict.DAY_FULL),
        ({"monthly_capacity": 5, "taken": {date(2026, 3, 1): 5}}, Presence.AT_WORK, Verdict.MONTH_FULL),
        ({}, Presence.ON_LEAVE, Verdict.ON_LEAVE),
        ({}, Presence.OFF_HOURS, Verdict.OFF_HOURS),
    ],
)
def test_a_person_who_cannot_take_it_is_told_with_the_reason(staff, presence, verdict):
    by = assigner(one_rule(at_work_only=True), people("ana", **staff), presence=lambda *_: presence)
    decision = by.decide(lead())
    assert decision.owner == ""
    assert decision.candidates[0].verdict is verdict


def test_yesterdays_and_last_months_leads_fill_no_capacity_of_today():
    taken = {date(2026, 3, 1): 1, date(2026, 2, 28): 9}
    staff = people("ana", daily_capacity=1, monthly_capacity=2, taken=taken)
    assert assigner(one_rule(), staff).decide(lead()).owner == "users/ana"


def test_a_day_begins_when_it_does_in_the_companys_zone():
    staff = people("ana", daily_capacity=1, taken={date(2026, 3, 3): 1})
    late = lead(at=datetime(2026, 3, 2, 16, 30, tzinfo=UTC))  # 00:30 on the third in Shanghai
    assert assigner(one_rule(), staff, zone=ZoneInfo("Asia/Shanghai")).decide(late).owner == ""
    assert assigner(one_rule(), staff).decide(late).owner == "users/ana"


def test_somebody_at_home_gets_leads_unless_the_rule_wants_people_at_work():
    at_home = lambda *_: Presence.OFF_HOURS  # noqa: E731
    assert assigner(one_rule(), people("ana"), presence=at_home).decide(lead()).owner == "users/ana"
    assert assigner(one_rule(at_work_only=True), people("ana"), presence=at_home).decide(lead()).owner == ""


def test_a_lead_goes_to_whoever_has_the_account_and_else_by_the_next_rule():
    sticky = Rule(rule="theirs", strategy=Strategy.ACCOUNT_OWNER)
    by = assigner(a_policy(sticky, Rule(rule="rest", people=["users/boris"])), people("ana", "boris"))
    assert by.decide(lead(account_owner="users/ana")).rule == "theirs"
    assert by.decide(lead()).owner == "users/boris"
    assert by.decide(lead(account_owner="users/gone")).owner == "users/boris"


def test_the_accounts_owner_must_be_among_those_whom_the_rule_names():
    sticky = Rule(rule="theirs", strategy=Strategy.ACCOUNT_OWNER, people=["users/boris"])
    decision = assigner(a_policy(sticky), people("ana", "boris")).decide(lead(account_owner="users/ana"))
    assert (decision.owner, verdicts(decision)) == ("", {"boris": "NOT_THE_OWNER"})


def test_whom_it_is_taken_off_does_not_get_it_back():
    decision = assigner(one_rule(), people("ana", "boris")).decide(lead(not_to=frozenset({"users/ana"})))
    assert verdicts(decision) == {"boris": "CHOSEN", "ana": "HAD_IT"}


def test_the_least_loaded_gets_the_next_until_all_have_the_same():
    staff = [*people("ana", open_leads=3), *people("boris", open_leads=0), *people("chen", open_leads=1)]
    counts = given_out(assigner(one_rule(Strategy.LEAST_LOADED), staff), 8)
    assert counts == {"users/ana": 1, "users/boris": 4, "users/chen": 3}


def test_turns_go_round_in_the_order_of_names_and_go_on_the_next_time():
    turns: dict[str, Turn] = {}
    staff = people("chen", "ana", "boris")
    first = [assigner(one_rule(Strategy.ROUND_ROBIN), staff, turns).decide(lead(n)).owner for n in range(4)]
    assert [name[6:] for name in first] == ["ana", "boris", "chen", "ana"]


def test_a_decision_names_a_bounded_number_of_candidates_and_counts_the_rest():
    staff = people(*(f"p{number}" for number in range(50)))
    decision = assigner(one_rule(), staff).decide(lead())
    assert len(decision.candidates) == MOST_TOLD
    assert decision.candidates[0].verdict is Verdict.CHOSEN
    assert decision.others == {"OUT_OF_TURN": 30}


# ---- shares


def test_a_batch_of_200_is_spread_evenly():
    counts = given_out(assigner(one_rule(), people("a", "b", "c", "d", "e", "f", "g")), 200)
    assert sorted(counts.values()) == [28, 28, 28, 29, 29, 29, 29]


def test_who_can_take_one_a_month_gets_that_one():
    staff = [*people("a", "b", "c", monthly_capacity=100), *people("little", monthly_capacity=1)]
    for strategy in (Strategy.EVEN, Strategy.WEIGHTED, Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED):
        counts = given_out(assigner(one_rule(strategy), staff), 400)
        assert counts == {"users/a": 100, "users/b": 100, "users/c": 100, "users/little": 1, "": 99}


def test_nobody_comes_back_from_leave_to_a_flood():
    turns: dict[str, Turn] = {}
    away = lambda name, _: Presence.ON_LEAVE if name == "users/a" else Presence.AT_WORK  # noqa: E731
    staff = people("a", "b", "c")
    assert given_out(assigner(one_rule(), staff, turns, away), 100)["users/a"] == 0
    back = given_out(assigner(one_rule(), staff, turns), 30)
    assert max(back.values()) - min(back.values()) <= 1


def test_a_share_goes_on_where_the_last_batch_ended():
    turns: dict[str, Turn] = {}
    counts: Counter = Counter()
    for _ in range(200):  # a batch of one each time
        counts += given_out(assigner(one_rule(), people("a", "b", "c", "d", "e", "f", "g"), turns), 1)
    assert max(counts.values()) - min(counts.values()) <= 1


@given(st.sets(st.text("abcdefgh", min_size=1), min_size=1, max_size=8), st.integers(1, 5))
def test_turns_are_even(people, rounds):
    turn = Turn()
    turns = [turn.rotate(list(people)) for _ in range(len(people) * rounds)]
    assert {turns.count(person) for person in people} == {rounds}


def test_the_turn_goes_on_when_the_last_person_left():
    assert Turn(last="users/boris").rotate(["users/ana", "users/chen"]) == "users/chen"


NAMES = st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)
CAPACITY = st.none() | st.integers(0, 12)
STAFF = NAMES.flatmap(
    lambda names: st.tuples(
        *(
            st.builds(
                Person,
                name=st.just(f"users/{name}"),
                team=st.just("teams/a"),
                active=st.sampled_from([True, True, True, False]),
                paused=st.sampled_from([False, False, False, True]),
                daily_capacity=CAPACITY,
                monthly_capacity=CAPACITY,
                open_leads=st.integers(0, 5),
                taken=st.dictionaries(st.sampled_from([DAY, date(2026, 3, 1)]), st.integers(0, 4)),
            )
            for name in names
        )
    )
)
STRATEGIES = st.sampled_from([one for one in Strategy if one is not Strategy.ACCOUNT_OWNER])


@given(STAFF, STRATEGIES, st.integers(0, 60))
def test_nobody_is_ever_given_more_than_their_capacity_or_anything_when_away(staff, strategy, number):
    by = assigner(one_rule(strategy), staff)
    counts: Counter = Counter()
    for one in range(number):
        at = AT + timedelta(hours=one)  # the days pass
        counts[by.decide(lead(one, at=at)).owner, at.date()] += 1
    for person in staff:
        mine = {day: count for (owner, day), count in counts.items() if owner == person.name}
        if not person.active or person.paused:
            assert mine == {}
        for day, count in mine.items():
            assert person.daily_capacity is None or count + person.taken.get(day, 0) <= person.daily_capacity
        total = sum(mine.values()) + sum(person.taken.values())
        assert not mine or person.monthly_capacity is None or total <= person.monthly_capacity


@given(STAFF, STRATEGIES, st.randoms(), st.integers(1, 40))
def test_the_order_in_which_people_are_named_changes_nothing(staff, strategy, random, number):
    shuffled = list(staff)
    random.shuffle(shuffled)
    policy = one_rule(strategy)
    first, second = assigner(policy, staff), assigner(policy, shuffled)
    for one in range(number):
        assert first.decide(lead(one)) == second.decide(lead(one))
    assert first.turns == second.turns


@given(NAMES, st.integers(0, 300))
def test_shares_are_within_one_of_even(names, number):
    counts = given_out(assigner(one_rule(), people(*names)), number)
    given_each = [counts[f"users/{name}"] for name in names]
    assert max(given_each) - min(given_each) <= 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 300))
def test_weighted_shares_are_within_one_of_proportional_at_every_moment(weights, number):
    turn, given_each = Turn(), Counter()
    by_name = {f"users/{index}": float(weight) for index, weight in enumerate(weights)}
    for count in range(1, number + 1):
        given_each[turn.share(by_name)] += 1
        for name, weight in by_name.items():
            assert abs(given_each[name] - count * weight / sum(weights)) < 1


@given(NAMES, st.lists(st.lists(st.booleans(), min_size=12, max_size=12), max_size=60))
def test_whoever_is_free_stays_fairly_served_while_others_come_and_go(names, presences):
    """What is due stays bounded whatever the comings and goings: nobody is owed, or owes, ever more."""
    turn = Turn()
    for present in presences:
        free = {name: 1.0 for name, here in zip(names, present, strict=False) if here}
        if free:
            assert turn.share(free) in free
        assert all(abs(due) < len(names) for due in turn.due.values())


def test_capacities_weigh_and_who_has_none_said_counts_like_the_average():
    staff = [*people("much", monthly_capacity=300), *people("little", daily_capacity=5), *people("open")]
    by = assigner(one_rule(Strategy.WEIGHTED), staff)
    days = [AT + timedelta(days=one % 20) for one in range(60)]  # nobody's day is full
    counts = Counter(by.decide(lead(number, at=at)).owner for number, at in enumerate(days))
    # 300 a month, 5 on each of 20 workdays, and their average.
    assert counts == {"users/much": 30, "users/open": 20, "users/little": 10}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sopharma AD", "SOPHARMA"),
        ("Булгартабак ЕООД", "Bulgartabak"),
        ("Padaria São João Ltda.", "padaria  sao joao"),
        ("北京旷视科技有限公司", "北京 旷视科技"),
    ],
)
def test_a_company_is_the_same_whatever_its_legal_form_spelling_and_script(one, other):
    assert account_key(one) == account_key(other) != ""
    assert account_key(one.casefold()) == account_key(one), "the keys of releases before are enough to make these of"


@pytest.mark.parametrize(("one", "other"), [("旷视", "矿石"), ("Rosa Bakery", "Rosa Mining"), ("Rosa", "")])
def test_another_company_has_another_key(one, other):
    assert account_key(one) != account_key(other)
