"""The process: what its admin port says, how it stands an outage of its database, and how it ends."""

import asyncio
import time
import urllib.error
import urllib.request

import pytest
from chassis.errors import CrmError, Unavailable
from chassis.settings import Settings, required
from grpc_health.v1 import health_pb2, health_pb2_grpc
from harness import until
from lead_calls import Locked, create, listed, read


async def page(leads, path: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{leads.admin_address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def test_a_process_that_lives_says_so(leads):
    assert await page(leads, "/livez") == (200, "ok\n")


async def test_a_process_that_serves_is_ready(leads):
    assert await page(leads, "/readyz") == (200, "ok\n")


async def test_metrics_count_calls_by_method_and_code(leads):
    await create(leads)
    status, text = await page(leads, "/metrics")
    assert status == 200
    assert 'crm_calls_total{method="crm.leads.v1.LeadService/CreateLead",code="OK"}' in text
    assert "crm_outbox_waiting" in text


async def test_another_path_is_not_found(leads):
    assert (await page(leads, "/"))[0] == 404


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"junk\r\n\r\n", b"GET /livez\r\n\r\n", b"\xff" * 100_000])
async def test_the_admin_port_outlives_whoever_speaks_no_http(leads, sent):
    host, port = leads.admin_address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    writer.close()
    assert await page(leads, "/livez") == (200, "ok\n")


async def test_health_mirrors_readiness(leads):
    stub = health_pb2_grpc.HealthStub(leads.channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def test_without_postgres_callers_are_told_within_a_second_and_served_again_afterwards(starting, own_backend):
    leads = await starting()
    lead = await create(leads)
    with own_backend.outage("postgres"):
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(Unavailable) as away:
                await read(leads, lead.name)
            assert time.monotonic() - began < 1
            assert away.value.metadata["reason"] == "DATABASE_AWAY"
        with pytest.raises(Unavailable):
            await create(leads)
        assert (await page(leads, "/readyz"))[0] == 503
        assert (await page(leads, "/livez"))[0] == 200
        assert (await page(leads, "/metrics"))[0] == 200

    async def served():
        try:
            return await read(leads, lead.name)
        except Unavailable:
            return None

    assert await until(served, "the lead is read again") == lead
    assert (await page(leads, "/readyz"))[0] == 200


async def test_a_service_started_before_its_database_serves_when_it_is_there(starting, own_backend, issuer):
    first = await starting()
    lead = await create(first)
    with own_backend.outage("postgres"):
        task = asyncio.create_task(starting(database=first.database))
        await asyncio.wait([task], timeout=0.5)
        assert not task.done()
    assert await read(await task, lead.name) == lead


async def test_a_database_without_a_schema_is_not_served(own_backend, starting):
    first = await starting()
    empty = await asyncio.to_thread(own_backend.create_database, "leads")
    task = asyncio.create_task(starting(database=empty))
    await asyncio.wait([task], timeout=1.5)
    assert not task.done()
    task.cancel()
    assert await first.process.missing() == ""


async def test_a_call_under_way_ends_before_the_process_does(starting):
    leads = await starting()
    lead = await create(leads)
    async with Locked(leads):
        call = asyncio.create_task(read(leads, lead.name))
        await until(lambda: _waits_for_a_lock(leads), "the call waits for the table")
        draining = asyncio.create_task(leads.process.drain())
        await until(lambda: _not_ready(leads), "the process is not ready any more")
    assert await call == lead
    await draining
    with pytest.raises(CrmError):
        await listed(leads)


async def _waits_for_a_lock(leads) -> bool:
    rows = await leads.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return rows[0][0] > 0


async def _not_ready(leads) -> bool:
    return await leads.process.missing() == "draining"


async def test_draining_is_told_to_load_balancers_at_once(starting):
    leads = await starting()
    async with Locked(leads):
        call = asyncio.create_task(listed(leads))
        await until(lambda: _waits_for_a_lock(leads), "the call waits for the table")
        draining = asyncio.create_task(leads.process.drain())
        await until(lambda: _not_ready(leads), "the process is not ready any more")
        assert await page(leads, "/readyz") == (503, "draining\n")
    await call
    await draining


def test_a_missing_setting_is_told_in_one_sentence(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SystemExit, match=r"^The setting DATABASE_URL is missing\.$"):
        required("DATABASE_URL")


def test_settings_have_defaults_where_a_default_is_safe(monkeypatch):
    names = [
        "DATABASE_URL",
        "NATS_URL",
        "GRPC_ADDRESS",
        "ADMIN_ADDRESS",
        "OIDC_ISSUER",
        "OIDC_JWKS_URL",
        "PAGE_TOKEN_KEY",
    ]
    for name in names:
        monkeypatch.setenv(name, "x")
    settings = Settings.read()
    assert (settings.oidc_audience, settings.company_zone, settings.bootstrap_admin) == ("crm", "UTC", "")
    assert settings.page_token_key == b"x"


async def test_a_taken_port_is_told_with_its_setting(starting, leads):
    with pytest.raises(SystemExit, match="GRPC_ADDRESS"):
        await starting(grpc_address=leads.address)
