"""Exports of other products as leads of ours."""

import pytest
from crmctl.lead_files.columns import Columns, Key, WrongCell
from crmctl.lead_files.presets import PRESETS, Owners
from crmctl.problem import Problem

PEOPLE = [
    {"name": "users/ana", "displayName": "Ана Петрова", "email": "ana@rosa.example", "state": "ACTIVE"},
    {"name": "users/li", "displayName": "李娜", "email": "li@rosa.example", "state": "ACTIVE"},
    {"name": "users/li2", "displayName": "李娜", "email": "li2@rosa.example", "state": "ACTIVE"},
    {"name": "users/gone", "displayName": "Gone", "email": "gone@rosa.example", "state": "DEACTIVATED"},
]
FILES = {
    "hubspot": {
        "Record ID": "51", "First Name": "João", "Last Name": "Conceição", "Email": "joao@x.example",
        "Phone Number": "", "Mobile Phone Number": "+351 211 234 567", "Company Name": "Rosa",
        "Contact owner": "Ana@rosa.example", "Lead Status": "IN_PROGRESS", "Original Source": "Organic Search",
        "Create Date": "2024-01-05 10:22",
    },
    "salesforce": {
        "Id": "51", "FirstName": "João", "LastName": "Conceição", "Email": "joao@x.example", "Phone": "",
        "MobilePhone": "+351 211 234 567", "Company": "Rosa", "Owner.Email": "ana@rosa.example",
        "Status": "Working - Contacted", "LeadSource": "Organic Search", "CreatedDate": "2024-01-05T10:22:00.000Z",
    },
    "odoo": {
        "id": "51", "contact_name": "João Conceição", "email_from": "joao@x.example", "phone": "",
        "mobile": "+351 211 234 567", "partner_name": "Rosa", "user_id": "Ана Петрова", "stage_id": "working",
        "source_id": "Organic Search", "create_date": "2024-01-05 10:22:00",
    },
    "suitecrm": {
        "ID": "51", "first_name": "João", "last_name": "Conceição", "email1": "joao@x.example", "phone_work": "",
        "phone_mobile": "+351 211 234 567", "account_name": "Rosa", "assigned_user_name": "ана петрова",
        "status": "In Process", "lead_source": "Organic Search", "date_entered": "2024-01-05 10:22:00",
    },
}  # fmt: skip


def lead(product: str, cells: dict[str, str], mapped: dict[str, str] | None = None) -> dict:
    rewriting = PRESETS[product].read(cells, mapped or {}, Owners(PEOPLE))
    return Columns(rewriting.header, mapped or {}, Key(product, rewriting.key)).lead(rewriting.row(cells))


@pytest.mark.parametrize("product", PRESETS)
def test_an_export_of_each_product_becomes_the_same_lead(product):
    assert lead(product, FILES[product]) == {
        "display_name": "João Conceição",
        "email": "joao@x.example",
        "phone": "+351 211 234 567",
        "company": "Rosa",
        "owner": "users/ana",
        "contact_time": "2024-01-05T10:22:00Z",
        "labels": {"old_status": "working", "source": "Organic Search"},
        "external_ids": [{"system": product, "id": "51"}],
    }


@pytest.mark.parametrize("product", PRESETS)
def test_every_status_of_a_product_is_one_of_ours_and_an_unknown_one_stays(product):
    ours = {"open", "working", "qualified", "closed", "converted", "later"}
    assert set(PRESETS[product].statuses.values()) <= ours
    assert all(status == " ".join(status.casefold().split()) for status in PRESETS[product].statuses)
    column = next(name for name in FILES[product] if "tatus" in name or "stage" in name)
    assert lead(product, FILES[product] | {column: "线索池"})["labels"]["old_status"] == "线索池"


@pytest.mark.parametrize("owner", ["gone@rosa.example", "李娜", "nobody@rosa.example"])
def test_an_owner_who_is_nobody_or_several_is_kept_as_a_label_and_owns_nothing(owner):
    found = lead("hubspot", FILES["hubspot"] | {"Contact owner": owner})
    assert "owner" not in found
    assert found["labels"]["old_owner"] == owner


def test_whoever_has_no_name_is_called_by_company_or_address():
    nameless = FILES["hubspot"] | {"First Name": "", "Last Name": " "}
    assert lead("hubspot", nameless)["display_name"] == "Rosa"
    assert lead("hubspot", nameless | {"Company Name": ""})["display_name"] == "joao@x.example"


def test_a_column_that_no_preset_knows_is_named_and_can_be_mapped():
    cells = FILES["odoo"] | {"x_size": "голяма"}
    assert PRESETS["odoo"].read(cells, {}, Owners([])).passed_over == ["x_size"]
    assert lead("odoo", cells, {"x_size": "label:size"})["labels"]["size"] == "голяма"
    assert lead("odoo", cells, {"x_size": "display_name"})["display_name"] == "голяма"


def test_a_file_of_another_product_is_refused_before_anything_is_sent():
    with pytest.raises(Problem, match="no export of hubspot"):
        PRESETS["hubspot"].read(["Nome", "Porte"], {}, Owners([]))


def test_a_date_that_can_be_read_in_two_ways_is_left_to_be_refused():
    assert lead("hubspot", FILES["hubspot"] | {"Create Date": "1/2/2024"})["contact_time"] == "1/2/2024"
    with pytest.raises(WrongCell, match="lead's key"):
        lead("hubspot", FILES["hubspot"] | {"Record ID": ""})
