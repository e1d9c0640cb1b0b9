"""Each call has a class, and what is promised of it can be counted."""

import pytest
from gateway.admission import Admission
from gateway.contract import Contract
from gateway.objectives import BULK, PAGE, READ, SECONDS, WRITE, class_of
from gateway.settings import descriptors


@pytest.mark.parametrize(
    ("rpc", "of"),
    [
        ("/crm.leads.v1.LeadService/GetLead", READ),
        ("/crm.leads.v1.LeadService/ListLeads", READ),
        ("/crm.leads.v1.MergeService/PreviewMerge", READ),
        ("/crm.leads.v1.LeadService/CreateLead", WRITE),
        ("/crm.leads.v1.CallListService/NextCall", WRITE),
        ("/crm.leads.v1.LeadService/Getting", WRITE),
        ("/crm.leads.v1.LeadService/ImportLeads", BULK),
        ("/crm.leads.v1.NurtureService/SimulateNurtureSettings", BULK),
        ("/crm.insights.v1.InsightsService/GetLeadReport", BULK),
        ("/crm.sales.v1.SalesService/GetPipelineSummary", BULK),
        ("", PAGE),
    ],
)
def test_a_call_has_the_class_that_its_name_says(rpc, of):
    assert class_of(rpc) == of


def test_what_is_promised_is_a_bound_of_what_is_counted():
    admission = Admission(["leads"])
    for name, seconds in SECONDS.items():
        assert f'crm_gateway_admitted_seconds_bucket{{class="{name}",le="{seconds}"}} 0' in admission.text()


def test_a_call_that_only_reads_is_no_write():
    """Whatever has a GET route is read or bulk, but for the streams, which last as long as somebody listens, and the
    link to a material, whose opening is noted."""
    contract = Contract(descriptors())
    asked = [rpc for rpc in contract.rpcs if any(rule.method == "GET" for rule in rpc.rules)]
    assert len(asked) > 80
    changing = [rpc.name for rpc in asked if class_of(rpc.path) == WRITE and not rpc.server_streaming]
    assert changing == ["OpenMaterialLink"]
    changing = [rpc for rpc in contract.rpcs if any(rule.method in ("PATCH", "DELETE") for rule in rpc.rules)]
    assert {class_of(rpc.path) for rpc in changing} == {WRITE}
