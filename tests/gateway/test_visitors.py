"""Visitors at the gateway: how much each address may ask, and that no other door is open to them."""

from contextlib import suppress

import pytest
from crm.type.v1 import types_pb2
from gateway.admission import Admission
from gateway.contract import Contract
from gateway.grpc_proxy import Proxy, reflected
from gateway.problems import Problem
from gateway.routes import Routes
from gateway.settings import descriptors
from gateway.upstreams import Upstreams
from gateway.visitors import AT_ONCE, MOST_ADDRESSES, Visitors, household
from hypothesis import given
from hypothesis import strategies as st

from gateway import visitors


def taken(visiting, address, times, now=0.0):
    """How many of so many calls at one moment were answered."""
    answered = 0
    for _ in range(times):
        with suppress(Problem):
            visiting.take(address, now)
            answered += 1
    return answered


def test_an_address_may_ask_so_often_at_once_and_then_once_a_second():
    visiting = Visitors()
    assert taken(visiting, "a", 100) == AT_ONCE
    with pytest.raises(Problem) as refused:
        visiting.take("a", 0.5)
    assert (refused.value.status, refused.value.reason) == (429, "TOO_MANY_VISITS")
    assert refused.value.headers["retry-after"] == "1"
    assert taken(visiting, "b", 1) == 1
    assert taken(visiting, "a", 5, now=3.0) == 3
    assert taken(visiting, "a", 100, now=1_000.0) == AT_ONCE


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("no address", "no address", True),
    ],
)
def test_who_has_many_addresses_of_one_network_is_one_visitor(one, other, same):
    assert (household(one) == household(other)) is same


@given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=300))
def test_no_address_ever_gets_more_than_its_share(pauses):
    visiting, now, answered = Visitors(), 0.0, 0
    for pause in pauses:
        now += pause
        answered += taken(visiting, "a", 1, now)
    assert answered <= AT_ONCE + now + 1e-6


def test_many_addresses_take_bounded_memory_and_nobody_is_shut_out(monkeypatch):
    monkeypatch.setattr(visitors, "MOST_ADDRESSES", 10)
    visiting = Visitors()
    assert all(taken(visiting, f"a{number}", 1) == 1 for number in range(35))
    assert len(visiting._left) <= 10
    assert MOST_ADDRESSES >= 10_000


def test_only_what_is_marked_so_is_served_without_a_token_and_only_over_http():
    contract = Contract(descriptors())
    found = [rpc for rpc in contract.rpcs if rpc.anonymous]
    assert "OpenMaterialLink" in [rpc.name for rpc in found]
    assert not [rpc.name for rpc in found if rpc.internal]
    proxy = Proxy(contract, Upstreams(contract, {}), Admission(contract.upstreams))
    served = {rpc.path for rpc in contract.public if proxy._handlers.get(rpc.path)}
    assert not served & {rpc.path for rpc in found}
    shown = reflected(contract).FindServiceByName("crm.marketing.v1.MaterialService")
    assert "OpenMaterialLink" not in shown.methods_by_name
    assert types_pb2.Redirect.DESCRIPTOR.full_name == "crm.type.v1.Redirect"


def test_a_short_path_has_a_route_and_its_neighbours_have_none():
    contract, routes = Contract(descriptors()), Routes()
    rpc = next(rpc for rpc in contract.public if rpc.name == "OpenMaterialLink")
    routes.add(rpc, rpc.rules[0], test_a_short_path_has_a_route_and_its_neighbours_have_none)
    assert routes.service("/m/abc") == "marketing"
    assert [routes.serves(path) for path in ("/m/abc", "/m", "/mm/abc", "/docs", "/v1/any")] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert routes.find("GET", b"/m/abc")[1] == {"token": "abc"}
    for wrong in (b"/m/a/b", b"/m/", b"/v1/m/abc", b"/m/abc:open"):
        with pytest.raises(Problem):
            routes.find("GET", wrong)
    with pytest.raises(Problem) as refused:
        routes.find("POST", b"/m/abc")
    assert refused.value.status == 405
