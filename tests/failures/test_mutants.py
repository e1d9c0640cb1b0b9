"""The checker can fail: services with a defect each run for a while, and it names what each of them broke."""

import re

import pytest
from failures.chaos.run import chaos

MUTANTS = {
    "leads": "drops_request_ids",
    "sales": "skips_outbox_rows",
    "contracts": "takes_in_without_reacting",
    "marketing": "acknowledges_before_committing",
}


@pytest.fixture(scope="module")
async def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants")
    bounds = {"warm_up_calls": 400, "patience_seconds": 4.0, "rest_seconds": 10.0}
    report = await chaos(1, 0, folder, print, mutants=MUTANTS, **bounds)
    return report.findings


@pytest.mark.timeout(400)
async def test_a_dropped_request_id_is_caught(findings):
    said = re.compile(r"call \d+ /v1/leads\S* was repeated with its key and answered differently")
    assert any(said.match(found) for found in findings.doubled), findings.doubled


async def test_a_skipped_outbox_row_is_caught(findings):
    assert any("sales: " in said and "is not on the stream at its number" in said for said in findings.unapplied)


async def test_an_event_taken_in_without_its_effect_is_caught(findings):
    assert any("is won and has no contract" in said for said in findings.unapplied)


async def test_an_event_acknowledged_before_its_commit_is_caught(findings):
    assert any(said.startswith("marketing never took in") for said in findings.unapplied)


async def test_nobody_else_is_accused(findings):
    missed = [re.match(r"(\S+) never took in .*\((\S+), number", said) for said in findings.unapplied]
    unpublished = [said.split(":")[0] for said in findings.unapplied if "is not on the stream" in said]
    assert {(one[1], one[2]) for one in missed if one and one[2] != "sales" and one[1] != "marketing"} == set()
    assert set(unpublished) == {"sales"}
    assert findings.lost == []
