"""A real marketing funnel through the public API, against a plain count over its files."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from cli.plain_count import plain_count
from whole_suite import Suite, start

PAGE = 1000
RECORDS = "touches leads accounts contacts opportunities orders activities contracts entitlements cases"
ABOUT_A_CUSTOMER = RECORDS.split()


@pytest.fixture(scope="module")
def empty(tmp_path_factory, olist: Path) -> Suite:
    """A suite without the sample; not even started without the data."""
    running = start(tmp_path_factory.mktemp("olist") / "data", SAMPLE="0")
    yield running
    assert running.stop() == 0


@pytest.mark.timeout(600)
def test_the_whole_funnel_equals_a_plain_count_over_its_files(empty, olist, tmp_path):
    plain = plain_count(olist)
    began = time.monotonic()
    first = empty.crmctl("import", "olist", str(olist), "--errors", str(tmp_path / "errors"), timeout=400)
    print(f"\nimport: {time.monotonic() - began:.1f} s, {first.stdout.splitlines()[-1]}")
    assert first.returncode == 0, first.stdout + first.stderr

    report = json.loads(empty.crmctl("report", "channels", "--json").stdout)
    told = {one["channel"]: (one["leads"], one["customers"], Decimal(one["revenue"])) for one in report["channels"]}
    assert told == {name: (one.leads, one.customers, one.revenue) for name, one in plain.origins.items()}
    for one in report["channels"]:
        assert one["conversion"] == pytest.approx(one["customers"] / one["leads"])
    assert set(report["freshness"]) >= {"leads", "sales", "marketing", "contracts", "service-desk"}

    client = empty.client()
    counts = {
        "accounts": plain.customers,
        "leads": plain.leads,
        "orders": plain.orders,
        "cases": plain.complaints,
    }
    for collection, count in counts.items():
        assert len(list(client.each(f"/v1/{collection}", collection, pageSize=PAGE))) == count, collection
    for collection, state in (("opportunities", "WON"), ("contracts", "ACTIVE")):
        found = client.each(f"/v1/{collection}", collection, pageSize=PAGE, filter=f"state = {state}")
        assert len(list(found)) == plain.customers, collection

    contracts = {one["account"]: one for one in client.each("/v1/contracts", "contracts", pageSize=PAGE)}
    for case in client.each("/v1/cases", "cases", pageSize=PAGE):
        contract = contracts[case["account"]]
        assert (case["contract"], case["contractVersion"]) == (contract["name"], contract["version"])
        assert case["entitlement"] == contract["entitlementTerms"][0]["entitlement"]

    before = empty.asked_for()
    about = [one for one in empty.events() if one["ce-subject"].split("/")[0] in ABOUT_A_CUSTOMER]
    lost = [one for one in about if not one.get("ce-correlationid")]
    assert lost == []
    second = empty.crmctl("import", "olist", str(olist), "--errors", str(tmp_path / "errors"), timeout=400)
    assert "0 changed" in second.stdout.splitlines()[-1], second.stdout
    assert empty.asked_for() == before

    compared = empty.crmctl("insights", "rebuild", "--compare")
    assert compared.returncode == 0, compared.stdout
