"""A backup taken while the suite works, restored into an empty installation, ends with every promise kept."""

import asyncio
import contextlib
import random
import statistics
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from chassis.settings import SERVICES
from crmctl.backups.cut import Cut, cut
from crmctl.backups.manifest import Manifest
from failures.chaos.journal import Journal, lines
from failures.chaos.load import Customers
from failures.chaos.rest import at_rest, insights_equal
from failures.chaos.stage import Stage
from failures.checker import Evidence, Findings, check

WORKERS = 4
BEFORE, DURING, AFTER = 150, 60, 60  # calls answered
CUTS = 20
LONGEST_PAUSE_SECONDS = 5.0  # a call waits 10 by default
LOAD_SECONDS = 150.0
REST_SECONDS = 120.0


@dataclass
class Restored:
    """The suite after the restore, and what is known of the one before."""

    stage: Stage
    folder: Path
    manifest: Manifest
    documents: dict[str, bytes]  # contracts that were submitted before the cut, as PDF
    pauses: list[float]  # seconds, of cuts that were taken under load besides
    uncaused: list[str]  # what these showed without its cause

    @property
    def cut(self) -> float:
        return datetime.fromisoformat(self.manifest.cut_time).timestamp()

    async def findings(self, journal: str, cut: float = float("inf")) -> Findings:
        await at_rest(self.stage, REST_SECONDS)
        databases = {service: self.stage.database_url(service) for service in SERVICES}
        return await check(Evidence(self.folder / journal, databases, self.stage.nats_url, cut=cut))


@pytest.fixture(scope="module")
async def restored(tmp_path_factory) -> AsyncIterator[Restored]:
    folder = tmp_path_factory.mktemp("backup")
    async with running(folder / "first") as stage:
        async with loaded(stage, folder / "journal.jsonl", prepare=True) as customers:
            await answered(customers, BEFORE)
            backup = asyncio.create_task(crmctl("backup", "--to", folder / "backup", "--data-dir", folder / "first"))
            await asyncio.wait([backup])
            print(backup.result())
            target = customers.answered + DURING
            pauses, uncaused = await cuts(stage)
            await answered(customers, target)
        manifest = Manifest.read(folder / "backup")
        cut = datetime.fromisoformat(manifest.cut_time).timestamp()
        calls = [call for call in lines(folder / "journal.jsonl") if call["status"] == 200 and call["answered"] < cut]
        submitted = {call["answer"]["name"] for call in calls if call["path"].endswith(":submit")}
        documents = {name: await pdf(stage, name) for name in submitted}
    print(await crmctl("restore", "--from", folder / "backup", "--data-dir", folder / "second"))
    async with running(folder / "second") as stage:
        yield Restored(stage, folder, manifest, documents, pauses, uncaused)


@contextlib.asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Stage]:
    stage = Stage(data_dir)
    try:
        await stage.start()
        yield stage
    finally:
        await stage.stop()


@contextlib.asynccontextmanager
async def loaded(stage: Stage, path: Path, *, prepare: bool) -> AsyncIterator[Customers]:
    """The mixed load while the block lasts; then every call under way is answered."""
    journal = Journal(path)
    customers = Customers(stage.address_book()["http"], stage.token, journal, random.Random(path.name))
    if prepare:
        await customers.prepare()
    load = asyncio.create_task(customers.run(WORKERS))
    try:
        yield customers
        customers.stop()
        await asyncio.wait([load], timeout=LOAD_SECONDS)
    finally:
        customers.given_up.set()
        await load
        journal.close()
    assert customers.surprises == []


async def answered(customers: Customers, count: int) -> None:
    async with asyncio.timeout(LOAD_SECONDS):
        while customers.answered < count:
            await asyncio.sleep(0.05)


async def cuts(stage: Stage) -> tuple[list[float], list[str]]:
    """The pauses of cuts under load, and what their snapshots show without its cause."""
    pauses, uncaused = [], []
    for _ in range(CUTS):
        async with cut(stage.installation(*SERVICES).databases) as moment:
            pauses.append(moment.pause_seconds)
            told = {id for service in SERVICES for id in await ids(moment, service, "SELECT id FROM outbox")}
            leads = await ids(moment, "leads", "SELECT 'leads/' || id FROM leads")
            for service in SERVICES:
                taken = await ids(moment, service, "SELECT event_id FROM inbox")
                uncaused += [f"{service} took in {id}" for id in taken - told]
            converted = await ids(moment, "sales", "SELECT lead FROM accounts WHERE lead <> ''")
            uncaused += [f"an account came of {lead}" for lead in converted - leads]
    return pauses, uncaused


async def ids(moment: Cut, service: str, sql: str) -> set[str]:
    return {str(row[0]) for row in await moment.snapshots[service].connection.fetch(sql)}


async def crmctl(*arguments: object) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crmctl", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def pdf(stage: Stage, contract: str) -> bytes:
    headers = {"authorization": f"Bearer {stage.token('users/admin')}"}
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.get(f"{stage.address_book()['http']}/v1/{contract}/pdf", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.timeout(600)
async def test_no_cut_under_load_shows_an_effect_without_its_cause(restored):
    assert restored.uncaused == []
    median, longest = statistics.median(restored.pauses), max(restored.pauses)
    print(f"{CUTS} cuts: writers waited {median * 1000:.0f} ms, at most {longest * 1000:.0f} ms")
    assert longest < LONGEST_PAUSE_SECONDS


@pytest.mark.timeout(600)
async def test_what_was_acknowledged_before_the_cut_is_there_and_nothing_by_half(restored):
    findings = await restored.findings("journal.jsonl", restored.cut)
    print(f"{findings.writes} writes, {findings.beyond} beyond the cut, {findings.events} events, {findings.effects}")
    assert findings.all == []
    assert findings.writes - findings.beyond > BEFORE / 2
    assert findings.beyond > 0
    assert findings.effects > 500


@pytest.mark.timeout(120)
async def test_insights_of_a_restored_suite_equals_a_rebuild(restored):
    await at_rest(restored.stage, REST_SECONDS)
    assert await insights_equal(restored.stage, repair=False) == []


@pytest.mark.timeout(120)
async def test_a_restored_audit_trail_goes_on_from_the_head_in_the_manifest(restored):
    for service, dump in restored.manifest.databases.items():
        head = ["--head", dump.head] if dump.head else []
        said = await crmctl("audit", "verify", service, *head, "--data-dir", restored.folder / "second")
        assert "whole" in said


async def test_the_documents_of_restored_contracts_have_the_same_bytes(restored):
    assert restored.documents
    for contract, content in restored.documents.items():
        assert content.startswith(b"%PDF")
        assert await pdf(restored.stage, contract) == content


@pytest.mark.timeout(400)
async def test_a_restored_suite_takes_new_writes_whose_events_have_their_effect(restored):
    async with loaded(restored.stage, restored.folder / "after.jsonl", prepare=False) as customers:
        await answered(customers, AFTER)
    findings = await restored.findings("after.jsonl")
    assert findings.all == []
    assert findings.writes > AFTER / 2
