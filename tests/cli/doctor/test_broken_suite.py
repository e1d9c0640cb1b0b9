"""`crmctl ops doctor` on a running suite: all is well; then one thing after another is broken, found, and mended."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import nats
import pytest
from chassis.stack.ports import free_ports
from cli.doctor.conftest import Ward, of
from crmctl.doctor import databases
from crmctl.doctor.findings import Findings, Level
from whole_suite import until

from chassis import streams

ROOT = Path(__file__).parents[3]
SERVICES = ("directory", "leads", "sales", "marketing", "service-desk", "contracts", "insights")


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def jetstream_delete(ward: Ward, stream: str, durable: str = "") -> None:
    async def run() -> None:
        client = await nats.connect(ward.stack.nats_url)
        if durable:
            await client.jetstream().delete_consumer(stream, durable)
        else:
            await client.jetstream().delete_stream(stream)
        await client.close()

    asyncio.run(run())


def mended(ward: Ward) -> None:
    asyncio.run(streams.make(ward.stack.nats_url))
    until(lambda: ward.doctor()[0] == 0, "all is well again")


def test_all_is_well_and_every_part_was_looked_at(ward: Ward) -> None:
    code, report = ward.doctor()
    assert (code, report["worst"], report["fail"], report["warn"]) == (0, "OK", 0, 0)
    assert {one["part"] for one in report["findings"]} == {
        "suite", "gateway", *SERVICES, "postgres", "nats", "issuer",
    }  # fmt: skip
    for service in SERVICES:
        looked = {one["check"] for one in report["findings"] if one["part"] == service}
        assert looked == {
            "process", "clock", "token keys", "gRPC", "database", "database clock", "schema", "outbox", "dead letters",
            "timers", "partitions", "people",
        }  # fmt: skip
    assert of(report, "sales", "schema")["figures"]["found"] == of(report, "sales", "schema")["figures"]["wanted"]
    assert of(report, "nats", "sales on leads")["figures"]["lag"] == 0


def test_the_screen_has_a_line_for_each_part_and_the_exit_code_of_the_worst(ward: Ward) -> None:
    done = ward.run("doctor")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert all(line.startswith("OK  ") for line in lines[:-1])
    assert re.match(r"0 FAIL, 0 WARN, \d+ OK in ", lines[-1])


def test_a_service_that_hangs_is_told_in_time_and_hides_nothing(ward: Ward) -> None:
    with standing_still(ward.pid("leads")):
        code, report = ward.doctor()
    found = of(report, "leads", "process")
    assert code == 2
    assert (found["level"], found["page"]) == ("FAIL", "docs/runbooks/CrmServiceAway.md")
    assert "hangs" in found["said"]
    assert report["seconds"] < 8
    assert of(report, "leads", "schema")["level"] == of(report, "sales", "process")["level"] == "OK"


def test_a_service_that_is_not_there_is_told(ward: Ward) -> None:
    code, report = ward.doctor(f"sales=127.0.0.1:{free_ports(1)[0]}")
    found = of(report, "sales", "process")
    assert code == 2
    assert found["said"] == "Nobody answers on its admin port."
    assert found["do"]


def test_nats_that_hangs_is_one_finding_and_hides_nothing(ward: Ward) -> None:
    with standing_still(ward.pid("nats-server")):
        code, report = ward.doctor()
    assert code == 2
    assert of(report, "nats", "server")["page"] == "docs/runbooks/CrmNatsAway.md"
    assert of(report, "leads", "schema")["level"] == "OK"
    assert report["seconds"] < 8


def test_a_durable_that_was_dropped_is_told_until_it_is_made_again(ward: Ward) -> None:
    jetstream_delete(ward, "crm-leads", "sales")
    code, report = ward.doctor()
    found = of(report, "nats", "sales on leads")
    assert code == 2
    assert "is not there" in found["said"]
    assert "chassis.streams" in found["do"]
    assert of(report, "nats", "insights on leads")["level"] == "OK"
    mended(ward)


def test_a_stream_that_was_dropped_is_told_with_its_durables(ward: Ward) -> None:
    jetstream_delete(ward, "crm-marketing")
    code, report = ward.doctor()
    assert code == 2
    assert of(report, "nats", "stream of marketing")["page"] == "docs/runbooks/CrmOutboxStuck.md"
    assert of(report, "nats", "leads on marketing")["level"] == "FAIL"
    mended(ward)


@pytest.mark.parametrize(
    ("at", "code", "level", "page"),
    [
        ("0001", 2, "FAIL", "docs/runbooks/CrmMigrationFailed.md"),
        ("9999", 1, "WARN", "docs/operating.md#upgrade-and-rollback"),
    ],
)
def test_a_schema_of_another_release_is_told(ward: Ward, at: str, code: int, level: str, page: str) -> None:
    of_code = of(ward.doctor()[1], "contracts", "schema")["figures"]["wanted"]["service"]
    ward.execute("contracts", f"UPDATE service_version SET version_num = '{at}'")
    found_code, report = ward.doctor()
    ward.execute("contracts", f"UPDATE service_version SET version_num = '{of_code}'")
    found = of(report, "contracts", "schema")
    assert (found_code, found["level"], found["page"]) == (code, level, page)
    assert f"service {at}, wanted {of_code}" in found["said"]
    assert of(report, "sales", "schema")["level"] == "OK"


def test_dead_letters_and_overdue_timers_are_warnings_with_their_runbooks(ward: Ward) -> None:
    ward.execute(
        "insights",
        "INSERT INTO dead_letter (event_id, type, subject, headers, payload, error, trace_id, deliveries, create_time)"
        " VALUES (gen_random_uuid(), 'crm.leads.v1.LeadCreated', 'leads/x', '{}', '', 'no', '', 6, now())",
        "INSERT INTO timer (kind, key, due_time, next_time, data, traceparent, attempts, error, create_time)"
        " VALUES ('nobody', 'x', now() - interval '1 hour', now() - interval '1 hour', '{}', '', 0, '', now())",
    )
    done = ward.run("doctor", "--json")
    code, report = done.returncode, json.loads(done.stdout)
    ward.execute("insights", "DELETE FROM dead_letter", "DELETE FROM timer WHERE kind = 'nobody'")
    assert code == 1
    letters, overdue = of(report, "insights", "dead letters"), of(report, "insights", "timers")
    assert (letters["level"], letters["page"]) == ("WARN", "docs/runbooks/CrmDeadLetters.md")
    assert "crmctl events dead insights" in letters["do"]
    assert (overdue["level"], overdue["page"]) == ("WARN", "docs/runbooks/CrmTimersOverdue.md")


@pytest.mark.parametrize(("seconds", "level"), [(5, "OK"), (30, "WARN"), (90, "FAIL")])
def test_an_event_that_waits_too_long_is_told(ward: Ward, seconds: int, level: str) -> None:
    with standing_still(ward.pid("marketing")):  # or its relay would publish it
        ward.execute(
            "marketing",
            "INSERT INTO outbox (id, type, subject, version, actor, event_time, record_time, traceparent, causation_id,"
            " origin, operation, elapsed_us, payload) VALUES ('019b0000-0000-7000-8000-000000000001', 'x', 'x', 1, '',"
            f" now(), now() - interval '{seconds} seconds', '', '', '', '', 0, '')",
        )
        found = of(ward.doctor()[1], "marketing", "outbox")
        ward.execute("marketing", "DELETE FROM outbox WHERE type = 'x'")
    assert found["level"] == level
    assert found["figures"]["waiting"] == 1


def test_somebody_whom_a_service_does_not_know_is_told(ward: Ward) -> None:
    ward.execute("sales", "UPDATE member SET active = false WHERE name LIKE 'users/%'")
    code, report = ward.doctor()
    ward.execute("sales", "UPDATE member SET active = true WHERE name LIKE 'users/%'")
    assert code == 1
    assert "0 of 1 active people" in of(report, "sales", "people")["said"]
    assert of(report, "leads", "people")["level"] == "OK"


def test_a_database_that_lets_nobody_in_hides_no_other_and_no_password_is_shown(ward: Ward) -> None:
    port = ward.stack.addresses["postgres_port"]
    url = f"postgresql://leads_owner:not-the-password@127.0.0.1:{port}/leads"
    code, report = ward.doctor(DATABASE_URL_LEADS_OWNER=url)
    assert code == 2
    assert of(report, "leads", "database")["level"] == "FAIL"
    assert of(report, "sales", "database")["level"] == "OK"
    assert "not-the-password" not in str(report)


@pytest.mark.parametrize("url", ["postgresql://leads:se#cret@127.0.0.1:1/leads", "nonsense-secret"])
def test_an_address_that_cannot_be_read_is_a_finding_without_its_parts(ward: Ward, url: str) -> None:
    code, report = ward.doctor(DATABASE_URL_LEADS=url, NATS_URL=url)
    assert code == 2
    assert of(report, "leads", "database")["level"] == of(report, "nats", "server")["level"] == "FAIL"
    assert "cret" not in str(report)


def test_where_no_suite_runs_the_exit_code_says_so(tmp_path: Path, ward: Ward) -> None:
    done = ward.run("doctor", "--data-dir", str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr.startswith("FAIL  No suite runs in ")


async def at(connection: asyncpg.Connection, now: datetime) -> tuple[Level, int]:
    found = Findings(5)
    await databases.partitions("sales", connection, found, now)
    return found.all[0].level, found.all[0].figures["months_ahead"]


async def test_months_of_the_outbox_run_out_and_the_page_tells_how_to_make_more(ward: Ward) -> None:
    """What docs/operating.md says is done here, and the new months are as closed as the old ones."""
    sql = re.search(r"```sql\n(SET lock_timeout.*?)```", (ROOT / "docs/operating.md").read_text(), re.DOTALL)
    assert sql is not None
    now = datetime.now(UTC)
    connection = await asyncpg.connect(ward.stack.database_url("sales"))
    try:
        assert await at(connection, now) == (Level.OK, 23)
        assert (await at(connection, now + timedelta(days=30 * 22)))[0] is Level.WARN
        await connection.execute(sql[1])
        assert await at(connection, now) == (Level.OK, 24)
        await connection.execute(sql[1])
        open_to = (
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'outbox_2%' AND has_table_privilege('sales', oid, $1)"
        )
        assert await connection.fetchval(open_to, "INSERT") == 25
        assert await connection.fetchval(open_to, "UPDATE") == await connection.fetchval(open_to, "DELETE") == 0
    finally:
        await connection.close()
