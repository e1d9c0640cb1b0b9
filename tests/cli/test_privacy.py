"""`crmctl privacy` against a whole suite: told, previewed, erased, shown, listed and applied again."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from chassis.settings import SERVICES
from crmctl.connection import Client
from whole_suite import Suite, start, until

NAME, EMAIL = "Линь Conceição", "lin@rosa-8264.example"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    running = start(tmp_path_factory.mktemp("privacy") / "data", SAMPLE="0")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def client(suite: Suite) -> Client:
    return suite.client()


def lead_of(client: Client, **fields: Any) -> str:
    return str(client.post("/v1/leads", {"displayName": NAME, "email": EMAIL} | fields)["name"])


def told(suite: Suite, *arguments: str) -> str:
    """What the command writes when it succeeds."""
    done = suite.crmctl("privacy", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(suite: Suite, *arguments: str) -> str:
    done = suite.crmctl("privacy", *arguments)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def name_of(client: Client, record: str) -> str:
    return str(client.get(f"/v1/{record}")["displayName"])


def receipts(suite: Suite) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told(suite, "list").splitlines()]


def execute(client: Client, service: str, sql: str, *arguments: Any) -> None:
    assert client.stack is not None
    url = client.stack.database_url(service)

    async def run() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(sql, *arguments)
        await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize("command", ["export", "erase"])
def test_a_command_about_nobody_asks_who_is_meant(suite: Suite, command: str) -> None:
    assert "Say who" in refused(suite, command)


def test_an_export_writes_one_document_to_a_file_or_to_the_terminal(
    suite: Suite, client: Client, tmp_path: Path
) -> None:
    lead = lead_of(client)
    out = tmp_path / "answer.json"
    done = suite.crmctl("privacy", "export", lead, "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    document = json.loads(out.read_text())
    assert document["services"]["leads"]["records"][0]["displayName"] == NAME
    assert "leads " in done.stderr
    assert json.loads(told(suite, "export", "--email", EMAIL))["records"] == document["records"]


def test_without_yes_an_erasure_is_only_shown(suite: Suite, client: Client) -> None:
    lead, other = lead_of(client), lead_of(client, displayName="Петър Колев")
    shown = told(suite, "erase", lead)
    assert f"would be erased: {lead}" in shown
    assert f"similar, would stay: {other}" in shown
    assert "Nothing was erased" in shown
    assert name_of(client, lead) == NAME


def test_with_yes_it_is_erased_and_the_receipt_can_be_shown_and_listed(suite: Suite, client: Client) -> None:
    lead = lead_of(client)
    done = told(suite, "erase", lead, "--case", "dsr-2026-17", "--yes")
    erasure = done.split()[0]
    assert "COMPLETED" in done
    assert f"erased: {lead}" in done
    assert name_of(client, lead) == "(erased)"
    assert told(suite, "show", erasure) == done
    (receipt,) = [one for one in receipts(suite) if one["name"] == erasure]
    assert (receipt["caseReference"], len(receipt["receipts"])) == ("dsr-2026-17", len(SERVICES))
    assert NAME not in json.dumps(receipts(suite), ensure_ascii=False)


def test_a_person_of_a_customer_is_named_by_the_user(suite: Suite, client: Client) -> None:
    account = client.post("/v1/accounts", {"displayName": "Rosa"})["name"]
    given = {"displayName": "Марта Силва", "email": "marta@rosa.example", "roles": ["portal_customer"]}
    user = client.post("/v1/users", given | {"account": account})["name"]
    assert "marta@rosa.example" in told(suite, "export", user)
    assert f"would be erased: {user}" in told(suite, "erase", user)
    told(suite, "erase", user, "--yes")
    left = client.get(f"/v1/{user}")
    assert (left["displayName"], left["email"], left["state"]) == ("(erased)", "", "DEACTIVATED")


def test_an_employee_is_erased_only_after_they_left(suite: Suite, client: Client) -> None:
    user = client.post("/v1/users?userId=vera", {"displayName": "Вера Петрова", "roles": ["salesperson"]})["name"]
    assert "deactivate them first" in refused(suite, "erase", user, "--yes")
    assert name_of(client, user) == "Вера Петрова"
    client.post(f"/v1/{user}:deactivate", {})
    told(suite, "erase", user, "--yes")
    assert name_of(client, user) == "(erased)"


def test_what_a_restore_brings_back_is_erased_by_the_erasures_there_are(suite: Suite, client: Client) -> None:
    lead = lead_of(client)
    erasure = told(suite, "erase", lead, "--yes").split()[0]
    execute(client, "leads", "UPDATE leads SET display_name = $1 WHERE id = $2", NAME, lead.split("/")[1])
    assert f"{erasure} COMPLETED" in told(suite, "reapply")
    assert name_of(client, lead) == "(erased)"


def test_an_erasure_that_a_restore_lost_is_applied_by_the_list(suite: Suite, client: Client, tmp_path: Path) -> None:
    lead = lead_of(client)
    erasure = told(suite, "erase", lead, "--yes").split()[0]
    kept = tmp_path / "receipts.jsonl"
    kept.write_text(told(suite, "list"))
    nobody = {"name": "erasures/lost", "caseReference": "", "person": {"records": ["users/admin-2"]}, "retained": []}
    client.post("/v1/users?userId=admin-2", {"displayName": "Active", "roles": ["administrator"]})
    kept.write_text(json.dumps(nobody) + "\n" + kept.read_text())
    execute(client, "directory", "DELETE FROM erasures WHERE id = $1", erasure.split("/")[1])
    execute(client, "leads", "UPDATE leads SET display_name = $1 WHERE id = $2", NAME, lead.split("/")[1])
    said = refused(suite, "reapply", "--receipts", str(kept))
    assert "Not applied: erasures/lost" in said  # and the others are, all the same
    assert client.get("/v1/users/admin-2")["state"] == "ACTIVE"
    (line,) = [line for line in said.splitlines() if line.startswith(erasure)]
    assert " COMPLETED as erasures/" in line
    assert erasure not in line.split(" as ")[1]
    assert said.count(" COMPLETED as ") == len(kept.read_text().splitlines()) - 1
    assert until(lambda: name_of(client, lead) == "(erased)", "erased once more")
