"""Every service and the gateway restarted in turn, under load, twice round."""

import pytest
from failures.deploys.rolling import ROUNDS, rolling

END_SECONDS = 10  # what an orchestrator gives before it kills

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
async def report(tmp_path_factory):
    done = await rolling(tmp_path_factory.mktemp("rolling"))
    print(done)
    return done


async def test_a_rolling_restart_loses_no_call_and_no_event(report):
    assert (report.findings.all, report.surprises, report.unanswered) == ([], [], 0), str(report)
    assert report.findings.writes > 100
    assert report.findings.effects > 500


async def test_every_process_ends_by_itself_in_time(report):
    assert len(report.restarts) == ROUNDS * 8
    assert {one.code for one in report.restarts} == {0}
    assert max(one.end_seconds for one in report.restarts) < END_SECONDS


async def test_a_service_that_restarts_is_a_503_that_says_when_to_try_again(report):
    assert report.watch.wrong == []
    assert any(said.startswith("503 SERVICE_AWAY") for said in report.watch.total)


async def test_nobody_else_is_away_while_one_restarts(report):
    """Apart from the gateway's own restarts, a service misses no more than its own."""
    for name, seconds in report.watch.gaps.items():
        assert seconds < 30, (name, seconds)


async def test_the_load_was_told_nothing_but_what_may_be_tried_again(report):
    """A write never met a 500 or a 499, and a 503 always came with Retry-After."""
    for said in report.passing:
        assert said.split()[0] in ("503", "504", "no"), report.passing
        assert "without Retry-After" not in said
