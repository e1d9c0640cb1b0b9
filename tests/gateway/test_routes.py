"""Templates, and contracts that the gateway refuses to start with."""

from dataclasses import replace

import pytest
from gateway.admission import Streams
from gateway.contract import Contract, Rule
from gateway.routes import BadContract, Routes, Template
from gateway.settings import SettingError
from gateway.upstreams import Upstreams

from gateway import admin, app


async def endpoint(*arguments: object) -> None:
    raise AssertionError("no request is made in these tests")


def test_a_template_knows_its_segments_variables_and_verb() -> None:
    template = Template.parse("/v1/{lead.name=leads/*}:qualify")
    assert template == Template(["v1", "leads", None], {"lead.name": (1, 3)}, "qualify")
    nested = Template.parse("/v1/{parent=customers/*/sites/*}/timeline")
    assert nested == Template(["v1", "customers", None, "sites", None, "timeline"], {"parent": (1, 5)})
    assert Template.parse("/v1/leads/{id}").segments == ["v1", "leads", None]


@pytest.mark.parametrize(
    "text", ["v1/leads", "/v1", "/v1/{name=**}", "/v1/{name", "/v1//leads", "/v1/{name=leads/*}x", "/v1/{x}"]
)
def test_a_template_that_cannot_be_served_is_refused(text: str) -> None:
    with pytest.raises(BadContract):
        Template.parse(text)


def test_two_rpcs_cannot_have_one_route_whatever_they_call_its_variables(contract: Contract) -> None:
    routes, (first, second, *_) = Routes(), contract.public
    routes.add(first, Rule("GET", "/v1/{name=leads/*}", ""), endpoint)
    routes.add(second, Rule("PATCH", "/v1/{lead.name=leads/*}", ""), endpoint)
    with pytest.raises(BadContract, match=f"{second.name} and .*{first.name} both want GET"):
        routes.add(second, Rule("GET", "/v1/leads/{id}", ""), endpoint)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rules": (Rule("POST", "/v1/new", "nope"),)}, "has no field nope"),
        ({"rules": (Rule("GET", "/v1/{nope=leads/*}", ""),)}, "nope, which is no text field"),
        ({"rules": (Rule("GET", "/v1/new", ""),), "client_streaming": True}, "streams and cannot have this HTTP route"),
    ],
)
async def test_the_gateway_does_not_start_on_a_rule_it_cannot_serve(
    contract: Contract, change: dict[str, object], reason: str
) -> None:
    wrong = object.__new__(Contract)
    wrong.__dict__ = {**contract.__dict__, "rpcs": [replace(contract.public[0], **change)]}
    with pytest.raises(BadContract, match=reason):
        app.build(wrong, Upstreams(wrong, {}), admin.Metrics(), Streams())


async def test_an_upstream_that_no_rpc_knows_is_refused_by_its_setting(contract: Contract) -> None:
    with pytest.raises(SettingError, match=r"UPSTREAM_SALE names no service; there are .*sales"):
        Upstreams(contract, {"sale": "127.0.0.1:1"})
