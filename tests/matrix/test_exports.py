"""Exports: who may take a file along, what stands in it, and that it is known afterwards."""

import csv
import io

import pytest
from chassis.errors import InvalidFields, PermissionDenied, ResourceExhausted
from chassis.spreadsheet import FORMULA, PLAIN_NUMBER, guarded, unguarded
from chassis.values import new_id
from crm.contracts.v1 import contracts_pb2
from crm.leads.v1 import leads_pb2
from crm.sales.v1 import sales_pb2
from crm.service_desk.v1 import service_desk_pb2
from harness import Person
from hypothesis import assume, given
from hypothesis import strategies as st
from lead_calls import a_channel, create

from chassis import exports

MIRA = "users/mira"


def rows(answer) -> list[dict[str, str]]:
    """The file as a spreadsheet reads it."""
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


async def exported(leads, by=MIRA, **asked):
    return await leads.call("LeadService/ExportLeads", leads_pb2.ExportLeadsRequest(**asked), by=by)


@pytest.fixture
async def channel(leads):
    """A channel with a lead of ana's, one of chen's and one of dora's."""
    made = a_channel()
    for owner, name in (("users/ana", "Ана"), ("users/chen", "陈芳"), ("users/dora", 'João "J", o')):
        await create(leads, owner=owner, channel=made, display_name=name, phone="+359 888 123", note="=1+1")
    return made


async def test_an_export_holds_what_its_caller_may_see_in_every_script(leads, channel):
    found = rows(await exported(leads, filter=f'channel = "{channel}"'))
    assert [row["display_name"] for row in found] == ["陈芳", "Ана"]
    assert [row["owner"] for row in found] == ["users/chen", "users/ana"]
    everything = rows(await exported(leads, by="users/root", filter=f'channel = "{channel}"'))
    assert [row["display_name"] for row in everything] == ['João "J", o', "陈芳", "Ана"]


async def test_columns_are_those_of_the_contract_in_its_order(leads, channel):
    header = next(csv.reader(io.StringIO((await exported(leads)).data.decode("utf-8-sig"))))
    own = {"custom", "score"}  # each field that the company has is a column; only lists that ask for scores tell them
    assert header == [field.name for field in leads_pb2.Lead.DESCRIPTOR.fields if field.name not in own]


async def test_no_cell_is_a_formula(leads, channel):
    [row, _] = rows(await exported(leads, filter=f'channel = "{channel}"'))
    assert (row["note"], row["phone"], row["call_count"], row["state"]) == ("'=1+1", "'+359 888 123", "0", "ASSIGNED")


@given(st.text(max_size=20))
def test_a_guarded_cell_begins_no_formula_and_loses_nothing(text):
    cell = guarded(text)
    assert cell in (text, f"'{text}")
    assert not cell.startswith(FORMULA) or PLAIN_NUMBER.fullmatch(cell)


@given(st.text(max_size=20))
def test_a_cell_is_read_again_as_it_was(text):
    assume(unguarded(text) == text)  # what begins like a guarded cell is taken for one
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["=1", "+1", "-x", "@a", "\tx", "\rx", "-1+cmd", "＝1", "-", "- 1", "-1\n=2"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "1", "-1", "-12.50", "a=1", "王", "'=1"])
def test_numbers_and_plain_text_stay_as_they_are(text):
    assert guarded(text) == text


async def test_an_amount_has_its_currency_beside_it_and_parts_are_json(sales):
    account = await sales.call(
        "SalesService/CreateAccount",
        sales_pb2.CreateAccountRequest(account={"display_name": "Shop", "labels": {"размер": "голям"}}),
        by="users/ana",
    )
    deal = {"display_name": "Ovens", "account": account.name, "close_date": {"year": 2026, "month": 3, "day": 1}}
    deal["amount"] = {"currency_code": "EUR", "units": -5, "nanos": -250000000}
    made = await sales.call(
        "SalesService/CreateOpportunity", sales_pb2.CreateOpportunityRequest(opportunity=deal), by="users/ana"
    )

    async def take(method, request):
        return rows(await sales.call(f"SalesService/{method}", request, by=MIRA))

    asked = f'account = "{account.name}"'
    [row] = await take("ExportOpportunities", sales_pb2.ExportOpportunitiesRequest(filter=asked))
    assert (row["name"], row["amount"], row["amount_currency"], row["close_date"]) == (
        made.name, "-5.25", "EUR", "2026-03-01",
    )  # fmt: skip
    [row] = [
        row for row in await take("ExportAccounts", sales_pb2.ExportAccountsRequest()) if row["name"] == account.name
    ]
    assert row["labels"] == '{"размер":"голям"}'
    assert await take("ExportContacts", sales_pb2.ExportContactsRequest(filter=asked)) == []


async def test_who_may_read_may_not_take_along(leads, sales, service_desk, contracts):
    with pytest.raises(PermissionDenied) as refused:
        await exported(leads, by="users/ana")
    assert refused.value.metadata["permission"] == "leads.export"
    for method in ("ExportAccounts", "ExportContacts", "ExportOpportunities"):
        with pytest.raises(PermissionDenied):
            await sales.call(f"SalesService/{method}", getattr(sales_pb2, f"{method}Request")(), by="users/ana")
    with pytest.raises(PermissionDenied):
        await service_desk.call(
            "ServiceDeskService/ExportCases", service_desk_pb2.ExportCasesRequest(), by="users/dora"
        )
    with pytest.raises(PermissionDenied):
        await contracts.call("ContractService/ExportContracts", contracts_pb2.ExportContractsRequest(), by=MIRA)


async def test_cases_and_contracts_are_taken_by_those_who_answer_for_them(service_desk, contracts):
    await service_desk.know(Person("users/sofia", ("service_manager",), "teams/service"))
    request = service_desk_pb2.ExportCasesRequest(filter=f"journey_id = {new_id()}")
    assert rows(await service_desk.call("ServiceDeskService/ExportCases", request, by="users/sofia")) == []
    request = contracts_pb2.ExportContractsRequest(filter=f"journey_id = {new_id()}")
    assert rows(await contracts.call("ContractService/ExportContracts", request, by="users/erik")) == []


async def test_a_wrong_filter_takes_nothing(leads):
    with pytest.raises(InvalidFields):
        await exported(leads, filter="note = x")


async def test_a_file_is_whole_or_it_is_none(leads, channel, monkeypatch):
    monkeypatch.setattr(exports, "CHUNK", 1)
    asked = f'channel = "{channel}"'
    assert len(rows(await exported(leads, filter=asked))) == 2  # in chunks as in one
    monkeypatch.setattr(exports, "MOST_ROWS", 1)
    with pytest.raises(ResourceExhausted, match="EXPORT_TOO_LARGE"):
        await exported(leads, filter=asked)
    monkeypatch.setattr(exports, "MOST_ROWS", 2)
    monkeypatch.setattr(exports, "MOST_BYTES", 600)
    with pytest.raises(ResourceExhausted, match="EXPORT_TOO_LARGE"):
        await exported(leads, filter=asked)


async def test_every_export_is_in_the_audit_trail_with_what_was_taken(leads, channel):
    asked = f'channel = "{channel}"'
    await exported(leads, filter=asked)
    found = await leads.rows(
        "SELECT actor, operation, subject, source, details->>'rows' AS rows FROM audit_entry"
        " WHERE kind = 'EXPORTED' AND details->>'filter' = $1",
        asked,
    )
    assert [tuple(row)[:3] for row in found] == [(MIRA, "crm.leads.v1.LeadService/ExportLeads", "leads")]
    assert (found[0]["rows"], found[0]["source"] != "") == ("2", True)
