"""Users are persons, too: those of a customer are erased and shut out, employees once they have left."""

import json

import pytest
from chassis.errors import FailedPrecondition, NotFound, Unauthenticated
from chassis.values import is_uuid, new_id
from crm.directory.v1 import directory_pb2 as pb
from directory_calls import OFFICER, call, completed, erasing_suite
from harness import until
from lead_calls import create, listed, read

ADMIN = "users/admin"
NAME, EMAIL = "Мария Conceição-Колева", "maria.koleva@rosa.example"
DEACTIVATED = pb.User.DEACTIVATED


@pytest.fixture(scope="module")
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


async def add(suite, user_id="", **fields):
    """A person of a customer, unless told otherwise, known to leads as well."""
    given = {"display_name": NAME, "email": EMAIL, "roles": ["portal_customer"], "account": f"accounts/{new_id()}"}
    user = await call(suite, "CreateUser", by=ADMIN, user=given | fields, user_id=user_id)
    await until(lambda: member(suite["leads"], user.name), f"{user.name} is known")
    return user


async def employee(suite, user_id, **fields):
    return await add(suite, user_id, **({"roles": ["salesperson"], "account": ""} | fields))


async def deactivate(suite, name):
    return await call(suite, "DeactivateUser", by=ADMIN, name=name)


async def member(service, name):
    rows = await service.rows("SELECT * FROM member WHERE name = $1", name)
    return dict(rows[0]) if rows else None


async def user_of(suite, name):
    return await call(suite, "GetUser", by=ADMIN, name=name)


async def erased(suite, **erasure):
    made = await call(suite, "CreateErasure", erasure=erasure)
    return await completed(suite, made.name)


async def preview(suite, **erasure):
    return await call(suite, "CreateErasure", erasure=erasure, validate_only=True)


async def said(suite) -> str:
    """Every row of every table of both services; bytes as hexadecimal."""
    found = []
    for service in suite.values():
        tables = await service.rows("SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                                    "'public'::regnamespace")  # fmt: skip
        for table in tables:
            rows = await service.rows(f'SELECT t::text AS said FROM "{table["name"]}" t')
            found += [row["said"] for row in rows]
    return "\n".join(found)


async def test_a_customers_person_is_erased_in_directory_and_every_copy_and_is_out(suite):
    keys = [{"system": "portal", "id": "legacy-4711"}]
    user = await add(suite, "customer-1", subject="oidc|m.koleva", external_ids=keys)
    erasure = await erased(suite, records=[user.name])
    assert list(erasure.found) == [user.name]
    left = await user_of(suite, user.name)
    assert (left.display_name, left.email, left.subject, left.state) == ("(erased)", "", "", DEACTIVATED)
    assert (list(left.external_ids), left.account) == ([], user.account)
    for service in suite.values():
        copy = await member(service, user.name)
        assert (copy["display_name"], copy["subject"], copy["active"]) == ("(erased)", user.name, False)
    everything = await said(suite)
    for word in (NAME, EMAIL, "oidc|m.koleva", "legacy-4711"):
        assert word not in everything
        assert word.encode().hex() not in everything
    for subject in ("oidc|m.koleva", user.name):
        with pytest.raises(Unauthenticated):
            await listed(suite["leads"], by=subject)
    assert (await suite["directory"].events(user.name))[0] == "UserCreated"
    assert "UserDeactivated" in await suite["directory"].events(user.name)


async def test_a_lead_with_the_same_address_and_name_leads_to_the_user_and_back(suite):
    user = await add(suite, email=EMAIL.upper())
    lead = await create(suite["leads"], display_name=NAME, email=EMAIL)
    for named in (lead.name, user.name):
        assert {lead.name, user.name} <= set((await preview(suite, records=[named])).found)
    await erased(suite, records=[lead.name])
    assert (await user_of(suite, user.name)).state == DEACTIVATED
    assert (await read(suite["leads"], lead.name)).display_name == "(erased)"


async def test_a_user_with_the_same_address_and_another_name_is_only_similar(suite):
    other = await add(suite, display_name="Петър Колев")
    lead = await create(suite["leads"], display_name=NAME, email=EMAIL)
    shown = await preview(suite, records=[lead.name])
    assert other.name in shown.similar
    assert other.name not in shown.found
    await erased(suite, records=[lead.name])
    assert await user_of(suite, other.name) == other


async def test_a_customers_person_gets_an_id_that_names_nobody(suite):
    assert is_uuid((await add(suite)).name.split("/")[1])
    assert (await employee(suite, "", display_name="Ines Duarte", email="")).name == "users/ines-duarte"


async def test_an_active_employee_is_not_erased_and_a_deactivated_one_is(suite):
    user = await employee(suite, "worker", email="worker@crm.example")
    for asked in ({"records": [user.name]}, {"emails": ["worker@crm.example"]}):
        with pytest.raises(FailedPrecondition, match="STILL_EMPLOYED"):
            await preview(suite, **asked)
        with pytest.raises(FailedPrecondition, match="STILL_EMPLOYED"):
            await call(suite, "CreateErasure", erasure=asked)
    assert (await user_of(suite, user.name)) == user
    await deactivate(suite, user.name)
    await erased(suite, records=[user.name])
    left = await user_of(suite, user.name)
    assert (left.display_name, left.email, left.roles) == ("(erased)", "", user.roles)
    assert (await member(suite["leads"], user.name))["display_name"] == "(erased)"


async def test_an_employee_is_not_taken_along_by_name_and_address(suite):
    user = await employee(suite, "namesake", email="namesake@crm.example")
    lead = await create(suite["leads"], display_name=NAME, email="namesake@crm.example")
    shown = await preview(suite, records=[lead.name])
    assert (list(shown.found), user.name in shown.similar) == ([lead.name], True)
    await erased(suite, records=[lead.name])
    assert await user_of(suite, user.name) == user


async def test_what_a_former_employee_did_still_says_by_which_id(suite):
    user = await employee(suite, "left-us", display_name="Васил Петров", email="vasil@crm.example")
    lead = await create(suite["leads"], by=user.name, display_name="Rosa", note="Васил Петров met her")
    await deactivate(suite, user.name)
    await erased(suite, records=[user.name])
    assert (await read(suite["leads"], lead.name)).note == "Васил Петров met her"  # the lead is no record about him
    events = await suite["leads"].rows("SELECT actor, erasure FROM outbox WHERE subject = $1", lead.name)
    assert {(row["actor"], row["erasure"]) for row in events} == {(user.name, None)}


async def test_an_erased_user_stays_out(suite):
    user = await add(suite)
    await erased(suite, records=[user.name])
    with pytest.raises(FailedPrecondition, match="ERASED_USER"):
        await call(suite, "ReactivateUser", by=ADMIN, name=user.name)


async def test_a_restored_user_and_copy_are_erased_again(suite):
    user = await add(suite)
    erasure = await erased(suite, records=[user.name])
    slug = user.name.split("/")[1]
    back = "UPDATE users SET display_name = $1, email = $2, state = 'ACTIVE' WHERE id = $3"
    await suite["directory"].rows(back, NAME, EMAIL, slug)
    await suite["leads"].rows("UPDATE member SET display_name = $1, active = true WHERE name = $2", NAME, user.name)
    await call(suite, "ReapplyErasure", name=erasure.name)
    await completed(suite, erasure.name)
    left = await user_of(suite, user.name)
    assert (left.display_name, left.email, left.state) == ("(erased)", "", DEACTIVATED)
    copy = await member(suite["leads"], user.name)
    assert (copy["display_name"], copy["active"]) == ("(erased)", False)


async def test_a_copy_of_yesterday_is_erased_though_directory_has_nothing_to_tell(suite):
    user = await add(suite)
    erasure = await erased(suite, records=[user.name])
    back = "UPDATE member SET display_name = $1, subject = $2, active = true WHERE name = $3"
    await suite["leads"].rows(back, NAME, EMAIL, user.name)
    events = await suite["directory"].events(user.name)
    await call(suite, "ReapplyErasure", name=erasure.name)
    await completed(suite, erasure.name)
    copy = await member(suite["leads"], user.name)
    assert (copy["display_name"], copy["subject"], copy["active"]) == ("(erased)", user.name, False)
    assert await suite["directory"].events(user.name) == events


async def test_a_receipt_shuts_out_no_active_employee(suite):
    """The backup is from before she left, or somebody wrote the receipt to shut out an administrator."""
    user = await employee(suite, "left-long-ago", email="")
    await deactivate(suite, user.name)
    receipt = await erased(suite, records=[user.name])
    await suite["directory"].rows("DELETE FROM erasures WHERE id = $1::uuid", receipt.name.split("/")[1])
    await suite["directory"].rows(
        "UPDATE users SET display_name = $1, state = 'ACTIVE' WHERE id = 'left-long-ago'", NAME
    )
    with pytest.raises(FailedPrecondition, match="STILL_EMPLOYED"):
        await call(suite, "CreateErasure", erasure={"person": receipt.person})
    await deactivate(suite, user.name)
    await erased(suite, person=receipt.person)
    left = await user_of(suite, user.name)
    assert (left.display_name, left.state) == ("(erased)", DEACTIVATED)


async def test_a_second_application_changes_nothing(suite):
    user = await add(suite)
    first = await erased(suite, records=[user.name])
    await call(suite, "ReapplyErasure", name=first.name)
    assert (await completed(suite, first.name)).receipts == first.receipts


async def test_nobody_slips_into_the_setting_by_an_erasure(suite):
    user = await employee(suite, "chief", roles=["salesperson"])
    await deactivate(suite, user.name)
    await suite["directory"].rows("UPDATE users SET subject = $1 WHERE id = 'chief'", ADMIN)
    with pytest.raises(FailedPrecondition, match="BOOTSTRAP_ADMIN"):
        await call(suite, "CreateErasure", erasure={"records": [user.name]})


async def test_an_unknown_user_is_nobody(suite):
    with pytest.raises(NotFound):
        await call(suite, "CreateErasure", erasure={"records": ["users/nobody-here"]})


async def test_an_export_tells_the_user_and_what_happened_to_it(suite):
    user = await add(suite)
    document = json.loads((await call(suite, "ExportPersonalData", by=OFFICER.name, records=[user.name])).data)
    told = document["services"]["directory"]
    assert [one["email"] for one in told["records"]] == [EMAIL]
    assert [one["what"] for one in told["history"]] == ["UserCreated"]
