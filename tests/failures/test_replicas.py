"""Several replicas of a service, the writing and the reading one, behind one gateway under load."""

import asyncio
import random
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from chassis.settings import variable
from chassis.stack.folder import DataFolder
from chassis.stack.plan import Addresses, Plan, Stores
from chassis.stack.ports import HOST, free_ports
from chassis.stack.secrets_file import Secrets
from failures.chaos.journal import Journal
from failures.chaos.load import Customers
from failures.chaos.rest import at_rest, findings
from failures.chaos.stage import Stage
from failures.checker import Findings

SCALED = ("leads", "insights")
CALLS, WORKERS, REPORTS = 500, 8, 100
LOAD_SECONDS, REST_SECONDS, LAST_WORDS_SECONDS = 120.0, 60.0, 30.0
CALLED = re.compile(r'^crm_calls_total\{method="crm\.(?!chassis)[^}]*\} (\d+)$', re.MULTILINE)
APPLIED = re.compile(r"^crm_events_applied_total (\d+)$", re.MULTILINE)

pytestmark = pytest.mark.timeout(400)


class ScaledStage(Stage):
    """The suite with so many processes of some services; who calls one of these knows all of them."""

    def __init__(self, data_dir: Path, count: int) -> None:
        self._count = count
        self.replicas: dict[str, list[str]] = {}  # service → the admin addresses of its processes
        super().__init__(data_dir)

    def _proxied(self, folder: DataFolder, addresses: Addresses, stores: Stores, known: Secrets) -> Plan:
        plan = super()._proxied(folder, addresses, stores, known)
        ports = iter(free_ports(2 * len(SCALED) * self._count))
        for program in [program for program in plan.services if program.name in SCALED]:
            targets, self.replicas[program.name] = [addresses.services[program.name]], [program.admin_address]
            for number in range(2, self._count + 1):
                target, admin = f"{HOST}:{next(ports)}", f"{HOST}:{next(ports)}"
                env = {**program.env, "GRPC_ADDRESS": target, "ADMIN_ADDRESS": admin}
                another = replace(program, name=f"{program.name}-{number}", env=env, admin_address=admin)
                plan.services.insert(0, another)
                targets.append(target)
                self.replicas[program.name].append(admin)
            setting = variable("UPSTREAM", program.name)
            for at, caller in enumerate(plan.services):
                if setting in caller.env:
                    plan.services[at] = replace(caller, env={**caller.env, setting: f"ipv4:{','.join(targets)}"})
        return plan


@dataclass
class Seen:
    calls: dict[str, list[int]] = field(default_factory=dict)  # of each process of a service
    events: dict[str, list[int]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    surprises: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=[2, 4])
async def seen(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    stage, journal, seen = ScaledStage(folder / "data", request.param), Journal(folder / "journal.jsonl"), Seen()
    await stage.start()
    try:
        customers = Customers(stage.address_book()["http"], stage.token, journal, random.Random(request.param))
        await customers.prepare()
        load = asyncio.create_task(customers.run(WORKERS))
        async with asyncio.timeout(LOAD_SECONDS):
            while customers.answered < CALLS:
                await asyncio.sleep(0.1)
        await customers.end(load, LAST_WORDS_SECONDS)
        journal.close()
        await at_rest(stage, REST_SECONDS)
        token = {"authorization": f"Bearer {stage.token('users/admin')}"}
        async with httpx.AsyncClient(base_url=stage.address_book()["http"], headers=token) as http:
            for _ in range(REPORTS):
                (await http.get("/v1/reports/channels")).raise_for_status()
        for service, processes in stage.replicas.items():
            async with httpx.AsyncClient() as http:
                pages = [(await http.get(f"http://{admin}/metrics")).text for admin in processes]
            seen.calls[service] = [sum(map(int, CALLED.findall(page))) for page in pages]
            seen.events[service] = [sum(map(int, APPLIED.findall(page))) for page in pages]
        seen.findings = await findings(stage, folder / "journal.jsonl")
        seen.surprises = customers.surprises
        print(f"{request.param} replicas: calls {seen.calls}, events {seen.events}, {seen.findings.effects} effects")
        yield seen
    finally:
        await stage.stop()


async def test_nothing_is_lost_doubled_or_out_of_order(seen):
    assert (seen.findings.all, seen.surprises) == ([], [])
    assert seen.findings.writes > 100
    assert seen.findings.effects > 500


@pytest.mark.parametrize("service", SCALED)
async def test_each_replica_answers_its_share(seen, service):
    share = sum(seen.calls[service]) / len(seen.calls[service])
    assert all(0.7 * share < calls < 1.3 * share for calls in seen.calls[service]), seen.calls


async def test_each_replica_takes_events_in(seen):
    assert all(seen.events["insights"]), seen.events
