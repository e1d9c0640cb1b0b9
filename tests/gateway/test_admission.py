"""The adaptive limit and the shares, before a service that is simulated: no waiting, any machine, any load."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest
from gateway.admission import Admission, Refused, Shares
from gateway.limit import FIRST, LEAST, MOST, WINDOW_CALLS, Limit
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from simulated_service import Simulation

CROWD = 40  # callers
RUNS = 3
# A failing simulation is small already; shrinking it takes minutes.
simulated = settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
machines = st.builds(
    Simulation,
    processors=st.integers(1, 12),
    seconds=st.fixed_dictionaries({"Get": st.floats(0.005, 0.05)}),
    seed=st.integers(0, 10**6),
)


def crowd(rate: float) -> dict[int, float]:
    return dict.fromkeys(range(CROWD), rate / CROWD)


def typical(service: Simulation, figure: Callable[[Simulation], tuple[float, ...]]) -> list[float]:
    """The medians of some figures over runs that differ in chance only: one run in a hundred is an odd one."""
    runs = [figure(Simulation(service.processors, {**service.seconds}, service.seed + more)) for more in range(RUNS)]
    return [median(values) for values in zip(*runs, strict=True)]


def busy(service: Simulation, seconds: float) -> float:
    """The share of what the service can do that it did in its last run."""
    return len(service.took) / (seconds * service.capacity)


@simulated
@given(service=machines, times=st.floats(2, 10))
def test_what_is_accepted_under_overload_keeps_its_time_and_the_service_stays_busy(service, times):
    def figures(service: Simulation) -> tuple[float, ...]:
        calls = 3000 / service.capacity  # seconds for so many calls
        quiet = service.run(calls * 5, crowd(service.capacity * 0.2)).percentile(0.99)
        service.run(calls, crowd(service.capacity * times))  # it settles
        service.run(calls, crowd(service.capacity * times))
        return service.percentile(0.99) / quiet, busy(service, calls)

    slower, share = typical(service, figures)
    assert slower <= 3
    assert share >= 0.7


@simulated
@given(service=machines)
def test_a_quiet_service_refuses_nobody_soon_after_an_overload(service):
    calls = 2000 / service.capacity
    service.run(calls, crowd(service.capacity * 0.2))
    service.run(calls, crowd(service.capacity * 5))
    service.run(max(5.0, calls / 4), crowd(service.capacity * 0.2))
    service.run(calls, crowd(service.capacity * 0.2))
    assert service.refused.total() <= 0.01 * sum(service.answered.values())


@simulated
@given(service=machines)
def test_a_gateway_started_under_overload_learns_what_a_call_takes(service):
    def figures(service: Simulation) -> tuple[float, ...]:
        calls = 4000 / service.capacity
        service.run(max(2.0, calls), crowd(service.capacity * 5))
        service.run(calls, crowd(service.capacity * 5))
        return service.percentile(0.5) / service.seconds["Get"], busy(service, calls)

    slower, share = typical(service, figures)
    assert slower <= 5
    assert share >= 0.6


@simulated
@given(service=machines)
def test_a_service_that_became_slower_for_good_is_not_starved(service):
    def figures(service: Simulation) -> tuple[float, ...]:
        service.run(2000 / service.capacity, crowd(service.capacity * 0.2))
        service.seconds["Get"] *= 5
        calls = 6000 / service.capacity
        for _ in range(4):
            service.run(calls, crowd(service.capacity * 3))
        return (busy(service, calls),)

    (share,) = typical(service, figures)
    assert share >= 0.5


def test_slow_methods_beside_fast_ones_are_no_sign_of_overload():
    service = Simulation(processors=8, seconds={"Get": 0.002, "Import": 0.2}, seed=1)
    service.run(60, crowd(service.capacity * 0.2))
    assert service.refused.total() == 0
    assert service.lane.limit.places == FIRST


@simulated
@given(service=machines, others=st.integers(1, 10))
def test_who_asks_for_more_than_all_others_is_told_so_and_the_others_are_served(service, others):
    greedy, modest = 0, range(1, others + 1)
    rates = {greedy: service.capacity * 5} | dict.fromkeys(modest, service.capacity * 0.3 / others)
    service.run(2000 / service.capacity, crowd(service.capacity * 0.2))
    service.run(4000 / service.capacity, rates)
    service.run(4000 / service.capacity, rates)
    served = sum(service.answered[caller] for caller in modest)
    turned = sum(count for (caller, _), count in service.refused.items() if caller != greedy)
    assert turned <= served  # of two or three places the greedy one has one
    assert service.refused[greedy, "TOO_MANY_AT_ONCE"] > service.refused[greedy, "TOO_BUSY"]
    assert service.answered[greedy] > 0


@given(
    calls=st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 1e6), st.booleans(), st.booleans()), min_size=WINDOW_CALLS * 3
    ),
    step=st.floats(0, 10),
)
def test_whatever_is_measured_the_limit_stays_within_its_bounds(calls, step):
    limit, now = Limit(), 0.0
    for rpc, seconds, alone, pressed in calls:
        now += step
        if pressed:
            limit.pressed()
        limit.took(rpc, seconds, alone, now)
        assert LEAST <= limit.places <= MOST


@given(st.lists(st.integers(0, 5), max_size=200), st.integers(1, 40), st.booleans())
def test_shares_add_up_and_are_all_given_back(callers, most, lent):
    shares = Shares(most, lent)
    held = []
    for caller in callers:
        if shares.take(caller) is None:
            held.append(caller)
        assert shares.taken == len(held) == sum(shares.held.values()) <= most
    for caller in held:
        shares.give_back(caller)
    assert (shares.taken, shares.held) == (0, {})


@given(greedy=st.integers(1, 8), most=st.integers(1, 200), lent=st.booleans())
def test_greedy_callers_leave_room_for_somebody_new(greedy, most, lent):
    shares = Shares(most, lent)
    while [shares.take(caller) for caller in range(greedy)].count(None):  # each in turn
        pass
    assert max(shares.held.values()) - min(shares.held.values()) <= 1
    if most > greedy:
        assert shares.take(greedy) is None


@pytest.mark.parametrize(
    ("lent", "most", "gets"),
    [(False, 2, 1), (False, 3, 2), (False, 24, 12), (True, 2, 1), (True, 3, 2), (True, 24, 23)],
)
def test_one_caller_alone_gets_its_share_and_the_next_finds_room(lent, most, gets):
    shares = Shares(most, lent)
    while (error := shares.take(1)) is None:
        pass
    assert error.reason == "TOO_MANY_AT_ONCE"
    assert shares.taken == gets
    assert shares.take(2) is None
    assert Shares(0, lent).take(1).reason == "TOO_BUSY"


def test_who_had_all_places_but_one_gives_way_to_others_as_they_come_back():
    shares = Shares(8, lent=True)
    for _ in range(7):
        assert shares.take(1) is None
    assert shares.take(2) is None
    while shares.held != {1: 3, 2: 3}:  # two are left for a third
        shares.give_back(1)
        while shares.take(2) is None:
            pass
        assert shares.held[1] >= 3
    assert shares.take(1).reason == shares.take(2).reason == "TOO_MANY_AT_ONCE"
    assert shares.take(3) is None


def test_a_service_that_hangs_takes_no_place_of_another():
    admission = Admission(["leads", "sales"])
    for caller in range(1000):
        try:
            admission.lanes["leads"].enter(caller)
        except Refused:
            break
    assert admission.lanes["leads"].shares.taken == FIRST
    admission.lanes["sales"].enter(1).leave()
    assert 'crm_gateway_refused_total{service="leads",reason="TOO_BUSY"} 1' in admission.text()


async def test_a_place_is_given_back_once_however_often_it_is_left():
    admission = Admission(["leads"])
    lane = admission.lanes["leads"]
    place = lane.enter(1)
    place.pause()
    assert (lane.shares.taken, admission.arriving.taken) == (0, 1)
    await place.resume()
    assert (lane.shares.taken, admission.arriving.taken) == (1, 0)
    place.pause()
    for _ in range(2):
        place.leave()
    assert (lane.shares.taken, admission.arriving.taken) == (0, 0)
    assert sum(sum(answered.counts) for answered in admission.answered.values()) == 0


def test_what_waits_for_its_request_is_bounded_by_caller_too():
    admission = Admission(["leads"])
    lane, reasons = admission.lanes["leads"], []
    for _ in range(40):
        place = lane.enter(1)
        try:
            place.pause()
        except Refused as refused:
            reasons.append(refused.error.reason)
            place.leave()
    assert reasons == ["TOO_MANY_AT_ONCE"] * 8
    assert lane.shares.taken == 0
