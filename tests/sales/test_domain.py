"""The rules of sales, without any server."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import ExternalId, Money
from hypothesis import given
from hypothesis import strategies as st
from sales.domain.account import Account
from sales.domain.activity import Activity, ActivityClosed, Kind, first_call
from sales.domain.activity import State as ActivityState
from sales.domain.archive import AlreadyArchived, NotArchived
from sales.domain.contact import Contact
from sales.domain.opportunity import AlreadyInStage, Opportunity, OpportunityClosed, State
from sales.domain.order import Order, OrderLine, OrderRecordedDifferently
from sales.domain.pipeline import Pipeline, Stage, StageInUse

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STAGES = [Stage(stage="first", probability=0.2), Stage(stage="second", probability=0.5), Stage(stage="last")]
ANA = "users/ana"
MOMENTS = st.integers(min_value=0, max_value=2_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


def pipeline(**fields):
    return Pipeline(**({"id": "p", "display_name": "P", "stages": list(STAGES)} | fields))


def deal(**fields):
    made = Opportunity(**({"display_name": "Ovens", "account": "accounts/a"} | fields))
    made.open(STAGES[0], ANA, NOON)
    return made


def euros(amount):
    return Money(amount=Decimal(amount), currency="EUR")


def order(amount, *lines, **fields):
    told = [OrderLine(product="oven", quantity=1, amount=line) for line in lines]
    return Order(**({"system": "sap", "order_number": "1", "amount": amount, "lines": told} | fields))


def activity(**fields):
    given = {"display_name": "Call", "subject": "leads/x", "due_time": NOON, "expected_outcome": "A date"}
    return Activity(**(given | fields))


# ---- deals


def test_a_new_deal_is_open_in_its_stage_with_the_stages_probability():
    made = deal()
    assert (made.state, made.stage, made.probability) == (State.OPEN, "first", 0.2)
    assert [(entry.stage, entry.actor, entry.leave_time) for entry in made.stage_history] == [("first", ANA, None)]


def test_an_advanced_deal_takes_the_probability_of_its_new_stage_and_tells_where_it_was():
    made = deal()
    event = made.advance(STAGES[1], ANA, "they liked it", NOON)
    assert (made.stage, made.probability) == ("second", 0.5)
    assert (event.previous_stage, event.note) == ("first", "they liked it")


def test_a_deal_may_go_back():
    made = deal()
    made.advance(STAGES[1], ANA, "", NOON)
    made.advance(STAGES[0], ANA, "", NOON)
    assert made.probability == 0.2
    assert len(made.stage_history) == 3


def test_a_deal_is_not_advanced_to_where_it_is():
    with pytest.raises(AlreadyInStage) as refused:
        deal().advance(STAGES[0], ANA, "", NOON)
    assert refused.value.metadata["stage"] == "first"


def test_a_won_deal_is_certain_and_keeps_its_amount_unless_another_is_told():
    kept, told = deal(amount=euros(10)), deal(amount=euros(10))
    kept.win(None, "Bakery", "", NOON)
    told.win(euros(12), "Bakery", "", NOON)
    assert (kept.probability, kept.amount, told.amount) == (1.0, euros(10), euros(12))


def test_a_lost_deal_has_no_chance_and_a_reason():
    lost = deal()
    lost.lose("too_expensive", "by far", NOON)
    assert (lost.state, lost.probability, lost.lose_reason, lost.close_time) == (
        State.LOST,
        0.0,
        "too_expensive",
        NOON,
    )


VERBS = {
    "advance": lambda made: made.advance(STAGES[1], ANA, "", NOON),
    "win": lambda made: made.win(None, "Bakery", "", NOON),
    "lose": lambda made: made.lose("reason", "", NOON),
    "require_open": lambda made: made.require_open(),
}
STATES = {
    State.OPEN: deal,
    State.WON: lambda: _after(deal(), VERBS["win"]),
    State.LOST: lambda: _after(deal(), VERBS["lose"]),
}


def _after(made, verb):
    verb(made)
    return made


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", STATES)
def test_only_an_open_deal_moves(state, verb):
    made = STATES[state]()
    if state is State.OPEN:
        VERBS[verb](made)
        return
    before = (made.amount, made.stage_history, made.close_time)
    with pytest.raises(OpportunityClosed) as refused:
        VERBS[verb](made)
    assert refused.value.metadata["state"] == state.name
    assert (made.amount, made.stage_history, made.close_time) == before


MOVES = st.lists(st.tuples(st.sampled_from(["first", "second", "last", "win", "lose"]), MOMENTS), max_size=20)


@given(MOVES)
def test_the_stage_history_has_no_gap_whatever_happens_in_whatever_order_of_business_times(moves):
    """Each entry is left when the next is entered; the last one lasts exactly as long as the deal is open. Business
    times may go backwards: they are kept as told."""
    made = deal()
    told = [NOON]
    for move, at in moves:
        try:
            if move == "win":
                made.win(None, "Bakery", "", at)
            elif move == "lose":
                made.lose("reason", "", at)
            else:
                made.advance(next(stage for stage in STAGES if stage.stage == move), ANA, "", at)
            told.append(at)
        except FailedPrecondition:
            continue
    history = made.stage_history
    is_open = made.state is State.OPEN
    assert history[-1].stage == made.stage
    assert [entry.leave_time for entry in history[:-1]] == [entry.enter_time for entry in history[1:]]
    assert [entry for entry in history if entry.leave_time is None] == ([history[-1]] if is_open else [])
    assert [entry.enter_time for entry in history] == told[: len(history)]
    assert made.close_time == (None if is_open else told[-1]) == history[-1].leave_time
    assert all(before.stage != after.stage for before, after in pairwise(history))


# ---- customers


def test_the_first_deal_won_makes_a_customer_and_the_second_changes_nothing():
    account = Account(display_name="Bakery")
    assert len(account.become_customer(NOON)) == 1
    assert account.become_customer(NOON + timedelta(days=1)) == []
    assert account.customer_time == NOON


@pytest.mark.parametrize(
    "make", [lambda: Account(display_name="B"), lambda: Contact(display_name="I", account="a"), deal]
)
def test_what_is_archived_can_be_brought_back_once(make):
    record = make()
    with pytest.raises(NotArchived):
        record.restore(NOON)
    record.archive(NOON)
    with pytest.raises(AlreadyArchived):
        record.archive(NOON)
    record.restore(NOON)
    assert record.archive_time is None


# ---- pipelines


def test_a_pipeline_names_each_stage_once():
    pipeline().check()
    with pytest.raises(InvalidFields, match="first more than once"):
        pipeline(stages=[*STAGES, STAGES[0]]).check()


def test_lose_reasons_are_slugs_named_once():
    pipeline(lose_reasons=["too_expensive", "no_need"]).check()
    with pytest.raises(InvalidFields, match="more than once"):
        pipeline(lose_reasons=["no_need", "no_need"]).check()
    with pytest.raises(InvalidFields, match="not a slug"):
        pipeline(lose_reasons=["Too expensive"]).check()


def test_without_lose_reasons_any_is_accepted_and_with_them_only_those():
    pipeline().check_reason("whatever")
    listed = pipeline(lose_reasons=["no_need"])
    listed.check_reason("no_need")
    with pytest.raises(InvalidFields, match="no_need"):
        listed.check_reason("whatever")


def test_the_first_stage_is_the_default_and_an_unknown_one_is_refused():
    assert pipeline().stage("", "stage") == STAGES[0]
    assert pipeline().stage("last", "stage") == STAGES[2]
    with pytest.raises(InvalidFields, match="first, second, last"):
        pipeline().stage("nowhere", "stage")


def test_a_stage_with_open_deals_cannot_be_removed():
    shorter = pipeline(stages=STAGES[:1])
    shorter.check_removed(before=["first", "second"], in_use=["first"])
    with pytest.raises(StageInUse) as refused:
        shorter.check_removed(before=["first", "second"], in_use=["second"])
    assert refused.value.metadata["stages"] == "second"


# ---- orders

AMOUNTS = st.decimals(min_value=-10_000, max_value=10_000, places=4)


@given(st.lists(AMOUNTS, min_size=1, max_size=30), AMOUNTS)
def test_an_order_is_worth_exactly_what_its_lines_are_worth(amounts, off):
    lines = [euros(amount) for amount in amounts]
    order(euros(sum(amounts)), *lines).check_lines()
    if off:
        with pytest.raises(InvalidFields, match="add up to"):
            order(euros(sum(amounts) + off), *lines).check_lines()


def test_lines_are_in_the_currency_of_the_order():
    with pytest.raises(InvalidFields) as refused:
        order(euros(3), euros(1), Money(amount=Decimal(2), currency="USD")).check_lines()
    assert refused.value.violations[0][0] == "order.lines[1].amount"


def test_lines_that_do_not_tell_their_worth_do_not_have_to_add_up():
    order(euros(3), euros(1), None).check_lines()


KEY = ExternalId(system="sap", id="9")
OTHER = {"account": "accounts/b", "erp_state": "sent", "order_time_estimated": True, "external_ids": [KEY]}


@pytest.mark.parametrize("field", OTHER)
def test_an_order_reported_with_other_content_is_another_one(field):
    recorded = order(euros(1), account="accounts/a", order_time=NOON)
    recorded.check_same(order(euros(1), account="accounts/a", order_time=NOON))
    with pytest.raises(OrderRecordedDifferently) as refused:
        recorded.check_same(order(euros(1), **({"account": "accounts/a"} | {field: OTHER[field]})))
    assert refused.value.metadata["different"] == field


def test_a_report_without_a_time_says_nothing_about_the_time():
    recorded = order(euros(1), order_time=NOON)
    recorded.check_same(order(euros(1)))
    with pytest.raises(OrderRecordedDifferently):
        recorded.check_same(order(euros(1), order_time=NOON + timedelta(seconds=1)))


# ---- activities


@pytest.mark.parametrize("close", ["complete", "cancel"])
@pytest.mark.parametrize("again", ["complete", "cancel"])
def test_a_closed_activity_stays_as_it_is(close, again):
    done = activity()
    getattr(done, close)("so", NOON)
    assert done.state is {"complete": ActivityState.DONE, "cancel": ActivityState.CANCELLED}[close]
    with pytest.raises(ActivityClosed) as refused:
        getattr(done, again)("so", NOON)
    assert refused.value.metadata["state"] == done.state.name


def test_an_activity_of_no_kind_is_a_task():
    plain = activity(kind=Kind.KIND_UNSPECIFIED)
    plain.normalise()
    assert plain.kind is Kind.TASK


def test_the_assignee_of_a_lead_is_to_call_within_a_day():
    call = first_call("id", "leads/x", ANA, "teams/north", "journey", NOON)
    assert (call.kind, call.owner, call.due_time) == (Kind.CALL, ANA, NOON + timedelta(days=1))
    assert call.follow_up
