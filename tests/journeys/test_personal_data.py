"""A person from the first touch to a complaint, told in one document, then erased; and searched for everywhere."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from chassis.settings import SERVICES
from chassis.values import new_id
from crmctl.connection import Client, Refused
from whereabouts import Needles, Searched, everywhere, in_files
from whole_suite import Suite, start, until

NAME = "王小明 Мария Conceição-Иванова"
EMAIL = "wang.maria.conceicao@rosa-7391.example"
PHONE = "+359 88 739 1164"
HEALTH = "има ритъмна аритмия"  # said about her, nowhere her name
UTM = "conceicao-newsletter-7391"
LEGACY = "legacy-id-73917391"
SUBJECT = "idp|conceicao-7391"  # what her tokens call her
WORDS = [NAME, EMAIL, PHONE, HEALTH, UTM, LEGACY, SUBJECT, "王小明", "Conceição"]
OTHER = "Петър Колев"
OTHER_EMAIL = "petar.kolev@rosa-7391.example"


@dataclass
class Story:
    """The person's records, and those of somebody at the same company."""

    suite: Suite
    admin: Client
    lead: dict[str, Any]
    twin: str
    contract: str
    activity: str
    case: str
    user: str
    portal: Client  # with her token
    other: dict[str, Any]
    other_case: dict[str, Any]

    @property
    def own(self) -> set[str]:
        return {self.lead["name"], self.twin, self.lead["contact"], self.activity, self.case, self.user}

    def search(self) -> Searched:
        return everywhere(self.admin.stack, SERVICES, WORDS)

    def receipt(self, name: str) -> dict[str, Any]:
        return until(lambda: (read := self.admin.get(f"/v1/{name}"))["state"] == "COMPLETED" and read, name, 90)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    suite = start(tmp_path_factory.mktemp("person") / "data", SAMPLE="0")
    yield suite
    assert suite.stop() == 0


@pytest.fixture(scope="module")
def story(running) -> Story:
    admin = running.client()
    admin.post("/v1/teams", {"displayName": "Sales"})
    people = {"ana": "salesperson", "erik": "contract_manager", "olga": "privacy_officer"}
    for name, role in people.items():
        admin.post(f"/v1/users?userId={name}", {"displayName": name, "team": "teams/sales", "roles": [role]})
    ana, erik = (admin.acting_as(f"users/{name}") for name in ("ana", "erik"))
    for client in (ana, erik):
        until(lambda client=client: "users" in client.get("/v1/users"), "people are known to the services")
    channel = admin.post("/v1/channels", {"displayName": "Mail"})
    touch = admin.post(
        "/v1/touches",
        {
            "channel": channel["name"],
            "url": f"https://shop.example/?email={EMAIL}",
            "referrer": f"https://mail.example/{NAME}",
            "parameters": {"utm_content": UTM},
        },
    )
    body = {
        "displayName": NAME,
        "company": f"Роза {NAME} ООД",
        "email": EMAIL,
        "phone": PHONE,
        "channel": channel["name"],
        "journeyId": touch["journeyId"],
        "note": f"{HEALTH}; {NAME} prefers mornings",
        "labels": {"said": HEALTH},
        "externalIds": [{"system": "old-crm", "id": LEGACY}],
    }
    key = new_id()
    lead = admin.post("/v1/leads", body, key=key)
    assert admin.post("/v1/leads", body, key=key)["name"] == lead["name"]
    name = lead["name"]
    until(lambda: admin.post(f"/v1/{name}:assign", {"owner": "users/ana"}), "the lead is Ana's")
    until(lambda: ana.post(f"/v1/{name}:logCall", {"outcome": "REACHED", "note": HEALTH}, key=new_id()), "called")
    ana.post(f"/v1/{name}:qualify", {"note": f"{NAME} has a budget"})
    ana.post(f"/v1/{name}:convert", {}, key=new_id())
    lead = until(lambda: (read := ana.get(f"/v1/{name}"))["state"] == "CONVERTED" and read, "the lead is converted")
    # An import brings the same person once more, with another key.
    twin = admin.post(
        "/v1/leads:import",
        {"leads": [{"displayName": NAME, "email": EMAIL, "externalIds": [{"system": "fair", "id": EMAIL}]}]},
    )["results"][0]["lead"]
    opportunity = lead["opportunity"]
    ana.post(f"/v1/{opportunity}:advance", {"stage": "proposal", "note": f"{NAME} asked for a discount"})
    ana.post(f"/v1/{opportunity}:win", {"amount": {"currencyCode": "EUR", "units": "1200"}, "note": f"thanks, {NAME}"})
    contract = f"contracts/{opportunity.split('/')[1]}"
    until(lambda: ana.get(f"/v1/{contract}"), "the won deal has drafted a contract")
    ana.patch(f"/v1/{contract}", {"displayName": f"Agreement with {NAME}"})
    ana.post(f"/v1/{contract}:submit", {})
    erik.post(f"/v1/{contract}:reject", {"reason": f"{NAME} must sign first"})
    ana.post(f"/v1/{contract}:submit", {})
    erik.post(f"/v1/{contract}:approve", {})
    erik.post(f"/v1/{contract}:activate", {})
    due = {"dueTime": "2030-01-01T00:00:00Z", "expectedOutcome": f"{HEALTH} is discussed", "note": HEALTH}
    activity = ana.post(
        "/v1/activities", {"displayName": f"Call {NAME}", "subject": lead["contact"], "kind": "CALL", **due}
    )
    ana.post(f"/v1/{activity['name']}:complete", {"outcome": HEALTH})
    case = until(
        lambda: admin.post(
            "/v1/cases",
            {"account": lead["account"], "contact": lead["contact"], "displayName": HEALTH, "description": PHONE},
        ),
        "the service desk knows the customer",
    )
    wish = {"product": "oven", "kind": "WISH", "text": f"{NAME}: {HEALTH}", "email": EMAIL, "displayName": NAME}
    admin.post("/v1/productFeedbacks", {"case": case["name"], **wish})
    admin.post(f"/v1/{case['name']}:resolve", {"solution": f"{NAME} was called"})
    admin.post(f"/v1/{case['name']}:reopen", {"reason": HEALTH})
    user = admin.post(
        "/v1/users",
        {
            "displayName": NAME,
            "email": EMAIL.title(),
            "roles": ["portal_customer"],
            "account": lead["account"],
            "subject": SUBJECT,
            "externalIds": [{"system": "portal", "id": LEGACY}],
        },
    )
    portal = admin.acting_as(SUBJECT)
    # The audit trail names the subject of a token that nobody knows, so she waits until she is known everywhere.
    until(lambda: all(asyncio.run(_knows(admin, service)) for service in SERVICES), "she is known everywhere")
    assert portal.get("/v1/cases")["cases"][0]["displayName"] == HEALTH
    other = admin.post(
        "/v1/contacts",
        {
            "displayName": OTHER,
            "account": lead["account"],
            "email": OTHER_EMAIL,
            "phone": "+359 88 111 2222",
            "jobTitle": "директор",
            "externalIds": [{"system": "old-crm", "id": "4711"}],
        },
    )
    other_case = admin.post(
        "/v1/cases",
        {
            "account": lead["account"],
            "contact": other["name"],
            "displayName": "Пратката е повредена",
            "description": f"{OTHER} asks, not {NAME}",
        },
    )
    with pytest.raises(Refused):
        admin.post("/v1/leads", {"displayName": NAME, "email": EMAIL, "phone": "no phone"})
    with pytest.raises(Refused):
        ana.post(f"/v1/{other_case['name']}:assign", {"owner": "users/ana"})
    assert admin.get("/v1/leads", filter=f'email = "{EMAIL}"')["leads"]
    asyncio.run(_dead_letter(admin, name))
    admin.post("/v1/suppressions", {"email": OTHER_EMAIL, "reason": "UNSUBSCRIBED"})
    told = Story(
        running, admin, lead, twin, contract, activity["name"], case["name"], user["name"], portal, other, other_case
    )
    until(lambda: _timeline(told, "CaseReopened"), "the timeline has everything")
    return told


async def _dead_letter(admin: Client, lead: str) -> None:
    """What sales would keep of an event of the lead that it cannot digest."""
    leads = await asyncpg.connect(admin.stack.database_url("leads"))
    sales = await asyncpg.connect(admin.stack.database_url("sales"))
    event = await leads.fetchrow("SELECT * FROM outbox WHERE subject = $1 ORDER BY id LIMIT 1", lead)
    await sales.execute(
        "INSERT INTO dead_letter (event_id, type, subject, headers, payload, error, trace_id, deliveries, create_time)"
        " VALUES ($1, $2, $3, $4, $5, $6, '', 6, now())",
        new_id(), event["type"], lead, json.dumps({"ce-subject": lead}), event["payload"], f"ValueError: {NAME}",
    )  # fmt: skip
    await leads.close()
    await sales.close()


async def _knows(admin: Client, service: str) -> bool:
    connection = await asyncpg.connect(admin.stack.database_url(service))
    known = await connection.fetchval("SELECT EXISTS (SELECT FROM member WHERE subject = $1)", SUBJECT)
    await connection.close()
    return bool(known)


def _timeline(story: Story, last: str) -> list[dict[str, Any]]:
    customer = story.lead["account"].replace("accounts/", "customers/")
    entries = story.admin.get(f"/v1/{customer}/timeline", pageSize=500)["entries"]
    return entries if any(entry["type"].endswith(last) for entry in entries) else []


def test_a_search_finds_the_person_before(story):
    searched = story.search()
    for service in SERVICES:
        assert any(place.startswith(f"{service}.") for place in searched.found), service
    assert {f"{service}.member: {SUBJECT}" for service in SERVICES} <= set(searched.found)
    for service in ("leads", "directory"):
        assert any(place.startswith(f"stream {service}") for place in searched.found)
    assert any(place.startswith("file nats") for place in searched.found)


def test_an_export_tells_everything_and_only_about_the_person(story):
    olga = story.admin.acting_as("users/olga")
    document = until(lambda: olga.post("/v1/personalData:export", {"records": [story.lead["name"]]}), "exported")
    assert set(document["records"]) >= story.own
    text = json.dumps(document, ensure_ascii=False)
    for word in WORDS:
        assert word in text, word
    assert OTHER not in text
    assert document["incomplete"] == []
    happened = {one["what"] for one in document["services"]["leads"]["history"]}
    assert {"LeadCreated", "LeadCalled", "LeadConverted"} <= happened
    with pytest.raises(Refused) as refused:
        story.admin.acting_as("users/ana").post("/v1/personalData:export", {"records": [story.lead["name"]]})
    assert refused.value.status == 403


def test_a_preview_shows_who_would_be_erased_and_erases_nothing(story):
    asked = {"records": [story.lead["contact"]]}
    preview = story.admin.call("POST", "/v1/erasures", asked, {"validateOnly": "true"})
    assert set(preview["found"]) >= story.own
    assert story.other["name"] not in preview["found"]
    assert preview["name"] == ""
    assert story.admin.get("/v1/erasures")["erasures"] == []
    assert story.admin.get(f"/v1/{story.lead['name']}")["displayName"] == NAME


@pytest.fixture(scope="module")
def erased(story) -> dict[str, Any]:
    """Erased, while a service is killed."""
    begun = story.admin.post("/v1/erasures", {"records": [story.lead["name"]], "caseReference": "dsr-1"}, key=new_id())
    os.kill(story.admin.stack.addresses["pids"]["sales"], signal.SIGKILL)
    return story.receipt(begun["name"])


def test_nothing_of_an_erased_person_is_left_anywhere(story, erased):
    searched = story.search()
    print(f"\nsearched {searched}")
    assert searched.found == []
    assert searched.messages > 40
    assert searched.tables > 100


def test_the_receipt_says_what_was_erased_where(story, erased):
    assert set(erased["found"]) >= story.own
    counts = {one["service"]: one["counts"] for one in erased["receipts"]}
    print(json.dumps(counts))
    for service in ("directory", "leads", "sales", "service-desk", "contracts"):
        assert counts[service]["records"] > 0
        assert counts[service]["events"] > 0
        assert counts[service]["messages"] > 0
    assert counts["contracts"]["files"] == 1  # what was sent back and submitted again is the same bytes
    assert len(erased["digest"]) == 64
    assert erased["requester"] == "users/admin"
    assert not any(word in json.dumps(erased, ensure_ascii=False) for word in WORDS)


def test_somebody_at_the_same_company_is_untouched(story, erased):
    assert story.admin.get(f"/v1/{story.other['name']}") == story.other
    case = story.admin.get(f"/v1/{story.other_case['name']}")
    assert case["displayName"] == story.other_case["displayName"]
    assert case["description"] == f"{OTHER} asks, not (erased)"
    account = story.admin.get(f"/v1/{story.lead['account']}")
    assert account["displayName"] == "Роза (erased) ООД"
    assert account["owner"] == "users/ana"


def test_the_contract_stays_in_force_and_is_printed_without_the_person(story, erased):
    contract = story.admin.get(f"/v1/{story.contract}")
    assert (contract["state"], contract["displayName"]) == ("ACTIVE", "Agreement with (erased)")
    answer = story.admin.send("GET", f"/v1/{story.contract}/pdf")
    assert answer.content.startswith(b"%PDF")
    files = [path for path in (story.suite.data_dir / "files").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [contract["contentHash"]]


@pytest.mark.parametrize("service", SERVICES)
def test_the_audit_trail_is_whole_after_an_erasure(story, erased, service):
    verified = story.suite.crmctl("audit", "verify", service)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_insights_equals_its_rebuild_after_an_erasure(story, erased):
    compared = story.suite.crmctl("insights", "rebuild", "--compare")
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_the_address_of_an_erased_person_is_suppressed(story, erased):
    asked = {"emails": [EMAIL.upper(), OTHER_EMAIL, "nobody@example.com"]}
    results = story.admin.post("/v1/suppressions:check", asked)["results"]
    assert [one["suppressed"] for one in results] == [True, True, False]
    assert [one["reason"] for one in results[:2]] == ["ERASED", "UNSUBSCRIBED"]


def test_an_erasure_applied_again_changes_nothing(story, erased):
    story.admin.post(f"/v1/{erased['name']}:reapply", {})
    again = story.receipt(erased["name"])
    assert again["receipts"] == erased["receipts"]
    told = story.suite.crmctl("privacy", "show", erased["name"])
    assert erased["name"] in told.stdout


def test_what_came_back_from_a_backup_is_erased_by_its_marks_alone(story, erased):
    """No service knows the name any more; the erasure recognises it all the same."""

    async def come_back() -> None:
        connection = await asyncpg.connect(story.admin.stack.database_url("contracts"))
        contract = story.contract.split("/")[1]
        said = f"Agreement with {NAME.upper()}"
        await connection.execute("UPDATE contracts SET display_name = $1 WHERE id = $2", said, contract)
        await connection.close()

    asyncio.run(come_back())
    story.admin.post(f"/v1/{erased['name']}:reapply", {})
    story.receipt(erased["name"])
    assert story.admin.get(f"/v1/{story.contract}")["displayName"] == "Agreement with (erased)"
    assert story.search().found == []


def test_only_who_may_erase_erases(story, erased):
    for who, status in (("users/ana", 403), ("users/olga", 200)):
        asked = {"records": [story.lead["name"]]}
        answer = story.admin.acting_as(who).send("POST", "/v1/erasures", asked, {"validateOnly": "true"})
        assert answer.status_code == status


def test_an_erased_person_of_a_customer_is_out(story, erased):
    user = story.admin.get(f"/v1/{story.user}")
    assert (user["displayName"], user["state"]) == ("(erased)", "DEACTIVATED")
    for path in ("/v1/cases", "/v1/contracts"):
        assert story.portal.send("GET", path).status_code == 401
    again = story.admin.send("POST", f"/v1/{story.user}:reactivate", {})
    assert (again.status_code, "ERASED_USER" in again.text) == (400, True)


def test_what_postgres_has_not_overwritten_yet_is_on_its_disk_only(story, erased):
    """Old row versions and the write-ahead log: VACUUM FULL and the log's recycling overwrite them in time."""
    needles, searched = Needles(WORDS), Searched()
    in_files(story.suite.data_dir / "postgres", needles, searched)
    kinds = {place.split(":")[0].removeprefix("file ").split("/")[0] for place in searched.found}
    print(f"\nPostgres' own files: {searched}; in {sorted(kinds)}")
    assert kinds <= {"base", "pg_wal"} or not kinds
    assert httpx.get(f"{story.suite.url}/docs").status_code == 200
