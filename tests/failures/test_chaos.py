"""A short run under faults ends with every promise kept; `make chaos` is the long one."""

import pytest
from failures.chaos.run import chaos

SEED = 11
FAULTS = 9  # each kind once


@pytest.mark.timeout(400)
async def test_every_promise_is_kept_under_each_kind_of_fault(tmp_path):
    report = await chaos(SEED, FAULTS, tmp_path, print)
    print(report)
    assert report.kept, str(report)
    assert sum(report.faults.values()) == FAULTS
    assert report.findings.writes > 200
    assert report.findings.effects > 1000
    assert report.repeated > 10
