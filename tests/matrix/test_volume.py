"""Reading far more than work needs is noticed, then stopped."""

import time
from dataclasses import replace

import pytest
from chassis.errors import ResourceExhausted
from chassis.volume import Reader
from crm.leads.v1 import leads_pb2, scores_pb2
from harness import ADMIN, Person, start, until
from hypothesis import given
from hypothesis import strategies as st
from lead_calls import create, listed, read

from chassis import volume


@pytest.fixture
async def watched(backend, issuer):
    """A leads service that finds 4 records an hour many, and 6 too many; with five leads of ana's."""
    running = await start("leads", backend, issuer, read_alarm=4, read_limit=6, system_read_alarm=50)
    for _ in range(5):
        await create(running, by=ADMIN, owner="users/ana")
    yield running
    await running.stop()


async def alarms(service, caller):
    await service.process.context.audit.flush()
    sql = "SELECT details->>'records' AS records FROM audit_entry WHERE kind = 'VOLUME_ALARM' AND actor = $1"
    return [row["records"] for row in await service.rows(sql, caller)]


async def test_who_reads_beyond_the_bound_is_noticed_once_an_hour(watched, caplog):
    await listed(watched, by="users/ana", page_size=4)
    assert await alarms(watched, "users/ana") == []
    await listed(watched, by="users/ana", page_size=1)
    await listed(watched, by="users/ana", page_size=1)
    assert await alarms(watched, "users/ana") == ["5"]
    assert [record.levelname for record in caplog.records if "has read 5 records" in record.message] == ["WARNING"]
    assert "crm_volume_alarms_total 1" in await watched.process.metrics()


async def test_who_reads_beyond_the_limit_reads_no_more_within_the_hour(watched, monkeypatch):
    lead = (await listed(watched, by="users/ana")).leads[0]
    await listed(watched, by="users/ana", page_size=1)
    for again in (listed(watched, by="users/ana"), read(watched, lead.name, by="users/ana")):
        with pytest.raises(ResourceExhausted) as refused:
            await again
        assert refused.value.metadata["reason"] == "TOO_MUCH_READ"
    assert (await create(watched, by="users/ana", owner="users/ana")).owner == "users/ana"  # work goes on
    later = volume.monotonic() + 3700
    monkeypatch.setattr(volume, "monotonic", lambda: later)
    assert (await read(watched, lead.name, by="users/ana")).name == lead.name


async def test_who_is_shown_leads_by_their_rank_reads_them(watched):
    hours = {"seconds": int(time.time()) + 3600}
    for lead in (await listed(watched, by=ADMIN)).leads:
        override = scores_pb2.OverrideScoreRequest(name=lead.name, score=50, expire_time=hours)
        await watched.call("ScoreService/OverrideScore", override, by=ADMIN)
    rank = scores_pb2.RankLeadsRequest()
    for _ in range(2):
        assert len((await watched.call("ScoreService/RankLeads", rank, by="users/ana")).ranked_leads) == 5
    with pytest.raises(ResourceExhausted):
        await watched.call("ScoreService/RankLeads", rank, by="users/ana")
    assert await alarms(watched, "users/ana") == ["5"]


async def test_others_are_not_stopped_for_it(watched):
    await listed(watched, by="users/ana")
    await listed(watched, by="users/ana")
    await watched.know(Person("users/eva", ("salesperson",), "teams/north"))
    assert not (await listed(watched, by="users/eva")).leads


async def test_who_may_export_is_noticed_and_not_stopped(watched):
    for _ in range(3):
        assert len((await listed(watched, by="users/mira")).leads) == 5
    assert await alarms(watched, "users/mira") == ["5"]


async def test_an_export_counts_as_read(watched):
    await watched.call("LeadService/ExportLeads", leads_pb2.ExportLeadsRequest(), by="users/mira")
    assert await alarms(watched, "users/mira") == ["5"]


async def test_systems_have_a_bound_of_their_own(watched):
    for _ in range(3):
        await listed(watched, by="serviceAccounts/importer")
    assert await alarms(watched, "serviceAccounts/importer") == []


async def test_the_suite_itself_is_not_counted(watched):
    for _ in range(3):
        await listed(watched, by="services/insights")
    assert await alarms(watched, "services/insights") == []


async def test_a_person_who_was_deactivated_exports_nothing(watched):
    mira = Person("users/mira", ("sales_manager",), "teams/sales")
    await watched.know(replace(mira, active=False))

    async def out():
        try:
            await watched.call("LeadService/ExportLeads", leads_pb2.ExportLeadsRequest(), by=mira.name)
        except Exception as refused:
            return type(refused).__name__ == "Unauthenticated"

    assert await until(out, "mira is out", seconds=5)


@given(st.lists(st.tuples(st.integers(0, 7200), st.integers(1, 1000)), max_size=40))
def test_an_hour_rolls(reads):
    reader, now = Reader(), 0.0
    for when, records in sorted(reads):
        now = float(when)
        reader.add(records, now)
    expected = sum(records for when, records in reads if when // 60 > (now - 3600) // 60)
    assert reader.within_an_hour(now) == expected
