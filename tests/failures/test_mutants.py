"""The checker can fail: services with a defect each run for a while, and it names what each of them broke."""

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
    report = await chaos(1, 0, tmp_path_factory.mktemp("mutants"), print, mutants=MUTANTS, warm_up_seconds=8)
    return report.findings


@pytest.mark.timeout(400)
async def test_a_dropped_request_id_is_caught(findings):
    assert any("/v1/leads was repeated with its key and answered differently" in said for said in findings.doubled)


async def test_a_skipped_outbox_row_is_caught(findings):
    assert any("sales: " in said and "is not on the stream at its number" in said for said in findings.unapplied)


async def test_an_event_taken_in_without_its_effect_is_caught(findings):
    assert any("is won and has no contract" in said for said in findings.unapplied)


async def test_an_event_acknowledged_before_its_commit_is_caught(findings):
    assert any(said.startswith("marketing never took in") for said in findings.unapplied)


async def test_nobody_else_is_accused(findings):
    accused = {said.split(":")[0].split(" ")[0] for said in findings.unapplied}
    assert accused & {"directory", "leads", "insights"} == set()
