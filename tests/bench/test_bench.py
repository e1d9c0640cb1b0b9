"""The bench on a very small company: what it fills in is what the services would have left, and it notices a lie."""

import io
import re
from dataclasses import replace

import pytest
from bench.baselines import Ground
from bench.company import Company
from bench.measure import Measured, measure
from bench.operations import OPERATIONS
from bench.report import Report
from bench.rows import Copies, Copy
from bench.run import Plan, fill
from bench.stand import Stand, stand
from chassis.values import is_uuid, new_id
from crm.leads.v1 import events_pb2
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import baselines, compare
from bench import report as report_module

BY_NAME = {operation.name: operation for operation in OPERATIONS}
COMPANY = Company(sellers=4, stories=10)
LEADS = 100
SECONDS = 1


@pytest.fixture(scope="module")
async def small(tmp_path_factory) -> tuple[Stand, Ground]:
    operations = [BY_NAME["create"]]
    plan = Plan(LEADS, operations, [2], ("REST",), SECONDS, 1, company=COMPANY)
    report = Report(LEADS, 0, SECONDS, 1)
    async with stand(tmp_path_factory.mktemp("bench") / "data") as running:
        yield running, await fill(running, plan, report, Console(quiet=True))


async def test_copies_are_rows_as_the_services_would_have_left_them(small):
    running, _ = small
    leads = running.databases["leads"]
    assert await running.count("leads", "leads") == LEADS
    rows = await leads.fetch("SELECT subject, payload FROM outbox WHERE type = 'crm.leads.v1.LeadCreated'")
    names = {f"leads/{row['id']}" for row in await leads.fetch("SELECT id FROM leads")}
    assert {events_pb2.LeadCreated.FromString(row["payload"]).lead.name for row in rows} == names
    assert {row["subject"] for row in rows} == names
    told = await running.databases["insights"].fetch("SELECT DISTINCT subject FROM timeline WHERE service = 'leads'")
    assert {row["subject"] for row in told} == names
    sizes = {await running.count(*table) for table in (("sales", "opportunities"), ("insights", "customers"))}
    assert sizes == {LEADS * 2 // len(range(COMPANY.stories))}
    assert await running.on_the_way() == 0


async def test_pgbench_asks_for_records_that_are_there(small):
    running, ground = small
    for service, table in baselines.DRAWN:
        database = running.databases[service]
        for line, expression in baselines.ids(ground, service, table):
            for number in (0, ground.copies.count):
                at = re.sub(r"random\(.*?\)", str(number), line.removeprefix("\\set at "))
                drawn = expression.replace(":at", f"({at})")
                assert await database.fetchval(f"SELECT count(*) FROM {table} WHERE id = {drawn}") == 1


async def test_what_was_answered_is_found_in_the_tables(small):
    running, ground = small
    for way in ("REST", "gRPC", "database"):
        operation = BY_NAME["create"]
        found = await measure(running, operation, way, 2, SECONDS, await operation.baseline(running, ground))
        assert found.wrong == ""
        assert found.answered > 10
        assert found.cpu["postgres"] > 0


async def test_a_count_that_is_not_what_was_answered_is_told(small):
    running, _ = small
    lying = replace(BY_NAME["create"], adds={("leads", "leads"): 1, ("leads", "outbox"): 2})
    found = await measure(running, lying, "REST", 2, SECONDS)
    assert found.wrong == f"leads.outbox has {found.answered} rows more, {2 * found.answered} were answered"


def test_a_rate_with_refusals_is_marked():
    report = Report(LEADS, 0, SECONDS, 1)
    report.measured.append(Measured("get", "REST", 2, rate=90.0, p50=1.0, p99=1.0, answered=90, refused=10))
    report.measured.append(Measured("get", "database", 2, rate=900.0, p50=1.0, p99=1.0, answered=900))
    console = Console(record=True, width=150, file=io.StringIO())
    report.show(console)
    said = console.export_text()
    assert "90 *" in said
    assert "10.0%" in said
    assert report.ratio("get", "REST", 2) == 0.1


def test_two_runs_are_shown_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "RESULTS", tmp_path)
    runs = []
    for rate in (100.0, 250.0):
        report = Report(LEADS, 0, SECONDS, 1)
        report.measured.append(Measured("get", "REST", 2, rate=rate, p50=1.0, p99=1.0, answered=90))
        runs.append(compare.read(report.save()))
    console = Console(record=True, width=150, file=io.StringIO())
    console.print(compare.table(runs, "rate", "rate/s"))
    [line] = [line for line in console.export_text().splitlines() if "get" in line]
    assert [word for word in line.split() if word[0].isalnum()] == ["get", "REST", "2", "100", "250", "2.50"]


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_every_copy_has_ids_of_its_own_in_the_order_of_time(one, other):
    copies, original = Copies.of(10_000), new_id().encode()
    first, second = Copy(one, copies).uuid(original), Copy(other, copies).uuid(original)
    assert is_uuid(first.decode())
    assert (first < second) == (one > other)
    assert (first == second) == (one == other)
