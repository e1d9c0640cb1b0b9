"""The commands against a whole suite with its sample company, and the import into it."""

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import changed
from cli.plain_count import plain_count
from crmctl.connection import Client
from crmctl.sample import load
from whole_suite import Suite, start

ERP = Path(__file__).parents[2] / "examples" / "erp"
PAGE = 1000


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    running = start(tmp_path_factory.mktemp("suite") / "data")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def client(suite: Suite) -> Client:
    return suite.client()


def every(client: Client, collection: str, **params: Any) -> list[dict[str, Any]]:
    return list(client.each(f"/v1/{collection}", collection, pageSize=PAGE, **params))


def test_the_sample_company_has_eight_people_in_three_teams_and_five_roles(client: Client) -> None:
    users = every(client, "users")
    assert len(users) == 8
    assert {role for user in users for role in user["roles"]} == {
        "administrator", "sales_manager", "salesperson", "agent", "contract_manager",
    }  # fmt: skip
    assert next(user for user in users if user["name"] == "users/ana")["roles"] == ["salesperson"]
    assert sorted(team["parent"] for team in every(client, "teams")) == ["", "teams/customers", "teams/customers"]


def test_the_sample_company_has_leads_deals_contracts_and_cases_in_many_states(client: Client) -> None:
    leads = every(client, "leads")
    assert all(lead["labels"] == {"sample": "true"} for lead in leads)
    assert Counter(lead["state"] for lead in leads) == {
        "NEW": 4, "ASSIGNED": 3, "WORKING": 3, "QUALIFIED": 2, "CONVERTED": 8, "DISQUALIFIED": 2,
    }  # fmt: skip
    assert Counter(one["state"] for one in every(client, "opportunities")) == {"OPEN": 1, "LOST": 1, "WON": 6}
    assert Counter(one["state"] for one in every(client, "contracts")) == {"DRAFT": 1, "IN_APPROVAL": 1, "ACTIVE": 4}
    assert {one["state"] for one in every(client, "cases")} == {"OPEN", "RESOLVED"}


def test_permissions_are_real_in_the_sample_company(client: Client) -> None:
    mine = every(client.acting_as("users/ana"), "leads")
    assert mine
    assert {lead["owner"] for lead in mine} == {"users/ana"}


def test_the_sample_company_loaded_again_adds_nothing(suite: Suite, client: Client) -> None:
    before = suite.asked_for()
    load(client)
    assert suite.asked_for() == before


def test_the_erp_example_records_each_order_once_however_often_it_runs(suite: Suite, client: Client) -> None:
    token = suite.crmctl("token", "--service-account", "erp").stdout.strip()
    settings = os.environ | {"CRM_GRPC": f"127.0.0.1:{suite.grpc_port}", "CRM_TOKEN": token}
    command = [sys.executable, str(ERP / "record_orders.py"), str(ERP / "orders.csv")]
    runs = [subprocess.run(command, capture_output=True, text=True, env=settings) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    orders = every(client, "orders", filter="system = erp")
    assert sorted(order["orderNumber"] for order in orders) == ["ERP-5001", "ERP-5002", "ERP-5003"]


def test_a_small_folder_is_imported_and_a_second_run_changes_nothing_and_tells_nothing(
    suite: Suite, client: Client, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = folder_of()
    first = suite.crmctl("import", "olist", str(folder), "--errors", str(tmp_path / "errors"))
    assert first.returncode == 0, first.stderr
    (order,) = every(client, "orders", filter="system = olist")
    assert (order["orderTime"], order["erpState"]) == ("2018-07-01T13:00:00Z", "canceled")
    assert (order["amount"]["units"], order["amount"]["nanos"]) == ("63", 990_000_000)
    (case,) = client.get("/v1/cases", filter='external_ids:"olist/review/o1@2018-07-20"')["cases"]
    assert (case["account"], case["order"], case["unentitled"]) == (order["account"], order["name"], False)
    contract = client.get(f"/v1/{case['contract']}")
    assert (contract["submitter"], contract["approver"]) == ("users/r2", "serviceAccounts/importer")
    assert contract["activateTime"] == "2018-02-26T22:58:54Z"
    (lead,) = client.get("/v1/leads", filter='external_ids:"olist/mql/m2"')["leads"]
    assert (lead["channel"], lead["contactTime"]) == ("channels/blank", "2017-10-15T03:00:00Z")

    before = suite.asked_for()
    second = suite.crmctl("import", "olist", str(folder), "--errors", str(tmp_path / "errors"))
    assert "\n0 changed" in second.stdout
    assert suite.asked_for() == before
    assert not (tmp_path / "errors").exists()


def test_refused_rows_are_corrected_and_imported_from_the_error_folder(
    suite: Suite, client: Client, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    def renamed(file: str, row: int = 0, **cells: str) -> list[dict[str, str]]:
        """Other keys than the small folder's, so that this test has its own customer."""
        mine = {"mql_id": "x1", "seller_id": "sx", "order_id": "ox", "sdr_id": "r1", "sr_id": "r2"}
        rows = changed(file, row, **cells)
        return [one | {key: value for key, value in mine.items() if key in one} for one in rows]

    leads = renamed("olist_marketing_qualified_leads")[:1]
    items = renamed("order_items", 1, price="10,00")
    deals, orders, reviews = (renamed(file) for file in ("olist_closed_deals", "orders", "order_reviews"))
    folder = folder_of(
        olist_marketing_qualified_leads=leads, olist_closed_deals=deals, order_items=items, orders=orders,
        order_reviews=reviews,
    )  # fmt: skip
    errors = tmp_path / "errors"
    refused = suite.crmctl("import", "olist", str(folder), "--errors", str(errors))
    assert refused.returncode == 1
    assert "order_items.csv line 3: order ox: price '10,00' is not an amount" in refused.stderr
    assert client.get("/v1/accounts", filter='external_ids:"olist/seller/sx"')["accounts"]

    text = (errors / "order_items.csv").read_text()
    (errors / "order_items.csv").write_text(text.replace('"10,00"', "10.00"))
    again = suite.crmctl("import", "olist", str(errors), "--errors", str(tmp_path / "more"))
    assert again.returncode == 0, again.stderr
    assert every(client, "orders", filter='system = olist AND order_number = "ox"')
    assert client.get("/v1/cases", filter='external_ids:"olist/review/ox@2018-07-20"')["cases"]


def leads_file(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_file_of_leads_is_imported_once_however_often_it_is_read(
    suite: Suite, client: Client, tmp_path: Path
) -> None:
    names = ["Ана Иванова", "李娜", "João Conceição"] * 400
    rows = [{"Nome": name, "nº": f"k{at}", "email": f"k{at}@import.example"} for at, name in enumerate(names)]
    file, errors = leads_file(tmp_path / "leads.csv", rows), str(tmp_path / "refused.csv")
    command = ["import", "leads", str(file), "--map", "Nome=display_name", "--key", "nº", "--errors", errors]
    first = suite.crmctl(*command)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("1,200 created in ")
    assert "rows/s" in first.stdout
    assert suite.crmctl(*command).stdout.startswith("1,200 unchanged in ")
    rows[0]["Nome"] = "Ана Петрова"
    leads_file(file, rows)
    assert suite.crmctl(*command).stdout.startswith("1,199 unchanged, 1 updated in ")
    (lead,) = client.each("/v1/leads", "leads", filter='external_ids : "csv//k0"')
    assert (lead["displayName"], lead["email"]) == ("Ана Петрова", "k0@import.example")


def test_refused_leads_are_written_down_corrected_and_imported(suite: Suite, client: Client, tmp_path: Path) -> None:
    rows = [{"display_name": f"Row {at}", "email": f"row{at}@refused.example"} for at in range(3)]
    rows[1]["email"] = "no address"
    file, errors, later = leads_file(tmp_path / "leads.csv", rows), tmp_path / "refused.csv", tmp_path / "later.csv"
    told = suite.crmctl("import", "leads", str(file), "--errors", str(errors))
    assert (told.returncode, told.stdout.split(" in ")[0]) == (1, "2 created")
    assert "1 rows refused" in told.stderr
    text = errors.read_text("utf-8-sig")
    assert "Row 1,no address,3," in text
    errors.write_text(text.replace("no address", "row1@refused.example"), "utf-8-sig")
    again = suite.crmctl("import", "leads", str(errors), "--errors", str(later))
    assert (again.returncode, again.stdout.split(" in ")[0]) == (0, "1 created")
    assert not later.exists()


def test_an_old_crm_comes_along_after_a_trial_and_can_be_taken_back(
    suite: Suite, client: Client, tmp_path: Path
) -> None:
    rows = [
        {"Record ID": f"{at}", "First Name": "Ана", "Last Name": f"№ {at}", "Email": f"h{at}@old.example",
         "Contact owner": "nobody@old.example", "Lead Status": "OPEN", "Tags": "x"}
        for at in range(250)
    ]  # fmt: skip
    file = leads_file(tmp_path / "hubspot.csv", rows)
    command = ["import", "leads", str(file), "--preset", "hubspot", "--errors", str(tmp_path / "refused.csv")]
    trial = suite.crmctl(*command, "--dry-run")
    assert (trial.returncode, trial.stderr) == (0, "")
    assert "passed over: Tags" in trial.stdout
    assert "250 created in " in trial.stdout
    assert "nothing was stored" in trial.stdout
    listed = 'external_ids : "hubspot//7"'
    assert list(client.each("/v1/leads", "leads", filter=listed)) == []
    done = suite.crmctl(*command)
    assert (done.returncode, done.stderr) == (0, "")
    assert "250 created in " in done.stdout
    (lead,) = client.each("/v1/leads", "leads", filter=listed)
    assert (lead["displayName"], lead["labels"]["old_status"], lead["labels"]["old_owner"]) == (
        "Ана № 7",
        "open",
        "nobody@old.example",
    )
    client.post(f"/v1/{lead['name']}:logCall", {"outcome": "REACHED"})
    left, import_id = tmp_path / "left.csv", done.stdout.split("crmctl import revert ")[1].split()[0]
    back = suite.crmctl("import", "revert", import_id, "--left", str(left))
    assert (back.returncode, back.stdout.split(",")[:2]) == (1, ["249 taken back", " 1 left"])
    assert left.read_text().splitlines()[1:] == [f"{lead['name']},LEAD_TOUCHED"]
    assert suite.crmctl(*command).stdout.split(" in ")[0].splitlines()[-1] == "249 created, 1 unchanged"


def test_a_file_is_read_by_a_mapping_that_was_kept_of_another_one(suite: Suite, client: Client, tmp_path: Path) -> None:
    rows = [
        {"Номер": f"{at}", "Име": "Ана", "Фамилия": f"№ {at}", "Имейл": f"m{at}@kept.example", "Дата": "31.01.2026",
         "Обувки": "38"}
        for at in range(3)
    ]  # fmt: skip
    file, errors = leads_file(tmp_path / "weekly.csv", rows), str(tmp_path / "refused.csv")
    kept = suite.crmctl("import", "mapping", str(file), "weekly", "--map", "Обувки=label:shoes")
    assert (kept.returncode, kept.stderr) == (0, "")
    assert "leadImportMappings/weekly" in kept.stdout
    mapping = client.get("/v1/leadImportMappings/weekly")
    assert (mapping["keyColumn"], mapping["dateOrder"]) == ("Номер", "DAY_MONTH_YEAR")
    again = leads_file(
        tmp_path / "next.csv", [*rows, rows[0] | {"Номер": "9", "Имейл": "m9@kept.example", "Дата": "x"}]
    )
    done = suite.crmctl("import", "leads", str(again), "--mapping", "weekly", "--errors", errors)
    assert done.returncode == 1
    assert "3 created in " in done.stdout
    assert "Дата: 'x' is no day" in Path(errors).read_text(encoding="utf-8-sig")
    (lead,) = client.each("/v1/leads", "leads", filter='email = "m1@kept.example"')
    assert (lead["displayName"], lead["labels"], lead["contactTime"]) == (
        "Ана № 1",
        {"shoes": "38"},
        "2026-01-31T00:00:00Z",
    )
    old = {"Record ID": "kept7", "First Name": "Jo", "Email": "j@kept.example", "Lead Status": "OPEN"}
    hubspot = leads_file(tmp_path / "hubspot.csv", [old | {"Contact owner": "x@y.example"}])
    assert suite.crmctl("import", "mapping", str(hubspot), "old", "--preset", "hubspot").returncode == 0
    done = suite.crmctl("import", "leads", str(hubspot), "--mapping", "old", "--errors", errors)
    assert (done.returncode, done.stdout.split(" in ")[0]) == (0, "1 created")
    (lead,) = client.each("/v1/leads", "leads", filter='external_ids : "hubspot//kept7"')
    assert (lead["displayName"], lead["labels"]) == ("Jo", {"old_status": "open", "old_owner": "x@y.example"})
    wrong = suite.crmctl("import", "leads", str(hubspot), "--mapping", "weekly", "--errors", errors)
    assert (wrong.returncode, "no file of the mapping" in wrong.stderr) == (1, True)


def test_many_leads_are_changed_after_a_preview_and_given_back(suite: Suite, client: Client) -> None:
    leads = [
        client.post("/v1/leads", {"displayName": f"Ана № {at}", "channel": "channels/bulk", "labels": {"old": "1"}})[
            "name"
        ]
        for at in range(3)
    ]
    command = ["leads", "edit", "--filter", 'channel = "channels/bulk"', "--set", "label:fair=2026"]
    command += ["--set", "region=Пловдив", "--set", "company_size=7", "--clear", "label:old"]
    seen = suite.crmctl(*command)
    assert (seen.returncode, seen.stderr) == (0, "")
    assert "3 leads: 3 would change, 0 say so already, 0 refused" in seen.stdout
    assert "region: '' → 'Пловдив'" in seen.stdout
    assert "nothing was changed" in seen.stdout
    assert client.get(f"/v1/{leads[0]}")["region"] == ""
    done = suite.crmctl(*command, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 changed, 0 refused" in done.stdout
    lead = client.get(f"/v1/{leads[0]}")
    assert (lead["region"], lead["companySize"], lead["labels"]) == ("Пловдив", 7, {"fair": "2026"})
    client.patch(f"/v1/{leads[1]}", {"region": "Варна"})
    back = suite.crmctl("leads", "undo", done.stdout.split("crmctl leads undo ")[1].split()[0])
    assert (back.returncode, back.stderr) == (1, "")
    assert "3 leads given back, 1 left in some of it or whole" in back.stdout
    assert f"{leads[1]}: region changed since" in back.stdout
    assert [client.get(f"/v1/{name}")["region"] for name in leads] == ["", "Варна", ""]
    assert client.get(f"/v1/{leads[0]}")["labels"] == {"old": "1"}


def test_an_export_is_imported_as_it_is_and_finds_its_leads(suite: Suite, client: Client, tmp_path: Path) -> None:
    answer = client.send("GET", "/v1/leads:export", None, {"filter": 'email = "row0@refused.example"'}, {})
    file = tmp_path / "export.csv"
    file.write_bytes(answer.content)
    told = suite.crmctl("import", "leads", str(file), "--errors", str(tmp_path / "refused.csv"))
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.split(" in ")[0] in ("1 unchanged", "1 updated")


def test_a_part_of_the_real_rows_is_reported_as_a_plain_count_counts_them(
    suite: Suite, client: Client, olist: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "part"
    part(olist, folder)
    done = suite.crmctl("import", "olist", str(folder), "--errors", str(tmp_path / "errors"))
    assert done.returncode == 0, done.stderr
    plain = plain_count(folder)
    report = client.get("/v1/reports/channels")["channels"]
    told = {one["channel"]: (one["leads"], one["customers"], Decimal(one["revenue"])) for one in report}
    expected = {name: (one.leads, one.customers, one.revenue) for name, one in plain.origins.items()}
    small = {"email": (2, 2, Decimal("127.98")), "blank": (1, 0, Decimal(0))}  # Of the two tests above.
    for name, (leads, customers, revenue) in expected.items():
        more = small.get(name, (0, 0, Decimal(0)))
        assert told[name] == (leads + more[0], customers + more[1], revenue + more[2]), name
    assert len(every(client, "orders", filter="system = olist")) == plain.orders + 2

    early = next(one for one in rows(folder, "olist_closed_deals") if one["won_date"].startswith("2018-03-06 19:38"))
    key = f"olist/seller/{early['seller_id']}"
    (account,) = client.get("/v1/accounts", filter=f'external_ids:"{key}"')["accounts"]
    story = suite.crmctl("journey", account["name"])
    assert "out of order" in story.stdout
    assert "-" in story.stdout


def test_a_customers_story_names_people_waits_and_traces(suite: Suite, client: Client) -> None:
    (account,) = client.get("/v1/accounts", filter='external_ids:"erp/customer/1001"')["accounts"]
    shown = suite.crmctl("journey", account["name"].replace("accounts", "customers"))
    assert shown.returncode == 0, shown.stderr
    for expected in ("Rila Outdoor (sample)", "bottleneck before", "João Almeida", "CONTRACT", " d "):
        assert expected in shown.stdout
    assert suite.crmctl("trace", shown.stdout.split("TOUCHED")[1].split()[2]).returncode == 0


def test_the_rebuilt_read_model_equals_the_live_one(suite: Suite) -> None:
    done = suite.crmctl("insights", "rebuild", "--compare")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nequal after " in done.stdout


@pytest.mark.parametrize("service", ["sales", "service-desk", "insights"])
def test_no_event_was_given_up(suite: Suite, service: str) -> None:
    assert suite.crmctl("events", "dead", service).stdout == f"{service} has no dead letters.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["journey", "leads/1"], "is neither accounts/UUID nor customers/UUID"),
        (["journey", "accounts/00000000-0000-7000-8000-000000000000"], "RECORD_NOT_FOUND"),
        (["events", "dead", "nobody"], "There is no service nobody"),
        (["insights", "rebuild"], "say --compare or --repair"),
        (["import", "olist", "/nowhere"], "/nowhere is not a folder"),
        (["import", "olist", ".", "--errors", "."], "name another folder with --errors"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(suite: Suite, arguments: list[str], said: str) -> None:
    done = suite.crmctl(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def part(olist: Path, folder: Path) -> None:
    """Every fifteenth deal and the one won before its first contact, with all that belongs to them; 200 other leads."""
    deals = [
        deal
        for number, deal in enumerate(rows(olist, "olist_closed_deals"))
        if number % 15 == 0 or deal["won_date"].startswith("2018-03-06 19:38")
    ]
    won, sellers = {deal["mql_id"] for deal in deals}, {deal["seller_id"] for deal in deals}
    leads = rows(olist, "olist_marketing_qualified_leads")
    leads = leads[:200] + [lead for lead in leads[200:] if lead["mql_id"] in won]
    items = [item for item in rows(olist, "order_items") if item["seller_id"] in sellers]
    ordered = {item["order_id"] for item in items}
    folder.mkdir()
    for name, kept in {
        "olist_marketing_qualified_leads": leads,
        "olist_closed_deals": deals,
        "order_items": items,
        "orders": [order for order in rows(olist, "orders") if order["order_id"] in ordered],
        "order_reviews": [review for review in rows(olist, "order_reviews") if review["order_id"] in ordered],
    }.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows(olist, name)[0]))
            writer.writeheader()
            writer.writerows(kept)
