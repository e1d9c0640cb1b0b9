"""Leads recorded twice, over gRPC on a real database."""

import json

import asyncpg
import pytest
from chassis.errors import NotFound
from crm.leads.v1 import duplicates_pb2, leads_pb2
from lead_calls import create, update
from leads import duplicate_tables, tables

Verdict, Agreement = duplicates_pb2.Duplicate.Verdict, duplicates_pb2.Duplicate.Agreement


async def of(leads, name, by="users/root", **asked):
    request = duplicates_pb2.FindDuplicatesRequest(name=name, **asked)
    return (await leads.call("DuplicateService/FindDuplicates", request, by=by)).duplicates


async def test_a_lead_recorded_twice_is_found_and_says_why(leads):
    first = await create(leads, display_name="Ana Petrova", company="Sopharma AD", email="ana@dup-one.bg")
    again = await create(leads, display_name="Petrova, Ana", company="Sopharma", email="ana@dup-one.bg")
    (found,) = await of(leads, first.name)
    assert found.lead == again
    assert Verdict.Name(found.verdict) == "CERTAIN"
    told = {one.field: (Agreement.Name(one.agreement), one.points) for one in found.evidence}
    assert told == {"email": ("SAME", 14), "display_name": ("SAME", 7), "company": ("SAME", 6)}
    assert found.score == pytest.approx(sum(points for _, points in told.values()) - 8)
    assert [one.lead.name for one in await of(leads, again.name)] == [first.name]


@pytest.mark.parametrize(
    ("names", "companies"),
    [
        (("Десислава Щерева", "Desislava Shtereva"), ("Булгартабак ЕООД", "Bulgartabak")),
        (("欧阳明", "欧阳明"), ("北京旷视科技有限公司", "北京旷视科技")),
        (("欧阳娜娜", "Ouyang Nana"), ("深圳大疆创新有限公司", "深圳大疆创新")),
        (("João Conceição", "Joao Conceicao"), ("Petrobrás S.A.", "Petrobras Ltda")),
        (("Katherine Wolf", "Kate Wolf"), ("Wolf & Söhne GmbH", "WOLF & SOEHNE")),
    ],
)
async def test_another_script_or_spelling_does_not_hide_a_lead(leads, names, companies):
    one, other = [await create(leads, display_name=names[at], company=companies[at]) for at in (0, 1)]
    assert [found.lead.name for found in await of(leads, one.name)] == [other.name]
    assert [found.lead.name for found in await of(leads, other.name)] == [one.name]


async def test_two_people_with_one_name_are_two(leads):
    one = await create(leads, display_name="Zlatka Namesake", company="First House", email="z@first-house.bg")
    await create(leads, display_name="Zlatka Namesake", company="Borealis Mining", email="zlatka@borealis-mining.com")
    assert await of(leads, one.name) == []


async def test_an_archived_lead_is_nobodys_duplicate(leads):
    one, other = [await create(leads, email="archived@dup-archived.bg") for _ in range(2)]
    await leads.call("LeadService/ArchiveLead", leads_pb2.ArchiveLeadRequest(name=other.name), by="users/root")
    assert await of(leads, one.name) == []


async def test_what_a_lead_is_found_by_changes_with_it(leads):
    one = await create(leads, display_name="Before Change", email="before@dup-change.bg")
    other = await create(leads, display_name="Someone Else", email="else@dup-other.bg")
    assert await of(leads, one.name) == []
    await update(leads, other.name, display_name="Before Change", email="before@dup-change.bg")
    assert [found.lead.name for found in await of(leads, one.name)] == [other.name]


async def test_a_duplicate_that_the_caller_may_not_see_is_not_told(leads):
    mine = await create(leads, owner="users/ana", email="reach@dup-reach.bg")
    await create(leads, owner="users/boris", email="reach@dup-reach.bg")
    assert await of(leads, mine.name, by="users/ana") == []
    assert len(await of(leads, mine.name)) == 1


async def test_of_a_lead_out_of_reach_nothing_is_told(leads):
    theirs = await create(leads, owner="users/boris", email="hidden@dup-hidden.bg")
    with pytest.raises(NotFound):
        await of(leads, theirs.name, by="users/ana")


async def test_no_more_is_shown_than_was_asked_for(leads):
    for _ in range(4):
        await create(leads, email="many@dup-page.bg")
    first = await create(leads, email="many@dup-page.bg")
    assert len(await of(leads, first.name, page_size=2)) == 2
    assert len(await of(leads, first.name)) == 4


async def test_leads_of_a_release_that_kept_no_keys_are_found_by_address_and_number(leads):
    one = await create(leads, email="old@dup-old.bg", phone="+359 88 111 2223")
    other = await create(leads, email="old@dup-old.bg", phone="+359 88 111 2223")
    await leads.rows("UPDATE leads SET match_keys = '[]' WHERE id = $1", other.name.removeprefix("leads/"))
    assert [found.lead.name for found in await of(leads, one.name)] == [other.name]


async def test_keys_are_those_of_the_lead_as_it_is(leads):
    one = await create(leads, display_name="Petra Key", email="petra@dup-keys.bg")
    kept = "SELECT key FROM lead_keys WHERE lead_id = $1 ORDER BY key"
    key = one.name.removeprefix("leads/")
    assert "e:petra@dup-keys.bg" in [row["key"] for row in await leads.rows(kept, key)]
    await update(leads, one.name, email="pk@dup-keys.bg")
    told = await leads.rows("SELECT match_keys FROM leads WHERE id = $1", key)
    assert [row["key"] for row in await leads.rows(kept, key)] == sorted(json.loads(told[0]["match_keys"]))
    assert "e:pk@dup-keys.bg" in told[0]["match_keys"]


@pytest.mark.parametrize("planned_for", ["force_custom_plan", "force_generic_plan"])
async def test_duplicates_are_looked_up_in_indexes_however_many_leads_there_are(leads, planned_for):
    made = await create(leads, display_name="Filling In", email="filling@example.com")
    names = [column.name for column in tables.leads.columns]
    varied = {
        "id": "gen_random_uuid()",
        "email": "'q' || n || '@example.com'",
        "phone_digits": "(n + 70000000)::text",
        "match_keys": "jsonb_build_array('d:q' || n, 'c:q' || n % 500, 'p:q' || n, 'c:common')",
    }
    columns, values = ", ".join(names), ", ".join(varied.get(name, name) for name in names)
    filled = f"INSERT INTO leads ({columns}) SELECT {values} FROM leads, generate_series(1, 20000) n WHERE id = $1"
    query = duplicate_tables.SHARING_A_KEY
    asked = {"keys": ["d:q7", "c:q7", "p:q7"], "email": "q7@example.com", "digits": "70000007"}
    sight = {"everything": True, "me": ["users/ana"], "teams": ["teams/emea"]}
    connection = await asyncpg.connect(leads.database.owner_url)
    try:
        await connection.execute(filled, made.name.removeprefix("leads/"))
        await connection.execute("VACUUM ANALYZE leads, lead_keys")
        await connection.execute(f"SET plan_cache_mode = {planned_for}")
        await connection.execute(f"PREPARE duplicates AS {query.sql}")
        given = ", ".join(map(literal, query.arguments(asked | sight)))
        told = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE duplicates({given})"))
        assert "Seq Scan on leads" not in told
        assert "lead_keys_pkey" in told
        assert "leads_email" in told
        assert "leads_phone_digits" in told
        assert len(await connection.fetch(f"EXECUTE duplicates({given})")) >= 40
        await connection.execute(f"PREPARE shared AS {duplicate_tables.SHARE_SOMETHING}")
        few = await connection.fetch("SELECT 'leads/' || id FROM leads WHERE email LIKE 'q%' LIMIT 25")
        run = literal([row[0] for row in few])
        told = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE shared({run})"))
        assert "Seq Scan" not in told
        assert all(index in told for index in ("lead_keys_pkey", "leads_email", "leads_phone_digits"))
        assert await connection.fetch(f"EXECUTE shared({run})") == [], "a company in common is too little"
        common = ", ".join(map(literal, query.arguments({**asked, "keys": ["c:common"]} | sight)))
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE duplicates({common})")
        assert max(rows_read(json.loads(told)[0]["Plan"])) <= 1000, "what many have in common is read from its end"
        two = sorted(row[0] for row in few[:2])
        alike = "UPDATE leads SET match_keys = match_keys || '[\"d:alike\"]' WHERE 'leads/' || id = any($1)"
        await connection.execute(alike, two)
        assert sorted(row[0] for row in await connection.fetch(f"EXECUTE shared({run})")) == two
    finally:
        await connection.execute("DELETE FROM leads WHERE email LIKE 'q%@example.com'")
        await connection.close()


def rows_read(plan) -> list[float]:
    """Of each step of a plan: those it gave on, and those it looked at and left."""
    here = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return [here * plan["Actual Loops"], *(rows for step in plan.get("Plans", []) for rows in rows_read(step))]


def literal(value) -> str:
    """As SQL; of lists and values that need no escapes."""
    return f"ARRAY[{', '.join(map(literal, value))}]" if isinstance(value, list) else repr(value)
