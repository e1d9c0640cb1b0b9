"""Mappings of columns over gRPC: kept, used for rows as they stand in a file, suggested by what columns are called."""

from contextlib import suppress

import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import import_mappings_pb2 as pb
from crm.leads.v1 import imports_pb2, leads_pb2, operations_pb2
from custom_calls import definition, know
from google.protobuf.json_format import MessageToDict
from harness import start, until
from lead_calls import read, update

ROOT, ANA = "users/root", "users/ana"
Result = leads_pb2.ImportLeadsResponse.Result
COLUMNS = [
    {"column": "Име", "field": "given_name"},
    {"column": "Фамилия", "field": "family_name"},
    {"column": "Имейл", "field": "email"},
    {"column": "Дата", "field": "contact_time"},
    {"column": "Откъде", "field": "channel", "words": {"Панаир": "channels/fair"}},
    {"column": "Ниво", "field": "custom.tier"},
    {"column": "Град", "field": "label:city"},
]
ROW = {"Име": "Ана", "Фамилия": "Петрова", "Дата": "02.03.2026", "Откъде": "ПАНАИР", "Град": "Русе", "Друго": "x"}


@pytest.fixture(scope="module")
async def own(own_broker, issuer):
    running = await start("leads", own_broker, issuer)
    await know(running, definition("tier", "ENUM", options=["gold", "сребро"]), definition("vip_client", "BOOL"))
    yield running
    await running.stop()


async def call(leads, method, by=ROOT, **fields):
    request = getattr(pb, f"{method}Request")(**fields)
    return await leads.call(f"LeadImportMappingService/{method}", request, by=by)


async def mapping(leads, **fields):
    given = {"display_name": f"Седмичен {new_id()}", "columns": COLUMNS, "date_order": "DAY_MONTH_YEAR"} | fields
    key = f"m{new_id()}"
    return await call(leads, "CreateLeadImportMapping", lead_import_mapping=given, lead_import_mapping_id=key)


async def imported(leads, name, *rows, by=ROOT, **fields):
    request = imports_pb2.ImportLeadRowsRequest(mapping=name, rows=[{"cells": row} for row in rows], **fields)
    return (await leads.call("LeadImportService/ImportLeadRows", request, by=by)).results


async def test_a_row_becomes_the_lead_that_the_mapping_makes_of_it(own):
    made = await mapping(own, defaults={"channel": "web", "label:source": "списък"})
    one, two = await imported(
        own, made.name, ROW | {"Имейл": f"{new_id()}@a.example", "Ниво": "сребро"}, {"Име": "Иво"}, by=ANA
    )
    assert [one.outcome, two.outcome] == [Result.CREATED] * 2
    lead = await read(own, one.lead)
    assert (lead.display_name, lead.channel, lead.owner) == ("Ана Петрова", "channels/fair", ANA)
    assert dict(lead.labels) == {"city": "Русе", "source": "списък"}
    assert lead.contact_time.ToDatetime().isoformat() == "2026-03-02T00:00:00"
    assert MessageToDict(lead.custom) == {"tier": "сребро"}
    assert (await read(own, two.lead)).channel == "channels/web"


async def test_each_row_that_is_none_says_which_column_is_wrong_and_stops_no_other(own):
    made = await mapping(own, key_column="№", system="old")
    rows = [
        ROW | {"№": "1", "Дата": "31.02.2026"},
        ROW | {"№": "2", "Дата": "някога"},
        ROW | {"№": ""},
        ROW | {"№": "3", "Ниво": "bronze"},
        ROW | {"№": "4", "Имейл": "no address"},
        {"№": "5", "Град": "Русе"},
        ROW | {"№": "6"},
    ]
    results = await imported(own, made.name, *rows)
    assert [one.outcome for one in results] == [Result.REJECTED] * 6 + [Result.CREATED]
    for one, said in zip(
        results, ["Дата: ", "Дата: ", "№: is empty", "custom.tier", "email", "display_name"], strict=False
    ):
        assert said in one.reason
    again = await imported(own, made.name, ROW | {"№": "6", "Град": "Варна"})
    assert (again[0].outcome, again[0].lead) == (Result.UPDATED, results[-1].lead)
    assert [(one.system, one.id) for one in (await read(own, again[0].lead)).external_ids] == [("old", "6")]


async def test_a_row_that_is_read_twice_is_one_lead_also_without_a_key(own):
    made = await mapping(own)
    row = ROW | {"Град": new_id()}
    (first,), (second,) = [await imported(own, made.name, row) for _ in range(2)]
    assert (second.outcome, second.lead) == (Result.UNCHANGED, first.lead)


async def test_rows_are_tried_before_and_taken_back_after_like_every_import(own):
    made, ours = await mapping(own, key_column="№"), new_id()
    rows = [ROW | {"№": f"{ours}-{number}"} for number in range(3)]
    tried = await imported(own, made.name, *rows, validate_only=True)
    assert [(one.outcome, one.lead) for one in tried] == [(Result.CREATED, "")] * 3
    results = await imported(own, made.name, *rows, import_id=ours)
    await update(own, results[0].lead, note="touched")
    begun = await own.call(
        "LeadImportService/RevertLeadImport", imports_pb2.RevertLeadImportRequest(import_id=ours), by=ROOT
    )

    async def ended():
        asked = operations_pb2.GetLeadOperationRequest(name=begun.name)
        found = await own.call("LeadOperationService/GetLeadOperation", asked, by=ROOT)
        return found if found.state != 1 else None

    done = await until(ended, "it is taken back", 30)
    assert (done.done_items, done.failed_items, [one.subject for one in done.problems]) == (3, 1, [results[0].lead])


async def test_a_mapping_is_changed_archived_and_brought_back_and_told_of(own):
    made = await mapping(own)
    changed = {"name": made.name, "date_order": "MONTH_DAY_YEAR"}
    after = await call(own, "UpdateLeadImportMapping", lead_import_mapping=changed)
    assert (after.date_order, len(after.columns)) == (2, len(COLUMNS))
    await call(own, "ArchiveLeadImportMapping", name=made.name)
    with pytest.raises(FailedPrecondition):
        await imported(own, made.name, ROW)
    for listed, asked in ((False, {}), (True, {"show_archived": True})):
        page = await call(own, "ListLeadImportMappings", page_size=1000, **asked)
        assert (made.name in [one.name for one in page.lead_import_mappings]) is listed
    with pytest.raises(FailedPrecondition):
        await call(own, "ArchiveLeadImportMapping", name=made.name)
    await call(own, "RestoreLeadImportMapping", name=made.name)
    with pytest.raises(FailedPrecondition):
        await call(own, "RestoreLeadImportMapping", name=made.name)
    assert await own.events(made.name) == [
        f"LeadImportMapping{what}" for what in ("Created", "Updated", "Archived", "Restored")
    ]


async def test_who_imports_uses_mappings_and_who_configures_makes_them(own):
    made = await mapping(own)
    assert (await call(own, "GetLeadImportMapping", by=ANA, name=made.name)).name == made.name
    with pytest.raises(PermissionDenied):
        await call(
            own, "CreateLeadImportMapping", by=ANA, lead_import_mapping={"display_name": "x", "columns": COLUMNS}
        )
    with pytest.raises(PermissionDenied):
        await imported(own, made.name, ROW, by="users/marta")
    with pytest.raises(NotFound):
        await imported(own, "leadImportMappings/none", ROW)
    again = {"display_name": "x", "columns": COLUMNS}
    key = made.name.split("/")[1]
    with pytest.raises(AlreadyExists):
        await call(own, "CreateLeadImportMapping", lead_import_mapping=again, lead_import_mapping_id=key)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"columns": [{"column": "a", "field": "email"}]}, "display_name"),
        ({"columns": [{"column": "a", "field": "display_name"}, {"column": "b", "field": "colour"}]}, "no field"),
        ({"columns": [{"column": "a", "field": "display_name"}, {"column": "b", "field": "label:"}]}, "no field"),
        ({"columns": [{"column": "a", "field": "display_name"}, {"column": "b", "field": "state"}]}, "no field"),
        ({"columns": [{"column": "a", "field": "display_name"}, {"column": "b", "field": "custom.none"}]}, "defined"),
        ({"columns": [{"column": "a", "field": "display_name"}, {"column": "a", "field": "email"}]}, "twice"),
        ({"defaults": {"colour": "red"}}, "no field"),
        ({"columns": []}, "columns"),
    ],
)
async def test_a_mapping_that_makes_no_leads_is_refused(own, fields, says):
    with pytest.raises(InvalidFields, match=says):
        await mapping(own, **fields)


async def suggested(leads, *columns, rows=()):
    asked = {"columns": columns, "rows": [{"cells": row} for row in rows]}
    return await call(leads, "SuggestLeadImportMapping", by=ANA, **asked)


async def test_columns_are_suggested_in_four_languages(own):
    files = {
        "en": [
            "Record ID",
            "First Name",
            "Last Name",
            "E-mail",
            "Phone Number",
            "Company name",
            "Create Date",
            "Shoe size",
        ],
        "zh": ["编号", "名", "姓", "电子邮箱", "手机号码", "公司名称", "创建日期", "鞋码"],
        "bg": ["Номер", "Име", "Фамилия", "Имейл", "Телефон", "Фирма", "Дата на създаване", "Номер обувки"],
        "pt": ["Código", "Nome", "Sobrenome", "E-mail", "Telemóvel", "Empresa", "Data de criação", "Calçado"],
    }
    expected = ["given_name", "family_name", "email", "phone", "company", "contact_time"]
    for columns in files.values():
        found = await suggested(own, *columns)
        mapped = found.lead_import_mapping
        assert [one.field for one in mapped.columns] == expected
        assert [one.column for one in mapped.columns] == columns[1:-1]
        assert (mapped.key_column, list(found.unknown_columns)) == (columns[0], [columns[-1]])
        assert not mapped.name
        with suppress(AlreadyExists):
            given = {"display_name": "as suggested", "columns": mapped.columns, "key_column": mapped.key_column}
            assert (await call(own, "CreateLeadImportMapping", lead_import_mapping=given)).columns == mapped.columns


async def test_own_fields_are_known_by_their_slugs_and_a_name_alone_is_the_whole_name(own):
    found = await suggested(own, "Nome", "VIP client", "custom.tier", "label:fair", "country", "País")
    fields = {one.column: one.field for one in found.lead_import_mapping.columns}
    assert fields == {
        "Nome": "display_name", "VIP client": "custom.vip_client", "custom.tier": "custom.tier",
        "label:fair": "label:fair", "country": "country", "País": "label:country",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["01/02/2026", "13/02/2026"], 1),
        (["01/02/2026", "02/13/2026"], 2),
        (["01/02/2026"], 0),
        (["13/02/2026", "02/13/2026"], 0),
    ],
)
async def test_the_order_of_days_is_suggested_as_far_as_rows_show_it(own, cells, order):
    found = await suggested(own, "Name", "Date", rows=[{"Date": cell} for cell in cells])
    assert found.lead_import_mapping.date_order == order
